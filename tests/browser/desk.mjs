// What a host sees before the show, and while another program sends it.

import { until } from "./browsers.mjs";
import { publishH264 } from "./ffmpeg.mjs";
import { click, goLive, host, inShop, noErrors, text, watch } from "./scenarios.mjs";

/** In the page: what is copied or shared is noted, and the microphone may be a silent one. */
function instrumented() {
  navigator.clipboard.writeText = async (words) => void (window.copied = words);
  navigator.share = async (what) => void (window.shared = what);
  const stats = RTCPeerConnection.prototype.getStats;
  RTCPeerConnection.prototype.getStats = async function (...of) {
    const reports = new Map(await stats.apply(this, of));
    for (const [id, report] of reports) if (window.isThin && report.type === "outbound-rtp") reports.set(id, { ...report, qualityLimitationReason: "bandwidth" });
    return reports;
  };
  const devices = navigator.mediaDevices;
  const get = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    const stream = await get(wanted);
    if (!window.isSilent) return stream;
    const silence = new AudioContext().createMediaStreamDestination().stream;
    return new MediaStream([...stream.getVideoTracks(), ...silence.getAudioTracks()]);
  };
}

const whose = (tab, words) => until(words, async () => (await text(tab, "#whose")) === words && tab.evaluate(() => !document.querySelector("#whose").hidden));
const badge = (tab, words) => until(words, async () => (await text(tab, "#live")) === words);
const width = (tab) => tab.evaluate(() => document.querySelector("#program").videoWidth);
const level = (tab) => tab.evaluate(() => Number(document.querySelector("#level").style.getPropertyValue("--level")));

