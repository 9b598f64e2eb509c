// What goes wrong on phones and at hosts' desks, and is made good or told.

import { inbound, moving, page, shot, until } from "./browsers.mjs";
import { click, goLive, host, inShop, noErrors, text, watch } from "./scenarios.mjs";

export const mishaps = [
  {
    name: "host-whom-the-server-makes-wait",
    settings: { VITRINE_DEMO: "false" },
    async run(server) {
      const studio = await host(server, "chrome", () => {
        const refusals = [429, 408, 404];
        const plain = window.fetch;
        window.fetch = (url, options) => {
          const refusal = String(url).includes("/whip/") && refusals.shift();
          return refusal ? Promise.resolve(new Response("{}", { status: refusal })) : plain(url, options);
        };
      });
      await goLive(studio);
      noErrors(studio);
    },
  },
  {
    name: "host-with-only-a-microphone",
    settings: { VITRINE_DEMO: "false" },
    async run(server) {
      const studio = await host(server, "chrome", () => {
        const { mediaDevices } = navigator;
        const plain = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = async (wanted) => {
          if (wanted.video) throw new DOMException("no camera", "NotFoundError");
          return plain(wanted);
        };
      });
      await goLive(studio);
      for (const kind of ["chrome", "firefox"]) {
        const tab = await watch(server, kind);
        await until(`sound only in ${kind}`, async () => (await text(tab, "#waiting-title")) === "Sound only");
        await click(tab, "#sound");
        await until(`the sound in ${kind}`, async () => {
          const isOn = await tab.evaluate(() => {
            const { muted, paused } = document.querySelector("#video");
            const { visibility } = getComputedStyle(document.querySelector("#sound"));
            return !muted && !paused && visibility === "visible";
          });
          return isOn && (await inbound(tab, "audio"))?.packetsReceived > 0;
        });
        noErrors(tab);
      }
      noErrors(studio);
    },
  },
  {
    name: "host-whose-camera-is-refused-and-then-allowed",
    settings: { VITRINE_DEMO: "false" },
    async run(server) {
      const studio = await host(server, "chrome", () => {
        const { mediaDevices, permissions } = navigator;
        const plain = mediaDevices.getUserMedia.bind(mediaDevices);
        const permission = Object.assign(new EventTarget(), { state: "denied" });
        permissions.query = async () => permission;
        mediaDevices.getUserMedia = (wanted) => (permission.state === "granted" ? plain(wanted) : Promise.reject(new DOMException("Permission denied", "NotAllowedError")));
        window.allow = () => {
          permission.state = "granted";
          permission.dispatchEvent(new Event("change"));
        };
      });
      await until("the shop", () => studio.evaluate(() => window.vitrine?.shop.isConnected));
      await click(studio, "#camera");
      await until("being told what to do", async () => (await text(studio, "#no-preview"))?.includes("Allow it"));
      await studio.evaluate(() => window.allow());
      await until("the camera", () => studio.evaluate(() => document.querySelector("#preview").videoWidth > 0 && !document.querySelector("#go").disabled));
      noErrors(studio);
    },
  },
  {
    name: "host-who-switches-the-camera-off",
    settings: { VITRINE_DEMO: "false" },
    async run(server) {
      // A sender without a track sends nothing, as an encoder whose source is hidden.
      const studio = await host(server, "chrome", () => {
        const { addTransceiver } = RTCPeerConnection.prototype;
        RTCPeerConnection.prototype.addTransceiver = function (track, options) {
          const transceiver = addTransceiver.call(this, track, options);
          if (track.kind === "video") window.camera = (on) => transceiver.sender.replaceTrack(on ? track : null);
          return transceiver;
        };
      });
      await goLive(studio);
      const tabs = [await watch(server, "chrome"), await watch(server, "firefox")];
      for (const tab of tabs) await moving(tab);
      await studio.evaluate(() => window.camera(false));
      for (const tab of tabs) await until("the words", async () => { const said = [await text(tab, "#waiting-title"), await text(tab, "#live")]; if (said.join() !== "The camera is off,LIVE") throw new Error(said.join()); return true; });
      // Nor is the show a coming one in the list.
      const list = await page("chrome", `${server.url}/`);
      await until("the list", async () => (await text(list, "#rooms .badge")) === "Camera off");
      await studio.evaluate(() => window.camera(true));
      await until("LIVE in the list", async () => (await text(list, "#rooms .badge")) === "LIVE");
      noErrors(list);
      for (const tab of tabs) {
        await moving(tab, "the picture again");
        await until("no more words", () => tab.evaluate(() => document.querySelector("#waiting").hidden));
      }
      noErrors(studio, ...tabs);
    },
  },
  {
    name: "host-who-comes-back-to-the-demo",
    async run(server) {
      const studio = await host(server, "chrome", () => {
        const plain = window.fetch;
        window.fetch = async (url, options) => {
          // Who is live is asked once the demo is.
          if (String(url).endsWith("/api/rooms/demo")) await window.demoIsBack;
          const response = await plain(url, options);
          if (options?.method === "POST" && String(url).includes("/whip/")) window.session = response.headers.get("Location");
          return response;
        };
        window.demoIsBack = new Promise((resolve) => (window.release = resolve));
      });
      await goLive(studio);
      const tab = await watch(server, "chrome");
      const shape = (wanted) => until(`a ${wanted} picture`, () => tab.evaluate((w) => document.querySelector("#stage").dataset.shape === w, wanted), 60);
      await shape("wide");
      await studio.evaluate((token) => fetch(window.session, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } }), server.token("publish"));
      await until("the break being seen", () => studio.evaluate(() => document.documentElement.dataset.publishing !== "live"));
      // The demo's picture stands, the host's lies.
      await shape("tall");
      await studio.evaluate(() => window.release());
      await shape("wide");
      await until("the host on the air", () => studio.evaluate(() => document.documentElement.dataset.publishing === "live"));
      noErrors(studio, tab);
    },
  },
  {
    name: "show-that-is-full-is-never-called-live",
    async run(server) {
      const tab = await page("chrome", `${server.url}/watch/demo`, undefined, () => {
        const plain = window.fetch;
        window.offers = 0;
        window.badges = new Set();
        window.fetch = (url, options) => {
          if (!String(url).includes("/whep/")) return plain(url, options);
          window.offers += 1;
          return Promise.resolve(new Response("{}", { status: 503, headers: { "Retry-After": "1" } }));
        };
        new MutationObserver(() => window.badges.add(document.querySelector("#live")?.textContent)).observe(document, { childList: true, subtree: true, characterData: true });
      });
      // With every ended connection Chromium shows a black picture of two pixels.
      await until("three offers", () => tab.evaluate(() => window.offers >= 3));
      await until("the words", async () => (await text(tab, "#waiting-title")) === "The show is full");
      const badges = await tab.evaluate(() => [...window.badges]);
      if (badges.includes("LIVE")) throw new Error(`it was called ${badges.join(", ")}`);
      noErrors(tab);
    },
  },
  {
    name: "what-is-said-on-a-line-that-is-lost",
    async run(server) {
      // What is said just as the network goes is never heard: by data channel at the viewer, by request at the host.
      const studio = await host(server, "chrome", () => {
        const plain = window.fetch;
        window.fetch = (url, options) => (window.isLost && String(url).endsWith("/messages") ? Promise.reject(new TypeError("lost")) : plain(url, options));
      });
      const tab = await page("chrome", `${server.url}/watch/demo`, undefined, () => {
        const { send } = RTCDataChannel.prototype;
        RTCDataChannel.prototype.send = function (data) {
          if (!window.isLost) send.call(this, data);
        };
      });
      for (const each of [studio, tab]) await inShop(each);
      const buy = await tab.evaluate(() => window.vitrine.shop.buy([{ variant: "candle", quantity: 1 }]));
      const state = () => tab.evaluate((id) => window.vitrine.shop.orders.get(id)?.state, buy);
      await until("the hold", async () => (await state()) === "held");
      await click(tab, "#bag");
      for (const each of [tab, studio]) await each.evaluate(() => (window.isLost = true));
      await click(tab, "#sheet .order button");
      await until("the button waiting", async () => (await text(tab, "#sheet .order button")) === "One moment…");
      const write = (field, form, words) =>
        tab.evaluate(
          ([at, of, what]) => {
            document.querySelector(at).value = what;
            document.querySelector(of).requestSubmit();
          },
          [field, form, words],
        );
      await write("#text", "#say", "Is it warm?");
      await write("#question", "#question-form", "Is it wool?");
      await until("the words being kept", async () => (await text(tab, "#chat .unsaid"))?.includes("Is it warm?") && (await text(tab, "#questions-list .unsaid"))?.includes("Is it wool?"));
      await studio.evaluate(() => {
        window.added = window.vitrine.shop.host({ op: "stock.add", variant: "candle", delta: 5 });
      });
      for (const each of [tab, studio]) await each.evaluate(() => (window.isLost = false));
      await tab.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
      await until("given back on the new connection", async () => (await state()) === "cancelled");
      // What is told while a sheet is open is told above it.
      await until("being told", async () => (await text(tab, "#sheet #toasts"))?.includes("Given back"));
      await tab.evaluate(() => document.querySelector("#sheet").close());
      await until("the words outside", () => tab.evaluate(() => document.querySelector("body > #toasts")));
      await until("both being heard", () => studio.evaluate(() => window.vitrine.shop.chat.length === 1 && window.vitrine.shop.questions.length === 1));
      await until("no word waiting", () => tab.evaluate(() => !document.querySelector(".unsaid") && window.vitrine.shop.chat.length === 1));
      await studio.evaluate(() => window.added);
      await until("the stock", () => tab.evaluate(() => window.vitrine.shop.variant("candle").variant.available === 35));

      // What the server does not take for long goes back to its writer.
      await studio.evaluate(() => window.vitrine.shop.host({ op: "chat.slow", seconds: 120 }));
      await until("slow mode", () => tab.evaluate(() => window.vitrine.shop.slowSeconds === 120));
      await write("#text", "#say", "And soft?");
      await until("being told why", async () => (await text(tab, "#chat .unsaid .why"))?.includes("Not sent: slow mode"));
      await shot(tab, "not-sent");
      await click(tab, "#chat [data-edit]");
      const back = await tab.evaluate(() => [document.querySelector("#text").value, document.querySelectorAll(".unsaid").length]);
      if (back.join() !== "And soft?,0") throw new Error(`the words are not in the field again: ${back}`);
      await studio.evaluate(() => window.vitrine.shop.host({ op: "chat.slow", seconds: 0 }));
      await tab.evaluate(() => document.querySelector("#say").requestSubmit());
      await until("the second line", () => studio.evaluate(() => window.vitrine.shop.chat.length === 2));
      noErrors(studio, tab);
    },
  },
  {
    name: "what-is-gone-for-good",
    async run(server) {
      const studio = await host(server);
      const tab = await watch(server, "chrome");
      for (const each of [studio, tab]) await inShop(each);
      const price = { minor: 1900, currency: "EUR", exponent: 2 };
      await studio.evaluate((p) => window.vitrine.shop.host({ op: "product.put", product: { id: "bowl", title: "Bowl", images: [], variants: [{ id: "bowl", title: "Bowl", price: p, available: 0 }] } }), price);
      await studio.evaluate(() => window.vitrine.shop.host({ op: "product.pin", product: "bowl", featured: true }));
      await until("the list being offered", async () => (await text(tab, "#card .buy")) === "Join the waitlist");
      // Nobody holds one that could come back.
      await click(tab, "#card .buy");
      await until("being told", async () => (await text(tab, "#toasts"))?.includes("the last one is sold"));
      await until("no list any more", async () => (await text(tab, "#card .buy")) === "Sold out");
      await studio.evaluate(() => window.vitrine.shop.host({ op: "stock.add", variant: "bowl", delta: 2 }));
      await until("more of them", async () => (await text(tab, "#card .buy")) === "Buy");
      await studio.evaluate(() => window.vitrine.shop.host({ op: "stock.add", variant: "bowl", delta: -2 }));
      await until("the list again: somebody may have one of the new ones", async () => (await text(tab, "#card .buy")) === "Join the waitlist");
      // A show that there is not.
      await tab.goto(`${server.url}/watch/no%20room`, { waitUntil: "domcontentloaded" });
      await until("the shows there are", async () => (await text(tab, "#unknown"))?.includes("no show") && (await text(tab, "#rooms a")));
      noErrors(studio, tab);
    },
  },
  {
    name: "picture-that-waits-for-a-tap",
    async run(server) {
      // As an iPhone that saves its battery: nothing plays by itself, muted or not.
      const tab = await page("chrome", `${server.url}/watch/demo`, undefined, () => {
        new MutationObserver(() => document.querySelector("video")?.removeAttribute("autoplay")).observe(document, { childList: true, subtree: true });
        // What a story asks of the page counts as a tap, too: only a true one does here.
        let isTapped = false;
        addEventListener("pointerdown", () => (isTapped = true), true);
        const { play } = HTMLMediaElement.prototype;
        HTMLMediaElement.prototype.play = function () {
          return isTapped ? play.call(this) : Promise.reject(new DOMException("no", "NotAllowedError"));
        };
      });
      await until("the tap being asked for", async () => (await text(tab, "#waiting-title")) === "Tap to watch");
      await tab.mouse.click(190, 330);
      await moving(tab);
      await until("LIVE", async () => (await text(tab, "#live")) === "LIVE");
      await click(tab, "#sound");
      await until("the sound", () => tab.evaluate(() => !document.querySelector("#video").muted));
      noErrors(tab);
    },
  },
  {
    name: "buy-that-is-refused-for-good",
    async run(server) {
      // Nothing of the shop's own line comes through, and what is asked beside it is refused.
      const tab = await page("chrome", `${server.url}/watch/demo`, undefined, () => {
        const { send } = RTCDataChannel.prototype;
        RTCDataChannel.prototype.send = function (data) {
          if (!String(data).includes('"t":"buy"')) send.call(this, data);
        };
        const plain = window.fetch;
        const refusal = () => new Response(JSON.stringify({ detail: "Not to this country" }), { status: 403 });
        window.fetch = (url, options) => (String(url).endsWith("/buy") ? Promise.resolve(refusal()) : plain(url, options));
      });
      await inShop(tab);
      await until("the card", () => tab.evaluate(() => !document.querySelector("#card").hidden));
      await tab.evaluate(() => window.vitrine.shop.buy([{ variant: "candle", quantity: 1 }]));
      await until("the button waiting", async () => (await text(tab, "#card .buy")) === "One moment…");
      await until("being told why", async () => (await text(tab, "#toasts"))?.includes("Not to this country"));
      await until("the button being there again", () => tab.evaluate(() => !window.vitrine.shop.isBuying && document.querySelector("#card .buy").getAttribute("aria-disabled") === "false"));
      noErrors(tab);
    },
  },
  {
    name: "phone-that-slept-and-page-that-came-back",
    async run(server) {
      const tab = await watch(server, "chrome");
      await moving(tab);
      const ufrag = () => tab.evaluate(() => window.vitrine.player.connection?.remoteDescription?.sdp.match(/ice-ufrag:(\S+)/)[1]);
      const before = await ufrag();
      // The clock of a machine that slept has gone on by more than the page has seen.
      await tab.evaluate(() => {
        window.first = window.vitrine.player.connection;
        const now = Date.now;
        Date.now = () => now() + 60_000;
      });
      await until("another path in the same session", async () => (await ufrag()) !== before && tab.evaluate(() => window.first === window.vitrine.player.connection));
      await moving(tab, "the picture after the sleep");
      const { parameters } = await inbound(tab, "audio");
      if (!/stereo=1/.test(parameters)) throw new Error(`the sound is mono: ${parameters}`);

      // The back button, with a browser that kept the page in its memory.
      await tab.evaluate(() => {
        dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
        dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
      });
      await until("a new session", () => tab.evaluate(() => window.vitrine.player.connection && window.first !== window.vitrine.player.connection));
      await moving(tab, "the picture of the page that came back");
      await inShop(tab);
      noErrors(tab);
    },
  },
  {
    name: "browser-that-offers-a-codec-and-does-not-decode-it",
    async run(server) {
      const tab = await page("chrome", `${server.url}/watch/demo`, undefined, () => {
        // Of each picture the decoder gets the beginning, which it takes for one of VP8 that is damaged.
        const Plain = window.RTCPeerConnection;
        window.RTCPeerConnection = class extends Plain {
          constructor(settings) {
            super({ ...settings, encodedInsertableStreams: true });
          }
          addTransceiver(kind, init) {
            const transceiver = super.addTransceiver(kind, init);
            const { readable, writable } = transceiver.receiver.createEncodedStreams();
            const cut = new TransformStream({
              transform(frame, out) {
                if (kind === "video") frame.data = frame.data.slice(0, 11);
                out.enqueue(frame);
              },
            });
            readable.pipeThrough(cut).pipeTo(writable);
            return transceiver;
          }
        };
      });
      await until("pictures that come", async () => (await inbound(tab, "video"))?.framesReceived > 10);
      await until("being told why", async () => (await text(tab, "#waiting-title")) === "This browser cannot play the picture");
      const told = await text(tab, "#waiting-text");
      if (!told.includes("VP8")) throw new Error(told);
      await until("the sound", async () => (await inbound(tab, "audio"))?.packetsReceived > 0);
      const offer = await tab.evaluate(() => window.vitrine.player.connection.localDescription.sdp);
      if (/VP8/.test(offer) || !/VP9/.test(offer)) throw new Error("another codec was not asked for");
      noErrors(tab);
    },
  },
];
