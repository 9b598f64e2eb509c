// Buys under way: each is repeated, with the same id, until its receipt comes.

import { Repeats } from "./repeats.js";

/** A buy is repeated until its receipt comes, each time after twice the pause. */
const FIRST_REPEAT_MS = 250;
const LONGEST_REPEAT_MS = 4000;
/** A buy that is not answered on the connection is asked for by HTTP, too: the same id, the same receipt. */
const HTTP_AFTER_REPEATS = 3;

/** A buy that is answered so is not repeated: it would be answered so again. */
const REFUSED = [400, 401, 403, 404, 422];

/** @typedef {import("./protocol.js").FromClient & {t: "buy", v: number}} Buy */

/**
 * Asks for a buy once. Neither a receipt nor why there will be none: it is to be repeated.
 * @param {string} url
 * @param {string} token
 * @param {Buy} buy
 * @returns {Promise<{receipt?: import("./protocol.js").Receipt, refusal?: string}>}
 */
export async function buyByHttp(url, token, { v, t, id, ...buy }) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": id, Authorization: `Bearer ${token}` },
      body: JSON.stringify(buy),
    });
    if (response.ok) return { receipt: await response.json() };
    if (!REFUSED.includes(response.status)) return {};
    const { detail } = await response.json().catch(() => ({}));
    return { refusal: detail || `HTTP ${response.status}` };
  } catch {
    return {};
  }
}

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
