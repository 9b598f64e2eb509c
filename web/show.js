// A show as its viewers know it: told whole once, then kept by its events.

/** @typedef {import("./protocol.js").Envelope} Message */
/**
 * An own order, as its receipt and what came after it say.
 * @typedef {{buy: string, state: string, expires_at?: number | null, lines?: import("./protocol.js").Line[], total?: import("./protocol.js").Money,
 *   promo?: string, discount?: import("./protocol.js").Money, checkout?: string, place?: number}} Order
 */
/**
 * What is told, by the name of the event: `detail` of each.
 * @typedef {{change: string, receipt: {receipt: any}, order: {order: Order}, reactions: {more: Record<string, number>}}
 *   & {[T in "notice" | "announcement" | "recommendation" | "hold_expiring" | "sale" | "health"]: Extract<Message, {t: T}>}} ShowEvents
 */

const CHAT_KEPT = 100;
const QUESTIONS_KEPT = 50;
/** States of orders of which something is still to come. */
const OPEN = ["waitlisted", "held", "checkout_open", "releasing"];

/** What is known of a show. Says what changed; its events are named in `shop.js`. */
export class Show extends EventTarget {
  /**
   * The show itself, once a welcome has told of it.
   * @type {import("./protocol.js").ShowInfo | undefined}
   */
  show = undefined;
  /** @type {Map<string, import("./protocol.js").Product>} */
  products = new Map();
  /** @type {string[]} */
  pinned = [];
  /** @type {string | null | undefined} */
  featured = undefined;
  /** @type {import("./protocol.js").ChatLine[]} */
  chat = [];
  /** @type {import("./protocol.js").ChatLine | null | undefined} */
  pinnedChat = undefined;
  slowSeconds = 0;
  /** @type {import("./protocol.js").Question[]} */
  questions = [];
  /** @type {Map<string, import("./protocol.js").Poll>} */
  polls = new Map();
  /**
   * The own votes: choices by poll.
   * @type {Record<string, number>}
   */
  votes = {};
  /** @type {Record<string, number>} */
  reactions = {};
  /** @type {import("./protocol.js").Countdown | null | undefined} */
  countdown = undefined;
  viewers = 0;
  /**
   * The codec of a picture that this browser has no decoder for, while it is on the air: then there is only its sound.
   * @type {string | null | undefined}
   */
  unplayable = undefined;
  /**
   * The own orders, by the buy's id.
   * @type {Map<string, Order>}
   */
  orders = new Map();
  /** @type {import("./protocol.js").CartLine[]} */
  cart = [];
  /**
   * Those kept quiet or out, at hosts and moderators.
   * @type {import("./protocol.js").Listed}
   */
  moderation = { muted: [], banned: [], words: [] };

  /**
   * Listens to what is told.
   * @template {keyof ShowEvents} T
   * @param {T} type
   * @param {(event: CustomEvent<ShowEvents[T]>) => void} act
   */
  on(type, act) {
    this.addEventListener(type, (event) => act(/** @type {CustomEvent<ShowEvents[T]>} */ (event)));
  }

  /**
   * A variant and its product.
   * @param {string} id
   */
  variant(id) {
    for (const product of this.products.values()) {
      const variant = product.variants.find((known) => known.id === id);
      if (variant) return { product, variant };
    }
    return undefined;
  }

  /**
   * Takes a whole show over, told in pages.
   * @param {import("./protocol.js").Snapshot[]} pages
   */
  takeSnapshot(pages) {
    const [first] = pages;
    this.show = first.show;
    this.pinned = first.pinned;
    this.featured = first.featured;
    this.slowSeconds = first.slow_seconds;
    this.viewers = first.viewers;
    this.products = new Map(pages.flatMap((page) => page.products).map((product) => [product.id, product]));
    this.chat = pages.flatMap((page) => page.chat);
    this.pinnedChat = first.pinned_chat;
    this.questions = pages.flatMap((page) => page.questions ?? []);
    this.polls = new Map(pages.flatMap((page) => page.polls ?? []).map((poll) => [poll.id, poll]));
    this.votes = first.votes ?? {};
    this.reactions = first.reactions ?? {};
    this.countdown = first.countdown;
    this.cart = [];
    for (const receipt of pages.flatMap((page) => [...(page.past ?? []), ...(page.orders ?? [])])) this.keepOrder(receipt);
  }

