// Lines that break: of hosts, whose viewers all stand still then, and of viewers; and cameras that are pulled.

import { moving, page, picture, until } from "./browsers.mjs";
import { Line, freeUdpPort, throughLine } from "./network.mjs";
import { click, goLive, host, inShop, noErrors, text, watch } from "./scenarios.mjs";

const publishing = (tab) => tab.evaluate(() => document.documentElement.dataset.publishing);
const onOneShard = async () => ({ VITRINE_DEMO: "false", VITRINE_MEDIA_SHARDS: "1", VITRINE_MEDIA_PORT: String(await freeUdpPort()) });

/** Sessions that connected so far. */
async function sessions(server) {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  return Number(metrics.match(/^vitrine_join_seconds_count (\d+)/m)[1]);
}

/** A camera that a story can pull and plug in again: `window.pull()`, `window.plug()`. */
const PULLABLE = () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const context = canvas.getContext("2d");
  let frame = 0;
  setInterval(() => {
    context.fillStyle = `hsl(${(frame * 3) % 360} 80% 60%)`;
    context.fillRect((frame * 7) % 640, (frame++ * 5) % 360, 200, 100);
  }, 40);
  let track;
  let isThere = true;
  const { mediaDevices } = navigator;
  mediaDevices.getUserMedia = async () => {
    if (!isThere) throw new DOMException("no camera", "NotFoundError");
    const stream = canvas.captureStream(25);
    [track] = stream.getVideoTracks();
    Object.defineProperty(track, "label", { value: "Pullable" });
    return stream;
  };
  mediaDevices.enumerateDevices = async () => (isThere ? [{ kind: "videoinput", deviceId: "one", label: "Pullable" }] : []);
  window.pull = () => {
    isThere = false;
    track.stop();
    track.dispatchEvent(new Event("ended"));
    mediaDevices.dispatchEvent(new Event("devicechange"));
  };
  window.plug = () => {
    isThere = true;
    mediaDevices.dispatchEvent(new Event("devicechange"));
  };
};

export const paths = ["chrome", "firefox"].map((kind) => ({
  name: `host-on-a-new-path-in-${kind}`,
  settings: onOneShard,
  async run(server) {
    const line = await Line.to(server.mediaPort);
    const studio = await host(server, kind, throughLine(line.port));
    await goLive(studio);
    const tab = await watch(server, "chrome");
    await moving(tab);
    const before = await sessions(server);
    // It may be over between two looks.
    await studio.evaluate(() => {
      const { dataset } = document.documentElement;
      new MutationObserver(() => (window.wasBroken ||= dataset.publishing !== "live")).observe(document.documentElement, { attributes: true });
    });
    line.forget();
    await until("the break being seen", () => studio.evaluate(() => window.wasBroken === true), 60);
    await until("the host being back", async () => (await publishing(studio)) === "live", 60);
    await moving(tab, "the picture on the host's new path");
    const after = await sessions(server);
    if (after !== before) throw new Error(`${after - before} more sessions: not the same one on a new path`);
    noErrors(studio, tab);
    line.close();
  },
}));

paths.push(
  {
    name: "host-without-network",
    settings: onOneShard,
    async run(server) {
      const line = await Line.to(server.mediaPort);
      const studio = await host(server, "chrome", throughLine(line.port));
      await goLive(studio);
      const tab = await watch(server, "chrome");
      await moving(tab);
      line.up.loss = line.down.loss = 1;
      await studio.setOfflineMode(true);
      await studio.evaluate(() => {
        window.failures = 0;
        const plain = window.fetch;
        window.fetch = (url, options) =>
          plain(url, options).catch((error) => {
            if (String(url).includes("/whip/")) window.failures += 1;
            throw error;
          });
      });
      // Not once but again and again.
      await until("offers without an answer", () => studio.evaluate(() => window.failures >= 3), 60);
      line.up.loss = line.down.loss = 0;
      await studio.setOfflineMode(false);
      await until("the host being back", async () => (await publishing(studio)) === "live", 60);
      await moving(tab, "the picture when the host is back");
      noErrors(studio, tab);
      line.close();
    },
  },
  {
    name: "host-whose-camera-is-pulled",
    settings: { VITRINE_DEMO: "false" },
    async run(server) {
      const studio = await host(server, "chrome", PULLABLE);
      await goLive(studio);
      const tab = await watch(server, "chrome");
      await moving(tab);
      const before = await sessions(server);
      await studio.evaluate(() => window.pull());
      await until("the host being told", async () => (await text(studio, "#toasts"))?.includes("has ended"));
      await studio.evaluate(() => window.plug());
      await moving(tab, "the picture of the camera that is back");
      // Screen or another camera: the same session goes on with it.
      await click(studio, "#camera");
      await moving(tab, "the picture of the other camera");
      const after = await sessions(server);
      if (after !== before) throw new Error(`${after - before} more sessions than before the camera was pulled`);
      noErrors(studio, tab);
    },
  },
  {
    name: "offer-without-an-answer",
    async run(server) {
      // The first offer is lost on its way, as in a tunnel: no error comes, either.
      const tab = await page("chrome", `${server.url}/assets/favicon.svg`);
      await tab.setRequestInterception(true);
      let lost = 0;
      tab.on("request", (request) => {
        if (request.url().includes("/whep/") && request.method() === "POST" && lost === 0) lost += 1;
        else request.continue();
      });
      await tab.goto(`${server.url}/watch/demo`, { waitUntil: "domcontentloaded" });
      await until("the offer being lost", () => lost > 0);
      await moving(tab);
      noErrors(tab);
    },
  },
  {
    name: "session-that-ended-while-nobody-looked",
    async run(server) {
      const tab = await watch(server, "chrome");
      await moving(tab);
      await inShop(tab);
      // As when a phone slept for longer than the server keeps it: its own connection has not noticed yet.
      await tab.evaluate(() => {
        const { player } = window.vitrine;
        window.first = player.connection;
        const plain = window.fetch;
        window.fetch = (url, options) => (String(url).endsWith("/layer") ? Promise.resolve(new Response("", { status: 404 })) : plain(url, options));
        player.setLayer({ maxWidth: 360 }).catch(() => {});
      });
      await until("a new session", () => tab.evaluate(() => window.vitrine.player.connection && window.first !== window.vitrine.player.connection));
      await moving(tab, "the picture of the new session");
      const { width } = await picture(tab);
      noErrors(tab);
      return `${width} wide`;
    },
  },
);
