// The viewer's page.

import { Orders } from "./orders.js";
import { WhepPlayer } from "./player.js";
import { Shelf } from "./shelf.js";
import { ShopClient } from "./shop.js";
import { Stage } from "./stage.js";
import { Talk } from "./talk.js";
import { $, memory, roomOfPage, toast, tokenOfPage } from "./ui.js";

const room = roomOfPage();
const token = tokenOfPage(`vitrine:view:${room}`);
const name = memory.get("vitrine:name");
const shop = new ShopClient({ room, token, name });
const player = new WhepPlayer({ url: new URL(`/whep/${room}`, location).href, video: $("#video"), token });

const stage = new Stage({ player, shop });
const orders = new Orders({ shop });
const shelf = new Shelf({ shop, orders });
new Talk({ shop });

player.addEventListener("channels", ({ detail }) => shop.attach(detail.channels));
shop.addEventListener("change", ({ detail }) => {
  if (detail === "welcome" || detail === "show") document.title = `${shop.show.title} · live`;
});

const OUTCOMES = {
  held: () => ["It is yours for now. The host takes the payment.", "good"],
  sold_out: () => ["Sorry, it is sold out.", "bad"],
  limit_reached: ({ limit }) => [`One customer may have ${limit} of these.`, "bad"],
  price_changed: () => ["The price has just changed. Have another look.", "bad"],
  not_on_sale: () => ["This is not on sale any more.", "bad"],
  rejected: ({ reason }) => [reason, "bad"],
  conflict: () => ["Something went wrong. Please try again.", "bad"],
};
shop.addEventListener("receipt", ({ detail: { receipt } }) => {
  toast(...(OUTCOMES[receipt.outcome] ?? OUTCOMES.conflict)(receipt));
  document.documentElement.dataset.receipt = receipt.outcome;
  navigator.vibrate?.(receipt.outcome === "held" ? 30 : [20, 40, 20]);
});
shop.addEventListener("notice", ({ detail }) => toast(detail.text, "bad"));
shop.addEventListener("announcement", ({ detail }) => toast(detail.text, "announce"));

player.start();
// A player without WebRTC still gets the shop.
if (!("RTCPeerConnection" in window)) shop.openEvents();
/** For embedding pages and tests. */
window.vitrine = { player, shop, stage, shelf };
