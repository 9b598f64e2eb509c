// What the viewer has bought: kept for a while, then paid or given back.

import { $, clock, el, money, patch, toast } from "./ui.js";

const SHOWN = 10;
const ENDS = {
  paid: ["Paid, thank you", "good"],
  released: ["The time was over", "bad"],
  cancelled: ["Given back", "info"],
  refunded: ["Refunded", "info"],
};

export class Orders {
  #shop;

  constructor({ shop }) {
    this.#shop = shop;
    shop.addEventListener("change", ({ detail }) => ["welcome", "orders", "products"].includes(detail) && this.#draw());
    shop.addEventListener("order", ({ detail: { order } }) => {
      const [text, kind] = ENDS[order.state] ?? [];
      if (text) toast(`${text}: ${this.#names(order)}`, kind);
    });
    setInterval(() => {
      for (const node of document.querySelectorAll("[data-until]")) {
        node.textContent = this.#left(Number(node.dataset.until));
      }
    }, 500);
  }

  #left(until) {
    return clock(until - this.#shop.now());
  }

  #time(order) {
    return el("span", { class: "time", "data-until": String(order.expires_at) }, this.#left(order.expires_at));
  }

  #name({ variant, quantity }) {
    const found = this.#shop.variant(variant);
    if (!found) return variant;
    const { product } = found;
    const name = product.variants.length > 1 ? `${product.title}, ${found.variant.title}` : product.title;
    return quantity > 1 ? `${quantity} × ${name}` : name;
  }

  #names(order) {
    return (order.lines ?? []).map((line) => this.#name(line)).join(", ");
  }

  #draw() {
    const held = [...this.#shop.orders.values()].filter((order) => order.state === "held");
    patch($("#side-orders"), this.views());
    $("#bag-count").hidden = held.length === 0;
    $("#bag-count").textContent = String(held.length);
    const strip = $("#kept");
    strip.hidden = held.length === 0;
    // The one whose time runs out first.
    const [next] = held.sort((a, b) => a.expires_at - b.expires_at);
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

  #view(order) {
    const isHeld = order.state === "held";
    return el(
      "article",
      { class: isHeld ? "order held" : "order", "data-key": order.buy, "data-order": order.buy, "data-state": order.state },
      el("div", { class: "row" }, el("strong", {}, isHeld ? "Kept for you" : ENDS[order.state]?.[0]), isHeld && this.#time(order)),
      (order.lines ?? []).map((line) => el("p", {}, this.#name(line))),
      el(
        "div",
        { class: "row" },
        el("span", { class: "small" }, order.total && el("b", {}, money(order.total)), isHeld && " · the host takes the payment"),
        isHeld && el("button", { class: "quiet", onclick: () => this.#shop.cancel(order.buy) }, "Give back"),
      ),
    );
  }
}