export const desk = [
  {
    name: "host-sees-what-is-on-the-air",
    async run(server) {
      const studio = await host(server, "chrome", instrumented);
      await inShop(studio);
      // The demo is nobody's show.
      await whose(studio, "The demo, until you go live");
      await badge(studio, "Off air");
      await until("the demo's picture", async () => (await width(studio)) > 2);

      // What another program needs is there to be copied, the token never to be read.
      const copied = async (name) => {
        await click(studio, `[data-copy="${name}"]`);
        return studio.evaluate(() => window.copied);
      };
      const [url, token, command] = [await copied("whip"), await copied("bearer"), await copied("ffmpeg")];
      if (url !== `${server.url}/whip/demo` || !command.endsWith(` -authorization ${token} ${url}`)) throw new Error(`${url} and ${command}`);
      if (await studio.evaluate((secret) => document.body.innerHTML.includes(secret) || document.querySelector("#ffmpeg").value.includes(secret), token)) throw new Error("the token is shown");
      await click(studio, "#share");
      const shared = await until("a link", () => studio.evaluate(() => window.shared?.url));
      if (shared !== `${server.url}/watch/demo`) throw new Error(`${shared} is shared`);

      const encoder = await publishH264(url, token);
      try {
        await whose(studio, "On the air, from another encoder");
        await badge(studio, "ON AIR");
        await until("the encoder's picture", async () => (await width(studio)) === 960);
        await until("its sound", async () => (await level(studio)) > 0.1);
        await until("health in words", async () => (await text(studio, "#well")).startsWith("Arrives well: 960×540"));
        // The host's own look at it is nobody who watches.
        if ((await text(studio, "#viewers")) !== "0") throw new Error("the host is counted");
      } finally {
        await encoder.stop();
      }

      // A microphone that gives nothing is told before the show, another one moves the bar.
      await studio.evaluate(() => (window.isSilent = true));
      await click(studio, "#camera");
      await whose(studio, "Only you see this");
      await until("silence being told", async () => (await text(studio, "#warnings")).includes("Nothing is heard"));
      await studio.evaluate(() => (window.isSilent = false));
      await goLive(studio);
      await whose(studio, "You are on the air");
      await badge(studio, "ON AIR");
      await until("sound", async () => (await level(studio)) > 0.1);
      await until("no more of silence", async () => !(await text(studio, "#warnings")).includes("Nothing is heard"));
      if (await studio.evaluate(() => document.querySelector("#level").hidden)) throw new Error("no bar");
      await studio.evaluate(() => (window.isThin = true));
      await until("a thin line being told", async () => (await text(studio, "#warnings")).includes("Your line is too thin"));
      await studio.evaluate(() => (window.isThin = false));
      await until("no more of the line", async () => !(await text(studio, "#warnings")).includes("Your line is too thin"));
      if (await studio.evaluate(() => document.querySelector("#program").srcObject)) throw new Error("two pictures at once");
      noErrors(studio);
    },
  },
  {
    name: "host-whose-browser-lacks-the-codec",
    async run(server) {
      const studio = await host(server, "chrome", () => {
        const known = RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver);
        RTCRtpReceiver.getCapabilities = (kind) => ({ ...known(kind), codecs: known(kind).codecs.filter(({ mimeType }) => !mimeType.endsWith("H264")) });
      });
      await inShop(studio);
      await until("the demo's picture", async () => (await width(studio)) > 2);
      const encoder = await publishH264(`${server.url}/whip/demo`, server.token("publish"));
      try {
        await whose(studio, "On the air in H.264, which this browser cannot show");
        await until("no old picture", async () => (await width(studio)) <= 2);
      } finally {
        await encoder.stop();
      }
      await until("the demo's picture again", async () => (await width(studio)) > 2, 60);
      noErrors(studio);
    },
  },
  {
    name: "host-whom-an-encoder-takes-over",
    settings: { VITRINE_DEMO: "false" },
    async run(server) {
      const studio = await host(server, "chrome");
      await goLive(studio);
      await whose(studio, "You are on the air");
      const encoder = await publishH264(`${server.url}/whip/demo`, server.token("publish"));
      try {
        await whose(studio, "Only you see this: another encoder is on the air");
        await until("its health", async () => (await text(studio, "#well")).startsWith("Arrives well: 960×540"));
      } finally {
        await encoder.stop();
      }
      // What has ended is not called well.
      await whose(studio, "Only you see this");
      await badge(studio, "Off air");
      await until("nothing arriving", async () => (await text(studio, "#well")) === "" && (await text(studio, "#arriving")) === "Nothing yet");
      noErrors(studio);
    },
  },
  {
    name: "host-at-night",
    async run(server) {
      const tab = await host(server, "chrome", () => (AudioContext.prototype.resume = () => new Promise(() => {}), Object.defineProperty(AudioContext.prototype, "state", { value: "suspended" })));
      await inShop(tab);
      // Where a browser has nothing to measure sound with no bar stands still.
      await whose(tab, "The demo, until you go live");
      await until("no bar", () => tab.evaluate(() => document.querySelector("#level").hidden));
      /** How light the cards and what is written on them are, 0 to 255. */
      const lights = () =>
        tab.evaluate(() => {
          const light = (colour) => Math.round(colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3);
          const parts = [...document.querySelectorAll("section, .product, dialog, .top, button:not(.primary, [aria-pressed=true], .quiet), select")];
          return parts.map(getComputedStyle).map(({ color, backgroundColor }) => [light(backgroundColor), light(color), backgroundColor.endsWith(", 0)")]);
        });
      for (const [scheme, isRight] of [
        ["dark", ([ground, ink, isClear]) => ink > 140 && (isClear || ground < 80)],
        ["light", ([ground, ink, isClear]) => ink < 140 && (isClear || ground > 200)],
      ]) {
        await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        await until(`a ${scheme} page`, async () => (await lights()).every(isRight));
      }
      noErrors(tab);
    },
  },
  {
    name: "viewer-who-tells-a-friend",
    async run(server) {
      const tab = await watch(server, "chrome");
      await inShop(tab);
      await tab.evaluate(() => (navigator.share = async (what) => void (window.shared = what)));
      await until("one button at a time", () => tab.evaluate(() => document.querySelector("#sound").classList.contains("wish") && getComputedStyle(document.querySelector("#share")).display === "none"));
      await click(tab, "#sound");
      await tab.click("#share");
      const { title, url } = await until("a link", () => tab.evaluate(() => window.shared));
      if (url !== `${server.url}/watch/demo` || title !== "Small things, made well") throw new Error(`${title}: ${url}`);
      noErrors(tab);
    },
  },
];
