// What is said again, under the same id, until it is answered: on every new connection, and ever more seldom on this one.

/** @template T */
export class Repeats {
  /** @type {Map<string, {what: T, repeats: number, timer?: number}>} */
  #under = new Map();
  #send;
  #firstMs;
  #longestMs;

  /**
   * @param {{send: (what: T, repeats: number) => void, firstMs: number, longestMs: number}} options The first pause, of which each
   * next one is twice as long, and the longest.
   */
  constructor({ send, firstMs, longestMs }) {
    this.#send = send;
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  get size() {
    return this.#under.size;
  }

  /** @param {string} id */
  has(id) {
    return this.#under.has(id);
  }

  /** @param {string} id */
  get(id) {
    return this.#under.get(id)?.what;
  }

  /**
   * @param {string} id
   * @param {T} what
   */
  begin(id, what) {
    this.end(id);
    this.#under.set(id, { what, repeats: 0 });
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
   */
  repeatAfter(id, ms) {
    const entry = this.#under.get(id);
    if (!entry) return;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => this.#repeat(id), ms);
  }

  /**
   * Answered, refused or given up; what it was.
   * @param {string} id
   */
  end(id) {
    const entry = this.#under.get(id);
    clearTimeout(entry?.timer);
    this.#under.delete(id);
    return entry?.what;
  }

  /** @param {string} id */
  #repeat(id) {
    const entry = this.#under.get(id);
    if (!entry) return;
    this.#send(entry.what, entry.repeats);
    this.repeatAfter(id, Math.min(this.#firstMs * 2 ** entry.repeats, this.#longestMs));
    entry.repeats += 1;
  }
}
