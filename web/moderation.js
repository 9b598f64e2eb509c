// The chat at the host's: read, answered, kept civil.

import { count } from "./places.js";
import { $, el, lazily, patch } from "./ui.js";
import { unsaid } from "./unsaid.js";

/** Nearer to the end than this, new lines are followed. Pixels. */
const END = 40;

export class Moderation {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  /** @type {import("./host.js").Act} */
  #act;
  #isAtEnd = true;
  /** The last line that was on screen. @type {string | undefined} */
  #read;
  /** The line whose buttons are shown on a phone. @type {string | undefined} */
  #chosen;

  /** @param {{shop: import("./shop.js").ShopClient, act: import("./host.js").Act}} options */
  constructor({ shop, act }) {
    this.#shop = shop;
    this.#act = act;
    shop.on("change", ({ detail }) => {
      if (["welcome", "chat", "unsaid", "connection"].includes(detail)) this.#draw();
      if (detail === "moderation") this.#drawLists();
    });
    const list = $("#chat");
    const isShown = () => list.clientHeight > 0;
    list.addEventListener("scroll", () => {
      if (isShown()) this.#isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < END;
    });
    // It comes and goes on a phone, and gives way to the keyboard.
    new ResizeObserver(() => isShown() && this.#draw()).observe(list);
    /** @type {HTMLFormElement & {elements: {words: HTMLTextAreaElement}}} */
    const words = $("#words");
    words.addEventListener("submit", (event) => {
      event.preventDefault();
      const listed = words.elements.words.value.split("\n").map((word) => word.trim()).filter(Boolean);
      act({ op: "chat.words", words: listed }, "The list is saved");
    });
    const slow = $("#slow");
    slow.addEventListener("change", () => act({ op: "chat.slow", seconds: Number(slow.value) }));
    /** @param {(text: string) => void} use */
    const take = (use) => {
      const text = $("#text").value.trim();
      $("#text").value = "";
      if (text) use(text);
    };
    /** Words that did not go out are in the field again. @param {string} text */
    const announce = async (text) => {
      if (!(await act({ op: "announce", text }, "Everybody sees it now")) && !$("#text").value) $("#text").value = text;
    };
    $("#say").addEventListener("submit", (event) => {
      event.preventDefault();
      take((text) => shop.say(text));
    });
    $("#announce").addEventListener("click", () => take(announce));
  }

  #draw() {
    const list = $("#chat");
    const none = el("li", { class: "small", "data-key": "none" }, "Nobody has said anything yet.");
    const own = unsaid(this.#shop, "chat", $("#text"));
    patch(list, this.#shop.chat.length + own.length ? [...this.#shop.chat.map((line) => lazily(line.id, this.#chosen === line.id, () => this.#line(line))), ...own] : none);
    if (this.#isAtEnd) list.scrollTop = list.scrollHeight;
    this.#count(list.clientHeight > 0);
    $("#slow").value = String(this.#shop.slowSeconds);
    const { pinnedChat } = this.#shop;
    $("#pinned").hidden = !pinnedChat;
    if (!pinnedChat) return;
    const unpin = () => this.#act({ op: "chat.unpin" });
    patch($("#pinned"), el("span", {}, el("strong", {}, pinnedChat.user.name), ` ${pinnedChat.text}`), el("button", { class: "quiet", onclick: unpin }, "Unpin"));
  }

  /** @param {boolean} isShown */
  #count(isShown) {
    const { chat } = this.#shop;
    if (isShown || this.#read === undefined) this.#read = chat.at(-1)?.id ?? "";
    count("chat", chat.length - 1 - chat.findIndex(({ id }) => id === this.#read));
  }

  #drawLists() {
    const { muted, banned, words } = this.#shop.moderation;
    const field = $("#words").elements.words;
    if (field !== document.activeElement) field.value = words.join("\n");
    /** @type {(kind: string, op: "chat.unmute" | "chat.unban", text: string) => (user: string) => HTMLElement} */
    const entry = (kind, op, text) => (user) =>
      el("li", { class: "code", "data-key": `${kind}-${user}` }, el("span", { class: "small" }, `${this.#names.get(user) ?? user} is ${kind}`), el("button", { class: "quiet", onclick: () => this.#act({ op, user }) }, text));
    patch($("#kept-out"), muted.map(entry("muted", "chat.unmute", "Let speak")), banned.map(entry("banned", "chat.unban", "Let in")));
  }

  /** Names of people who have spoken, by id. */
  #names = new Map();

  /** @param {import("./protocol.js").ChatLine} line */
  #line({ id, user, text }) {
    this.#names.set(user.id, user.name);
    const pin = () => this.#act({ op: "chat.pin", message: id });
    const ban = () => confirm(`Ban ${user.name} from the show?`) && this.#act({ op: "chat.ban", user: user.id }, `${user.name} is banned`);
    const remove = () => this.#act({ op: "chat.delete", message: id });
    const mute = () => this.#act({ op: "chat.mute", user: user.id }, `${user.name} is muted`);
    const isChosen = this.#chosen === id;
    const choose = () => {
      this.#chosen = isChosen ? undefined : id;
      this.#draw();
    };
    return el(
      "li",
      { class: isChosen ? `${user.role} unfolded` : user.role, "data-key": id, "data-chat": id },
      el("span", {}, el("strong", {}, user.name), ` ${text}`),
      el("button", { class: "quiet fold", "aria-expanded": String(isChosen), "aria-label": `What to do with this line of ${user.name}`, onclick: choose }, "⋯"),
      el("button", { class: "quiet", "data-pin-chat": id, onclick: pin }, "Pin"),
      user.role === "viewer" && el("button", { class: "quiet", onclick: mute }, "Mute"),
      user.role === "viewer" && el("button", { class: "quiet", onclick: ban }, "Ban"),
      el("button", { class: "quiet", "data-delete": id, "aria-label": "Delete this line", onclick: remove }, "✕"),
    );
  }
}
