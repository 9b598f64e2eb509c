// What the viewer has bought: kept for a while, then paid or given back.

import { $, all, clock, el, isolated, money, patch, toast } from "./ui.js";

/** @typedef {import("./show.js").Order} Order */

const SHOWN = 10;
/**
 * States of which something is still to come.
 * @type {Record<string, string>}
 */
const OPEN = {
  held: "Kept for you",
  checkout_open: "Waits for your payment",
  waitlisted: "On the waitlist",
  releasing: "The time is over",
};
/** Where nothing is kept, there is nothing to give back in time. */
const KEPT = ["held", "checkout_open"];
/** @type {Record<string, [text: string, kind: string]>} */
const ENDS = {
  held: ["It is your turn: kept for you", "good"],
  refund_due: ["It was gone. Your money comes back", "bad"],
  paid: ["Paid, thank you", "good"],
  released: ["The time was over", "bad"],
  cancelled: ["Given back", "info"],
  refunded: ["Refunded", "info"],
};

export class Orders {
  /** @type {import("./shop.js").ShopClient} */
  #shop;

  /** @param {{shop: import("./shop.js").ShopClient}} options */
  constructor({ shop }) {
    this.#shop = shop;
    shop.on("change", ({ detail }) => ["welcome", "orders", "products"].includes(detail) && this.#draw());
    shop.on("order", ({ detail: { order } }) => {
      const [text, kind] = ENDS[order.state] ?? [];
      if (text) toast(`${text}: ${this.#names(order)}`, kind);
    });
    shop.on("hold_expiring", ({ detail: { buy } }) => {
      const order = shop.orders.get(buy);
      if (order) toast(`One minute left: ${this.#names(order)}`, "bad");
    });
    setInterval(() => {
      for (const node of all("[data-until]")) {
        node.textContent = this.#left(Number(node.dataset.until));
      }
    }, 500);
  }

  /** @param {number} until */
  #left(until) {
    return clock(until - this.#shop.now());
  }

  /** @param {Order} order */
  #time(order) {
    const until = order.expires_at ?? 0;
    return el("span", { class: "time", "data-until": String(until) }, this.#left(until));
  }

  /** @param {import("./protocol.js").Line} line */
  #name({ variant, quantity }) {
    const found = this.#shop.variant(variant);
    if (!found) return variant;
    const { product } = found;
    const name = [product.title, ...(product.variants.length > 1 ? [found.variant.title] : [])].map(isolated).join(", ");
    return quantity > 1 ? `${quantity} × ${name}` : name;
  }

  /** @param {Order} order */
  #names(order) {
    return (order.lines ?? []).map((line) => this.#name(line)).join(", ");
  }

  #draw() {
    const held = [...this.#shop.orders.values()].filter((order) => KEPT.includes(order.state));
    patch($("#side-orders"), this.views());
    $("#bag-count").hidden = held.length === 0;
    $("#bag-count").textContent = String(held.length);
    const strip = $("#kept");
    strip.hidden = held.length === 0;
    // The one whose time runs out first.
    const [next] = held.sort((a, b) => (a.expires_at ?? 0) - (b.expires_at ?? 0));
    if (!next) return;
    const what = held.length > 1 ? `${held.length} orders` : this.#names(next);
    patch(strip, el("span", { class: "check", "aria-hidden": "true" }, "✓"), el("span", { class: "what" }, el("b", {}, "Kept for you"), ` ${what}`), this.#time(next));
  }

  /** The latest orders, newest first. */
  views() {
    return [...this.#shop.orders.values()]
      .reverse()
      .slice(0, SHOWN)
      .map((order) => this.#view(order));
  }

  /** @param {Order} order */
  #view(order) {
    const isKept = KEPT.includes(order.state);
    const isOpen = order.state in OPEN;
    const title = isOpen ? OPEN[order.state] : ENDS[order.state]?.[0];
    return el(
      "article",
      { class: isKept ? "order held" : "order", tabindex: "-1", "data-key": order.buy, "data-order": order.buy, "data-state": order.state },
      el("div", { class: "row" }, el("strong", {}, title), isKept && this.#time(order), order.state === "waitlisted" && el("span", { class: "time" }, `place ${order.place}`)),
      (order.lines ?? []).map((line) => el("p", {}, this.#name(line))),
      el(
        "div",
        { class: "row" },
        el("span", { class: "small" }, order.total && el("b", {}, money(order.total)), order.promo && ` with ${order.promo}`, isKept && !order.checkout && " · the host takes the payment"),
        order.checkout && isKept && el("a", { href: order.checkout, target: "_blank", rel: "noopener" }, "Pay"),
        (isKept || order.state === "waitlisted") && this.#giveBack(order.buy),
      ),
    );
  }

  /** @param {string} buy */
  #giveBack(buy) {
    const isBusy = this.#shop.isGivingBack(buy);
    const onclick = isBusy ? undefined : () => this.#shop.cancel(buy);
    return el("button", { class: "quiet", "aria-disabled": String(isBusy), "aria-busy": String(isBusy), onclick }, isBusy ? "One moment…" : "Give back");
  }
}
