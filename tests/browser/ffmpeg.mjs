// ffmpeg as a host. Debian's is too old to speak WHIP: a newer one comes inside the Python wheel `imageio-ffmpeg`.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { start } from "./programs.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const VENV = join(HERE, "../output/python");

/** The wheel's ffmpeg, installed when it is not there. */
export function ffmpeg() {
  if (process.env.FFMPEG_WHIP) return process.env.FFMPEG_WHIP;
  const wheel = () => {
    const lib = join(VENV, "lib");
    if (!existsSync(lib)) return undefined;
    for (const python of readdirSync(lib)) {
      const folder = join(lib, python, "site-packages/imageio_ffmpeg/binaries");
      const name = existsSync(folder) && readdirSync(folder).find((file) => file.startsWith("ffmpeg-"));
      if (name) return join(folder, name);
    }
    return undefined;
  };
  if (!wheel()) {
    execFileSync("python3", ["-m", "venv", VENV], { stdio: "inherit" });
    execFileSync(join(VENV, "bin/pip"), ["install", "--quiet", "imageio-ffmpeg"], { stdio: "inherit" });
  }
  return wheel();
}

const TONE = ["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"];
const OPUS = ["-c:a", "libopus", "-ar", "48000", "-ac", "2", "-b:a", "64k"];

export const publishH264 = (url, token) =>
  publish(url, token, [
    "-re", "-f", "lavfi", "-i", "testsrc2=size=960x540:rate=25", ...TONE,
    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline",
    "-pix_fmt", "yuv420p", "-g", "50", "-b:v", "1500k",
    ...OPUS,
  ]);

/** A host without a picture. */
export const publishSound = (url, token) => publish(url, token, [...TONE, ...OPUS]);

async function publish(url, token, streams) {
  const host = start(ffmpeg(), ["-hide_banner", "-loglevel", "warning", ...streams, "-f", "whip", "-authorization", token, url]);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  if (host.hasEnded()) throw new Error(`ffmpeg ended: ${host.output()}`);
  return host;
}
