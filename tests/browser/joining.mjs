// Joins and squeezes in real browsers, judged by the frames they show.

import { execFileSync } from "node:child_process";
import { existsSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DESK, OUTPUT, moving, page, until } from "./browsers.mjs";
import { ffmpeg } from "./ffmpeg.mjs";
import { longestFreeze, noteFrames, percentile } from "./frames.mjs";
import { Line, freeUdpPort, throughLine } from "./network.mjs";
import { start } from "./programs.mjs";
import { binary } from "./server.mjs";
import { tried } from "./tries.mjs";

const DEMO = join(dirname(fileURLToPath(import.meta.url)), "../../loadtest/demo");
/** More of them for figures: JOINS=40 run joins. */
const JOINS = Number(process.env.JOINS ?? 8);
/** Milliseconds in which 95 % of them have their first frame. Firefox takes longer from POST to DTLS. */
const MOST = { chrome: 300, firefox: 500 };
const FPS = 25;
/** Frames of the numbered clip, and the bits of their numbers. */
const FRAMES = 200;
const BITS = 8;

/** Eight seconds of VP8 with a keyframe every four, each frame with its number along its top. Kept for the next run. */
function numberedClip() {
  const path = join(OUTPUT, "numbered.ivf");
  if (existsSync(path)) return path;
  const side = 320 / BITS;
  const bit = (n) =>
    `drawbox=x=${n * side}:y=0:w=${side}:h=${side / 2}:color=white:t=fill:enable='gte(mod(floor(n/${1 << n}),2),1)'`;
  const filters = [`drawbox=x=0:y=0:w=320:h=${side / 2}:color=black:t=fill`, ...Array.from({ length: BITS }, (_, n) => bit(n))];
  const args = ["-hide_banner", "-loglevel", "error", "-f", "lavfi", "-i", `testsrc2=size=320x180:rate=${FPS}`, "-vf", filters.join(",")];
  const codec = ["-c:v", "libvpx", "-b:v", "800k", "-deadline", "realtime", "-cpu-used", "8", "-g", "100", "-keyint_min", "100", "-auto-alt-ref", "0"];
  execFileSync(ffmpeg(), [...args, "-frames:v", String(FRAMES), ...codec, "-f", "ivf", `${path}.part`]);
  renameSync(`${path}.part`, path);
  return path;
}

/** A host that answers no keyframe request. */
function publish(server, clip) {
  const args = ["loadtest", "publish", "--url", `${server.url}/whip/demo`, "--token", server.token("publish"), "--video", clip];
  return start(binary(), [...args, "--audio", join(DEMO, "chime.ogg"), "--ignore-pli"]);
}

/** An empty page of the server's own, with the frame reader. */
async function emptyPage(server, kind) {
  const tab = await page(kind, `${server.url}/assets/favicon.svg`);
  await tab.goto(`${server.url}/watch/nothing-here-${Date.now()}`, { waitUntil: "domcontentloaded" });
  await tab.evaluate(() => {
    window.vitrine?.player.stop();
    document.body.replaceChildren();
  });
  await tab.evaluate(`window.noteFrames = ${noteFrames}`);
  return tab;
}

