// What a screen reader says of the product on screen: what is new, what it costs now, when it is nearly gone. Not each unit.

import { FEW } from "./shelf.js";
import { $, isolated, money } from "./ui.js";

/** News settle before they are said: a host changes price and stock in one breath. */
const SETTLE_MS = 1000;

/** @typedef {{id: string, title: string, price: string, left: string}} Known */

export class Spoken {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  /** @type {Known | undefined} */
  #known;
  /** @type {number | undefined} */
  #timer;

  /** @param {{shop: import("./shop.js").ShopClient}} options */
  constructor({ shop }) {
    this.#shop = shop;
    shop.on("change", ({ detail }) => {
      // What is there at first is read with the page.
      if (detail === "welcome") this.#known ??= this.#look();
      if (["products", "pins", "stock"].includes(detail)) this.#timer ??= setTimeout(() => this.#say(), SETTLE_MS);
    });
  }

  #say() {
    this.#timer = undefined;
    const [before, now] = [this.#known, this.#look()];
    this.#known = now;
    if (!now) return;
    const name = isolated(now.title);
    if (now.id !== before?.id) $("#spoken").textContent = ["Shown now", name, now.price, now.left].filter(Boolean).join(", ");
    else if (now.price !== before.price) $("#spoken").textContent = `${name} now costs ${now.price}`;
    else if (now.left !== before.left) $("#spoken").textContent = `${name}: ${now.left || "more in stock"}`;
  }

  /** @returns {Known | undefined} */
  #look() {
    const product = this.#shop.products.get(this.#shop.featured ?? this.#shop.pinned[0] ?? "");
    if (!product) return undefined;
    const { id, title, variants } = product;
    const [price] = variants.map((variant) => money(variant.price));
    const few = variants.reduce((sum, { available }) => sum + (available ?? FEW + 1), 0) <= FEW;
    const left = variants.every(({ sold_out }) => sold_out) ? "sold out" : few ? "only a few left" : "";
    return { id, title, price, left };
  }
}
