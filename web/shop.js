// The shop client (overlay/PROTOCOL.md): over a player's data channels, or over an event stream and POST where there
// are none. It keeps the show's state and says what changed.

import { buyByHttp, Buys } from "./buys.js";
import { Timeline } from "./clock.js";
import { Line } from "./line.js";
import { Show } from "./show.js";
import { Sums } from "./sums.js";
import { memory, uuid7 } from "./ui.js";
import { Unanswered } from "./unanswered.js";

/** @typedef {import("./protocol.js").FromServer} FromServer */
/** @typedef {import("./protocol.js").FromClient} FromClient */
/** @typedef {import("./protocol.js").Envelope} Message */
/** @typedef {import("./protocol.js").AnyCommand} Command */
/** @typedef {Extract<Message, {t: "welcome"}>} Welcome */

/** Numbered events travel on two channels: one may overtake the other for so long before something is missing. */
const OVERTAKING_MS = 1000;
/** What a host does, and a vote, has failed when it is not answered for longer: later it would surprise. */
const COMMAND_PATIENCE_MS = 30_000;
/** The same of what somebody says. */
const SAYING_PATIENCE_MS = 60_000;

/**
 * An own line or question that the others have not seen. Once it has failed, `reason` says why, and it is said again only when
 * its writer wants that.
 * @typedef {{id: string, t: "chat" | "question", text: string, hasFailed: boolean, reason: string}} Unsaid
 */

/**
 * Events: `change` (`detail` names what: `welcome`, `show`, `products`, `pins`, `stock`, `viewers`, `chat`, `questions`,
 * `polls`, `reactions`, `countdown`, `cart`, `orders`, `moderation`, `buying`, `unsaid`, `connection`), `receipt` (`detail.receipt`),
 * `order` (`detail.order`, whose state is new), `notice`, `announcement`, `recommendation`, `reactions` (`detail.more`: how many of
 * each are new), `hold_expiring`, `sale`, `health` (`detail` is the message).
 */
export class ShopClient extends Show {
  #options;
  #line;
  /** @type {string | undefined} */
  #epoch;
  /** @type {number | undefined} */
  #seq;
  /** @type {Map<number, Message>} */
  #early = new Map();
  /** @type {number | undefined} */
  #gap;
  /** @type {Welcome[]} */
  #pages = [];
  #buys = new Buys({ send: (buy) => this.#send(buy), sendByHttp: (buy) => this.#buyByHttp(buy) });
  #unanswered = new Unanswered((message, label) => this.#send(message, label));
  /** What was written here and is not among what was said. @type {Unsaid[]} */
  unsaid = [];
  /** Orders that are given back, as far as is not known to have been done. @type {Set<string>} */
  #returns = new Set();
  #clock = 0;
  #timeline;
  #reactions = new Sums((kind, count) => this.#send({ v: 1, t: "react", kind: /** @type {import("./protocol.js").Reaction} */ (kind), count }));

  /** @param {{base?: string, room: string, token?: string, mayBeGuest?: boolean, name?: string, video?: HTMLVideoElement}} options With
   * `video`, what belongs to a moment before the camera is shown with its frame. With `mayBeGuest`, who comes with a token that
   * is no longer good is told so and goes on without one. */
  constructor(options) {
    super();
    this.#options = { base: location.origin, ...options };
    this.you = undefined;
    this.isConnected = false;
    this.#timeline = new Timeline(options.video);
    this.#line = new Line({
      address: `${this.#options.base}/api/rooms/${this.#options.room}`,
      query: () => this.#query(),
      receive: (data) => this.#receive(data),
      opened: () => this.#hello(),
      lost: () => this.#connected(false),
      refused: (why) => this.#refused(why),
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

  /**
   * Takes a player's channels; those before are given up.
   * @param {Record<string, RTCDataChannel>} channels by label
   */
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
    this.#buys.begin(id, { v: 1, t: "buy", id, lines, price_version: this.show?.price_version ?? 0, ...wishes });
    this.changed("buying");
    return id;
  }

  /** Whether a buy waits for its receipt: one at a time is what the server takes. */
  get isBuying() {
    return this.#buys.size > 0;
  }

  /**
   * Another name in the chat, for who has no customer's token.
   * @param {string} name
   */
  rename(name) {
    this.#options.name = name;
    this.#hello();
  }

  /**
   * Gives an own order back, or a place on a waitlist; said again on every new connection until the order's state is another.
   * @param {string} buy
   */
  cancel(buy) {
    this.#returns.add(buy);
    this.#send({ v: 1, t: "cancel", buy });
    this.changed("orders");
  }

