// What the host sells: pinned, priced, counted, added and taken away.

import { $, clock, el, lazily, memory, money, patch, toast, uuid7, written } from "./ui.js";

/** @typedef {import("./protocol.js").Product} Product */
/** @typedef {import("./protocol.js").Variant} Variant */
/** @typedef {HTMLFormElement & {elements: Record<string, HTMLInputElement>}} Form */

/** Where a show has no price yet to take it from, and none was chosen in this browser before. */
const CURRENCY = "EUR";
/** Where the choice is remembered. */
const CHOSEN = "vitrine:currency";
/** What is offered; any other can be typed. */
const CURRENCIES = ["EUR", "USD", "GBP", "JPY", "CNY", "INR", "AUD", "CAD", "CHF", "SEK", "PLN", "BRL", "KRW", "IDR", "THB", "AED", "KWD"];

export class Inventory {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  /** @type {import("./host.js").Act} */
  #act;
  #places;
  /** Those whose variants are shown on a phone, too. */
  #unfolded = new Set();

  /** @param {{shop: import("./shop.js").ShopClient, act: import("./host.js").Act, places: import("./places.js").Places}} options */
  constructor({ shop, act, places }) {
    this.#shop = shop;
    this.#act = act;
    this.#places = places;
    const drawn = ["welcome", "products", "pins", "stock"];
    shop.on("change", ({ detail }) => drawn.includes(detail) && this.#draw());
    $("#add").addEventListener("click", () => this.#edit());
  }

  #draw() {
    $("#no-products").hidden = this.#shop.products.size > 0;
    const { products, pinned, featured } = this.#shop;
    const views = [...products.values()].map((product) => {
      const { id } = product;
      return lazily(id, [product, pinned.includes(id), featured === id, this.#unfolded.has(id)], () => this.#product(product));
    });
    patch($("#products"), views);
    this.#drawOnScreen();
  }

  /** What everybody sees now, and the way to the next: for a page that shows one part at a time. */
  #drawOnScreen() {
    const all = [...this.#shop.products.values()];
    const product = all.find(({ id }) => id === this.#shop.featured);
    const strip = $("#on-screen");
    strip.hidden = !product;
    if (!product) return;
    const next = all[(all.indexOf(product) + 1) % all.length];
    const open = () => {
      this.#unfolded.add(product.id);
      this.#draw();
      this.#places.go("products");
      $(`[data-product="${product.id}"]`).scrollIntoView({ block: "start" });
    };
    patch(
      strip,
      el("button", { class: "quiet", onclick: open }, thumbnail(product), el("span", { class: "words" }, el("strong", {}, product.title), el("span", { class: "small" }, summary(product)))),
      next !== product && el("button", { "data-next": next.id, "aria-label": `Show ${next.title} next`, onclick: () => this.#act({ op: "product.pin", product: next.id, featured: true }) }, "Next ›"),
    );
  }

  /** @param {Product} product */
  #product(product) {
    const { id } = product;
    const pinned = this.#shop.pinned.includes(id);
    const featured = this.#shop.featured === id;
    const isUnfolded = this.#unfolded.has(id);
    const fold = () => {
      if (!this.#unfolded.delete(id)) this.#unfolded.add(id);
      this.#draw();
    };
    /** @type {import("./protocol.js").AnyCommand} */
    const pin = pinned ? { op: "product.unpin", product: id } : { op: "product.pin", product: id };
    return el(
      "li",
      { class: ["product", pinned && "pinned", featured && "featured", isUnfolded && "unfolded"].filter(Boolean).join(" "), "data-key": id, "data-product": id },
      el(
        "div",
        { class: "line" },
        thumbnail(product),
        el("div", {}, el("h3", {}, product.title), el("p", { class: "small summary" }, summary(product))),
        el(
          "div",
          { class: "buttons" },
          el("button", { "aria-pressed": String(featured), "data-feature": id, "aria-disabled": String(featured), onclick: () => !featured && this.#act({ op: "product.pin", product: id, featured: true }) }, featured ? "On screen" : "Show"),
          el("button", { "aria-pressed": String(pinned), "data-pin": id, onclick: () => this.#act(pin) }, pinned ? "Pinned" : "Pin"),
          el("button", { class: "quiet", "data-recommend": id, onclick: () => this.#act({ op: "product.recommend", product: id }, "Everybody sees it as a tip") }, "Tip"),
          el("button", { class: "quiet", "aria-label": `Edit ${product.title}`, onclick: () => this.#edit(product) }, "Edit"),
          el("button", { class: "quiet fold", "aria-expanded": String(isUnfolded), "aria-label": `Prices and stock of ${product.title}`, onclick: fold }, isUnfolded ? "▴" : "▾"),
        ),
      ),
      product.variants.map((variant) => this.#variant(variant)),
    );
  }

  /** @param {Variant} variant */
  #variant(variant) {
    const { id, title, price, available } = variant;
    /** @param {number} delta */
    const add = (delta) => this.#act({ op: "stock.add", variant: id, delta });
    /** @type {NonNullable<import("./ui.js").Attributes["onkeydown"]>} */
    const leave = (event) => {
      if (event.key === "Enter") event.target.blur();
    };
    return el(
      "div",
      { class: "variant", "data-key": id, "data-variant": id },
      el("span", {}, title),
      el("span", { class: "money" }, el("input", { value: decimal(price), inputmode: "decimal", "aria-label": `Price of ${title}`, onchange: ({ target }) => this.#price(variant, target), onkeydown: leave }), el("span", { class: "small" }, price.currency)),
      el(
        "div",
        { class: "counter", role: "group", "aria-label": `Stock of ${title}` },
        el("button", { "aria-label": "One less", "aria-disabled": String(available < 1), onclick: () => available > 0 && add(-1) }, "−"),
        el("input", { value: String(available ?? ""), inputmode: "numeric", "aria-label": `To be had of ${title}`, "data-stock": id, onchange: ({ target }) => this.#stock(variant, target), onkeydown: leave }),
        el("button", { "aria-label": "One more", onclick: () => add(1) }, "+"),
      ),
      this.#offer(variant),
    );
  }

  /**
   * A flash sale of a variant: its time, or the way to one.
   * @param {Variant} variant
   */
  #offer(variant) {
    const { id, flash } = variant;
    if (!flash) return el("div", { class: "offer" }, el("span", {}), el("button", { class: "quiet", "data-flash": id, onclick: () => this.#flash(variant) }, "Flash sale…"));
    const until = flash.running ? flash.ends_at : flash.starts_at;
    return el(
      "div",
      { class: "offer" },
      el("span", { class: "flash" }, flash.running ? "Flash sale " : "Flash sale in ", el("span", { "data-until": String(until) }, clock(until - this.#shop.now()))),
      el(
        "span",
        {},
        el("button", { onclick: () => this.#act({ op: "countdown.show", variant: id }) }, "Count down"),
        " ",
        el("button", { class: "quiet", onclick: () => this.#act({ op: "flash.end", variant: id }) }, "End"),
      ),
    );
  }

  /** @param {Variant} variant */
  #flash(variant) {
    const { title, price } = variant;
    const dialog = $("#flash");
    /** @type {Form} */
    const form = $("form", dialog);
    form.reset();
    $("#flash-of").textContent = `${title}, now ${money(price)}`;
    form.elements.price.value = decimal({ ...price, minor: Math.round(price.minor * 0.8) });
    form.onsubmit = (event) => {
      if (/** @type {HTMLButtonElement | null} */ (event.submitter)?.value !== "start") return;
      event.preventDefault();
      this.#startFlash(variant, form, dialog);
    };
    dialog.showModal();
  }

  /**
   * @param {Variant} variant
   * @param {Form} form
   * @param {import("./ui.js").PageElement} dialog
   */
  async #startFlash({ id, title, price }, form, dialog) {
    const minor = minorOf(form.elements.price.value, price.exponent);
    if (minor === undefined) return toast("A price is a number, as in 19.90", "bad");
    const quantity = Number(form.elements.quantity.value);
    /** @type {import("./protocol.js").AnyCommand} */
    const command = { op: "flash.start", variant: id, minor, seconds: Number(form.elements.minutes.value) * 60, ...(quantity ? { quantity } : {}) };
    if (await this.#act(command, `${title}: the sale is on`)) dialog.close();
  }

  /**
   * @param {Variant} variant
   * @param {HTMLInputElement} input
   */
  async #price({ id, title, price }, input) {
    const minor = minorOf(input.value, price.exponent);
    if (minor === undefined) {
      input.value = decimal(price);
      return toast("A price is a number, as in 19.90", "bad");
    }
    if (minor === price.minor) return;
    // A lower price shows the one before beside it.
    const was = minor < price.minor ? { was_minor: price.minor } : {};
    const done = await this.#act({ op: "price.set", variant: id, minor, ...was }, `${title}: ${money({ ...price, minor })}`);
    if (!done) input.value = decimal(price);
  }

  /**
   * Said as a difference: what is sold while the host types is not given back by it.
   * @param {Variant} variant
   * @param {HTMLInputElement} input
   */
  async #stock({ id, title, available }, input) {
    const wanted = /^\d{1,9}$/.test(input.value.trim()) ? Number(input.value) : undefined;
    const back = () => (input.value = String(available));
    if (wanted === undefined) {
      back();
      return toast("A stock is a whole number", "bad");
    }
    if (wanted === available) return;
    if (!(await this.#act({ op: "stock.add", variant: id, delta: wanted - available }, `${title}: ${wanted} to be had`))) back();
  }

  // ---- The editor -------------------------------------------------------------------------------

  /**
   * A dialog for a product, or for a new one.
   * @param {Product} [product]
   */
  #edit(product) {
    // One show, one currency: what was first decides.
    const known = product?.variants[0]?.price ?? [...this.#shop.products.values()][0]?.variants[0]?.price;
    const currency = known?.currency ?? memory.get(CHOSEN) ?? CURRENCY;
    const rows = el("div", { class: "rows" });
    /** @param {Variant} [variant] */
    const addRow = (variant) => rows.append(variantRow(variant, () => rows.children.length > 1));
    for (const variant of product?.variants ?? [undefined]) addRow(variant);
    /** @type {(label: string, name: string, attributes: import("./ui.js").Attributes) => HTMLElement} */
    const field = (label, name, attributes) => el("label", {}, label, el("input", { name, ...attributes }));
    /** @type {HTMLFormElement} */
    const form = $("#product");
    const fields = el(
      "div",
      {},
      el("h2", { id: "editor-title" }, product ? "Edit the product" : "A new product"),
      field("Name", "title", { required: true, maxlength: "120", value: product?.title ?? "" }),
      el("label", {}, "Description", el("textarea", { name: "description", rows: "3", maxlength: "600" }, product?.description ?? "")),
      field("Address of its picture", "image", { value: product?.images[0] ?? "", placeholder: "/media/picture.jpg or https://…" }),
      !known && field("Currency of this show", "currency", { required: true, maxlength: "3", pattern: "[A-Za-z]{3}", list: "currencies", autocapitalize: "characters", value: currency }),
      !known && el("datalist", { id: "currencies" }, CURRENCIES.map((code) => el("option", { value: code }))),
      el("fieldset", {}, el("legend", {}, known ? `Variants, prices in ${currency}` : "Variants"), rows, el("button", { type: "button", class: "quiet", onclick: () => addRow() }, "Another variant")),
      el(
        "div",
        { class: "row" },
        product ? el("button", { type: "button", class: "quiet danger", onclick: () => this.#remove(product) }, "Take off sale") : el("span", {}),
        el("span", {}, el("button", { type: "button", class: "quiet", onclick: () => $("#editor").close() }, "Cancel"), " ", el("button", { class: "primary" }, product ? "Save" : "Put in the shop")),
      ),
    );
    form.replaceChildren(...fields.childNodes);
    form.onsubmit = (event) => {
      event.preventDefault();
      const chosen = written(form, "currency").toUpperCase() || currency;
      if (!known) memory.set(CHOSEN, chosen);
      this.#put(product, form, rows, known ?? { currency: chosen, exponent: exponentOf(chosen) });
    };
    $("#editor").showModal();
  }

  /**
   * @param {Product | undefined} product the one before
   * @param {HTMLFormElement} form
   * @param {HTMLElement} rows
   * @param {Pick<import("./protocol.js").Money, "currency" | "exponent">} money what prices are of
   */
  async #put(product, form, rows, { currency, exponent }) {
    const title = written(form, "title");
    const id = product?.id ?? newId();
    const images = [written(form, "image"), ...(product?.images.slice(1) ?? [])].filter(Boolean);
    const variants = [.../** @type {NodeListOf<HTMLElement>} */ (rows.childNodes)].map((row) => {
      /** @param {string} name */
      const value = (name) => $(`[name="${name}"]`, row).value.trim();
      const before = product?.variants.find((variant) => variant.id === row.dataset.variant);
      const minor = minorOf(value("price"), exponent) ?? NaN;
      const limit = Number(value("limit"));
      return {
        id: String(row.dataset.variant || newId()),
        title: value("variant") || title,
        price: { minor, currency, exponent },
        ...(before?.was && before.price.minor === minor ? { was: before.was } : {}),
        ...(limit > 0 ? { per_customer: limit } : {}),
        ...(before ? {} : { available: Number(value("stock")) }),
      };
    });
    if (variants.some((variant) => Number.isNaN(variant.price.minor))) return toast("A price is a number, as in 19.90", "bad");
    const description = written(form, "description");
    /** @type {import("./protocol.js").AnyCommand} */
    const command = { op: "product.put", product: { id, title, ...(description ? { description } : {}), images, variants } };
    if (await this.#act(command, `${title} is in the shop`)) $("#editor").close();
  }

  /** @param {Product} product */
  async #remove(product) {
    if (await this.#act({ op: "product.remove", product: product.id }, `${product.title} is off sale`)) $("#editor").close();
  }
}

/** @param {Product} product */
const thumbnail = ({ images: [src] }) => (src ? el("img", { src, alt: "" }) : el("div", { class: "blank" }));

/**
 * Its price and what is left of it, in a line.
 * @param {Product} product
 */
function summary({ variants }) {
  const [{ price }] = variants;
  const left = variants.reduce((sum, { available }) => sum + (available ?? 0), 0);
  return `${money(price)} · ${left > 0 ? `${left} left` : "sold out"}`;
}

/**
 * @param {Variant | undefined} variant
 * @param {() => boolean} isRemovable
 */
function variantRow(variant, isRemovable) {
  const row = el(
    "div",
    { class: "editing", "data-variant": variant?.id },
    el("label", {}, "Variant", el("input", { name: "variant", maxlength: "120", value: variant?.title ?? "", placeholder: "Blue, M" })),
    el("label", {}, "Price", el("input", { name: "price", required: true, inputmode: "decimal", value: variant ? decimal(variant.price) : "", placeholder: "19.90" })),
    el("label", {}, "Stock", el("input", { name: "stock", type: "number", min: "0", max: "1000000", required: true, disabled: Boolean(variant), value: String(variant?.available ?? 10) })),
    el("label", {}, "Per customer", el("input", { name: "limit", type: "number", min: "1", max: "1000", value: String(variant?.per_customer ?? ""), placeholder: "any" })),
    el("button", { type: "button", class: "quiet", "aria-label": "Without this variant", onclick: () => isRemovable() && row.remove() }, "✕"),
  );
  return row;
}

const newId = () => `p-${uuid7().slice(-12)}`;
/** @param {Pick<import("./protocol.js").Money, "minor" | "exponent">} price */
const decimal = ({ minor, exponent }) => (minor / 10 ** exponent).toFixed(exponent);

/** Currencies with none, and with three places after the point (ISO 4217): browsers round some of the others off. */
const WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND";
/** @param {string} currency */
const exponentOf = (currency) => (WHOLE.includes(currency) ? 0 : THOUSANDTHS.includes(currency) ? 3 : 2);

/**
 * Minor units of what was typed, or nothing when it is no price.
 * @param {string} text
 * @param {number} exponent
 */
function minorOf(text, exponent) {
  if (!/^\d{1,9}([.,]\d{1,3})?$/.test(text.trim())) return undefined;
  return Math.round(Number(text.trim().replace(",", ".")) * 10 ** exponent);
}
