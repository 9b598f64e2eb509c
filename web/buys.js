// Buys under way: each is repeated, with the same id, until its receipt comes.

import { Repeats } from "./repeats.js";

/** A buy is repeated until its receipt comes, each time after twice the pause. */
const FIRST_REPEAT_MS = 250;
const LONGEST_REPEAT_MS = 4000;
/** A buy that is not answered on the connection is asked for by HTTP, too: the same id, the same receipt. */
const HTTP_AFTER_REPEATS = 3;

/** @typedef {import("./protocol.js").FromClient & {t: "buy", v: number}} Buy */

/**
 * Buys without a receipt.
 * @extends {Repeats<Buy>}
 */
export class Buys extends Repeats {
  /**
   * @param {{send: (buy: Buy) => void, sendByHttp: (buy: Buy) => void}} ways The connection, and a request beside it for when
   * the connection does not answer.
   */
  constructor({ send, sendByHttp }) {
    super({
      firstMs: FIRST_REPEAT_MS,
      longestMs: LONGEST_REPEAT_MS,
      send: (buy, repeats) => {
        send(buy);
        if (repeats >= HTTP_AFTER_REPEATS) sendByHttp(buy);
      },
    });
  }
}
