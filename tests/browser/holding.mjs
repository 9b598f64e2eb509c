// What a viewer holds in the hand: everything to buy with is on the screen and within reach of the keyboard.

import { page, shot, until } from "./browsers.mjs";
import { host, inShop, noErrors, text } from "./scenarios.mjs";

const SMALL_PHONE = { width: 320, height: 568, deviceScaleFactor: 2 };
const PHONE_ON_ITS_SIDE = { width: 844, height: 390, deviceScaleFactor: 2 };
const CONTROLS = ["#sound", "#text", "#bag", "#card .open", "#card .buy", "#poll"];

/** Controls that are not wholly on the screen, or under something else. */
const outOfReach = (tab, controls = CONTROLS) =>
  tab.evaluate((controls) => {
    const isReached = (node) => {
      const { left, right, top, bottom } = node.getBoundingClientRect();
      const isInside = left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight;
      return isInside && node.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
    };
    return controls.filter((selector) => !isReached(document.querySelector(selector)));
  }, controls);

const focused = (tab) => tab.evaluate(() => document.activeElement.id || document.activeElement.className);

export const holding = [
  {
    name: "nothing-pushes-buy-off-a-phone",
    async run(server) {
      const studio = await host(server);
      await inShop(studio);
      const word = "Donaudampfschifffahrtsgesellschaftskapitänsmützenhalterung";
      const command = (what) => studio.evaluate((asked) => window.vitrine.shop.host(asked), what);
      const price = { minor: 123_456_789, currency: "KWD", exponent: 3 };
      await command({ op: "product.put", product: { id: "long", title: word, images: [], variants: [{ id: "long", title: word, price, available: 3 }] } });
      await command({ op: "product.pin", product: "long", featured: true });
      await command({ op: "show.title", title: `${word} ${word}` });
      await studio.evaluate(() => window.vitrine.shop.say("W".repeat(300)));
      const line = await until("the line", () => studio.evaluate(() => window.vitrine.shop.chat.at(-1)?.id));
      await command({ op: "chat.pin", message: line });
      await command({ op: "poll.open", poll: "long", question: `${word}?`, options: [word, "No", "Both", "Neither"], seconds: 300 });
      const tab = await page("chrome", `${server.url}/watch/demo`, SMALL_PHONE);
      await inShop(tab);
      await tab.evaluate(() => window.vitrine.shop.buy([{ variant: "long", quantity: 1 }]));
      await until("LIVE, a hold and a poll", () => tab.evaluate(() => ["#poll", "#card"].every((node) => !document.querySelector(node).hidden) && document.querySelector("#live").textContent === "LIVE" && window.vitrine.shop.orders.size === 1));
      for (const viewport of [SMALL_PHONE, PHONE_ON_ITS_SIDE]) {
        await tab.setViewport(viewport);
        await new Promise((resolve) => setTimeout(resolve, 600));
        await shot(tab, `long-${viewport.width}`);
        await until(`everything within ${viewport.width} x ${viewport.height}`, async () => {
          const out = await outOfReach(tab);
          if (out.length > 0) throw new Error(out.join(", "));
          return true;
        }, 10);
        // A number is read in one piece, and can be agreed to wherever it stands.
        const lines = await tab.evaluate(() => {
          const [text] = [...document.querySelector("#card .price").childNodes].filter(({ data }) => data?.includes("123"));
          const number = document.createRange();
          number.setStart(text, text.data.indexOf("123"));
          number.setEnd(text, text.data.indexOf("789") + 3);
          return number.getClientRects().length;
        });
        if (lines > 1) throw new Error(`the price takes ${lines} lines at ${viewport.width} x ${viewport.height}`);
        await tab.evaluate(() => document.querySelector("#card .open").click());
        const right = await tab.evaluate(() => document.querySelector("#sheet .buy").getBoundingClientRect().right - document.querySelector("#sheet").getBoundingClientRect().right);
        if (right > 0) throw new Error(`Buy is ${right} pixels outside of the sheet`);
        await tab.evaluate(() => document.querySelector("#sheet").close());
      }
      noErrors(studio, tab);
    },
  },
  {
    name: "shop-by-keyboard",
    async run(server) {
      const tab = await page("chrome", `${server.url}/watch/demo`);
      await inShop(tab);
      const tabTo = (what) =>
        until(`the focus on ${what}`, async () => {
          await tab.keyboard.press("Tab");
          return (await focused(tab)).includes(what);
        });
      const product = await tab.evaluate(() => window.vitrine.shop.products.get(document.querySelector("#card").dataset.product).title);
      await tabTo("open");
      await tab.keyboard.press("Enter");
      await until("the sheet", async () => (await text(tab, "#sheet-title")) === product);
      if ((await focused(tab)) !== "sheet-title") throw new Error(`the focus is not in the sheet but on ${await focused(tab)}`);
      await tabTo("buy");
      await tab.keyboard.press("Enter");
      await until("the receipt", () => tab.evaluate(() => document.documentElement.dataset.receipt === "held"));
      if ((await focused(tab)) !== "open") throw new Error(`the focus did not go back but to ${await focused(tab)}`);

      // With letters twice as large, as the browser is told to have them, all of it is within reach.
      const session = await tab.createCDPSession();
      const letters = (standard) => session.send("Page.setFontSizes", { fontSizes: { standard } });
      await letters(32);
      await until("large letters", () => tab.evaluate(() => Number.parseFloat(getComputedStyle(document.querySelector("#text")).fontSize) > 30), 10);
      await until("everything within reach", async () => {
        const out = await outOfReach(tab, ["#sound", "#text", "#bag", "#card .buy"]);
        if (out.length > 0) throw new Error(out.join(", "));
        return true;
      }, 10).finally(() => shot(tab, "large-letters"));
      await letters(16);

      // The bag has all of them.
      await tab.evaluate(() => document.querySelector("#bag").click());
      const tiles = await tab.evaluate(() => [...document.querySelectorAll("#sheet .grid > *")].map((tile) => tile.querySelector("h3")?.textContent));
      if (tiles.length !== (await tab.evaluate(() => window.vitrine.shop.products.size)) || !tiles.includes(product)) throw new Error(`in the bag: ${tiles.join(", ")}`);
      await tab.evaluate(() => document.querySelector("#sheet").close());

      // A button that is pressed keeps the focus while it waits.
      const studio = await host(server);
      await inShop(studio);
      await studio.evaluate(() => window.vitrine.shop.host({ op: "product.pin", product: "notebook", featured: true }));
      await until("the card", async () => (await text(tab, "#card h2")) === "Dot grid notebook");
      await tab.bringToFront();
      await tabTo("buy");
      await tab.keyboard.press("Enter");
      await until("the second receipt", () => tab.evaluate(() => window.vitrine.shop.orders.size === 2));
      if (!(await focused(tab)).includes("buy")) throw new Error(`the focus left the button: ${await focused(tab)}`);

      // What is given back takes its button along: the focus stays with the order.
      await tab.keyboard.press("Tab");
      await tab.evaluate(() => document.querySelector("#bag").focus());
      await tab.keyboard.press("Enter");
      await until("the order", () => tab.evaluate(() => document.querySelectorAll("#sheet .order.held").length === 2));
      await until("the focus on giving back", async () => {
        await tab.keyboard.press("Tab");
        return tab.evaluate(() => document.activeElement.textContent === "Give back");
      });
      await tab.keyboard.press("Enter");
      await until("given back", () => tab.evaluate(() => document.querySelector('#sheet [data-state="cancelled"]')));
      const order = await tab.evaluate(() => document.activeElement.dataset.state);
      if (order !== "cancelled") throw new Error(`the focus went to ${await focused(tab)}`);
      noErrors(tab, studio);
    },
  },
  {
    name: "what-a-screen-reader-says",
    async run(server) {
      const studio = await host(server);
      const tab = await page("chrome", `${server.url}/watch/demo`);
      for (const each of [studio, tab]) await inShop(each);
      const command = (what) => studio.evaluate((asked) => window.vitrine.shop.host(asked), what);
      await tab.evaluate(() => {
        window.said = [];
        new MutationObserver(() => window.said.push(document.querySelector("#spoken").textContent)).observe(document.querySelector("#spoken"), { childList: true });
      });
      const said = (part) => until(part, async () => (await text(tab, "#spoken")).includes(part));
      await command({ op: "product.pin", product: "candle", featured: true });
      await said("Shown now, \u2068Fig leaf candle\u2069, €32.00");
      await command({ op: "price.set", variant: "candle", minor: 2800 });
      await said("now costs €28.00");
      // A unit less is no news, however long one waits for it.
      await command({ op: "stock.add", variant: "candle", delta: -1 });
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await command({ op: "stock.add", variant: "candle", delta: -25 });
      await said("only a few left");
      await command({ op: "stock.add", variant: "candle", delta: -4 });
      await said("sold out");
      const all = await tab.evaluate(() => window.said);
      if (all.length !== 4) throw new Error(`said: ${all.join("; ")}`);
      // Nor is a chat in which everybody talks read aloud.
      const live = () => tab.evaluate(() => document.querySelector("#chat").getAttribute("aria-live"));
      if ((await live()) !== "polite") throw new Error(`the chat is ${await live()}`);
      for (let n = 0; n < 5; n++) {
        await (n % 2 ? tab : studio).evaluate((line) => window.vitrine.shop.say(`Line ${line}`), n);
        await until(`line ${n}`, () => tab.evaluate((line) => window.vitrine.shop.chat.some(({ text }) => text === `Line ${line}`), n));
      }
      await until("a chat that is not read aloud", async () => (await live()) === "off");
      noErrors(studio, tab);
    },
  },
  {
    name: "host-by-keyboard",
    settings: { VITRINE_DEMO: "false" },
    async run(server) {
      const studio = await host(server);
      await until("the shop", () => studio.evaluate(() => window.vitrine?.shop.isConnected));
      const price = { minor: 1900, currency: "EUR", exponent: 2 };
      const put = (id) => studio.evaluate((p, i) => window.vitrine.shop.host({ op: "product.put", product: { id: i, title: i, images: [], variants: [{ id: i, title: i, price: p, available: 5 }] } }), price, id);
      await put("bowl");
      await put("vase");
      const viewer = await page("chrome", `${server.url}/watch/demo`);
      await inShop(viewer);
      await viewer.evaluate(() => (window.vitrine.shop.ask("Is it blue?"), window.vitrine.shop.buy([{ variant: "bowl", quantity: 1 }])));
      await until("order and question", () => studio.evaluate(() => document.querySelector("#orders .held") && document.querySelector("#questions form")));
      await studio.bringToFront();
      /** Goes on with Tab to what matches, and presses Enter there. */
      const press = async (selector) => {
        for (let n = 0; n < 80; n++) {
          await studio.keyboard.press("Tab");
          if (await studio.evaluate((s) => document.activeElement.matches(s), selector)) return studio.keyboard.press("Enter");
        }
        throw new Error(`no way to ${selector} by Tab`);
      };
      const where = () => studio.evaluate(() => document.activeElement.closest("[id], [data-order]")?.id || document.activeElement.className);
      await press("#camera");
      await until("a picture to send", () => studio.evaluate(() => !document.querySelector("#go").disabled));
      await press("#go");
      await until("going live", () => studio.evaluate(() => document.documentElement.dataset.publishing === "live"));
      if ((await where()) !== "stop") throw new Error(`the focus went to ${await where()}`);
      await press('[data-feature="vase"]');
      await until("the card", async () => (await text(viewer, "#card h2")) === "vase");
      if (!(await studio.evaluate(() => document.activeElement.dataset.feature === "vase"))) throw new Error(`the focus left Show for ${await where()}`);
      await press("#orders .held button");
      await until("paid", () => studio.evaluate(() => document.querySelector('#orders [data-state="paid"]')));
      if (!(await studio.evaluate(() => document.activeElement.dataset.state === "paid"))) throw new Error(`the focus left the order for ${await where()}`);
      await press("#questions form input");
      await until("answered", () => studio.evaluate(() => document.querySelector("#questions .answered")));
      if ((await where()) !== "questions") throw new Error(`the focus left the questions for ${await where()}`);
      noErrors(studio, viewer);
    },
  },
];
