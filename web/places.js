// On a phone the host's page shows one of its parts at a time, below the picture: the thumb chooses which. On a desk all of
// them are there.

import { $, all } from "./ui.js";

/** @typedef {"picture" | "products" | "orders" | "chat" | "questions"} Place */

export class Places {
  constructor() {
    for (const button of all("[data-go]")) {
      button.addEventListener("click", () => this.go(/** @type {Place} */ (button.dataset.go)));
    }
  }

  /** @param {Place} place */
  go(place) {
    const main = $("main");
    main.dataset.place = place;
    for (const button of all("[data-go]")) {
      if (button.dataset.go === place) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    $(".people").scrollTop = 0;
  }
}

/**
 * How many wait for the host in a place that may not be on screen.
 * @param {Place} place
 * @param {number} waiting
 */
export function count(place, waiting) {
  const badge = $(`[data-count="${place}"]`);
  badge.hidden = waiting === 0;
  badge.textContent = waiting > 99 ? "99+" : String(waiting);
}
