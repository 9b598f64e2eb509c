// A visit: what a page asks of the network, and in which order.

import { page, until } from "./browsers.mjs";
import { inShop, noErrors } from "./scenarios.mjs";

export const visits = [
  {
    name: "picture-before-the-shop",
    async run(server) {
      const tab = await page("chrome", "about:blank");
      let released = false;
      const held = [];
      await tab.setRequestInterception(true);
      tab.on("request", (request) => {
        // The shop's files, and the styles, are still on their way.
        const isLate = /\/(shop|watch)\.(js|css)$/.test(request.url());
        if (isLate && !released) held.push(request);
        else request.continue();
      });
      const loaded = tab.goto(`${server.url}/watch/demo`);
      loaded.catch(() => {});
      await until("the picture", () => tab.evaluate(() => document.querySelector("#video")?.videoWidth > 0));
      if (held.length < 3) throw new Error(`only ${held.length} files were held back`);
      released = true;
      for (const request of held) await request.continue();
      await loaded;
      // The channels were open before the shop came.
      await inShop(tab);
      await until("its shape", () => tab.evaluate(() => document.querySelector("#stage").dataset.shape));
      const streams = await tab.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.includes("/events")).length);
      if (streams) throw new Error("the shop took an event stream, not the channels");
      noErrors(tab);
    },
  },
  {
    name: "second-visit-asks-for-no-files",
    async run(server) {
      const asked = [];
      for (const kind of ["chrome", "firefox"]) {
        const first = await page(kind, `${server.url}/watch/demo`);
        await inShop(first);
        const second = await first.browser().newPage();
        await second.goto(`${server.url}/watch/demo`, { waitUntil: "domcontentloaded" });
        await inShop(second);
        const files = await second.evaluate(() =>
          performance
            .getEntriesByType("resource")
            .filter(({ name }) => /\/assets\/[0-9a-f]{16}\//.test(name))
            .map(({ name, transferSize }) => ({ name, transferSize })),
        );
        if (files.length < 20) throw new Error(`${kind} knows of ${files.length} files only`);
        const fetched = files.filter(({ transferSize }) => transferSize > 0);
        if (fetched.length) throw new Error(`${kind} asked again: ${JSON.stringify(fetched)}`);
        asked.push(`${kind}: ${files.length} files, none asked for`);
        noErrors(first);
      }
      return asked.join("; ");
    },
  },
];
