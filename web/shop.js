// The shop client (overlay/PROTOCOL.md): over a player's data channels, or over an event stream and POST where there
// are none. It keeps the show's state and says what changed.

import { Timeline } from "./clock.js";
import { Line } from "./line.js";
import { Sums } from "./sums.js";
import { memory, uuid7 } from "./ui.js";

/** @typedef {import("./protocol.js").FromServer} FromServer */
/** @typedef {import("./protocol.js").FromClient} FromClient */
/** @typedef {import("./protocol.js").Envelope} Message */
/** @typedef {import("./protocol.js").AnyCommand} Command */

/** Numbered events travel on two channels: one may overtake the other for so long before something is missing. */
const OVERTAKING_MS = 1000;
/** A buy is repeated until its receipt comes, each time after twice the pause. */
const FIRST_REPEAT_MS = 250;
const LONGEST_REPEAT_MS = 4000;
/** A buy that is not answered on the connection is asked for by HTTP, too: the same id, the same receipt. */
const HTTP_AFTER_REPEATS = 3;
const CHAT_KEPT = 100;
/** States of orders of which something is still to come. */
const OPEN = ["waitlisted", "held", "checkout_open", "releasing"];
const QUESTIONS_KEPT = 50;
/** Commands of a host that wait for an answer for longer have failed. */
const COMMAND_PATIENCE_MS = 10_000;

/**
 * Events: `change` (`detail` names what: `welcome`, `show`, `products`, `pins`, `stock`, `viewers`, `chat`, `questions`,
 * `polls`, `reactions`, `countdown`, `cart`, `orders`, `moderation`, `buying`, `connection`), `receipt` (`detail.receipt`),
 * `order` (`detail.order`, whose state is new), `notice`, `announcement`, `recommendation`, `reactions` (`detail.more`: how many of
 * each are new), `hold_expiring`, `sale`, `health` (`detail` is the message).
 */
export class ShopClient extends EventTarget {
  #options;
  #line;
  #epoch;
  #seq;
  #early = new Map();
  #gap;
  #pages = [];
  #buys = new Map();
  #waiting = new Map();
  #clock = 0;
  #timeline;
  #reactions = new Sums((kind, count) => this.#send({ v: 1, t: "react", kind: /** @type {import("./protocol.js").Reaction} */ (kind), count }));

