// Reactions are many: they are summed before they are sent.

/** Between two messages: two a second are taken. */
const PAUSE_MS = 600;
/** Of one kind in one message. */
const MOST = 50;

/** Sums by kind, handed on one kind at a time. */
export class Sums {
  /** @type {Map<string, number>} */
  #counts = new Map();
  /** @type {number | undefined} */
  #timer;
  #hand;

  /** @param {(kind: string, count: number) => void} hand */
  constructor(hand) {
    this.#hand = hand;
  }

  /** @param {string} kind */
  add(kind) {
    this.#counts.set(kind, Math.min((this.#counts.get(kind) ?? 0) + 1, MOST));
    this.#begin();
  }

  #begin() {
    if (this.#counts.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const [[kind, count]] = this.#counts;
      this.#counts.delete(kind);
      this.#hand(kind, count);
      this.#begin();
    }, PAUSE_MS);
  }
}