  /**
   * Whether an order is on its way back.
   * @param {string} buy
   */
  isGivingBack(buy) {
    return this.#returns.has(buy);
  }

  /**
   * A line of chat: among `unsaid` until everybody has it, and said again where the line breaks.
   * @param {string} text
   */
  say(text) {
    this.#utter({ id: uuid7(), t: "chat", text });
  }

  /**
   * A question to the host, in the same way.
   * @param {string} text
   */
  ask(text) {
    this.#utter({ id: uuid7(), t: "question", text });
  }

  /**
   * Another try with what has failed; it is the same line, should it have been said after all.
   * @param {string} id
   */
  sayAgain(id) {
    const line = this.unsaid.find((known) => known.id === id);
    if (line) this.#utter(line);
  }

  /**
   * Takes words back that were not said; they are returned.
   * @param {string} id
   */
  takeBack(id) {
    const line = this.unsaid.find((known) => known.id === id);
    this.#unanswered.forget(id);
    this.#said(id);
    return line?.text ?? "";
  }

  /** @param {{id: string, t: "chat" | "question", text: string}} words */
  #utter({ id, t, text }) {
    /** @type {Unsaid} */
    const line = { id, t, text, hasFailed: false, reason: "" };
    this.unsaid = [...this.unsaid.filter((known) => known.id !== id), line];
    this.#unanswered.begin(id, {
      message: { v: 1, t, id, text },
      label: "chat",
      patienceMs: SAYING_PATIENCE_MS,
      done: () => this.#said(id),
      failed: (reason) => {
        Object.assign(line, { hasFailed: true, reason });
        this.changed("unsaid");
      },
      delayed: (reason) => {
        line.reason = reason;
        this.changed("unsaid");
      },
    });
    this.changed("unsaid");
  }

  /** @param {string} id */
  #said(id) {
    this.unsaid = this.unsaid.filter((line) => line.id !== id);
    this.changed("unsaid");
  }

  /**
   * @param {string} poll
   * @param {number} option
   */
  vote(poll, option) {
    this.#unanswered.begin(poll, {
      message: { v: 1, t: "vote", poll, option },
      label: "shop",
      patienceMs: COMMAND_PATIENCE_MS,
      done: () => {},
      failed: (why) => this.#notice({ t: "notice", v: 1, at: this.now(), code: "not_possible", text: `Your vote does not count: ${why}` }),
    });
  }

  /**
   * A reaction: summed with those that follow closely.
   * @param {import("./protocol.js").Reaction} kind
   */
  react(kind) {
    this.#reactions.add(kind);
  }

  /**
   * Sets the cart; it is the same in all tabs and keeps nothing back.
   * @param {import("./protocol.js").Line[]} lines
   */
  setCart(lines) {
    this.#send({ v: 1, t: "cart", lines });
  }

  /**
   * What a promo code would take off; resolves with the `promo` message.
   * @param {string} code
   */
  promo(code) {
    return this.#question((id) => ({ v: 1, t: "promo", id, code }));
  }

  /**
   * A host's command; resolves when it is done. On a line that breaks it is given again, and done once.
   * @param {Command} command
   * @param {number} [capturedAt] the moment before the camera it belongs to, by the server's clock
   */
  host(command, capturedAt) {
    const captured = capturedAt ? { captured_at: Math.round(capturedAt) } : {};
    return this.#question((id) => ({ v: 1, t: "host", id, do: command, ...captured }));
  }

  /**
   * @param {(id: string) => FromClient & {v: number}} message
   * @returns {Promise<any>}
   */
  #question(message) {
    const id = uuid7();
    return new Promise((resolve, reject) => {
      this.#unanswered.begin(id, {
        message: message(id),
        label: "shop",
        patienceMs: COMMAND_PATIENCE_MS,
        done: resolve,
        failed: (why) => reject(new Error(why)),
      });
    });
  }

  #key() {
    return `vitrine:you:${this.#options.room}`;
  }

  /** Whether this is a guest, or may become one. */
  get #isGuest() {
    return !this.#options.token || this.#options.mayBeGuest === true;
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
      ...(this.#epoch && !afresh ? { resume: { epoch: this.#epoch, seq: this.#seq ?? 0 } } : {}),
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

  /** @param {boolean} is */
  #connected(is) {
    if (this.isConnected === is) return;
    this.isConnected = is;
    this.changed("connection");
  }

  /** @param {string} data */
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
    else if (typeof message.seq === "number") this.#inOrder(message.seq, message);
    else this.apply(message);
  }

  /**
   * Applies numbered events in their order; asks again when one is missing for good.
   * @param {number} seq
   * @param {Message} message
   */
  #inOrder(seq, message) {
    if (this.#seq === undefined || seq <= this.#seq) return;
    this.#early.set(seq, message);
    for (;;) {
      const next = this.#early.get(this.#seq + 1);
      if (!next) break;
      this.#seq += 1;
      this.#early.delete(this.#seq);
      this.#timeline.show(next, () => this.apply(next));
    }
    clearTimeout(this.#gap);
    if (this.#early.size > 0) this.#gap = setTimeout(() => this.#hello(), OVERTAKING_MS);
  }

  /** @param {Welcome} message */
  #welcome(message) {
    this.#clock = message.server_time - Date.now();
    if (message.pages) {
      this.#pages[message.page ?? 0] = message;
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
    this.unplayable = undefined;
    this.forgetOpenOrders();
    if (message.deltas) {
      const known = this.#seq ?? 0;
      for (const delta of message.deltas) if ((delta.seq ?? 0) > known) this.apply(delta);
    } else {
      this.takeSnapshot(pages.flatMap((page) => page.snapshot ?? []));
    }
    this.#seq = message.seq;
    for (const seq of [...this.#early.keys()]) if (seq <= this.#seq) this.#early.delete(seq);
    this.#connected(true);
    this.changed("welcome");
    for (const { ref } of [...this.chat, ...this.questions]) if (ref) this.#unanswered.settle(ref);
    for (const poll of Object.keys(this.votes)) this.#unanswered.settle(poll);
    this.#buys.repeatAll();
    this.#unanswered.repeatAll();
    for (const buy of this.#returns) this.#send({ v: 1, t: "cancel", buy });
  }

  /** @param {Message} message */
  apply(message) {
    switch (message.t) {
      case "clock":
        return this.#timeline.learn(message);
      case "receipt":
        return this.#receipt(message);
      case "done":
      case "promo":
        return this.#unanswered.settle(message.ref, message);
      case "voted":
        this.#unanswered.settle(message.poll);
        return super.apply(message);
      case "chat":
      case "question":
        super.apply(message);
        return message.ref && message.user.id === this.you?.id ? this.#unanswered.settle(message.ref) : undefined;
      case "notice":
        return this.#notice(message);
      case "order":
        this.#returns.delete(message.buy);
        return super.apply(message);
      default:
        return super.apply(message);
    }
  }

  /** @param {import("./protocol.js").Receipt} receipt */
  #receipt(receipt) {
    if (["held", "checkout_open", "waitlisted"].includes(receipt.outcome)) this.keepOrder(receipt);
    const isAwaited = this.#buys.has(receipt.buy);
    this.#buys.end(receipt.buy);
    if (isAwaited) this.changed("buying");
    this.changed("orders");
    if (!isAwaited) return;
    if (receipt.outcome === "price_changed") this.takePrices(receipt.prices, receipt.price_version);
    this.tell("receipt", { receipt });
  }

  /** @param {Extract<Message, {t: "notice"}>} message */
  #notice(message) {
    // Who asks again is not let in either.
    if (message.code === "banned") this.#line.stop();
    if (message.code === "token_invalid" && this.#isGuest) {
      if (this.#options.token) this.tell("notice", message);
      this.#options.token = undefined;
      memory.set(this.#key(), undefined);
      this.you = undefined;
      return this.#hello(true);
    }
    const ref = message.ref ?? "";
    if (this.#returns.delete(ref)) this.changed("orders");
    if (this.#unanswered.has(ref)) {
      const { retry_after_ms, text } = message;
      return retry_after_ms ? this.#unanswered.repeatAfter(ref, retry_after_ms, text) : this.#unanswered.fail(ref, text);
    }
    if (this.#buys.has(ref)) {
      if (message.retry_after_ms) return this.#buys.repeatAfter(ref, message.retry_after_ms);
      this.#buys.end(ref);
      this.changed("buying");
    }
    this.tell("notice", message);
  }

  /**
   * The event stream does not take the token: a guest goes on without one, for others nothing helps.
   * @param {string} why
   */
  #refused(why) {
    if (!this.#isGuest) this.#line.stop();
    this.#notice({ t: "notice", v: 1, at: this.now(), code: "token_invalid", text: why });
  }

  /** @param {import("./buys.js").Buy} buy */
  async #buyByHttp(buy) {
    const { base, room } = this.#options;
    const token = this.#token();
    if (!token) return;
    const { receipt, refusal } = await buyByHttp(`${base}/api/rooms/${room}/buy`, token, buy);
    if (receipt) return this.#receipt(receipt);
    const { id: ref } = buy;
    if (refusal && this.#buys.has(ref)) this.#notice({ t: "notice", v: 1, at: this.now(), code: "not_possible", text: refusal, ref });
  }
}
