// Promo codes at the host's: made, counted, taken back.

import { $, el, money, patch } from "./ui.js";

/** Codes are asked for anew so often, for their counts. */
const REFRESH_MS = 15_000;

export class Promos {
  /** @type {import("./host.js").Act} */
  #act;
  #load;

  /** @param {{shop: import("./shop.js").ShopClient, act: import("./host.js").Act, room: string, token: string}} options */
  constructor({ shop, act, room, token }) {
    this.#act = act;
    this.#load = () => fetch(`/api/rooms/${room}/promos`, { headers: { Authorization: `Bearer ${token}` } });
    shop.on("change", ({ detail }) => detail === "welcome" && this.#draw());
    setInterval(() => !document.hidden && this.#draw(), REFRESH_MS);
    /** @type {HTMLFormElement} */
    const form = $("#promo");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const data = new FormData(form);
      const limit = Number(data.get("limit"));
      /** @type {import("./protocol.js").AnyCommand} */
      const command = { op: "promo.put", code: String(data.get("code")).trim(), basis_points: Number(data.get("percent")) * 100, ...(limit ? { limit } : {}) };
      if (await act(command, `${command.code.toUpperCase()} can be used now`)) form.reset();
      this.#draw();
    });
  }

  async #draw() {
    try {
      const response = await this.#load();
      if (!response.ok) return;
      /** @type {{promos: (import("./protocol.js").Promo)[]}} */
      const { promos } = await response.json();
      patch($("#promos"), promos.map((promo) => this.#view(promo)));
    } catch {
      // The next time asks again.
    }
  }

  /** @param {import("./protocol.js").Promo & {basis_points?: number, amount?: import("./protocol.js").Money}} promo */
  #view({ code, basis_points, amount, limit, used }) {
    const remove = async () => {
      await this.#act({ op: "promo.remove", code }, `${code} is taken back`);
      this.#draw();
    };
    const off = amount ? money(amount) : `${(basis_points ?? 0) / 100} %`;
    return el(
      "li",
      { class: "code", "data-key": code, "data-promo": code },
      el("span", {}, el("strong", {}, code), ` ${off} off`, el("span", { class: "small" }, limit ? ` · used ${used} of ${limit}` : ` · used ${used} times`)),
      el("button", { class: "quiet", onclick: remove }, "Take back"),
    );
  }
}
