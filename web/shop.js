// The shop client (overlay/PROTOCOL.md): over a player's data channels, or over an event stream and POST where there
// are none. It keeps the show's state and says what changed.

import { memory, uuid7 } from "./ui.js";

/** Numbered events travel on two channels: one may overtake the other for so long before something is missing. */
const OVERTAKING_MS = 1000;
/** Without open channels after this long the event stream is used. */
const CHANNEL_PATIENCE_MS = 6000;
const FIRST_REPEAT_MS = 500;
const LONGEST_REPEAT_MS = 4000;
/** A buy that is not answered on the connection is asked for by HTTP, too: the same id, the same receipt. */
const HTTP_AFTER_REPEATS = 4;
const CHAT_KEPT = 100;

/**
 * Events: `change` (`detail` names what: `welcome`, `show`, `products`, `pins`, `stock`, `viewers`, `chat`, `orders`,
 * `buying`, `connection`), `receipt` (`detail.receipt`), `order` (`detail.order`, whose state is new), `notice`, `announcement`, `sale`, `health` (`detail` is the message).
 */
export class ShopClient extends EventTarget {
  #options;
  #channels = {};
  #events;
  #secret;
  #patience;
  #epoch;
  #seq;
  #early = new Map();
  #gap;
  #pages = [];
  #buys = new Map();
  #waiting = new Map();
  #clock = 0;

  /** @param {{base?: string, room: string, token?: string, name?: string}} options */
  constructor(options) {
    super();
    this.#options = { base: location.origin, ...options };
    this.show = undefined;
    this.products = new Map();
    this.pinned = [];
    this.featured = undefined;
    this.chat = [];
    this.slowSeconds = 0;
    this.viewers = 0;
    this.orders = new Map();
    this.you = undefined;
    this.isConnected = false;
  }

  /** The server's clock. */
  now() {
    return Date.now() + this.#clock;
  }

  /** Takes a player's channels; those before are given up. */
  attach(channels) {
    this.#channels = channels;
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.openEvents(), CHANNEL_PATIENCE_MS);
    for (const channel of Object.values(channels)) {
      channel.addEventListener("message", ({ data }) => this.#receive(data));
    }
    channels.shop.addEventListener("open", () => {
      if (this.#channels !== channels) return;
      clearTimeout(this.#patience);
      this.#closeEvents();
      this.#hello();
    });
    channels.shop.addEventListener("close", () => {
      if (this.#channels === channels) this.#connected(false);
    });
  }

  /** Listens without data channels. */
  openEvents() {
    if (this.#events || this.#channels.shop?.readyState === "open") return;
    const { base, room, name } = this.#options;
    const query = new URLSearchParams();
    const token = this.#token();
    if (token) query.set("token", token);
    if (name) query.set("name", name);
    if (this.#epoch) query.set("resume", `${this.#epoch}:${this.#seq}`);
    const events = new EventSource(`${base}/api/rooms/${room}/events?${query}`);
    this.#events = events;
    events.addEventListener("open", (event) => {
      if (event.data) this.#secret = JSON.parse(event.data).client;
    });
    events.addEventListener("message", ({ data }) => this.#receive(data));
    events.addEventListener("error", () => {
      this.#connected(false);
      if (events.readyState === EventSource.CLOSED) {
        this.#closeEvents();
        this.#patience = setTimeout(() => this.openEvents(), CHANNEL_PATIENCE_MS);
      }
    });
  }

  /** Begins a buy and returns its id; a `receipt` event follows, however often the line breaks. */
  buy(lines) {
    const id = uuid7();
    const message = { v: 1, t: "buy", id, lines, price_version: this.show?.price_version ?? 0 };
    this.#buys.set(id, { message, repeats: 0 });
    this.#repeat(id);
    this.#changed("buying");
    return id;
  }

  /** Whether a buy waits for its receipt: one at a time is what the server takes. */
  get isBuying() {
    return this.#buys.size > 0;
  }

  /** Another name in the chat, for who has no customer's token. */
  rename(name) {
    this.#options.name = name;
    this.#hello();
  }

  cancel(buy) {
    this.#send({ v: 1, t: "cancel", buy });
  }

  say(text) {
    this.#send({ v: 1, t: "chat", id: uuid7(), text }, "chat");
  }

  /** A host's command; resolves when it is done. */
  host(command) {
    const id = uuid7();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id, new Error("no answer")), 10_000);
      this.#waiting.set(id, { resolve, reject, timer });
      if (!this.#send({ v: 1, t: "host", id, do: command })) this.#settle(id, new Error("not connected"));
    });
  }

  variant(id) {
    for (const product of this.products.values()) {
      const variant = product.variants.find((known) => known.id === id);
      if (variant) return { product, variant };
    }
    return undefined;
  }

  #key() {
    return `vitrine:you:${this.#options.room}`;
  }

  #token() {
    return this.#options.token ?? memory.get(this.#key()) ?? this.you?.token;
  }

  #hello(afresh = false) {
    const message = { v: 1, t: "hello", versions: [1], client: "vitrine-web" };
    const token = this.#token();
    if (token) message.token = token;
    if (this.#options.name) message.name = this.#options.name;
    if (this.#epoch && !afresh) message.resume = { epoch: this.#epoch, seq: this.#seq };
    this.#pages = [];
    this.#send(message);
  }

  #send(message, label = "shop") {
    const text = JSON.stringify(message);
    const channel = [this.#channels[label], this.#channels.shop].find((known) => known?.readyState === "open");
    if (channel) {
      channel.send(text);
      return true;
    }
    if (!this.#secret) return false;
    const { base, room } = this.#options;
    fetch(`${base}/api/rooms/${room}/messages`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Client": this.#secret },
      body: text,
    }).catch(() => {});
    return true;
  }

  #closeEvents() {
    this.#events?.close();
    this.#events = undefined;
    this.#secret = undefined;
  }

  #connected(is) {
    if (this.isConnected === is) return;
    this.isConnected = is;
    this.#changed("connection");
  }

