// The list of rooms.

import { $, el } from "./ui.js";

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

function draw(rooms) {
  $("#none").hidden = rooms.length > 0;
  $("#rooms").replaceChildren(
    ...rooms
      .sort((a, b) => Number(b.live) - Number(a.live) || a.room.localeCompare(b.room))
      .map(({ room, live, viewers, title }) =>
        el(
          "li",
          {},
          el(
            "a",
            { href: `/watch/${room}` },
            el("span", {}, el("strong", {}, title || room), ` · ${viewers} watching`),
            el("span", { class: live ? "badge live" : "badge" }, live ? "LIVE" : "Soon"),
          ),
        ),
      ),
  );
}

look();
