// Questions to the host on the viewer's page: a sheet with what was asked and answered, and a line to ask.

import { $, el, patch, toast } from "./ui.js";
import { unsaid } from "./unsaid.js";

export class Questions {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  #sheet = $("#questions");

  /** @param {{shop: import("./shop.js").ShopClient}} options */
  constructor({ shop }) {
    this.#shop = shop;
    shop.on("change", ({ detail }) => ["welcome", "questions", "unsaid", "connection"].includes(detail) && this.#draw());
    $("#ask").addEventListener("click", () => this.#sheet.showModal());
    $("#questions-close").addEventListener("click", () => this.#sheet.close());
    this.#sheet.addEventListener("click", (event) => event.target === this.#sheet && this.#sheet.close());
    $("#question-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("#question").value.trim();
      if (text) shop.ask(text);
      $("#question").value = "";
    });
  }

  #draw() {
    const { questions, you } = this.#shop;
    const answered = questions.filter(({ state }) => state === "answered").length;
    $("#ask-count").hidden = answered === 0;
    $("#ask-count").textContent = String(answered);
    const none = el("p", { class: "small", "data-key": "none" }, "Nobody has asked anything yet.");
    const views = [...questions].reverse().map((question) => this.#view(question));
    const own = unsaid(this.#shop, "question", $("#question"));
    patch($("#questions-list"), own.length + views.length ? [...own.reverse(), ...views] : none);
    for (const { id, state, user, answer } of questions) {
      if (state === "answered" && user.id === you?.id && !this.#told.has(id)) {
        this.#told.add(id);
        toast(answer ? `The host answers: ${answer}` : "The host is answering your question", "good");
      }
    }
  }

  #told = new Set();

  /** @param {import("./protocol.js").Question} question */
  #view({ id, user, text, state, answer }) {
    return el(
      "article",
      { class: `asked ${state}`, "data-key": id, "data-question": id },
      el("p", {}, el("b", {}, user.name), ` ${text}`),
      state === "answered" && el("p", { class: "answer" }, answer ?? "Answered in the show"),
    );
  }
}