/** Starts a player in the page; returns when its first frame was shown after, and what it shows from then on. */
const watch = (tab, url, name, channels) =>
  tab.evaluate(
    async (url, name, channels, bits) => {
      const { WhepPlayer } = await import("/assets/player.js");
      const video = document.createElement("video");
      video.muted = true;
      video.style.width = "320px";
      document.body.append(video);
      window.noteFrames(video, name, bits);
      const player = new WhepPlayer({ url, video, channels });
      (window.players ??= {})[name] = { player, video, began: performance.now() };
      player.start();
      while (window.frames[name].length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      return window.frames[name][0][0] - window.players[name].began;
    },
    url,
    name,
    channels,
    BITS,
  );

const stop = (tab, name) =>
  tab.evaluate((name) => {
    window.players[name].player.stop();
    window.players[name].video.remove();
    delete window.players[name];
  }, name);

/** By how many milliseconds one player's picture is behind another's, from the numbers of the frames both show. */
const behind = (tab, name, reference) =>
  tab.evaluate(
    (name, reference, frames, fps) => {
      const lags = [];
      for (const [at, , number] of window.frames[name].slice(-40)) {
        const shown = window.frames[reference].filter(([then]) => then <= at).at(-1);
        if (!shown) continue;
        let lag = (shown[2] - number + frames) % frames;
        if (lag > frames / 2) lag -= frames;
        lags.push((lag * 1000) / fps);
      }
      return lags.sort((a, b) => a - b)[Math.floor(lags.length / 2)];
    },
    name,
    reference,
    FRAMES,
    FPS,
  );

/** A line that narrows to what carries the smallest layer, and widens again. */
const squeeze = async (server, kind) => {
  const told = await tried(async () => {
    const { down, freeze, up } = await squeezed(server, kind);
    const numbers = `down ${Math.round(down)} ms, freeze ${Math.round(freeze)} ms, up ${Math.round(up)} ms`;
    return { numbers, held: down <= 1000 && freeze <= 500 && up <= 12_000 };
  });
  return `${kind}: ${told}`;
};

/** How long it took to see a smaller layer, the longest freeze until relief, and how long it took to see the large one again. */
async function squeezed(server, kind) {
  const line = await Line.to(server.mediaPort);
  line.down.delay = line.up.delay = 20;
  try {
    const tab = await page(kind, `${server.url}/watch/demo`, DESK, throughLine(line.port));
    await until("the player", () => tab.evaluate(() => Boolean(window.vitrine?.player)));
    await tab.evaluate(`(${noteFrames})(document.querySelector("video"), "it", 0)`);
    const state = () => tab.evaluate(() => ({ now: performance.now(), frames: window.frames.it }));
    const side = async () => (await state()).frames.at(-1)?.[1];
    // Of the demo's clip.
    const largest = 1280;
    await until(`the large layer in ${kind}`, async () => (await side()) >= largest, 40);
    // A few quiet seconds at the best layer first.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    line.down.rate = 450_000;
    const begun = (await state()).now;
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    line.down.rate = 0;
    const relieved = await state();
    const isSmall = ([at, side]) => at > begun && side < largest;
    const down = relieved.frames.find(isSmall)?.[0] - begun;
    const freeze = longestFreeze(relieved.frames, begun, relieved.now);
    const back = await until(`the large layer again in ${kind}`, async () => {
      const { frames } = await state();
      return frames.find(([at, side]) => at > relieved.now && side >= largest)?.[0];
    }, 40);
    return { down, freeze, up: back - relieved.now };
  } finally {
    line.close();
  }
}

/** Joins a host whose encoder ignores requests: the first frame must come from the server's own cache. */
async function joins(server, kind) {
  const host = publish(server, numberedClip());
  try {
    const tab = await emptyPage(server, kind);
    const url = `${server.url}/whep/demo`;
    await until("the host", async () => (await (await fetch(`${server.url}/api/rooms/demo`)).json()).live);
    await watch(tab, url, "reference", false);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const [first, lag] = [{ with: [], without: [] }, []];
    for (let n = 0; n < JOINS; n++) {
      const name = `join${n}`;
      // A viewer with data channels shows when it is ready; the other is waited for.
      const channels = n % 2 === 0;
      first[channels ? "with" : "without"].push(await watch(tab, url, name, channels));
      // The picture comes to the live edge, and the next join falls elsewhere into the group of pictures.
      await new Promise((resolve) => setTimeout(resolve, 3300));
      lag.push(await behind(tab, name, "reference"));
      await stop(tab, name);
    }
    const all = [...first.with, ...first.without];
    const tell = (times) => `p50 ${Math.round(percentile(times, 50))} ms, p95 ${Math.round(percentile(times, 95))} ms`;
    const numbers = `${JOINS} joins: first frame ${tell(all)}; with data channels ${tell(first.with)}; ` +
      `behind the settled viewer after 3 s at most ${Math.round(Math.max(...lag))} ms`;
    if (percentile(all, 95) > MOST[kind] || Math.max(...lag) > 200) {
      throw new Error(`${numbers}; ${JSON.stringify(first)}; ${lag}`);
    }
    return numbers;
  } catch (error) {
    throw new Error(`${error.message}\n${host.output()}`);
  } finally {
    await host.stop();
  }
}

/** Whoever finds no room is told so in words, and comes in by himself when somebody leaves. */
async function full(server, kind) {
  const first = await page(kind, `${server.url}/watch/demo`);
  await moving(first);
  const second = await page(kind, `${server.url}/watch/demo`);
  const title = () => second.evaluate(() => document.querySelector("#waiting-title").textContent);
  await until("being told that it is full", async () => (await title()) === "The show is full");
  const asked = await second.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.includes("/whep/")).length);
  // Told to come again after five seconds, it has asked once.
  if (asked !== 1) throw new Error(`it asked ${asked} times`);
  await first.evaluate(() => window.vitrine.player.stop());
  await moving(second, "the picture of who waited");
}

export const joining = [
  ...["chrome", "firefox"].map((kind) => ({
    name: `joins-a-show-that-is-full-in-${kind}`,
    settings: { VITRINE_MEDIA_SHARDS: "1", VITRINE_MEDIA_MAX_PEERS: "2" },
    run: (server) => full(server, kind),
  })),
  ...["chrome", "firefox"].map((kind) => ({
    name: `joins-a-host-that-ignores-keyframe-requests-in-${kind}`,
    settings: { VITRINE_DEMO: "false" },
    run: (server) => joins(server, kind),
  })),
  ...["chrome", "firefox"].map((kind) => ({
    name: `squeeze-in-${kind}`,
    settings: async () => ({ VITRINE_MEDIA_SHARDS: "1", VITRINE_MEDIA_PORT: String(await freeUdpPort()) }),
    run: (server) => squeeze(server, kind),
  })),
];