  /**
   * Takes an event or a count over.
   * @param {Message} message
   */
  apply(message) {
    switch (message.t) {
      case "show":
        this.#set({ state: message.state, title: message.title, starts_at: message.starts_at, price_version: message.price_version });
        return this.changed("show");
      case "on_air":
        this.#set({ on_air: message.live });
        return this.changed("show");
      case "unplayable":
        this.unplayable = message.codec;
        return this.changed("show");
      case "product":
        this.products.set(message.product.id, message.product);
        if (message.price_version) this.#set({ price_version: message.price_version });
        return this.changed("products");
      case "product_removed":
        this.products.delete(message.product);
        return this.changed("products");
      case "pins":
        this.pinned = message.pinned;
        this.featured = message.featured;
        return this.changed("pins");
      case "price": {
        const found = this.variant(message.variant);
        if (found) Object.assign(found.variant, { price: message.price, was: message.was });
        this.#set({ price_version: message.price_version });
        return this.changed("products");
      }
      case "availability": {
        const found = this.variant(message.variant);
        if (found) found.variant.sold_out = message.sold_out;
        return this.changed("stock");
      }
      case "stock":
        for (const item of message.items) {
          const found = this.variant(item.variant);
          // The latest wins; what is older came late.
          if (!found || found.variant.version >= item.version) continue;
          Object.assign(found.variant, {
            available: item.available,
            version: item.version,
            sold_out: item.available === 0,
          });
        }
        return this.changed("stock");
      case "viewers":
        this.viewers = message.count;
        return this.changed("viewers");
      case "chat":
        this.chat = [...this.chat, message].slice(-CHAT_KEPT);
        return this.changed("chat");
      case "chat_deleted":
        this.chat = this.chat.filter((line) => line.id !== message.id);
        return this.changed("chat");
      case "chat_pinned":
        this.pinnedChat = message.line;
        return this.changed("chat");
      case "question":
        this.questions = [...this.questions.filter((known) => known.id !== message.id), message]
          .filter((known) => known.state !== "dismissed")
          .slice(-QUESTIONS_KEPT);
        return this.changed("questions");
      case "poll":
        this.polls.set(message.poll.id, message.poll);
        return this.changed("polls");
      case "poll_counts": {
        const poll = this.polls.get(message.poll);
        // The last counts come with the poll itself.
        if (poll?.open) poll.counts = message.counts;
        return this.changed("polls");
      }
      case "voted":
        this.votes = { ...this.votes, [message.poll]: message.option };
        return this.changed("polls");
      case "reactions":
        return this.#sumReactions(message.totals);
      case "countdown":
        this.countdown = message.countdown;
        return this.changed("countdown");
      case "cart":
        this.cart = message.lines;
        return this.changed("cart");
      case "moderation":
        this.moderation = message;
        return this.changed("moderation");
      case "waitlist": {
        const order = this.orders.get(message.buy);
        if (order) order.place = message.place;
        return this.changed("orders");
      }
      case "chat_mode":
        this.slowSeconds = message.slow_seconds;
        return this.changed("chat");
      case "order": {
        const known = this.orders.get(message.buy);
        const order = { ...known, ...message };
        this.orders.set(message.buy, order);
        if (known && known.state !== order.state) this.tell("order", { order });
        return this.changed("orders");
      }
      case "announcement":
      case "recommendation":
      case "hold_expiring":
      case "sale":
      case "health":
        return this.tell(message.t, message);
    }
  }

  /** @param {Partial<import("./protocol.js").ShowInfo>} news */
  #set(news) {
    if (this.show) Object.assign(this.show, news);
  }

  /** @param {Record<string, number>} totals */
  #sumReactions(totals) {
    /** @type {Record<string, number>} */
    const more = {};
    for (const [kind, total] of Object.entries(totals)) {
      const new_ = total - (this.reactions[kind] ?? 0);
      if (new_ > 0) more[kind] = new_;
    }
    this.reactions = totals;
    this.changed("reactions");
    if (Object.keys(more).length > 0) this.tell("reactions", { more });
  }

  /**
   * Prices by variant, and the version they are of.
   * @param {import("./protocol.js").VariantPrice[]} prices
   * @param {number} version
   */
  takePrices(prices, version) {
    for (const { variant, price } of prices) {
      const found = this.variant(variant);
      if (found) found.variant.price = price;
    }
    this.#set({ price_version: version });
    this.changed("products");
  }

  /** Own open orders are about to be told anew: what is not told has ended while nobody listened. */
  forgetOpenOrders() {
    for (const [id, { state }] of this.orders) if (OPEN.includes(state)) this.orders.delete(id);
  }

  /**
   * An own order, by its receipt.
   * @param {any} receipt one whose outcome is an order
   */
  keepOrder({ buy, outcome, state = outcome, expires_at, order_lines, total, promo, discount, checkout, variant, quantity, place }) {
    const lines = order_lines ?? [{ variant, quantity }];
    this.orders.set(buy, { buy, state, expires_at, lines, total, promo, discount, checkout, place });
  }

  /**
   * @protected
   * @param {string} detail
   */
  changed(detail) {
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }

  /**
   * @protected
   * @template {keyof ShowEvents} T
   * @param {T} type
   * @param {ShowEvents[T]} detail
   */
  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
