// A browser as host with layers inside one encoding (scalabilityMode): viewers begin with the lowest one, go down where their
// line narrows, and come back.

import { DESK, page, until } from "./browsers.mjs";
import { longestStill, noteFrames } from "./frames.mjs";
import { Line, freeUdpPort, throughLine } from "./network.mjs";
import { tried } from "./tries.mjs";

const [WIDTH, HEIGHT, FPS] = [640, 360, 20];

/** A host page without our studio: any browser's WHIP client that asks for layers. */
export async function publish(server, codec, mode, kbps) {
  const tab = await page("chrome", `${server.url}/assets/favicon.svg`);
  await tab.goto(`${server.url}/watch/nothing-here`, { waitUntil: "domcontentloaded" });
  await tab.evaluate(
    async (url, token, codec, mode, kbps, width, height, fps) => {
      window.vitrine?.player.stop();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [width, height];
      document.body.replaceChildren(canvas);
      const context = canvas.getContext("2d");
      const noise = new ImageData(32, 32);
      let frame = 0;
      setInterval(() => {
        frame += 1;
        context.fillStyle = `hsl(${frame % 360} 60% 50%)`;
        context.fillRect((frame * 7) % width, (frame * 5) % height, 300, 200);
        for (let n = 0; n < noise.data.length; n++) noise.data[n] = Math.random() * 255;
        context.putImageData(noise, Math.random() * width, Math.random() * height);
      }, 1000 / fps);
      const pc = (window.pc = new RTCPeerConnection());
      const [track] = canvas.captureStream(fps).getVideoTracks();
      const sendEncodings = [{ maxBitrate: kbps * 1000, scalabilityMode: mode }];
      const { sender } = pc.addTransceiver(track, { direction: "sendonly", sendEncodings });
      const wanted = ({ mimeType }) => mimeType === `video/${codec}` || mimeType === "video/rtx";
      pc.getTransceivers()[0].setCodecPreferences(RTCRtpSender.getCapabilities("video").codecs.filter(wanted));
      await sender.setParameters({ ...sender.getParameters(), degradationPreference: "maintain-resolution" });
      await pc.setLocalDescription();
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
      const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
      await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    },
    `${server.url}/whip/demo`,
    server.token("publish"),
    codec,
    mode,
    kbps,
    WIDTH,
    HEIGHT,
    FPS,
  );
}

async function layers(server, codec, mode, kbps) {
  await publish(server, codec, mode, 800);
  await until("the host", async () => (await (await fetch(`${server.url}/api/rooms/demo`)).json()).live);
  // Rates are metered over seconds.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const line = await Line.to(server.mediaPort);
  line.down.delay = line.up.delay = 20;
  try {
    const tab = await page("chrome", `${server.url}/watch/demo`, DESK, throughLine(line.port));
    await until("the player", () => tab.evaluate(() => Boolean(window.vitrine?.player)));
    await tab.evaluate(`(${noteFrames})(document.querySelector("video"), "it", 0)`);
    const state = () => tab.evaluate(() => ({ now: performance.now(), frames: window.frames.it }));
    /** When a picture with that longer side is first shown after a time. */
    const shown = async (what, from, side) => {
      const at = await until(what, async () => (await state()).frames.find(([at, shown]) => at > from && shown === side)?.[0], 40);
      return Math.round(at - from);
    };
    const climb = await shown("the highest layer", 0, WIDTH);
    const { frames: first } = await state();
    if (first[0][1] !== WIDTH / 2) throw new Error(`the first picture had ${first[0][1]} pixels`);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    line.down.rate = kbps * 1000;
    const squeezed = (await state()).now;
    // The page's clock and ours.
    const ahead = performance.now() - squeezed;
    const down = await shown("the lower layer", squeezed, WIDTH / 2);
    await new Promise((resolve) => setTimeout(resolve, 6000));
    line.down.rate = 0;
    const relieved = await state();
    const [still, since] = longestStill(relieved.frames, squeezed, relieved.now);
    const freeze = Math.round(still);
    // A picture that others are built upon may take such a line longer than half a second: then it was busy all the time.
    const busy = Math.round(100 * line.down.busy(since + ahead, since + still + ahead));
    const stays = relieved.frames.filter(([at, side]) => at > squeezed + 3000 && side !== WIDTH / 2).length;
    const up = await shown("the highest layer again", relieved.now, WIDTH);
    const numbers = `at first after ${climb} ms; down ${down} ms, longest freeze ${freeze} ms, ${Math.round(since - squeezed)} ms after that (the line was busy for ${busy} % of it), up ${up} ms`;
    // What a busy machine adds is the encoder's and the decoder's.
    const held = down <= 2000 && freeze <= 1500 && up <= 12_000 && !stays;
    return { numbers: stays ? `${numbers}, ${stays} large ones on the thin line` : numbers, held };
  } finally {
    line.close();
  }
}

export const spatial = [
  ["VP9", "L3T3", 220],
  ["AV1", "L2T3", 220],
  ["VP9", "L3T3", 450],
  ["AV1", "L2T3", 450],
].map(([codec, mode, kbps]) => ({
  name: `spatial-layers-of-${codec.toLowerCase()}-on-${kbps}`,
  // The thinner line asks for more.
  byName: kbps > 220,
  settings: async () => ({ VITRINE_DEMO: "false", VITRINE_MEDIA_SHARDS: "1", VITRINE_MEDIA_PORT: String(await freeUdpPort()) }),
  run: (server) => tried(() => layers(server, codec, mode, kbps)),
}));
