// The orders as the host sees and settles them.

import { count } from "./places.js";
import { Summary, added } from "./summary.js";
import { $, all, clock, el, isolated, money, patch, toast } from "./ui.js";

/** @typedef {import("./protocol.js").Sale} Sale */

/** Orders shown; all of them are counted. */
const SHOWN = 100;
/** @type {Record<string, string>} */
const STATES = { waitlisted: "On the waitlist", releasing: "Time over, waits for the provider", refund_due: "Paid late: money has to go back", paid: "Paid", released: "Time over", cancelled: "Cancelled", refunded: "Refunded" };

export class Sales {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  /** @type {import("./host.js").Act} */
  #act;
  #load;
  /** @type {Map<string, Sale>} */
  #sales = new Map();
  #summary;

  /** @param {{shop: import("./shop.js").ShopClient, act: import("./host.js").Act, room: string, token: string}} options */
  constructor({ shop, act, room, token }) {
    this.#shop = shop;
    this.#act = act;
    this.#summary = new Summary({ shop, room, sales: this.#sales });
    this.#load = () => fetch(`/api/rooms/${room}/orders`, { headers: { Authorization: `Bearer ${token}` } });
    shop.on("change", ({ detail }) => detail === "welcome" && this.#begin());
    shop.on("sale", ({ detail }) => {
      if (!this.#sales.has(detail.buy)) toast(`${isolated(detail.name)}: ${money(detail.total)}`, "good");
      this.#sales.set(detail.buy, detail);
      this.#draw();
    });
    setInterval(() => {
      for (const node of all("[data-until]")) {
        node.textContent = clock(Number(node.dataset.until) - shop.now());
      }
    }, 500);
  }

  async #begin() {
    try {
      const response = await this.#load();
      if (response.ok) {
        const { orders } = await response.json();
        for (const order of orders.reverse()) this.#sales.set(order.buy, order);
      }
    } catch {
      // The next welcome asks again.
    }
    this.#draw();
  }

  #draw() {
    const sales = [...this.#sales.values()].reverse();
    /** @param {string[]} states */
    const of = (...states) => sales.filter((order) => states.includes(order.state));
    const held = of("held", "checkout_open").length;
    $("#held").textContent = String(held);
    count("orders", held);
    $("#sold").textContent = String(of("paid").length);
    $("#taken").textContent = added(of("paid").map((order) => order.total)) || "–";
    this.#summary.draw();
    const none = el("li", { class: "small", "data-key": "none" }, "None yet. Each buy appears here at once.");
    patch($("#orders"), sales.length ? sales.slice(0, SHOWN).map((order) => this.#order(order)) : none);
  }

  /** @param {Sale} order */
  #order(order) {
    /** @param {"paid" | "cancelled" | "refunded"} state */
    const settle = (state) => () => this.#act({ op: "order.settle", buy: order.buy, state });
    const isHeld = ["held", "checkout_open"].includes(order.state);
    return el(
      "li",
      { class: `order ${order.state}`, tabindex: "-1", "data-key": order.buy, "data-order": order.buy, "data-state": order.state },
      el("div", {}, el("strong", {}, order.name), el("strong", {}, money(order.total))),
      el("p", { class: "small" }, order.lines.map((line) => this.#name(line)).join("; "), order.promo && ` · ${order.promo}`, order.affiliate && ` · by ${order.affiliate}`),
      el(
        "div",
        {},
        isHeld
          ? el("span", { class: "small" }, "kept for ", el("span", { class: "time", "data-until": String(order.expires_at) }, clock(order.expires_at - this.#shop.now())))
          : el("span", { class: "small" }, STATES[order.state]),
        isHeld && el("span", {}, el("button", { onclick: settle("paid") }, "Paid"), " ", el("button", { class: "quiet", onclick: settle("cancelled") }, "Cancel")),
        ["paid", "refund_due"].includes(order.state) && el("button", { class: "quiet", onclick: settle("refunded") }, "Refund"),
      ),
    );
  }

  /** @param {import("./protocol.js").Line} line */
  #name({ variant, quantity }) {
    const found = this.#shop.variant(variant);
    return `${quantity} × ${found ? `${isolated(found.product.title)}, ${isolated(found.variant.title)}` : variant}`;
  }
}
