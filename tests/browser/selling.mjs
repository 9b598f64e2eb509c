// The shop in real browsers: what is asked, answered and voted; waitlist, flash sale and promo code; a buy that arrives
// once however it is sent; and events with the frame they belong to.

import { moving, page, shot, until } from "./browsers.mjs";
import { click, goLive, host, inShop, noErrors, text, watch } from "./scenarios.mjs";

const command = (tab, what, capturedAt) => tab.evaluate((c, at) => window.vitrine.shop.host(c, at), what, capturedAt);
const fill = (tab, selector, value) =>
  tab.evaluate((s, v) => {
    const field = document.querySelector(s);
    field.value = v;
    field.form.requestSubmit();
  }, selector, value);

/** A camera whose every frame shows the time it was made, as bits: white and black fields, the highest first. */
const STAMPED = () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const context = canvas.getContext("2d");
  const draw = () => {
    const time = Date.now() % 2 ** 24;
    context.fillStyle = "#777";
    context.fillRect(0, 0, 1280, 720);
    for (let bit = 0; bit < 24; bit++) {
      context.fillStyle = time & (1 << (23 - bit)) ? "#fff" : "#000";
      context.fillRect((bit % 8) * 160, Math.floor(bit / 8) * 240, 160, 240);
    }
  };
  navigator.mediaDevices.getUserMedia = async () => {
    setInterval(draw, 33);
    return canvas.captureStream(30);
  };
};

/** Reads the time off the frame that is on screen. */
const READ_STAMP = () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 36 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  window.stampOnScreen = () => {
    context.drawImage(document.querySelector("#video"), 0, 0, 64, 36);
    const { data } = context.getImageData(0, 0, 64, 36);
    let time = 0;
    for (let bit = 0; bit < 24; bit++) {
      const x = (bit % 8) * 8 + 4;
      const y = Math.floor(bit / 8) * 12 + 6;
      time = time * 2 + (data[(y * 64 + x) * 4] > 127 ? 1 : 0);
    }
    return time;
  };
  window.errors = [];
  window.vitrine.shop.addEventListener("announcement", ({ detail }) => {
    const wrapped = (window.stampOnScreen() - (detail.captured_at % 2 ** 24) + 2 ** 23) % 2 ** 24;
    window.errors.push(wrapped - 2 ** 23);
  });
};

/** By how much the frame on screen is later than the moment an event belongs to, in milliseconds. */
async function frameErrors(tab, studio, count) {
  await tab.evaluate(READ_STAMP);
  for (let n = 0; n < count; n++) {
    await studio.evaluate(() => window.vitrine.shop.host({ op: "announce", text: "now" }, window.vitrine.shop.now()));
    await new Promise((resolve) => setTimeout(resolve, 120 + Math.random() * 100));
  }
  const errors = await until("the events shown", async () => {
    const all = await tab.evaluate(() => window.errors);
    return all.length >= count && all;
  });
  const inOrder = [...errors].sort((a, b) => a - b);
  const waited = (await tab.evaluate(() => window.vitrine.shop.shownWithFrames)).map((each) => each.waited);
  return { median: inOrder[inOrder.length >> 1], least: inOrder[0], most: inOrder.at(-1), waited: Math.round(waited.sort((a, b) => a - b)[waited.length >> 1] ?? 0) };
}

