// The viewer's page.

import { Hearts } from "./hearts.js";
import { Numbers } from "./numbers.js";
import { Orders } from "./orders.js";
import { PollCard } from "./poll.js";
import { Questions } from "./questions.js";
import { Shelf } from "./shelf.js";
import { ShopClient } from "./shop.js";
import { Spoken } from "./spoken.js";
import { Stage } from "./stage.js";
import { Talk } from "./talk.js";
import { player, room, token, video } from "./tune.js";
import { $, memory, share, toast } from "./ui.js";

const name = memory.get("vitrine:name");
const shop = new ShopClient({ room, token, mayBeGuest: true, name, video });
const stage = new Stage({ player, shop });
new Numbers({ player });
const orders = new Orders({ shop });
const shelf = new Shelf({ shop, orders });
new Spoken({ shop });
new Talk({ shop });
new PollCard({ shop });
new Questions({ shop });
new Hearts({ shop });

const attach = () => player.channels && shop.attach(player.channels);
player.addEventListener("channels", attach);
attach();

/** @type {Record<string, (receipt: any) => [text: string, kind: string]>} */
const OUTCOMES = {
  held: () => ["It is yours for now. The host takes the payment.", "good"],
  checkout_open: () => ["Pay now: it is yours when the payment is there.", "good"],
  waitlisted: ({ place }) => [`You are on the list, place ${place}.`, "good"],
  sold_out: ({ waitlist }) => [waitlist ? "Sorry, it is sold out. You can join the waitlist." : "Sorry, the last one is sold.", "bad"],
  limit_reached: ({ limit }) => [`One customer may have ${limit} of these.`, "bad"],
  price_changed: () => ["The price has just changed. Have another look.", "bad"],
  not_on_sale: () => ["This is not on sale any more.", "bad"],
  rejected: ({ reason }) => [reason, "bad"],
  conflict: () => ["Something went wrong. Please try again.", "bad"],
};
shop.on("receipt", ({ detail: { receipt } }) => {
  toast(...(OUTCOMES[receipt.outcome] ?? OUTCOMES.conflict)(receipt));
  document.documentElement.dataset.receipt = receipt.outcome;
  navigator.vibrate?.(["held", "waitlisted"].includes(receipt.outcome) ? 30 : [20, 40, 20]);
});
shop.on("notice", ({ detail }) => {
  toast(detail.code === "token_invalid" ? "This link is no longer good. You watch as a guest." : detail.text, "bad");
  if (detail.code === "banned") player.stop();
});
shop.on("recommendation", ({ detail: { product, text } }) => {
  const title = shop.products.get(product)?.title;
  if (title) toast(text ? `${title}: ${text}` : `Have a look at this, too: ${title}`, "announce");
});
shop.on("announcement", ({ detail }) => toast(detail.text, "announce"));

$("#share").addEventListener("click", () => share(shop.show?.title ?? "", location.origin + location.pathname));

// A player without WebRTC still gets the shop.
if (!("RTCPeerConnection" in window)) shop.openEvents();
/** For embedding pages and tests. */
Object.assign(window, { vitrine: { player, shop, stage, shelf } });
