// The host's page.

import { roomOfPage, tokenOfPage } from "./address.js";
import { Inventory } from "./inventory.js";
import { Moderation } from "./moderation.js";
import { Monitor } from "./monitor.js";
import { Places } from "./places.js";
import { Promos } from "./promos.js";
import { Polling, Questioning } from "./questioning.js";
import { Sales } from "./sales.js";
import { ShopClient } from "./shop.js";
import { Studio } from "./studio.js";
import { $, share, toast } from "./ui.js";

const room = roomOfPage();
const key = `vitrine:host:${room}`;
/** What is seen, and so belongs to the picture of the moment, where this page sends it. */
const SEEN = ["product.pin", "product.unpin", "price.set", "flash.start", "announce", "countdown.show", "countdown.hide", "poll.open", "product.recommend"];

/** Whoever waits for so long for what was pressed is told why. */
const NO_ANSWER_MS = 2500;

/**
 * Carries out a command and says how it went; whether it did.
 * @typedef {(command: import("./protocol.js").AnyCommand, done?: string) => Promise<boolean>} Act
 */

/** @param {string} token */
function begin(token) {
  const shop = new ShopClient({ room, token });
  /** @type {Act} */
  const act = async (command, done) => {
    const slow = setTimeout(() => toast("The server does not answer. It is done when the connection is back."), NO_ANSWER_MS);
    try {
      const isBeforeCamera = document.documentElement.dataset.publishing === "live" && SEEN.includes(command.op);
      await shop.host(command, isBeforeCamera ? shop.now() : undefined);
      if (done) toast(done, "good");
      return true;
    } catch (error) {
      toast(error.message, "bad");
      // What was chosen is not so: the page says what is.
      draw();
      return false;
    } finally {
      clearTimeout(slow);
    }
  };
  const monitor = new Monitor({ room, token, shop });
  const studio = new Studio({ room, token, shop, monitor });
  new Inventory({ shop, act, places: new Places() });
  new Sales({ shop, act, room, token });
  new Moderation({ shop, act });
  new Questioning({ shop, act });
  new Polling({ shop, act });
  new Promos({ shop, act, room, token });

  const title = $("#title");
  title.addEventListener("change", () => act({ op: "show.title", title: title.value.trim() || room }, "The title is changed"));
  title.addEventListener("keydown", (event) => event.key === "Enter" && title.blur());
  const state = $("#state");
  state.addEventListener("change", () => act({ op: "show.state", state: state.value }));

  const starts = $("#starts");
  starts.addEventListener("change", () => {
    const starts_at = starts.value ? new Date(starts.value).getTime() : undefined;
    act({ op: "show.schedule", ...(starts_at ? { starts_at } : {}) }, "The time is told");
  });
  $("#count").addEventListener("click", () => act({ op: shop.countdown ? "countdown.hide" : "countdown.show" }));

  const draw = () => {
    const { show, viewers } = shop;
    if (!show) return;
    if (title !== document.activeElement) title.value = show.title;
    document.title = `${show.title} · host`;
    state.value = show.state;
    if (starts !== document.activeElement) starts.value = show.starts_at ? localTime(show.starts_at) : "";
    $("#count").textContent = shop.countdown ? "Stop counting" : "Show a countdown to everybody";
    const live = $("#live");
    // The demo's picture is nobody's show.
    const isOn = monitor.hasHost || (show.on_air && document.documentElement.dataset.publishing === "live");
    const text = !shop.isConnected ? "No connection" : isOn ? "ON AIR" : "Off air";
    if (live.textContent !== text) live.textContent = text;
    live.classList.toggle("live", shop.isConnected && isOn);
    $("#viewers").textContent = String(viewers);
  };
  shop.on("change", ({ detail }) => {
    if (detail === "welcome" && shop.you.role !== "host") askForToken("This token does not allow to host here.");
    if (["welcome", "show", "viewers", "countdown", "connection"].includes(detail)) draw();
  });
  monitor.addEventListener("change", draw);
  shop.on("notice", ({ detail }) => (detail.code === "token_invalid" ? askForToken(`The token is not good: ${detail.text}.`) : toast(detail.text, "bad")));
  // The host's own picture may not be on: the shop is reached without it.
  shop.openEvents();
  Object.assign(window, { vitrine: { shop, studio } });
}

/**
 * A time as the field for it takes it: by this place's clock, without its zone.
 * @param {number} at
 */
function localTime(at) {
  const offset = new Date(at).getTimezoneOffset() * 60_000;
  return new Date(at - offset).toISOString().slice(0, 16);
}

/**
 * The page begins with a token, and begins anew with another.
 * @param {string} [why] what is wrong with the one there is
 */
function askForToken(why = "") {
  const login = $("#login");
  $("#login-why").textContent = why;
  $("#login-why").hidden = !why;
  if (login.open) return;
  login.showModal();
  login.addEventListener(
    "close",
    () => {
      const token = $("#token").value.trim();
      // Who is on the air may go on without the shop, and comes to it with the next load.
      if (!token) return why ? undefined : askForToken();
      try {
        sessionStorage.setItem(key, token);
      } catch {
        // Then it is asked for again.
      }
      if (why) location.reload();
      else begin(token);
    },
    { once: true },
  );
}

$("#room").textContent = `Room ${room}`;
$("#login-room").textContent = room;
$("#viewer-page").href = `/watch/${room}`;
$("#share").addEventListener("click", () => share($("#title").value, $("#viewer-page").href));
const token = tokenOfPage(key);
if (token) begin(token);
else askForToken();
