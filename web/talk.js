// The chat on the viewer's page.

import { $, el, lazily, patch } from "./ui.js";
import { unsaid } from "./unsaid.js";

/** Lines shown over the picture; older ones have been read. */
const SHOWN = 30;
/** More lines than this within so long are read by whoever wants to, not read aloud one behind the other. */
const CALM_LINES = 4;
const CALM_MS = 10_000;
/** Nearer to the end than this, new lines are followed. Pixels. */
const END = 40;

export class Talk {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  #box = /** @type {HTMLElement} */ ($("#chat").parentElement);
  #isAtEnd = true;
  /** When the last lines came. @type {number[]} */
  #came = [];

  /** @param {{shop: import("./shop.js").ShopClient}} options */
  constructor({ shop }) {
    this.#shop = shop;
    shop.on("change", ({ detail }) => {
      if (detail === "chat") this.#keepCalm();
      if (["welcome", "chat", "unsaid", "connection"].includes(detail)) this.#draw();
    });
    this.#box.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#box;
      this.#isAtEnd = scrollHeight - scrollTop - clientHeight < END;
    });
    new ResizeObserver(() => this.#follow()).observe(this.#box);
    $("#say").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("#text").value.trim();
      if (text) shop.say(text);
      $("#text").value = "";
      this.#isAtEnd = true;
    });
  }

  #keepCalm() {
    const now = performance.now();
    this.#came = [...this.#came, now].slice(-CALM_LINES - 1);
    const isBusy = this.#came.length > CALM_LINES && now - this.#came[0] < CALM_MS;
    $("#chat").setAttribute("aria-live", isBusy ? "off" : "polite");
  }

  #follow() {
    if (this.#isAtEnd) this.#box.scrollTop = this.#box.scrollHeight;
  }

  #draw() {
    const { chat, pinnedChat, slowSeconds } = this.#shop;
    $("#pinned").hidden = !pinnedChat;
    if (pinnedChat) patch($("#pinned"), el("span", {}, el("b", {}, pinnedChat.user.name), ` ${pinnedChat.text}`));
    patch($("#chat"), chat.slice(-SHOWN).map((line) => lazily(this.#key(line), "", () => this.#line(line))), unsaid(this.#shop, "chat", $("#text")));
    $("#text").placeholder = slowSeconds > 0 ? `One line every ${slowSeconds} seconds…` : "Say something…";
    this.#follow();
  }

  /**
   * An own line stays the same element from the moment it is written: it is read aloud once.
   * @param {import("./protocol.js").ChatLine} line
   */
  #key({ id, ref, user }) {
    return user.id === this.#shop.you?.id && ref ? ref : id;
  }

  /** @param {import("./protocol.js").ChatLine} line */
  #line(line) {
    const { id, user, text } = line;
    return el("li", { class: user.role, "data-key": this.#key(line), "data-chat": id }, el("b", {}, user.name), ` ${text}`);
  }
}
