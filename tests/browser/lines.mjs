// Lines of all kinds behind real browsers, judged by the pictures they show. A story is a host, a line and what becomes of
// it from second to second; the quick and steady ones run always, all of them with `run line-`.

import { DESK, inbound, page, until } from "./browsers.mjs";
import { longestFreeze, noteFrames } from "./frames.mjs";
import { Line, freeUdpPort, throughLine } from "./network.mjs";
import { goLive, host } from "./scenarios.mjs";
import { publish } from "./spatial.mjs";
import { tried } from "./tries.mjs";

const kbps = (rate) => ({ rate: rate * 1000 });
const loss = (part, burst = 1) => ({ loss: part, burst });
/** From one rate to another in steps of half a second. */
const ramp = (from, to, begin, seconds) =>
  Array.from({ length: seconds * 2 }, (_, n) => [begin + n / 2, kbps(from + ((to - from) * (n + 1)) / (seconds * 2))]);

/** A walk between cells: another rate each half second, now and then a short hole. The same each time. */
function mobile(seconds) {
  let state = 7;
  const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  let rate = 2000;
  return Array.from({ length: seconds * 2 }, (_, n) => {
    rate = Math.min(4000, Math.max(300, rate * Math.exp((random() - 0.5) * 1.2)));
    return [n / 2, kbps(random() < 0.03 ? 150 : rate)];
  });
}

/**
 * `steps` are `[second, changes of the line downward]`, counted from when the best picture was there for a while; `way` is
 * the delay each way in milliseconds; `expect` what must hold: milliseconds for `down` (from the first step), `up` (from
 * `relieved`, or the last step), the longest `freeze`, the least part of the time with the `best` picture. `always` is the line downward from the beginning, `back`
 * upward; `only` one browser plays it.
 */
const LINES = [
  { name: "step", steps: [[0, kbps(450)], [10, kbps(4000)]], seconds: 22, expect: { down: 1000, up: 12_000, freeze: 500 } },
  { name: "step-to-the-smallest", steps: [[0, kbps(220)], [10, kbps(4000)]], seconds: 22, expect: { down: 1000, up: 12_000, freeze: 500 } },
  { name: "step-with-a-long-queue", always: { queue: 500 }, steps: [[0, kbps(450)], [10, kbps(4000)]], seconds: 22, expect: { down: 1000, up: 12_000, freeze: 500 } },
  { name: "step-far-away", way: 100, steps: [[0, kbps(450)], [10, kbps(4000)]], seconds: 22, expect: { down: 1000, up: 12_000, freeze: 500 } },
  { name: "ramp", steps: [...ramp(2000, 400, 0, 10), ...ramp(400, 2000, 14, 10)], relieved: 24, seconds: 36, expect: { up: 12_000, freeze: 500 } },
  { name: "loss-of-1", always: loss(0.01), steps: [], seconds: 12, expect: { best: 0.99, freeze: 500 } },
  { name: "loss-of-5", often: true, always: loss(0.05), steps: [], seconds: 12, expect: { best: 0.99, freeze: 500 } },
  // Where what is missing of a layered picture is asked for once and does not come, nothing is shown for three seconds.
  { name: "loss-of-spatial-layers", host: "spatial", only: "chrome", often: true, way: 50, always: loss(0.05), back: loss(0.05), steps: [], seconds: 12, expect: { freeze: 1000 } },
  { name: "loss-in-bursts", always: loss(0.05, 4), steps: [], seconds: 12, expect: { best: 0.99, freeze: 500 } },
  { name: "far-away", way: 100, steps: [], seconds: 12, expect: { best: 0.99, freeze: 500 } },
  { name: "jitter", often: true, always: { jitter: 50 }, steps: [], seconds: 12, expect: { best: 0.99, freeze: 500 } },
  { name: "away", steps: [[0, loss(1)], [3, loss(0)]], seconds: 16, expect: { up: 6000, freeze: 3500 } },
  { name: "steady", always: kbps(1200), steps: [], seconds: 12, expect: { best: 0.99, freeze: 500 } },
  { name: "shared", viewers: 2, steps: [[0, kbps(900)], [12, kbps(4000)]], seconds: 24, expect: { up: 12_000, freeze: 500 } },
  { name: "mobile", way: 40, steps: mobile(40), seconds: 40, expect: { freeze: 1500 } },
  { name: "too-thin-for-two", host: "temporal", viewers: 2, steps: [[0, kbps(500)]], seconds: 30, expect: { freeze: 4000, pictures: 0.6 } },
  { name: "studio", host: "studio", always: kbps(4000), steps: [[0, kbps(400)], [12, kbps(4000)]], seconds: 26, expect: { down: 1000, up: 12_000, freeze: 500 } },
];

/** How each host goes live, and the longer side of its best picture. */
const HOSTS = {
  demo: { best: 1280, begin: async () => {} },
  temporal: { best: 640, begin: (server) => publish(server, "VP9", "L1T3", 800) },
  spatial: { best: 640, begin: (server) => publish(server, "VP9", "L2T3_KEY", 800) },
  studio: { best: 1280, begin: async (server) => goLive(await host(server)) },
};

