// Small helpers of the pages. Text is only ever set as text.

/** Makes an element: `el("button", {class: "buy", onclick: f}, "Buy")`. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key in node && typeof value !== "string") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export const $ = (selector, root = document) => root.querySelector(selector);

/** A price in the reader's own notation. */
export function money({ minor, currency, exponent }) {
  const amount = minor / 10 ** exponent;
  try {
    return new Intl.NumberFormat(undefined, {
      style: "currency",
      currency,
      minimumFractionDigits: exponent,
    }).format(amount);
  } catch {
    return `${amount.toFixed(exponent)} ${currency}`;
  }
}

/** Minutes and seconds left, as 9:05. */
export function clock(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** The room of this page: its address, or what the server wrote for the front page. */
export function roomOfPage() {
  const found = location.pathname.match(/^\/(?:watch|host)\/([A-Za-z0-9_-]{1,64})\/?$/);
  return found ? found[1] : document.documentElement.dataset.room || "";
}

/** A token from the address's fragment, which no server log sees. Remembered for this tab. */
export function tokenOfPage(key) {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  try {
    if (found) {
      sessionStorage.setItem(key, found);
      history.replaceState(null, "", location.pathname + location.search);
    }
    return found || sessionStorage.getItem(key) || undefined;
  } catch {
    return found || undefined;
  }
}

/** A UUIDv7 (RFC 9562 §5.7): ids that sort by time. */
export function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let time = Date.now();
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Shows a line for a moment; read aloud by screen readers. */
export function toast(text, kind = "info") {
  const box = $("#toasts");
  if (!box) return;
  const line = el("p", { class: `toast ${kind}` }, text);
  box.append(line);
  setTimeout(() => line.remove(), 5000);
}

/** The problem that an HTTP answer describes (RFC 9457), in words. */
export async function problem(response) {
  try {
    const { detail, title } = await response.json();
    return detail || title || `HTTP ${response.status}`;
  } catch {
    return `HTTP ${response.status}`;
  }
}