  #changed(detail) {
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #receive(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.t === "welcome") this.#welcome(message);
    else if (message.seq === undefined) this.#apply(message);
    else this.#inOrder(message);
  }

  /** Applies numbered events in their order; asks again when one is missing for good. */
  #inOrder(message) {
    if (this.#seq === undefined || message.seq <= this.#seq) return;
    this.#early.set(message.seq, message);
    while (this.#early.has(this.#seq + 1)) {
      this.#seq += 1;
      this.#apply(this.#early.get(this.#seq));
      this.#early.delete(this.#seq);
    }
    clearTimeout(this.#gap);
    if (this.#early.size > 0) this.#gap = setTimeout(() => this.#hello(), OVERTAKING_MS);
  }

  #welcome(message) {
    this.#clock = message.server_time - Date.now();
    if (message.pages) {
      this.#pages[message.page] = message;
      if (this.#pages.filter(Boolean).length < message.pages) return;
    } else {
      this.#pages = [message];
    }
    const pages = this.#pages;
    this.#pages = [];
    this.you = { ...this.you, ...message.you };
    if (message.you.token) memory.set(this.#key(), message.you.token);
    clearTimeout(this.#gap);
    this.#epoch = message.epoch;
    // Open orders are told anew: what is not told has ended while nobody listened.
    for (const [id, { state }] of this.orders) if (state === "held") this.orders.delete(id);
    if (message.deltas) {
      for (const delta of message.deltas) if (delta.seq > this.#seq) this.#apply(delta);
    } else {
      this.#takeSnapshot(pages.map((page) => page.snapshot));
    }
    this.#seq = message.seq;
    for (const seq of [...this.#early.keys()]) if (seq <= this.#seq) this.#early.delete(seq);
    this.#connected(true);
    this.#changed("welcome");
    for (const id of this.#buys.keys()) this.#repeat(id);
  }

  #takeSnapshot(pages) {
    const [first] = pages;
    this.show = first.show;
    this.pinned = first.pinned;
    this.featured = first.featured;
    this.slowSeconds = first.slow_seconds;
    this.viewers = first.viewers;
    this.products = new Map(pages.flatMap((page) => page.products).map((product) => [product.id, product]));
    this.chat = pages.flatMap((page) => page.chat);
    for (const receipt of pages.flatMap((page) => page.orders ?? [])) this.#keepOrder(receipt);
  }

  #apply(message) {
    switch (message.t) {
      case "show":
        Object.assign(this.show, {
          state: message.state,
          title: message.title,
          starts_at: message.starts_at,
          price_version: message.price_version,
        });
        return this.#changed("show");
      case "on_air":
        this.show.on_air = message.live;
        return this.#changed("show");
      case "product":
        this.products.set(message.product.id, message.product);
        if (message.price_version) this.show.price_version = message.price_version;
        return this.#changed("products");
      case "product_removed":
        this.products.delete(message.product);
        return this.#changed("products");
      case "pins":
        this.pinned = message.pinned;
        this.featured = message.featured;
        return this.#changed("pins");
      case "price": {
        const found = this.variant(message.variant);
        if (found) Object.assign(found.variant, { price: message.price, was: message.was });
        this.show.price_version = message.price_version;
        return this.#changed("products");
      }
      case "availability": {
        const found = this.variant(message.variant);
        if (found) found.variant.sold_out = message.sold_out;
        return this.#changed("stock");
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
        return this.#changed("stock");
      case "viewers":
        this.viewers = message.count;
        return this.#changed("viewers");
      case "chat":
        this.chat = [...this.chat, message].slice(-CHAT_KEPT);
        return this.#changed("chat");
      case "chat_deleted":
        this.chat = this.chat.filter((line) => line.id !== message.id);
        return this.#changed("chat");
      case "chat_mode":
        this.slowSeconds = message.slow_seconds;
        return this.#changed("chat");
      case "receipt":
        return this.#receipt(message);
      case "order": {
        const known = this.orders.get(message.buy);
        const order = { ...known, ...message };
        this.orders.set(message.buy, order);
        if (known && known.state !== order.state) this.#tell("order", { order });
        return this.#changed("orders");
      }
      case "done":
        return this.#settle(message.ref);
      case "notice":
        return this.#notice(message);
      case "announcement":
      case "sale":
      case "health":
        return this.#tell(message.t, message);
    }
  }

  #receipt(receipt) {
    if (receipt.outcome === "held") this.#keepOrder(receipt);
    const buy = this.#buys.get(receipt.buy);
    if (!buy) return this.#changed("orders");
    clearTimeout(buy.timer);
    this.#buys.delete(receipt.buy);
    this.#changed("buying");
    this.#changed("orders");
    if (receipt.outcome === "price_changed") {
      for (const { variant, price } of receipt.prices) {
        const found = this.variant(variant);
        if (found) found.variant.price = price;
      }
      this.show.price_version = receipt.price_version;
      this.#changed("products");
    }
    this.#tell("receipt", { receipt });
  }

  #keepOrder({ buy, state = "held", expires_at, order_lines, total }) {
    this.orders.set(buy, { buy, state, expires_at, lines: order_lines, total });
  }

  #notice(message) {
    if (message.code === "token_invalid" && !this.#options.token) {
      memory.set(this.#key(), undefined);
      this.you = undefined;
      return this.#hello(true);
    }
    if (this.#waiting.has(message.ref)) return this.#settle(message.ref, new Error(message.text));
    const buy = this.#buys.get(message.ref);
    if (buy && message.retry_after_ms) {
      clearTimeout(buy.timer);
      buy.timer = setTimeout(() => this.#repeat(message.ref), message.retry_after_ms);
      return;
    }
    if (buy) {
      clearTimeout(buy.timer);
      this.#buys.delete(message.ref);
      this.#changed("buying");
    }
    this.#tell("notice", message);
  }

  #settle(id, error) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    if (error) waiting.reject(error);
    else waiting.resolve();
  }

  #repeat(id) {
    const buy = this.#buys.get(id);
    if (!buy) return;
    clearTimeout(buy.timer);
    this.#send(buy.message);
    if (buy.repeats >= HTTP_AFTER_REPEATS) this.#buyByHttp(buy.message);
    const wait = Math.min(FIRST_REPEAT_MS * 2 ** buy.repeats, LONGEST_REPEAT_MS);
    buy.repeats += 1;
    buy.timer = setTimeout(() => this.#repeat(id), wait);
  }

  async #buyByHttp({ id, lines, price_version }) {
    const { base, room } = this.#options;
    const token = this.#token();
    if (!token) return;
    try {
      const response = await fetch(`${base}/api/rooms/${room}/buy`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "Idempotency-Key": id,
          Authorization: `Bearer ${token}`,
        },
        body: JSON.stringify({ lines, price_version }),
      });
      if (response.ok) this.#receipt(await response.json());
    } catch {
      // It is repeated anyway.
    }
  }
}
