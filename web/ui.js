// Small helpers of the pages. Text is only ever set as text.

/**
 * Handlers are properties, not listeners: so `patch` can renew them.
 * @type {("onclick" | "onchange" | "onkeydown" | "onsubmit")[]}
 */
const HANDLERS = ["onclick", "onchange", "onkeydown", "onsubmit"];

/** @typedef {HTMLElement & Record<string, any>} PageElement An element, of whichever kind the page has it. */
/**
 * What an element has besides its children. Handlers hear of what was typed in or sent.
 * @typedef {{[name: string]: any, onclick?: (event: MouseEvent) => void, onchange?: (event: {target: HTMLInputElement}) => void,
 *   onkeydown?: (event: KeyboardEvent & {target: HTMLInputElement}) => void, onsubmit?: (event: SubmitEvent & {target: HTMLFormElement}) => void}} Attributes
 */

/**
 * Makes an element: `el("button", {class: "buy", onclick: f}, "Buy")`.
 * @param {string} name
 * @param {Attributes} [attributes]
 * @param {...any} children
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  /** @type {PageElement} */
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key in node && typeof value !== "string") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter(isShown));
  return node;
}

/** @param {any} child */
const isShown = (child) => child !== undefined && child !== null && child !== false;

/** An item of a list that is made only when what it shows has changed: of two hundred products one is sold, not all. */
class Lazy {
  /**
   * @param {string} key
   * @param {string} shows
   * @param {() => HTMLElement} make
   */
  constructor(key, shows, make) {
    this.key = key;
    this.shows = shows;
    this.make = make;
  }
}

/** What the elements show that were made lazily. @type {WeakMap<Node, string>} */
const shown = new WeakMap();

/**
 * An item for `patch`.
 * @param {string} key the `data-key` of what is made
 * @param {any} what all that the element is made of and that may change
 * @param {() => HTMLElement} make
 */
export const lazily = (key, what, make) => new Lazy(key, JSON.stringify(what), make);

/**
 * Makes the children of a node like those wanted, and keeps what is there already. Stock changes several times a
 * second: what is under a finger, has the focus or is typed in must stay the same element. Lists name their items by
 * `data-key`. Where what had the focus goes, its nearest parent that can have it gets it: else the keyboard and a screen reader
 * were sent back to the beginning of the page.
 * @param {Element} parent
 * @param {...any} wanted
 */
export function patch(parent, ...wanted) {
  const hadFocus = parent.contains(document.activeElement);
  replace(parent, wanted);
  if (!hadFocus || document.activeElement !== document.body) return;
  /** @type {HTMLElement | null} */ (parent.closest("[tabindex]"))?.focus({ preventScroll: true });
}

/**
 * @param {Element} parent
 * @param {any[]} wanted
 */
