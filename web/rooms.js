// The list of rooms.

import { $, dayAndTime, el, patch } from "./ui.js";

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

/**
 * @typedef {{room: string, live: boolean, host: boolean, viewers: number, title?: string, state: string, starts_at?: number, image?: string}} Room
 */

/**
 * What a room is in a word.
 * @param {Room} room
 */
function word({ live, host, state }) {
  if (live) return "LIVE";
  if (state === "ended") return "Over";
  if (host) return "Camera off";
  return state === "paused" ? "A break" : "Soon";
}

/**
 * What there is to say of it.
 * @param {Room} room
 */
function facts({ live, host, viewers, state, starts_at = 0 }) {
  const isAhead = !live && !host && state !== "ended" && starts_at > Date.now();
  return isAhead ? dayAndTime(starts_at) : `${viewers} watching`;
}

/** What is on comes first, what is over last. @param {Room} room */
const rank = ({ live, host, state }) => (live ? 0 : host ? 1 : state === "ended" ? 3 : 2);

/** @param {Room[]} rooms */
function draw(rooms) {
  $("#none").hidden = rooms.length > 0;
  patch(
    $("#rooms"),
    rooms
      .sort((a, b) => rank(a) - rank(b) || a.room.localeCompare(b.room))
      .map((known) => {
        const { room, live, title, image } = known;
        return el(
          "li",
          { "data-key": room },
          el(
            "a",
            { href: `/watch/${room}` },
            image && el("img", { src: image, alt: "", loading: "lazy" }),
            el("span", { class: "words" }, el("strong", {}, title || room), el("span", { class: "small" }, facts(known))),
            el("span", { class: live ? "badge live" : "badge" }, word(known)),
          ),
        );
      }),
  );
}

$("#unknown").hidden = location.pathname === "/";
look();
