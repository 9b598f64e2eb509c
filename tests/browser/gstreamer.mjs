// GStreamer as a host, whose certificate is RSA where everybody else's is ECDSA.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { moving, page, picture, shot, until } from "./browsers.mjs";
import { start } from "./programs.mjs";

const SCRIPT = join(dirname(fileURLToPath(import.meta.url)), "gstreamer.py");
/** Debian's own, which its packages of GStreamer's bindings are made for. */
const PYTHON = "/usr/bin/python3";
const WIDTH = 640;

async function publishes(server) {
  const host = start(PYTHON, [SCRIPT, `${server.url}/whip/demo`, server.token("publish")]);
  const room = async () => (await fetch(`${server.url}/api/rooms/demo`)).json();
  try {
    await until("GStreamer on the air", async () => (await room()).live);
    const tabs = [];
    for (const kind of ["chrome", "firefox"]) {
      const tab = await page(kind, `${server.url}/watch/demo`);
      await until(`GStreamer's picture in ${kind}`, async () => (await picture(tab)).width === WIDTH);
      await moving(tab, `GStreamer's picture in ${kind}`);
      tabs.push(tab);
    }
    await shot(tabs[0], "gstreamer");
    await host.stop();
    await until("its end", async () => !(await room()).live);
    const errors = tabs.flatMap((tab) => tab.errors);
    if (errors.length) throw new Error(errors.join("; "));
    return `${WIDTH} wide, in both browsers`;
  } catch (error) {
    throw new Error(`${error.message}\n${host.output()}`);
  } finally {
    await host.stop();
  }
}

export const gstreamer = [
  { name: "gstreamer-publishes", settings: { VITRINE_DEMO: "false" }, run: publishes },
];