async function watched(server, kind, story) {
  const { best } = HOSTS[story.host ?? "demo"];
  const lines = [];
  try {
    const tabs = [];
    for (let n = 0; n < (story.viewers ?? 1); n++) {
      const line = await Line.to(server.mediaPort);
      lines.push(line);
      line.down.delay = line.up.delay = story.way ?? 20;
      // They share what comes down.
      line.down = lines[0].down;
      if (n === 0) Object.assign(line.down, story.always);
      Object.assign(line.up, story.back);
      const tab = await page(kind, `${server.url}/watch/demo`, DESK, throughLine(line.port));
      await until("the player", () => tab.evaluate(() => Boolean(window.vitrine?.player)));
      await tab.evaluate(`(${noteFrames})(document.querySelector("video"), "it", 0)`);
      tabs.push(tab);
    }
    const state = (tab) => tab.evaluate(() => ({ now: performance.now(), frames: window.frames.it }));
    for (const tab of tabs) await until("the best picture", async () => (await state(tab)).frames.at(-1)?.[1] >= best, 40);
    // A few quiet seconds first.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const began = performance.now();
    const begins = await Promise.all(tabs.map(async (tab) => (await state(tab)).now));
    const reach = (second) => new Promise((resolve) => setTimeout(resolve, Math.max(0, began + second * 1000 - performance.now())));
    for (const [second, changes] of story.steps) {
      await reach(second);
      Object.assign(lines[0].down, changes);
    }
    await reach(story.seconds);
    return await Promise.all(
      tabs.map(async (tab, n) => figures(story, best, (await state(tab)).frames.map(([at, side]) => [at - begins[n], side]), await received(tab))),
    );
  } finally {
    for (const line of lines) line.close();
  }
}

/** What the browser's decoder and its feedback say of themselves. */
const SAID = ["framesDecoded", "framesDropped", "keyFramesDecoded", "nackCount", "pliCount", "packetsLost"];
const received = async (tab) => {
  const report = await inbound(tab, "video");
  return Object.fromEntries(SAID.map((name) => [name, report?.[name]]));
};

function figures(story, best, frames, received) {
  const end = story.seconds * 1000;
  const shown = frames.filter(([at]) => at > 0 && at < end);
  const relieved = (story.relieved ?? (story.expect.up && story.steps.at(-1)?.[0]) ?? story.seconds) * 1000;
  const first = (from, is) => shown.find(([at, side]) => at > from && is(side))?.[0] - from;
  // A picture is there until the next one.
  const times = [...shown.map(([at]) => at), end];
  const of = (is) => shown.reduce((sum, [at, side], n) => sum + (is(side) ? times[n + 1] - at : 0), 0) / (end - times[0]);
  const changes = shown.filter(([, side], n) => n > 0 && side !== shown[n - 1][1]);
  return {
    down: Math.round(first(0, (side) => side < best)),
    freeze: Math.round(longestFreeze(frames, 0, end)),
    up: Math.round(first(relieved, (side) => side >= best)),
    best: of((side) => side >= best),
    pictures: shown.length / story.seconds,
    changes: changes.map(([at, side]) => `${side}@${(at / 1000).toFixed(1)}`),
    received,
  };
}

function told(expect, { down, freeze, up, best, pictures, changes, received }) {
  const parts = [`freeze ${freeze} ms`, `best ${Math.round(best * 100)} %`, `${pictures.toFixed(1)} pictures/s`];
  if (expect.down) parts.unshift(`down ${down} ms`);
  if (expect.up) parts.push(`up ${up} ms`);
  if (changes.length) parts.push(changes.slice(0, 14).join(" "));
  if (process.env.LINES_DETAIL) parts.push(JSON.stringify(received));
  return parts.join(", ");
}

const holds = (expect, seen) =>
  ["down", "freeze", "up"].every((what) => !expect[what] || seen[what] <= expect[what]) &&
  ["best", "pictures"].every((what) => !expect[what] || seen[what] >= expect[what]);

const TOLD = { demo: "true", temporal: "false", spatial: "false", studio: "false" };

export const lines = ["chrome", "firefox"].flatMap((kind) =>
  LINES.filter(({ only }) => (only ?? kind) === kind).map((story) => ({
    name: `line-${story.name}-in-${kind}`,
    byName: !story.often,
    settings: async () => ({
      VITRINE_DEMO: TOLD[story.host ?? "demo"],
      VITRINE_MEDIA_SHARDS: "1",
      VITRINE_MEDIA_PORT: String(await freeUdpPort()),
    }),
    async run(server) {
      await HOSTS[story.host ?? "demo"].begin(server);
      await until("the host", async () => (await (await fetch(`${server.url}/api/rooms/demo`)).json()).live);
      if (story.host) await new Promise((resolve) => setTimeout(resolve, 3000));
      return tried(async () => {
        const seen = await watched(server, kind, story);
        return { numbers: seen.map((each) => told(story.expect, each)).join(" | "), held: seen.every((each) => holds(story.expect, each)) };
      });
    },
  })),
);
