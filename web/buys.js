// Buys under way: each is repeated, with the same id, until its receipt comes.

/** A buy is repeated until its receipt comes, each time after twice the pause. */
const FIRST_REPEAT_MS = 250;
const LONGEST_REPEAT_MS = 4000;
/** A buy that is not answered on the connection is asked for by HTTP, too: the same id, the same receipt. */
const HTTP_AFTER_REPEATS = 3;

/** @typedef {import("./protocol.js").FromClient & {t: "buy", v: number}} Buy */

/** Buys without a receipt. */
export class Buys {
  /** @type {Map<string, {message: Buy, repeats: number, timer?: number}>} */
  #under = new Map();
  #send;
  #sendByHttp;

  /**
   * @param {{send: (buy: Buy) => void, sendByHttp: (buy: Buy) => void}} ways The connection, and a request beside it for when
   * the connection does not answer.
   */
  constructor({ send, sendByHttp }) {
    this.#send = send;
    this.#sendByHttp = sendByHttp;
  }

  get size() {
    return this.#under.size;
  }

  /** @param {string} id */
  has(id) {
    return this.#under.has(id);
  }

  /** @param {Buy} message */
  begin(message) {
    this.#under.set(message.id, { message, repeats: 0 });
    this.#repeat(message.id);
  }

  /** Sends all of them: the connection is a new one. */
  repeatAll() {
    for (const id of this.#under.keys()) this.#repeat(id);
  }

  /**
   * The server wants it again, but later.
   * @param {string} id
   * @param {number} ms
   */
  repeatAfter(id, ms) {
    const buy = this.#under.get(id);
    if (!buy) return;
    clearTimeout(buy.timer);
    buy.timer = setTimeout(() => this.#repeat(id), ms);
  }

  /**
   * Answered, or refused for good.
   * @param {string} id
   */
  end(id) {
    clearTimeout(this.#under.get(id)?.timer);
    this.#under.delete(id);
  }

  /** @param {string} id */
  #repeat(id) {
    const buy = this.#under.get(id);
    if (!buy) return;
    this.#send(buy.message);
    if (buy.repeats >= HTTP_AFTER_REPEATS) this.#sendByHttp(buy.message);
    const wait = Math.min(FIRST_REPEAT_MS * 2 ** buy.repeats, LONGEST_REPEAT_MS);
    buy.repeats += 1;
    this.repeatAfter(id, wait);
  }
}
