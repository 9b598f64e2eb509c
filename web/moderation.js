// The chat at the host's: read, answered, kept civil.

import { $, el, patch } from "./ui.js";

/** Nearer to the end than this, new lines are followed. Pixels. */
const END = 40;

export class Moderation {
  #shop;
  #act;

  constructor({ shop, act }) {
    this.#shop = shop;
    this.#act = act;
    shop.addEventListener("change", ({ detail }) => ["welcome", "chat"].includes(detail) && this.#draw());
    $("#slow").addEventListener("change", ({ target }) => act({ op: "chat.slow", seconds: Number(target.value) }));
    const take = (use) => {
      const text = $("#text").value.trim();
      $("#text").value = "";
      if (text) use(text);
    };
    $("#say").addEventListener("submit", (event) => {
      event.preventDefault();
      take((text) => shop.say(text));
    });
    $("#announce").addEventListener("click", () => take((text) => act({ op: "announce", text }, "Everybody sees it now")));
  }

  #draw() {
    const list = $("#chat");
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < END;
    const none = el("li", { class: "small", "data-key": "none" }, "Nobody has said anything yet.");
    patch(list, this.#shop.chat.length ? this.#shop.chat.map((line) => this.#line(line)) : none);
    if (atEnd) list.scrollTop = list.scrollHeight;
    $("#slow").value = String(this.#shop.slowSeconds);
  }

  #line({ id, user, text }) {
    const remove = () => this.#act({ op: "chat.delete", message: id });
    const mute = () => this.#act({ op: "chat.mute", user: user.id }, `${user.name} is muted`);
    return el(
      "li",
      { class: user.role, "data-key": id, "data-chat": id },
      el("span", {}, el("strong", {}, user.name), ` ${text}`),
      user.role === "viewer" && el("button", { class: "quiet", onclick: mute }, "Mute"),
      el("button", { class: "quiet", "data-delete": id, "aria-label": "Delete this line", onclick: remove }, "✕"),
    );
  }
}
