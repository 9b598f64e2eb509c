// Tokens that are not good any more: of a host who is asked for another, and of a viewer who was here long ago.

import { DESK, page, until } from "./browsers.mjs";
import { inShop, noErrors, text } from "./scenarios.mjs";

/** One that another server signed. */
const FOREIGN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzY29wZSI6WyJob3N0Il0sInJvb20iOiJkZW1vIiwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjB9.AAAA";

export const tokens = [
  {
    name: "host-with-a-token-that-is-not-good",
    async run(server) {
      const studio = await page("chrome", `${server.url}/host/demo#token=${FOREIGN}`, DESK);
      const asks = (why) => () => studio.evaluate((w) => document.querySelector("#login").open && document.querySelector("#login-why").textContent.includes(w), why);
      const enter = (token) =>
        studio.evaluate((value) => {
          document.querySelector("#token").value = value;
          document.querySelector("#login button").click();
        }, token);
      await until("another token being asked for", asks("not valid"));
      await enter(server.token("view"));
      await until("one of a host being asked for", asks("does not allow to host"));
      await enter(server.token("publish", "host"));
      await until("the host's page", () => studio.evaluate(() => window.vitrine?.shop.isConnected && window.vitrine.shop.you.role === "host"));
      noErrors(studio);
    },
  },
  {
    name: "viewer-with-an-old-link",
    async run(server) {
      const tab = await page("chrome", `${server.url}/watch/demo#token=${FOREIGN}`);
      await until("being told", async () => (await text(tab, "#toasts"))?.includes("no longer good"));
      await inShop(tab);
      await tab.evaluate(() => window.vitrine.shop.buy([{ variant: "notebook", quantity: 1 }]));
      await until("the receipt", () => tab.evaluate(() => document.documentElement.dataset.receipt === "held"));
      noErrors(tab);
    },
  },
  {
    name: "viewer-remembered-by-another-server",
    async run(server) {
      // Without data channels, where the stream says no more than that it does not open.
      const before = new Function(`
        RTCPeerConnection.prototype.createDataChannel = () => Object.assign(new EventTarget(), { readyState: "connecting", close() {} });
        localStorage.setItem("vitrine:you:demo", ${JSON.stringify(FOREIGN)});`);
      const tab = await page("chrome", `${server.url}/watch/demo`, undefined, before);
      await inShop(tab);
      await tab.evaluate(() => window.vitrine.shop.buy([{ variant: "notebook", quantity: 1 }]));
      await until("the receipt", () => tab.evaluate(() => document.documentElement.dataset.receipt === "held"));
      if (!(await text(tab, "#kept"))) throw new Error("the order is not shown");
      noErrors(tab);
    },
  },
];