  /** @param {{base?: string, room: string, token?: string, name?: string, video?: HTMLVideoElement}} options With `video`, what
   * belongs to a moment before the camera is shown with its frame. */
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
    this.pinnedChat = undefined;
    this.questions = [];
    this.polls = new Map();
    /** The own votes: choices by poll. */
    this.votes = {};
    this.reactions = {};
    this.countdown = undefined;
    this.cart = [];
    /**
     * Those kept quiet or out, at hosts and moderators.
     * @type {import("./protocol.js").Listed}
     */
    this.moderation = { muted: [], banned: [], words: [] };
    this.#timeline = new Timeline(options.video);
    this.#line = new Line({
      address: `${this.#options.base}/api/rooms/${this.#options.room}`,
      query: () => this.#query(),
      receive: (data) => this.#receive(data),
      opened: () => this.#hello(),
      lost: () => this.#connected(false),
    });
  }

  /** When the frame on screen was captured, by the server's clock, where that is known. */
  get frameTime() {
    return this.#timeline.frameTime;
  }

  /** How well what belongs to a frame was shown with it: `{frame, shown}` in milliseconds of the camera, the last ones. */
  get shownWithFrames() {
    return this.#timeline.shown;
  }

  /** The server's clock. */
  now() {
    return Date.now() + this.#clock;
  }

  /** Takes a player's channels; those before are given up. */
  attach(channels) {
    this.#line.attach(channels);
  }

  /** Listens without data channels. */
  openEvents() {
    this.#line.openEvents();
  }

  /**
   * Begins a buy and returns its id; a `receipt` event follows, however often the line breaks.
   * @param {{variant: string, quantity: number}[]} lines
   * @param {{promo?: string, affiliate?: string, waitlist?: boolean, replaces?: string}} [wishes]
   */
  buy(lines, wishes = {}) {
    const id = uuid7();
    const message = { v: 1, t: "buy", id, lines, price_version: this.show?.price_version ?? 0, ...wishes };
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

  /** A question to the host. */
  ask(text) {
    this.#send({ v: 1, t: "question", id: uuid7(), text }, "chat");
  }

  vote(poll, option) {
    this.#send({ v: 1, t: "vote", poll, option });
  }

  /** A reaction: summed with those that follow closely. */
  react(kind) {
    this.#reactions.add(kind);
  }

  /** Sets the cart; it is the same in all tabs and keeps nothing back. */
  setCart(lines) {
    this.#send({ v: 1, t: "cart", lines });
  }

  /** What a promo code would take off; resolves with the `promo` message. */
  promo(code) {
    return this.#question((id) => ({ v: 1, t: "promo", id, code }));
  }

  /**
   * A host's command; resolves when it is done.
   * @param {Command} command
   * @param {number} [capturedAt] the moment before the camera it belongs to, by the server's clock
   */
  host(command, capturedAt) {
    const captured = capturedAt ? { captured_at: Math.round(capturedAt) } : {};
    return this.#question((id) => ({ v: 1, t: "host", id, do: command, ...captured }));
  }

  #question(message) {
    const id = uuid7();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id, new Error("no answer")), COMMAND_PATIENCE_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      if (!this.#send(message(id))) this.#settle(id, new Error("not connected"));
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
    const token = this.#token();
    const { name } = this.#options;
    this.#pages = [];
    this.#send({
      v: 1,
      t: "hello",
      versions: [1],
      accepts: ["batch"],
      ...(token ? { token } : {}),
      ...(name ? { name } : {}),
      ...(this.#epoch && !afresh ? { resume: { epoch: this.#epoch, seq: this.#seq } } : {}),
    });
  }

  /** What an event stream says for a greeting. */
  #query() {
    const query = new URLSearchParams({ accepts: "batch" });
    const token = this.#token();
    if (token) query.set("token", token);
    if (this.#options.name) query.set("name", this.#options.name);
    if (this.#epoch) query.set("resume", `${this.#epoch}:${this.#seq}`);
    return query;
  }

  /** @param {FromClient & {v: number}} message */
  #send(message, label = "shop") {
    return this.#line.send(message, label);
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
    /** @type {FromServer} */
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.t === "batch") message.events.forEach((event) => this.#take(event));
    else this.#take(message);
  }

  /** @param {Message} message */
  #take(message) {
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
      const next = this.#early.get(this.#seq);
      this.#early.delete(this.#seq);
      this.#timeline.show(next, () => this.#apply(next));
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
    // What waits for its frame is older than what comes now.
    this.#timeline.flush();
    this.#epoch = message.epoch;
    // Open orders are told anew: what is not told has ended while nobody listened.
    for (const [id, { state }] of this.orders) if (OPEN.includes(state)) this.orders.delete(id);
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
    this.pinnedChat = first.pinned_chat;
    this.questions = pages.flatMap((page) => page.questions ?? []);
    this.polls = new Map(pages.flatMap((page) => page.polls ?? []).map((poll) => [poll.id, poll]));
    this.votes = first.votes ?? {};
    this.reactions = first.reactions ?? {};
    this.countdown = first.countdown;
    this.cart = [];
    for (const receipt of pages.flatMap((page) => page.orders ?? [])) this.#keepOrder(receipt);
  }

  /** @param {Message} message */
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
      case "chat_pinned":
        this.pinnedChat = message.line;
        return this.#changed("chat");
      case "question":
        this.questions = [...this.questions.filter((known) => known.id !== message.id), message]
          .filter((known) => known.state !== "dismissed")
          .slice(-QUESTIONS_KEPT);
        return this.#changed("questions");
      case "poll":
        this.polls.set(message.poll.id, message.poll);
        return this.#changed("polls");
      case "poll_counts": {
        const poll = this.polls.get(message.poll);
        // The last counts come with the poll itself.
        if (poll?.open) poll.counts = message.counts;
        return this.#changed("polls");
      }
      case "voted":
        this.votes = { ...this.votes, [message.poll]: message.option };
        return this.#changed("polls");
      case "reactions":
        return this.#sumReactions(message.totals);
      case "countdown":
        this.countdown = message.countdown;
        return this.#changed("countdown");
      case "cart":
        this.cart = message.lines;
        return this.#changed("cart");
      case "moderation":
        this.moderation = message;
        return this.#changed("moderation");
      case "waitlist": {
        const order = this.orders.get(message.buy);
        if (order) order.place = message.place;
        return this.#changed("orders");
      }
      case "clock":
        return this.#timeline.learn(message);
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
      case "promo":
        return this.#settle(message.ref, undefined, message);
      case "notice":
        return this.#notice(message);
      case "announcement":
      case "recommendation":
      case "hold_expiring":
      case "sale":
      case "health":
        return this.#tell(message.t, message);
    }
  }

  #sumReactions(totals) {
    const more = {};
    for (const [kind, total] of Object.entries(totals)) {
      const new_ = total - (this.reactions[kind] ?? 0);
      if (new_ > 0) more[kind] = new_;
    }
    this.reactions = totals;
    this.#changed("reactions");
    if (Object.keys(more).length > 0) this.#tell("reactions", { more });
  }

  #receipt(receipt) {
    if (["held", "checkout_open", "waitlisted"].includes(receipt.outcome)) this.#keepOrder(receipt);
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

  #keepOrder({ buy, outcome, state = outcome, expires_at, order_lines, total, promo, discount, checkout, variant, quantity, place }) {
    const lines = order_lines ?? [{ variant, quantity }];
    this.orders.set(buy, { buy, state, expires_at, lines, total, promo, discount, checkout, place });
  }

  #notice(message) {
    // Who asks again is not let in either.
    if (message.code === "banned") this.#line.stop();
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

  #settle(id, error, answer) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    if (error) waiting.reject(error);
    else waiting.resolve(answer);
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

  async #buyByHttp({ v, t, id, ...buy }) {
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
        body: JSON.stringify(buy),
      });
      if (response.ok) this.#receipt(await response.json());
    } catch {
      // It is repeated anyway.
    }
  }
}