export const selling = [
  {
    name: "shop-asked-answered-and-voted",
    async run(server) {
      const studio = await host(server);
      const [one, two] = [await watch(server, "chrome"), await watch(server, "firefox")];
      for (const tab of [studio, one, two]) await inShop(tab);
      await fill(one, "#question", "Does the mug go into the dishwasher?");
      await until("the question at the host", async () => (await text(studio, "#questions .asked"))?.includes("dishwasher"));
      await fill(studio, "#questions .asked input", "Yes, on the upper rack.");
      await until("the answer in Firefox", async () => (await text(two, "#questions-list .answer"))?.includes("upper rack"));
      await click(one, "#ask");
      await new Promise((resolve) => setTimeout(resolve, 500));
      await shot(one, "questions");
      await one.evaluate(() => document.querySelector("#questions").close());

      await command(studio, { op: "poll.open", poll: "colour", question: "Which one shall we show next?", options: ["The blue mug", "The lamp"], seconds: 300 });
      await click(one, '#poll [data-option="0"]');
      await click(two, '#poll [data-option="1"]');
      await until("two votes", async () => (await text(one, "#poll"))?.includes("2 votes"));
      await command(studio, { op: "announce", text: "Free shipping until midnight" });
      await studio.evaluate(() => window.vitrine.shop.say("All mugs are thrown by hand."));
      const line = await until("the line", () => studio.evaluate(() => window.vitrine.shop.chat.at(-1)?.id));
      await command(studio, { op: "chat.pin", message: line });
      await until("the pinned line", async () => (await text(two, "#pinned"))?.includes("by hand"));
      for (let n = 0; n < 5; n++) await click(one, "#heart");
      await until("hearts in Firefox", () => two.evaluate(() => (window.vitrine.shop.reactions.heart ?? 0) >= 5));
      await shot(one, "poll-phone");
      await shot(two, "poll-firefox");
      await shot(studio, "host-poll");

      // One who is banned is let go and not let in again.
      const you = await two.evaluate(() => window.vitrine.shop.you.id);
      await command(studio, { op: "chat.ban", user: you });
      await until("the ban", () => studio.evaluate((id) => window.vitrine.shop.moderation.banned.includes(id), you));
      noErrors(studio, one, two);
    },
  },
  {
    name: "shop-flash-sale-promo-code-and-waitlist",
    async run(server) {
      const studio = await host(server);
      const [one, two] = [await watch(server, "chrome"), await watch(server, "firefox")];
      for (const tab of [studio, one, two]) await inShop(tab);
      await command(studio, { op: "product.pin", product: "candle", featured: true });
      await command(studio, { op: "flash.start", variant: "candle", minor: 2400, seconds: 120 });
      await command(studio, { op: "countdown.show", variant: "candle" });
      await until("the sale on the card", async () => (await text(two, "#card .flash"))?.includes("Flash sale"));
      await until("the countdown", async () => (await text(one, "#countdown"))?.startsWith("Sale ends in"));
      await shot(one, "flash");
      await shot(studio, "host-flash");

      await command(studio, { op: "promo.put", code: "LIVE10", basis_points: 1000, limit: 50 });
      await click(one, "#card .open");
      await fill(one, ".code input", "live10");
      await until("the code", async () => (await text(one, ".code summary"))?.includes("LIVE10: 10 % off"));
      await shot(one, "promo");
      await click(one, '[data-buy-variant="candle"]');
      const order = await until("the order", () => one.evaluate(() => [...window.vitrine.shop.orders.values()].find(({ state }) => state === "held")));
      if (order.total.minor !== 2160 || order.promo !== "LIVE10") throw new Error(`not the discount: ${JSON.stringify(order)}`);

      // All there is, then a place on the list, then its turn.
      const bought = await one.evaluate(() => window.vitrine.shop.buy([{ variant: "tote-ink", quantity: 3 }]));
      await until("all of them", () => one.evaluate((buy) => window.vitrine.shop.orders.get(buy)?.state === "held", bought));
      await until("sold out", () => two.evaluate(() => window.vitrine.shop.variant("tote-ink").variant.sold_out));
      const waiting = await two.evaluate(() => window.vitrine.shop.buy([{ variant: "tote-ink", quantity: 1 }], { waitlist: true }));
      await until("a place", () => two.evaluate((buy) => window.vitrine.shop.orders.get(buy)?.place === 1, waiting));
      await click(two, "#bag");
      await new Promise((resolve) => setTimeout(resolve, 400));
      await shot(two, "waitlist");
      await one.evaluate((buy) => window.vitrine.shop.cancel(buy), bought);
      await until("its turn", () => two.evaluate((buy) => window.vitrine.shop.orders.get(buy)?.state === "held", waiting));
      noErrors(studio, one, two);
      return server.audit().trim().split("\n").at(-1);
    },
  },
  {
    name: "shop-one-order-however-it-is-sent",
    settings: { VITRINE_SHOP_BUYS_PER_TEN_SECONDS: "100" },
    async run(server) {
      const [one, two] = [await watch(server, "chrome"), undefined];
      await inShop(one);
      const version = await one.evaluate(() => window.vitrine.shop.show.price_version);
      const token = await one.evaluate(() => localStorage.getItem("vitrine:you:demo"));
      // The same buy by data channel and by HTTP at once, several times, from two tabs.
      const other = await one.browser().newPage();
      await other.goto(`${server.url}/watch/demo`, { waitUntil: "domcontentloaded" });
      await until("the other tab's shop", () => other.evaluate(() => window.vitrine?.shop?.isConnected));
      const same = await other.evaluate(() => window.vitrine.shop.you.id);
      if (same !== (await one.evaluate(() => window.vitrine.shop.you.id))) throw new Error("two tabs are two people");
      const id = await one.evaluate(() => window.vitrine.shop.buy([{ variant: "candle", quantity: 2 }]));
      const http = (body) =>
        fetch(`${server.url}/api/rooms/demo/buy`, {
          method: "POST",
          headers: { "Content-Type": "application/json", "Idempotency-Key": id, Authorization: `Bearer ${token}` },
          body: JSON.stringify(body),
        }).then((response) => response.json());
      const body = { lines: [{ variant: "candle", quantity: 2 }], price_version: version };
      const receipts = await Promise.all(Array.from({ length: 4 }, () => http(body)));
      await until("the receipt", () => one.evaluate((buy) => window.vitrine.shop.orders.get(buy)?.state === "held", id));
      const expires = new Set([...receipts.map((receipt) => receipt.expires_at), await one.evaluate((buy) => window.vitrine.shop.orders.get(buy).expires_at, id)]);
      if (expires.size !== 1 || receipts.some(({ outcome }) => outcome !== "held")) throw new Error(`not one receipt: ${JSON.stringify(receipts)}`);
      const conflict = await http({ ...body, lines: [{ variant: "candle", quantity: 3 }] });
      if (conflict.outcome !== "conflict") throw new Error(`another body: ${JSON.stringify(conflict)}`);

      // After the server was killed, the same id is the same order.
      await server.kill("SIGKILL");
      await server.launch();
      const again = await http(body);
      if (again.expires_at !== [...expires][0]) throw new Error("another receipt after the restart");
      await until("both tabs back with it", async () => {
        const held = (tab) => tab.evaluate((buy) => window.vitrine.shop.isConnected && window.vitrine.shop.orders.get(buy)?.state === "held", id);
        return (await held(one)) && (await held(other));
      }, 90);
      await until("the stock once less", () => one.evaluate(() => window.vitrine.shop.variant("candle").variant.available === 28));
      noErrors(one, two ?? one);
      return server.audit().trim().split("\n").at(-1);
    },
  },
  {
    name: "shop-buys-without-channels",
    async run(server) {
      // Data channels that never open: the client goes over to the event stream by itself, and buys there.
      const tab = await page("chrome", `${server.url}/watch/demo`, undefined, () => {
        RTCPeerConnection.prototype.createDataChannel = function () {
          return Object.assign(new EventTarget(), { readyState: "connecting", close() {} });
        };
      });
      await inShop(tab);
      await tab.evaluate(() => window.vitrine.shop.buy([{ variant: "notebook", quantity: 1 }]));
      await until("the receipt", () => tab.evaluate(() => document.documentElement.dataset.receipt === "held"));
      noErrors(tab);
    },
  },
  {
    name: "shop-events-with-their-frame",
    async run(server) {
      const studio = await host(server, "chrome", STAMPED);
      await inShop(studio);
      await goLive(studio);
      const notes = [];
      for (const kind of ["chrome", "firefox"]) {
        const tab = await watch(server, kind);
        await moving(tab, kind);
        await inShop(tab);
        await until("the picture's clock", () => tab.evaluate(() => window.vitrine.shop.frameTime));
        // The line and the player's buffer settle after the join.
        await new Promise((resolve) => setTimeout(resolve, 5000));
        const { median, least, most, waited } = await frameErrors(tab, studio, 25);
        if (Math.abs(median) > 150) throw new Error(`${kind}: ${median} ms between an event and its frame`);
        notes.push(`${kind}: the frame is ${median} ms after the event (${least} to ${most}), which waited ${waited} ms`);
        noErrors(tab);
      }
      return notes.join("; ");
    },
  },
];
