// Debian's browsers, headless, and what is asked of their pages.

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

/** Kept from run to run, never committed. */
export const OUTPUT = join(dirname(fileURLToPath(import.meta.url)), "../output");
mkdirSync(OUTPUT, { recursive: true });

const CHROMIUM = {
  browser: "chrome",
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
  ],
};
const FIREFOX = {
  browser: "firefox",
  executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
  extraPrefsFirefox: {
    "media.autoplay.default": 0,
    "media.navigator.permission.disabled": true,
    "media.navigator.streams.fake": true,
    "media.peerconnection.ice.loopback": true,
    "media.peerconnection.ice.obfuscate_host_addresses": false,
    "network.captive-portal-service.enabled": false,
    "app.update.enabled": false,
  },
};

let open = [];

export async function browser(kind) {
  const options = kind === "firefox" ? FIREFOX : CHROMIUM;
  const launched = await puppeteer.launch({ ...options, headless: true, defaultViewport: null, protocolTimeout: 60_000 });
  open.push(launched);
  return launched;
}

export async function closeBrowsers() {
  for (const launched of open) await launched.close().catch(() => {});
  open = [];
}

export const PHONE = { width: 390, height: 844, deviceScaleFactor: 3 };
export const DESK = { width: 1360, height: 900 };

/** A new page of a browser of its own, whose script errors are failures. `before` runs in it before its own scripts. */
export async function page(kind, url, viewport = PHONE, before = undefined) {
  const tab = await (await browser(kind)).newPage();
  await tab.setViewport(viewport);
  tab.errors = [];
  tab.on("pageerror", (error) => tab.errors.push(error.message));
  if (before) await tab.evaluateOnNewDocument(before);
  await tab.goto(url, { waitUntil: "domcontentloaded" });
  return tab;
}

export async function shot(tab, name) {
  await tab.screenshot({ path: join(OUTPUT, `${name}.png`) });
}

/** Asks until the answer is not falsy. Generous: machines that run tests are slow. */
export async function until(what, ask, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what} did not happen within ${seconds} s; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

/** What the page decodes and shows: frames counted by the decoder, and a digest of the pixels. */
export function picture(tab) {
  return tab.evaluate(async () => {
    const video = document.querySelector("video") ?? document.querySelector("vitrine-player").shadowRoot.querySelector("video");
    const canvas = document.createElement("canvas");
    canvas.width = 32;
    canvas.height = 32;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0, 32, 32);
    const { data } = context.getImageData(0, 0, 32, 32);
    let digest = 0;
    let light = 0;
    for (let i = 0; i < data.length; i += 4) {
      light += data[i] + data[i + 1] + data[i + 2];
      digest = (Math.imul(digest, 31) + data[i] + data[i + 1] * 3 + data[i + 2] * 7) | 0;
    }
    let frames = 0;
    let concealed = 0;
    for (const report of (await window.vitrine?.player?.connection?.getStats())?.values() ?? []) {
      if (report.type !== "inbound-rtp") continue;
      if (report.kind === "video") frames += report.framesDecoded ?? 0;
      if (report.kind === "audio") concealed += report.concealedSamples ?? 0;
    }
    return { frames, digest, light, width: video.videoWidth, height: video.videoHeight, concealed };
  });
}

/** What the browser tells of the sound or picture that a page's player receives, its codec's name and parameters; `undefined` before that. */
export const inbound = (tab, kind) =>
  tab.evaluate(async (wanted) => {
    const reports = await window.vitrine.player.connection.getStats();
    const report = [...reports.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === wanted);
    const { mimeType: codec, sdpFmtpLine: parameters } = reports.get(report?.codecId) ?? {};
    return report && { ...report, codec, parameters };
  }, kind);

/** Waits for a picture that is not black, moves, and is decoded on and on. */
export async function moving(tab, what = "the picture") {
  const first = await until(`${what} appearing`, async () => {
    const now = await picture(tab);
    return now.frames > 0 && now.light > 5000 && now;
  });
  const digests = new Set([first.digest]);
  return until(`${what} moving`, async () => {
    const now = await picture(tab);
    digests.add(now.digest);
    return now.frames >= first.frames + 15 && digests.size >= 3 && now;
  });
}
