// Own words that the others have not seen yet, below those that they have: nothing that was written is lost.

import { el } from "./ui.js";

/**
 * Lines of a list for them.
 * @param {import("./shop.js").ShopClient} shop
 * @param {"chat" | "question"} kind
 * @param {import("./ui.js").PageElement} field where words are written, and go back to
 */
export function unsaid(shop, kind, field) {
  const said = new Set([...shop.chat, ...shop.questions].map(({ ref }) => ref));
  const lines = shop.unsaid.filter(({ id, t }) => t === kind && !said.has(id));
  return lines.map(({ id, text, hasFailed, reason }) => {
    const edit = () => {
      field.value = [shop.takeBack(id), field.value.trim()].filter(Boolean).join(" ").slice(0, field.maxLength);
      field.focus();
    };
    const waits = reason || (shop.isConnected ? "" : "Waits for the connection");
    return el(
      kind === "chat" ? "li" : "article",
      { class: hasFailed ? "unsaid failed" : "unsaid", "data-key": id, "data-unsaid": id },
      el("b", {}, shop.you?.name ?? "You"),
      ` ${text}`,
      (hasFailed || waits) && el("span", { class: "why" }, hasFailed ? `Not sent: ${reason}` : waits),
      hasFailed && el("button", { class: "quiet", "data-again": id, onclick: () => shop.sayAgain(id) }, "Send again"),
      hasFailed && el("button", { class: "quiet", "data-edit": id, onclick: edit }, "Edit"),
    );
  });
}
