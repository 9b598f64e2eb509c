// The list of rooms.

import { $, el, patch } from "./ui.js";

const AGAIN_MS = 5000;

async function look() {
  try {
    const response = await fetch("/api/rooms");
    if (response.ok) draw((await response.json()).rooms);
  } catch {
    // The server is away for a moment.
  }
  setTimeout(look, AGAIN_MS);
}

/** @param {{room: string, live: boolean, viewers: number, title?: string}[]} rooms */
function draw(rooms) {
  $("#none").hidden = rooms.length > 0;
  patch(
    $("#rooms"),
    rooms
      .sort((a, b) => Number(b.live) - Number(a.live) || a.room.localeCompare(b.room))
      .map(({ room, live, viewers, title }) =>
        el(
          "li",
          { "data-key": room },
          el(
            "a",
            { href: `/watch/${room}` },
            el("span", { class: "words" }, el("strong", {}, title || room), el("span", { class: "small" }, `${viewers} watching`)),
            el("span", { class: live ? "badge live" : "badge" }, live ? "LIVE" : "Soon"),
          ),
        ),
      ),
  );
}

$("#unknown").hidden = location.pathname === "/";
look();
