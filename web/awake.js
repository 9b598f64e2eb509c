// A screen that stays on while there is something to see: a phone would go dark, and a host's camera with it.

/** Keeps the screen on while it is wished and the page is seen. */
export class Awake {
  #isWished = false;
  /** @type {WakeLockSentinel | undefined} */
  #lock;

  constructor() {
    // The browser lets go of it whenever the page is hidden.
    document.addEventListener("visibilitychange", () => this.#apply());
  }

  /** @param {boolean} is */
  wish(is) {
    if (this.#isWished === is) return;
    this.#isWished = is;
    this.#apply();
  }

  async #apply() {
    const isDue = this.#isWished && document.visibilityState === "visible";
    if (!isDue) {
      this.#lock?.release().catch(() => {});
      this.#lock = undefined;
    } else if (!this.#lock || this.#lock.released) {
      // A browser that has none, or a battery that is low: the screen goes as it would.
      this.#lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
      if (!this.#isWished) this.#apply();
    }
  }
}
