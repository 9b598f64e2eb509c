// What waits for the server's word: said again on every new connection, and ever more seldom on this one, under the same id, until
// it is answered or too much time has passed.

const FIRST_REPEAT_MS = 3000;
const LONGEST_REPEAT_MS = 12_000;

/** @typedef {import("./protocol.js").FromClient & {v: number}} Message */
/**
 * One of them. `done` is called with its answer, `failed` with why there is none, and `delayed` with why it has to wait.
 * @typedef {{message: Message, label: string, patienceMs: number, done: (answer: any) => void, failed: (why: string) => void,
 *   delayed?: (why: string) => void}} Wish
 */

export class Unanswered {
  /** @type {Map<string, Wish & {repeats: number, wasSent: boolean, until: number, timer?: number, end?: number}>} */
  #under = new Map();
  #send;

  /** @param {(message: Message, label: string) => boolean} send whether there was a way */
  constructor(send) {
    this.#send = send;
  }

  /** @param {string} id */
  has(id) {
    return this.#under.has(id);
  }

  /**
   * @param {string} id what its answer names
   * @param {Wish} wish
   */
  begin(id, wish) {
    this.#take(id);
    const end = setTimeout(() => this.fail(id), wish.patienceMs);
    this.#under.set(id, { ...wish, repeats: 0, wasSent: false, until: performance.now() + wish.patienceMs, end });
    this.#repeat(id);
  }

  /** Says all of it: the connection is a new one. */
  repeatAll() {
    for (const id of this.#under.keys()) this.#repeat(id);
  }

  /**
   * The server wants it again, but later.
   * @param {string} id
   * @param {number} ms
   * @param {string} why
   */
  repeatAfter(id, ms, why) {
    const wish = this.#under.get(id);
    if (!wish) return;
    if (performance.now() + ms > wish.until) return this.fail(id, why);
    clearTimeout(wish.timer);
    wish.timer = setTimeout(() => this.#repeat(id), ms);
    wish.delayed?.(why);
  }

  /**
   * @param {string} id
   * @param {any} [answer]
   */
  settle(id, answer) {
    this.#take(id)?.done(answer);
  }

  /**
   * Refused, or given up: then it says whether it may have been heard.
   * @param {string} id
   * @param {string} [why]
   */
  fail(id, why) {
    const wish = this.#take(id);
    wish?.failed(why ?? (wish.wasSent ? "no answer came" : "there is no connection"));
  }

  /**
   * Gives it up without a word.
   * @param {string} id
   */
  forget(id) {
    this.#take(id);
  }

  /** @param {string} id */
  #take(id) {
    const wish = this.#under.get(id);
    clearTimeout(wish?.timer);
    clearTimeout(wish?.end);
    this.#under.delete(id);
    return wish;
  }

  /** @param {string} id */
  #repeat(id) {
    const wish = this.#under.get(id);
    if (!wish) return;
    if (this.#send(wish.message, wish.label)) wish.wasSent = true;
    clearTimeout(wish.timer);
    wish.timer = setTimeout(() => this.#repeat(id), Math.min(FIRST_REPEAT_MS * 2 ** wish.repeats, LONGEST_REPEAT_MS));
    wish.repeats += 1;
  }
}
