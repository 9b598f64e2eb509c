// What waits for the server's word: repeated until it is answered or too much time has passed.

import { Repeats } from "./repeats.js";

const FIRST_REPEAT_MS = 3000;
const LONGEST_REPEAT_MS = 12_000;

/** @typedef {import("./protocol.js").FromClient & {v: number}} Message */
/**
 * One of them. `done` is called with its answer, `failed` with why there is none, and `delayed` with why it has to wait.
 * @typedef {{message: Message, label: string, patienceMs: number, done: (answer: any) => void, failed: (why: string) => void,
 *   delayed?: (why: string) => void}} Wish
 */

export class Unanswered {
  /** @type {Repeats<Wish & {wasSent: boolean, until: number, end: number}>} */
  #repeats;

  /** @param {(message: Message, label: string) => boolean} send whether there was a way */
  constructor(send) {
    this.#repeats = new Repeats({
      firstMs: FIRST_REPEAT_MS,
      longestMs: LONGEST_REPEAT_MS,
      send: (wish) => {
        if (send(wish.message, wish.label)) wish.wasSent = true;
      },
    });
  }

  /** @param {string} id */
  has(id) {
    return this.#repeats.has(id);
  }

  /**
   * @param {string} id what its answer names
   * @param {Wish} wish
   */
  begin(id, wish) {
    this.#take(id);
    const end = setTimeout(() => this.fail(id), wish.patienceMs);
    this.#repeats.begin(id, { ...wish, wasSent: false, until: performance.now() + wish.patienceMs, end });
  }

  /** Says all of it: the connection is a new one. */
  repeatAll() {
    this.#repeats.repeatAll();
  }

  /**
   * The server wants it again, but later.
   * @param {string} id
   * @param {number} ms
   * @param {string} why
   */
  repeatAfter(id, ms, why) {
    const wish = this.#repeats.get(id);
    if (!wish) return;
    if (performance.now() + ms > wish.until) return this.fail(id, why);
    this.#repeats.repeatAfter(id, ms);
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
    const wish = this.#repeats.end(id);
    clearTimeout(wish?.end);
    return wish;
  }
}
