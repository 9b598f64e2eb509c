// The products on the viewer's page: the card over the picture, the grid, and the sheet where one is chosen.

import { $, all, clock, el, lazily, memory, money, patch, toast, written } from "./ui.js";

/** @typedef {import("./protocol.js").Product} Product */
/** @typedef {import("./protocol.js").Variant} Variant */

/** From here on down the stock is worth a word. */
export const FEW = 5;
/** The most of one thing in one buy. */
const MOST = 10;

export class Shelf {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  /** @type {import("./orders.js").Orders} */
  #orders;
  /**
   * What the sheet shows: a product's id, `bag`, or nothing.
   * @type {string | undefined}
   */
  #open;
  /** @type {string | undefined} */
  #chosen;
  #quantity = 1;
  /** Variants of which nothing can come back, as a buy has shown: a waitlist for them is none. */
  #over = new Set();
  /**
   * A promo code that was looked up, and what it takes off.
   * @type {Extract<import("./protocol.js").Envelope, {t: "promo"}> & {basis_points?: number, amount?: import("./protocol.js").Money} | undefined}
   */
  #promo;

  /** @param {{shop: import("./shop.js").ShopClient, orders: import("./orders.js").Orders}} options */
  constructor({ shop, orders }) {
    this.#shop = shop;
    this.#orders = orders;
    const drawn = ["welcome", "products", "pins", "stock", "buying", "orders"];
    shop.on("change", ({ detail }) => {
      if (["products", "stock"].includes(detail)) this.#forgetRestocked();
      if (drawn.includes(detail)) this.#draw();
    });
    shop.on("receipt", ({ detail: { receipt } }) => {
      if (receipt.outcome !== "sold_out" || receipt.waitlist) return;
      this.#over.add(receipt.variant);
      this.#draw();
    });
    setInterval(() => this.#drawTimes(), 500);
    for (const opener of ["#bag", "#kept"]) $(opener).addEventListener("click", () => this.show("bag"));
    const sheet = $("#sheet");
    sheet.addEventListener("close", () => (this.#open = undefined));
    sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  }

  /**
   * Opens the sheet with a product or, as `bag`, with all of them.
   * @param {string} what
   */
  show(what) {
    if (this.#open !== what) {
      this.#chosen = undefined;
      this.#quantity = 1;
      $("#sheet-body").replaceChildren();
      $("#sheet").scrollTop = 0;
    }
    this.#open = what;
    this.#drawSheet();
    const sheet = $("#sheet");
    if (!sheet.open) sheet.showModal();
  }

  /** Of what is there again some may be held, and come back, when it is gone the next time. */
  #forgetRestocked() {
    for (const id of this.#over) if (!this.#shop.variant(id)?.variant.sold_out) this.#over.delete(id);
  }

  #draw() {
    this.#drawCard();
    patch($("#side-products"), this.#tiles());
    this.#drawSheet();
  }

  /** What runs out by the server's clock. */
  #drawTimes() {
    /** @param {number | string | undefined} until */
    const left = (until) => clock(Number(until) - this.#shop.now());
    for (const node of all("[data-ends]")) node.textContent = left(node.dataset.ends);
    const { countdown } = this.#shop;
    const badge = $("#countdown");
    const isOn = countdown && countdown.until > this.#shop.now() && this.#shop.show?.state !== "ended";
    badge.hidden = !isOn;
    if (!isOn) return;
    const what = { show_start: "Starts in", sale_start: "Sale in", sale_end: "Sale ends in" }[countdown.of] ?? "In";
    badge.textContent = `${what} ${left(countdown.until)}`;
  }

  #drawCard() {
    const card = $("#card");
    const id = this.#shop.featured ?? this.#shop.pinned[0];
    const product = id && this.#shop.products.get(id);
    card.hidden = !product;
    if (!product) return;
    if (card.dataset.product !== product.id) card.replaceChildren();
    card.dataset.product = product.id;
    patch(
      card,
      el("button", { class: "open", "aria-label": `More about ${product.title}`, onclick: () => this.show(product.id) }, picture(product)),
      el("div", {}, el("h2", {}, product.title), this.#flash(product.variants), priceOf(product), stockOf(product.variants)),
      this.#buyButton(product.variants, "Buy", { "data-buy": product.id, onclick: () => this.#wish(product) }),
    );
  }

  /**
   * One variant is bought with one tap; several are chosen from first.
   * @param {Product} product
   */
  #wish(product) {
    if (product.variants.length > 1) this.show(product.id);
    else this.#buy(product.variants[0].id, 1);
  }

  /**
   * @param {string} variant
   * @param {number} quantity
   */
  #buy(variant, quantity) {
    if (this.#shop.isBuying) return;
    const isGone = this.#shop.variant(variant)?.variant.sold_out;
    const wishes = { ...(isGone ? { waitlist: true } : {}), ...(this.#promo ? { promo: this.#promo.code } : {}) };
    this.#shop.buy([{ variant, quantity }], wishes);
  }

  /**
   * @param {Variant[]} variants those it is about
   * @param {string} text
   * @param {import("./ui.js").Attributes} attributes
   */
  #buyButton(variants, text, attributes) {
    // Never `disabled`, here and elsewhere: what was pressed by keyboard would lose the focus.
    const isBusy = this.#shop.isBuying;
    const isGone = variants.every(({ sold_out }) => sold_out);
    const isOver = isGone && variants.every(({ id }) => this.#over.has(id));
    const says = isBusy ? "One moment…" : isOver ? "Sold out" : isGone ? "Join the waitlist" : text;
    const { onclick, ...others } = attributes;
    return el("button", { class: isGone ? "buy" : "primary buy", "aria-disabled": String(isBusy || isOver), "aria-busy": String(isBusy), onclick: isOver ? undefined : onclick, ...others }, says);
  }

  #tiles() {
    const { featured, pinned, products } = this.#shop;
    /** @param {Product} product */
    const rank = ({ id }) => {
      if (id === featured) return -1;
      const place = pinned.indexOf(id);
      return place < 0 ? pinned.length : place;
    };
    return [...products.values()].sort((a, b) => rank(a) - rank(b)).map((product) => lazily(product.id, product, () => this.#tile(product)));
  }

  /** @param {Product} product */
  #tile(product) {
    return el(
      "button",
      {
        class: isSoldOut(product) ? "tile gone" : "tile",
        "data-key": product.id,
        "data-product": product.id,
        onclick: () => this.show(product.id),
      },
      picture(product),
      el("div", {}, el("h3", {}, product.title), priceOf(product), stockOf(product.variants)),
    );
  }

  #drawSheet() {
    if (!this.#open) return;
    const body = $("#sheet-body");
    if (this.#open === "bag") {
      patch(body, head("In this show"), this.#bag());
      return patch($(".grid", body), this.#tiles());
    }
    const product = this.#shop.products.get(this.#open);
    if (!product) return $("#sheet").close();
    patch(body, head(product.title), this.#page(product));
  }

  #bag() {
    /** @type {NonNullable<import("./ui.js").Attributes["onsubmit"]>} */
    const rename = (event) => {
      event.preventDefault();
      const name = written(event.target, "name");
      if (!name) return;
      memory.set("vitrine:name", name);
      this.#shop.rename(name);
      $("#sheet").close();
    };
    return [
      el("div", { class: "stack" }, this.#orders.views()),
      el("div", { class: "grid", "data-own": "" }),
      el(
        "form",
        { class: "name", onsubmit: rename },
        el("label", { for: "name" }, "Your name in the chat"),
        el("div", { class: "row" }, el("input", { id: "name", name: "name", maxlength: "32", autocomplete: "nickname", value: this.#shop.you?.name ?? "" }), el("button", {}, "Save")),
      ),
    ];
  }

  /** @param {Product} product */
  #page(product) {
    const sellable = product.variants.find((variant) => !variant.sold_out) ?? product.variants[0];
    const variant = product.variants.find(({ id }) => id === this.#chosen) ?? sellable;
    const most = Math.max(1, Math.min(variant.available ?? MOST, variant.per_customer ?? MOST, MOST));
    this.#quantity = Math.min(this.#quantity, most);
    /** @param {number} by */
    const step = (by) => () => {
      this.#quantity = Math.min(most, Math.max(1, this.#quantity + by));
      this.#drawSheet();
    };
    const total = { ...variant.price, minor: variant.price.minor * this.#quantity };
    return el(
      "div",
      { class: "product", "data-key": product.id },
      picture(product, { class: "hero" }),
      this.#flash([variant]),
      el("div", { class: "row" }, priceLine(variant), stockOf([variant])),
      product.description && el("p", { class: "about" }, product.description),
      product.variants.length > 1 && this.#choices(product, variant),
      el(
        "div",
        { class: "row" },
        el(
          "div",
          { class: "stepper", role: "group", "aria-label": "Quantity" },
          el("button", { "aria-label": "One less", "aria-disabled": String(this.#quantity <= 1), onclick: step(-1) }, "−"),
          el("output", {}, String(this.#quantity)),
          el("button", { "aria-label": "One more", "aria-disabled": String(this.#quantity >= most), onclick: step(1) }, "+"),
        ),
        this.#buyButton([variant], `Buy · ${money(total)}`, {
          "data-buy-variant": variant.id,
          onclick: () => {
            if (this.#shop.isBuying) return;
            this.#buy(variant.id, this.#quantity);
            $("#sheet").close();
          },
        }),
      ),
      this.#code(),
      variant.per_customer && el("p", { class: "small" }, `At most ${variant.per_customer} per customer.`),
    );
  }

  /**
   * A flash sale that runs, and how long.
   * @param {Variant[]} variants
   */
  #flash(variants) {
    const flash = variants.map((variant) => variant.flash).find((known) => known?.running);
    return flash && el("p", { class: "flash" }, "Flash sale ", el("span", { "data-ends": String(flash.ends_at) }, clock(flash.ends_at - this.#shop.now())));
  }

  /** A promo code: looked up before it is used. */
  #code() {
    /** @param {SubmitEvent & {target: HTMLFormElement}} event */
    const look = async (event) => {
      event.preventDefault();
      const code = written(event.target, "code");
      this.#promo = undefined;
      try {
        if (code) this.#promo = await this.#shop.promo(code);
      } catch (error) {
        toast(error.message, "bad");
      }
      this.#drawSheet();
    };
    const { basis_points, amount, code } = this.#promo ?? {};
    const off = amount ? money(amount) : `${(basis_points ?? 0) / 100} %`;
    return el(
      "details",
      { class: "code", "data-key": "code", open: Boolean(this.#promo) },
      el("summary", {}, this.#promo ? `${code}: ${off} off` : "Have a promo code?"),
      el("form", { class: "row", onsubmit: look }, el("input", { name: "code", maxlength: "32", autocomplete: "off", "aria-label": "Promo code", placeholder: "CODE" }), el("button", {}, "Apply")),
    );
  }

  /**
   * @param {Product} product
   * @param {Variant} variant the chosen one
   */
  #choices(product, variant) {
    /** @param {string} id */
    const choose = (id) => () => {
      this.#chosen = id;
      this.#drawSheet();
    };
    return el(
      "fieldset",
      { class: "chips" },
      el("legend", {}, "Choose"),
      product.variants.map((each) =>
        el(
          "label",
          { "data-key": each.id },
          el("input", { type: "radio", name: "variant", value: each.id, checked: each.id === variant.id, onchange: choose(each.id) }),
          el("span", {}, each.title),
        ),
      ),
    );
  }
}

/** @param {Product} product */
const isSoldOut = (product) => product.variants.every((variant) => variant.sold_out);

/** @param {Variant[]} variants */
function stockOf(variants) {
  if (variants.every((variant) => variant.sold_out)) return el("p", { class: "stock few" }, "Sold out");
  // A shop may show no numbers above a bound.
  if (variants.some((variant) => variant.available === null)) return el("p", { class: "stock" }, "In stock");
  const available = variants.reduce((sum, variant) => sum + variant.available, 0);
  if (available <= FEW) return el("p", { class: "stock few" }, `Only ${available} left`);
  return el("p", { class: "stock" }, `${available} in stock`);
}

/**
 * The price of what can be had; from the lowest when they differ.
 * @param {Product} product
 */
function priceOf(product) {
  const sellable = product.variants.filter((variant) => !variant.sold_out);
  const [first, ...others] = (sellable.length ? sellable : product.variants).toSorted((a, b) => a.price.minor - b.price.minor);
  return priceLine(first, others.some(({ price }) => price.minor !== first.price.minor));
}

/**
 * A price that may take two lines: its number and its currency.
 * @param {import("./protocol.js").Money} price
 */
const breakable = (price) => money(price).replaceAll("\u00a0", " ");

/** @param {Variant} variant */
function priceLine({ price, was }, isLowest = false) {
  return el(
    "p",
    { class: "price" },
    isLowest && el("span", { class: "small" }, "from "),
    breakable(price),
    was && el("s", { class: "was" }, el("span", { class: "visually-hidden" }, "before "), breakable(was)),
  );
}

/**
 * @param {Product} product
 * @param {import("./ui.js").Attributes} [attributes]
 */
function picture(product, attributes = {}) {
  const [src] = product.images ?? [];
  if (src) return el("img", { src, alt: "", ...attributes });
  return el("div", { ...attributes, class: `blank ${attributes.class ?? ""}`, "aria-hidden": "true" }, [...product.title][0]);
}

/** @param {string} title */
function head(title) {
  return el(
    "div",
    { class: "head" },
    el("h2", { id: "sheet-title", tabindex: "-1", autofocus: true }, title),
    el("button", { "aria-label": "Close", onclick: () => $("#sheet").close() }, "✕"),
  );
}