function replace(parent, wanted) {
  const nodes = wanted
    .flat()
    .filter(isShown)
    .map((child) => (child instanceof Node || child instanceof Lazy ? child : document.createTextNode(child)));
  const keys = new Set(nodes.map(keyOf).filter(Boolean));
  const keyed = new Map();
  for (const child of [...parent.children]) {
    const key = keyOf(child);
    if (!key) continue;
    if (keys.has(key)) keyed.set(key, child);
    else child.remove();
  }
  let at = parent.firstChild;
  for (const wish of nodes) {
    const key = keyOf(wish);
    const kept = key ? keyed.get(key) : at;
    const isCurrent = wish instanceof Lazy && kept && shown.get(kept) === wish.shows;
    const node = isCurrent ? kept : wish instanceof Lazy ? wish.make() : wish;
    if (wish instanceof Lazy) shown.set(kept && isSame(kept, node) ? kept : node, wish.shows);
    if (!kept || !isSame(kept, node)) {
      parent.insertBefore(node, at);
      continue;
    }
    if (kept === at) at = kept.nextSibling;
    else parent.insertBefore(kept, at);
    if (kept !== node) renew(kept, node);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/** @param {any} node a node, of which elements have a `dataset`, or what one is made of */
const keyOf = (node) => node.dataset?.key ?? node.key;
/** @type {(a: Node, b: Node) => boolean} */
const isSame = (a, b) => a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

/**
 * @param {any} kept
 * @param {any} node of the same kind
 */
function renew(kept, node) {
  if (kept.nodeType === Node.TEXT_NODE) {
    if (kept.data !== node.data) kept.data = node.data;
    return;
  }
  const before = kept.getAttribute("value");
  for (const { name } of [...kept.attributes]) if (!node.hasAttribute(name)) kept.removeAttribute(name);
  for (const { name, value } of node.attributes) {
    if (kept.getAttribute(name) !== value) kept.setAttribute(name, value);
  }
  for (const handler of HANDLERS) kept[handler] = node[handler];
  if (kept instanceof HTMLInputElement) {
    kept.checked = node.checked;
    // What was typed stays, unless what it would replace has changed meanwhile.
    if (kept !== document.activeElement && before !== node.getAttribute("value")) kept.value = node.value;
  }
  // Some draw what is in them by themselves, as lazily as they can.
  if (!node.hasAttribute("data-own")) patch(kept, ...node.childNodes);
}

/**
 * An element of the page, which has it.
 * @template {HTMLElement} [T=PageElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {T}
 */
export const $ = (selector, root = document) => /** @type {T} */ (root.querySelector(selector));

/**
 * Every element of the page that matches.
 * @param {string} selector
 * @returns {NodeListOf<HTMLElement>}
 */
export const all = (selector) => document.querySelectorAll(selector);

/**
 * A name in a sentence, in its own direction: one in Arabic does not turn the number beside it around (UAX #9, FSI and PDI).
 * @param {string} name
 */
export const isolated = (name) => `\u2068${name}\u2069`;

/**
 * What stands in a field of a form, without blanks around it.
 * @param {HTMLFormElement} form
 * @param {string} field
 */
export const written = (form, field) => String(new FormData(form).get(field) ?? "").trim();

/**
 * A price in the reader's own notation.
 * @param {import("./protocol.js").Money} price
 */
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

/** From here on days are counted, not hours. */
const DAYS_FROM_HOURS = 48;

/**
 * The time left, as 9:05, 26:00:09 or 3 days.
 * @param {number} ms
 */
export function clock(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= DAYS_FROM_HOURS) return `${Math.floor(hours / 24)} days`;
  /** @param {number} part */
  const two = (part) => String(part).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/**
 * A day and its time, as they are said where the reader is.
 * @param {number} at
 */
export const dayAndTime = (at) => new Date(at).toLocaleString(undefined, { weekday: "long", day: "numeric", month: "long", hour: "numeric", minute: "2-digit" });

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

/** Lines shown at once: more would cover the picture. The oldest goes. */
const TOASTS = 3;

/**
 * Shows a line for a moment; read aloud by screen readers.
 * @param {string} text
 * @param {string} [kind] `info`, `good`, `bad` or `announce`
 */
export function toast(text, kind = "info") {
  const box = $("#toasts");
  if (!box) return;
  const line = el("p", { class: `toast ${kind}` }, text);
  // Said again it is said longer, not twice.
  for (const said of [...box.children]) if (said.textContent === text) said.remove();
  // A dialog is above everything else on the page, and all that is read aloud while it is open.
  const home = document.querySelector("dialog[open]") ?? document.body;
  if (box.parentElement !== home) {
    home.append(box);
    home.addEventListener("close", () => document.body.append(box), { once: true });
  }
  box.append(line);
  while (box.children.length > TOASTS) box.firstElementChild?.remove();
  setTimeout(() => line.remove(), kind === "announce" ? 12_000 : 5000);
}

/**
 * Puts a text where it can be pasted from.
 * @param {string} text
 * @param {string} [done] what is said then
 */
export const copy = (text, done = "Copied") =>
  (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
    () => toast(done, "good"),
    () => toast("This browser does not let pages copy", "bad"),
  );

/**
 * Sends a page to somebody: by what a phone has for it, else it is copied.
 * @param {string} title
 * @param {string} url
 */
export const share = (title, url) => (navigator.share ? navigator.share({ title, url }).catch(() => {}) : copy(url, "The link is copied"));

/** Something small that is remembered in this browser, when it remembers at all. */
export const memory = {
  /** @param {string} key */
  get(key) {
    try {
      return localStorage.getItem(key) ?? undefined;
    } catch {
      return undefined;
    }
  },
  /**
   * @param {string} key
   * @param {string} [value] forgotten without one
   */
  set(key, value) {
    try {
      if (value) localStorage.setItem(key, value);
      else localStorage.removeItem(key);
    } catch {
      // Private windows keep nothing; then it lasts as long as the page.
    }
  },
};
