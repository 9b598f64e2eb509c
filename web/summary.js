// What a show has sold, in sum and as a file for a spreadsheet.

import { $, el, isolated, money, patch } from "./ui.js";

/** @typedef {import("./protocol.js").Sale} Sale */
/** @typedef {import("./protocol.js").Money} Money */

/** Orders that count as sold, and those whose units are kept back. */
const SOLD = ["paid"];
const KEPT = ["held", "checkout_open"];
/** The server tells so many of the orders there were before the page was opened. */
const TOLD_AT_ONCE = 500;

/**
 * Amounts added up, each currency by itself.
 * @param {Money[]} amounts
 */
export function added(amounts) {
  /** @type {Map<string, Money>} */
  const sums = new Map();
  for (const { minor, currency, exponent } of amounts) {
    const known = sums.get(currency);
    sums.set(currency, { minor: minor + (known?.minor ?? 0), currency, exponent });
  }
  return [...sums.values()].map(money).join(" + ");
}

export class Summary {
  #shop;
  #sales;
  #room;

  /** @param {{shop: import("./shop.js").ShopClient, room: string, sales: Map<string, Sale>}} options */
  constructor({ shop, room, sales }) {
    this.#shop = shop;
    this.#room = room;
    this.#sales = sales;
    $("#csv").addEventListener("click", () => this.#download());
  }

  draw() {
    /** @type {Map<string, {sold: number, kept: number, taken: Money[]}>} */
    const rows = new Map();
    for (const { state, lines } of this.#sales.values()) {
      for (const { variant, quantity, price } of lines) {
        const row = rows.get(variant) ?? { sold: 0, kept: 0, taken: [] };
        if (SOLD.includes(state)) {
          row.sold += quantity;
          row.taken.push({ ...price, minor: price.minor * quantity });
        }
        if (KEPT.includes(state)) row.kept += quantity;
        rows.set(variant, row);
      }
    }
    const most = [...rows].sort(([, a], [, b]) => b.sold - a.sold || b.kept - a.kept);
    patch($("#sold-of"), most.map(([variant, { sold, kept, taken }]) => el("tr", { "data-key": variant }, el("td", {}, isolated(this.#name(variant))), el("td", {}, String(sold)), el("td", {}, String(kept)), el("td", {}, added(taken) || "–"))));
    $("#summary-of").textContent = this.#sales.size < TOLD_AT_ONCE ? "" : `Of the orders before this page was opened, the latest ${TOLD_AT_ONCE} are counted.`;
    // What a press would do nothing to.
    $("#csv").setAttribute("aria-disabled", String(this.#sales.size === 0));
  }

  /** @param {string} variant */
  #name(variant) {
    const found = this.#shop.variant(variant);
    if (!found) return variant;
    const { product } = found;
    return product.variants.length > 1 ? `${product.title}, ${found.variant.title}` : product.title;
  }

  #download() {
    if (this.#sales.size === 0) return;
    const address = URL.createObjectURL(new Blob([csv([...this.#sales.values()], (variant) => this.#name(variant))], { type: "text/csv" }));
    el("a", { href: address, download: `${this.#room}-orders-${new Date().toISOString().slice(0, 10)}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }
}

/**
 * A line for each thing of each order (RFC 4180), marked as UTF-8 for spreadsheets that guess.
 * @param {Sale[]} sales
 * @param {(variant: string) => string} name
 */
function csv(sales, name) {
  const head = ["time", "order", "customer", "customer_id", "state", "item", "variant", "quantity", "price", "order_total", "discount", "currency", "promo", "affiliate"];
  const lines = sales.flatMap((sale) =>
    sale.lines.map(({ variant, quantity, price }) => [
      time(sale.buy), sale.buy, text(sale.name), text(sale.user), sale.state, text(name(variant)), variant, quantity,
      decimal(price), decimal(sale.total), sale.discount ? decimal(sale.discount) : "", price.currency, sale.promo ?? "", sale.affiliate ?? "",
    ]),
  );
  return `\ufeff${[head, ...lines].map((line) => line.map(quoted).join(",")).join("\r\n")}\r\n`;
}

/** @param {string | number} value */
const quoted = (value) => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
/** A stranger's words are no formula. @param {string} words */
const text = (words) => (/^[=+\-@\t\r]/.test(words) ? `'${words}` : words);
/** @param {Pick<Money, "minor" | "exponent">} price */
const decimal = ({ minor, exponent }) => (minor / 10 ** exponent).toFixed(exponent);

/**
 * When an order was begun, by its buyer's clock: its id says so (RFC 9562 §5.7).
 * @param {string} buy
 */
function time(buy) {
  return buy[14] === "7" ? new Date(Number.parseInt(buy.replaceAll("-", "").slice(0, 12), 16)).toISOString() : "";
}
