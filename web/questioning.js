// What viewers ask and what they are asked, at the host's.

import { count } from "./places.js";
import { $, clock, el, patch, uuid7, written } from "./ui.js";

/** Polls are named by the host's page. */
const newId = () => `poll-${uuid7().slice(-12)}`;

/** The questions: answered in writing or aloud, or set aside. */
export class Questioning {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  /** @type {import("./host.js").Act} */
  #act;

  /** @param {{shop: import("./shop.js").ShopClient, act: import("./host.js").Act}} options */
  constructor({ shop, act }) {
    this.#shop = shop;
    this.#act = act;
    shop.on("change", ({ detail }) => ["welcome", "questions"].includes(detail) && this.#draw());
  }

  #draw() {
    const { questions } = this.#shop;
    const open = questions.filter(({ state }) => state === "open");
    count("questions", open.length);
    $("#questions-open").textContent = open.length > 0 ? `${open.length} open` : "";
    const answered = questions.filter(({ state }) => state === "answered").reverse();
    const none = el("li", { class: "small", "data-key": "none" }, "Questions of viewers appear here.");
    const all = [...open, ...answered];
    patch($("#questions"), all.length ? all.map((question) => this.#view(question)) : none);
  }

  /** @param {import("./protocol.js").Question} question */
  #view({ id, user, text, state, answer }) {
    /** @type {NonNullable<import("./ui.js").Attributes["onsubmit"]>} */
    const reply = (event) => {
      event.preventDefault();
      const text = written(event.target, "answer");
      this.#act({ op: "question.answer", question: id, ...(text ? { text } : {}) });
    };
    const dismiss = () => this.#act({ op: "question.dismiss", question: id });
    return el(
      "li",
      { class: `asked ${state}`, "data-key": id, "data-question": id },
      el("p", {}, el("strong", {}, user.name), ` ${text}`),
      state === "answered"
        ? el("p", { class: "small answer" }, answer ?? "Answered in the show")
        : el(
            "form",
            { onsubmit: reply },
            el("input", { name: "answer", maxlength: "500", autocomplete: "off", placeholder: "Write, or answer aloud", "aria-label": `Answer to ${user.name}` }),
            el("button", { class: "primary" }, "Answered"),
            el("button", { type: "button", class: "quiet", "aria-label": "Set the question aside", onclick: dismiss }, "✕"),
          ),
    );
  }
}

/** The polls: opened, watched, closed. */
export class Polling {
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  /** @type {import("./host.js").Act} */
  #act;

  /** @param {{shop: import("./shop.js").ShopClient, act: import("./host.js").Act}} options */
  constructor({ shop, act }) {
    this.#shop = shop;
    this.#act = act;
    shop.on("change", ({ detail }) => ["welcome", "polls"].includes(detail) && this.#draw());
    setInterval(() => this.#draw(), 1000);
    /** @type {HTMLFormElement} */
    const form = $("#poll");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const data = new FormData(form);
      const options = String(data.get("options")).split("\n").map((line) => line.trim()).filter(Boolean);
      const seconds = Number(data.get("seconds"));
      /** @type {import("./protocol.js").AnyCommand} */
      const command = { op: "poll.open", poll: newId(), question: String(data.get("question")).trim(), options, ...(seconds ? { seconds } : {}) };
      if (await act(command, "Everybody is asked now")) {
        form.reset();
        form.closest("details")?.removeAttribute("open");
      }
    });
  }

  #draw() {
    const polls = [...this.#shop.polls.values()].reverse();
    patch($("#polls"), polls.map((poll) => this.#view(poll)));
  }

  /** @param {import("./protocol.js").Poll} poll */
  #view({ id, question, options, counts, open, closes_at }) {
    const votes = counts.reduce((sum, count) => sum + count, 0);
    const left = !open ? "closed" : closes_at ? clock(closes_at - this.#shop.now()) : "open";
    return el(
      "li",
      { class: "voted", "data-key": id, "data-poll": id },
      el("div", { class: "row" }, el("strong", {}, question), el("span", { class: "small time" }, left)),
      options.map((option, place) => el("p", {}, el("span", {}, option), el("b", {}, String(counts[place])), el("progress", { max: String(Math.max(votes, 1)), value: String(counts[place]) }))),
      open && el("div", { class: "row" }, el("span", { class: "small" }, `${votes} votes`), el("button", { onclick: () => this.#act({ op: "poll.close", poll: id }) }, "Close")),
    );
  }
}
