// Reactions: one tap, and everybody's rise over the picture.

import { $ } from "./ui.js";

/** @type {Record<string, string>} */
const SIGNS = { heart: "❤️", like: "👍", fire: "🔥", laugh: "😂", wow: "😮", clap: "👏" };
/** Signs in the air at once: more is a blur, and work for a phone. */
const MOST = 24;
/** Signs of one message rise over the time until the next. */
const SPREAD_MS = 500;

export class Hearts {
  #air = $("#air");

  /** @param {{shop: import("./shop.js").ShopClient}} options */
  constructor({ shop }) {
    $("#heart").addEventListener("click", () => {
      shop.react("heart");
      this.#rise("heart");
      this.#own += 1;
    });
    shop.on("reactions", ({ detail: { more } }) => {
      if (document.hidden) return;
      for (const [kind, count] of Object.entries(more)) {
        // The own ones have risen already.
        const own = kind === "heart" ? Math.min(this.#own, count) : 0;
        this.#own -= own;
        for (let n = 0; n < Math.min(count - own, MOST); n++) setTimeout(() => this.#rise(kind), Math.random() * SPREAD_MS);
      }
    });
  }

  #own = 0;

  /** @param {string} kind */
  #rise(kind) {
    if (!SIGNS[kind] || this.#air.children.length >= MOST) return;
    const sign = document.createElement("span");
    sign.textContent = SIGNS[kind];
    sign.style.setProperty("--drift", `${Math.random() * 3 - 1.5}rem`);
    sign.addEventListener("animationend", () => sign.remove());
    // Where motion is not wished for there is no animation that ends.
    setTimeout(() => sign.remove(), 3000);
    this.#air.append(sign);
  }
}
