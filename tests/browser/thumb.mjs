// A host with a phone in the hand.

import { until } from "./browsers.mjs";
import { click, goLive, host, inShop, noErrors, text, watch } from "./scenarios.mjs";

/** Whether all of it is on the screen, and nothing lies over its middle. */
const isInReach = (tab, selector) =>
  tab.evaluate((s) => {
    const node = document.querySelector(s);
    const { left, top, right, bottom } = node.getBoundingClientRect();
    const isInside = right > left && left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
    const over = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return isInside && (node === over || node.contains(over));
  }, selector);

export const thumb = [
  {
    name: "host-sells-with-the-thumb",
    async run(server) {
      const studio = await host(server, "chrome", () => {
        const release = async () => (window.staysAwake = false);
        const request = async () => ((window.staysAwake = true), { released: false, release });
        Object.defineProperty(navigator, "wakeLock", { value: { request } });
      });
      await inShop(studio);
      await studio.evaluate(async () => {
        const price = { minor: 1900, currency: "EUR", exponent: 2 };
        const put = (n) => window.vitrine.shop.host({ op: "product.put", product: { id: `bowl-${n}`, title: `Hand-thrown bowl, number ${n}`, images: [], variants: [{ id: `v-${n}`, title: "One", price, available: 9 }] } });
        for (let n = 0; n < 24; n++) await put(n);
      });
      await studio.setViewport({ width: 360, height: 640 });
      await goLive(studio);
      if (!(await isInReach(studio, "#stop"))) throw new Error("End is out of reach");
      await until("a screen that stays on", () => studio.evaluate(() => window.staysAwake));
      // One of many products is sold: that one is drawn anew.
      await studio.evaluate(() => {
        const { createElement } = document;
        window.made = 0;
        document.createElement = (name) => ((window.made += 1), createElement.call(document, name));
      });
      await studio.evaluate(() => window.vitrine.shop.host({ op: "stock.add", variant: "v-3", delta: 1 }));
      await until("the stock", () => studio.evaluate(() => document.querySelector('[data-stock="v-3"]').value === "10"));
      const made = await studio.evaluate(() => window.made);
      if (made > 200) throw new Error(`${made} elements were made for one unit`);
      const viewer = await watch(server, "chrome");
      await inShop(viewer);
      const guest = await viewer.evaluate(() => window.vitrine.shop.you.name);

      for (const [width, height] of [[360, 640], [390, 844], [844, 390]]) {
        await studio.setViewport({ width, height });
        for (const [place, things] of Object.entries({
          products: ["#add", "#products .product", "#products [data-feature]"],
          orders: ["#orders li"],
          chat: ["#text", "#announce", "#say .primary"],
          questions: ["#questions li"],
        })) {
          await click(studio, `[data-go="${place}"]`);
          for (const thing of [`[data-go="${place}"]`, "#preview", "#on-screen [data-next]", ...things]) {
            if (!(await isInReach(studio, thing))) throw new Error(`${thing} is out of reach at ${place}, ${width} x ${height}`);
          }
        }
      }
      // What happens elsewhere is counted, and the next product is one tap away.
      await viewer.evaluate(() => (window.vitrine.shop.say("So beautiful!"), window.vitrine.shop.buy([{ variant: "candle", quantity: 1 }])));
      await until("the order being counted", async () => (await text(studio, '[data-count="orders"]')) === "1");
      await until("the line being counted", async () => (await text(studio, '[data-count="chat"]')) === "1");
      const next = await studio.evaluate(() => document.querySelector("#on-screen [data-next]").dataset.next);
      await click(studio, "#on-screen [data-next]");
      await until("the next product", () => viewer.evaluate((id) => window.vitrine.shop.featured === id, next));
      await click(studio, '[data-go="chat"]');
      await until("nothing unread", () => studio.evaluate(() => document.querySelector('[data-count="chat"]').hidden));
      // What can be done with a line is behind its own button.
      await click(studio, "#chat li:last-child .fold");
      if (!(await isInReach(studio, "#chat li:last-child [data-pin-chat]"))) throw new Error("a line's buttons are out of reach");
      await click(studio, "#chat li:last-child [data-pin-chat]");
      await until("the pinned line", async () => (await text(viewer, "#pinned"))?.includes(guest));
      noErrors(studio, viewer);
    },
  },
];
