// A few numbers over the picture, for whoever wants to know: shown by a tap on the badge, or by `#numbers` in the address.

import { $ } from "./ui.js";

/** @param {number} bitrate bits per second */
const rate = (bitrate) => (bitrate >= 1_000_000 ? `${(bitrate / 1_000_000).toFixed(1)} Mbit/s` : `${Math.round(bitrate / 1000)} kbit/s`);

export class Numbers {
  #player;
  #node = $("#numbers");

  /** @param {{player: import("./player.js").WhepPlayer}} options */
  constructor({ player }) {
    this.#player = player;
    $("#live").addEventListener("click", () => this.#show(this.#node.hidden));
    this.#show(location.hash.includes("numbers"));
    setInterval(() => this.#draw(), 1000);
  }

  /** @param {boolean} on */
  #show(on) {
    this.#node.hidden = !on;
    this.#draw();
  }

  async #draw() {
    if (this.#node.hidden) return;
    const now = await this.#player.stats();
    const lines = now
      ? [
          `${now.width}×${now.height} ${now.fps} fps ${now.codec}`,
          `${rate(now.bitrate)}, ${now.lostPercent.toFixed(1)} % lost`,
          `${now.roundTripMs ?? "–"} ms round trip, ${now.playoutDelayMs ?? "–"} ms held`,
          `${now.freezes} freezes, ${(now.freezeMs / 1000).toFixed(1)} s`,
        ]
      : ["no picture"];
    this.#node.textContent = lines.join("\n");
  }
}
