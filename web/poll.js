// Polls on the viewer's page: asked over the picture, answered with one tap.

import { $, clock, el, patch } from "./ui.js";

/** The result stays for so long after the end. */
const AFTER_MS = 15_000;

export class PollCard {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  /** @type {Map<string, number>} */
  #closed = new Map();

  /** @param {{shop: import("./shop.js").ShopClient}} options */
  constructor({ shop }) {
    this.#shop = shop;
    shop.on("change", ({ detail }) => ["welcome", "polls"].includes(detail) && this.draw());
    setInterval(() => this.draw(), 1000);
  }

  /** The newest poll that is open or has just closed. */
  #current() {
    for (const poll of [...this.#shop.polls.values()].reverse()) {
      if (poll.open) return poll;
      const known = this.#closed.get(poll.id) ?? this.#shop.now();
      this.#closed.set(poll.id, known);
      if (this.#shop.now() - known < AFTER_MS && this.#shop.votes[poll.id] !== undefined) return poll;
    }
    return undefined;
  }

  draw() {
    const card = $("#poll");
    const poll = this.#current();
    card.hidden = !poll;
    if (!poll) return;
    const mine = this.#shop.votes[poll.id];
    const votes = poll.counts.reduce((sum, count) => sum + count, 0);
    const isAnswered = mine !== undefined || !poll.open;
    const left = poll.open && poll.closes_at ? clock(poll.closes_at - this.#shop.now()) : poll.open ? "" : "closed";
    patch(
      card,
      el("div", { class: "row" }, el("h2", {}, poll.question), el("span", { class: "small time" }, left)),
      poll.options.map((option, place) => this.#option(poll, option, place, { mine, votes, isAnswered })),
      isAnswered && el("p", { class: "small" }, votes === 1 ? "1 vote" : `${votes} votes`),
    );
  }

  /**
   * @param {import("./protocol.js").Poll} poll
   * @param {string} option
   * @param {number} place
   * @param {{mine: number | undefined, votes: number, isAnswered: boolean}} so_far
   */
  #option(poll, option, place, { mine, votes, isAnswered }) {
    const share = votes > 0 ? Math.round((poll.counts[place] / votes) * 100) : 0;
    return el(
      "button",
      {
        class: "option",
        "data-key": String(place),
        "data-option": String(place),
        "aria-pressed": String(mine === place),
        "aria-disabled": String(isAnswered),
        onclick: () => !isAnswered && this.#shop.vote(poll.id, place),
      },
      isAnswered && el("progress", { max: "100", value: String(share), "aria-hidden": "true" }),
      el("span", {}, option),
      isAnswered && el("b", {}, `${share} %`),
    );
  }
}
