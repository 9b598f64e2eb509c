// A browser's side of WHIP: camera or screen in three layers.

import { ANSWER_PATIENCE_MS, PASSING, Path } from "./path.js";

/** The layers, lowest first: what they are called, what they are scaled down by, and what they may take (bits/s). */
export const LAYERS = [
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 200_000 },
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 700_000 },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 2_500_000 },
];

/** The server says no, and why. */
class Refused extends Error {}

/** Sends one stream until it is stopped. Events: `state`. */
export class WhipPublisher extends EventTarget {
  #options;
  /** @type {RTCPeerConnection | undefined} */
  #pc;
  /** @type {string | undefined} */
  #session;
  /** @type {Path | undefined} */
  #path;
  #before = new Map();

  /** @param {{url: string, token?: string, stream: MediaStream}} options */
  constructor(options) {
    super();
    this.#options = options;
    /** `idle`, `connecting`, `live`, `interrupted` or `lost`. */
    this.state = "idle";
  }

  /** Begins; throws where the server refuses what another try would not change. Without an answer it is `lost`. */
  async start() {
    this.#set("connecting");
    const { stream, url } = this.#options;
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.#pc = pc;
    for (const track of stream.getVideoTracks()) {
      track.contentHint = "motion";
      pc.addTransceiver(track, { direction: "sendonly", sendEncodings: LAYERS.map((layer) => ({ ...layer })) });
    }
    for (const track of stream.getAudioTracks()) preferRedundancy(pc.addTransceiver(track, { direction: "sendonly" }));
    const path = new Path({
      pc,
      headers: this.#headers(),
      connected: () => this.#set("live"),
      interrupted: () => this.#set("interrupted"),
      lost: () => this.#set("lost"),
    });
    this.#path = path;
    addEventListener("online", this.#hurry);
    try {
      await this.#connect(pc, url, path);
    } catch (error) {
      if (pc !== this.#pc) return;
      if (error instanceof Refused) {
        this.stop();
        throw error;
      }
      console.debug("vitrine: no connection", error);
      this.#set("lost");
    }
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {string} url
   * @param {Path} path
   */
  async #connect(pc, url, path) {
    await pc.setLocalDescription(await pc.createOffer());
    const response = await fetch(url, {
      method: "POST",
      headers: { ...this.#headers(), "Content-Type": "application/sdp" },
      body: pc.localDescription?.sdp,
      signal: AbortSignal.timeout(ANSWER_PATIENCE_MS),
    });
    if (response.status >= 400 && response.status < 500 && !PASSING.includes(response.status)) {
      const { detail } = await response.json().catch(() => ({}));
      throw new Refused(detail || `HTTP ${response.status}`);
    }
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const location = response.headers.get("Location");
    const session = location ? new URL(location, url).href : undefined;
    // Ended meanwhile: nobody else knows of this session.
    if (pc !== this.#pc) return this.#leave(session);
    this.#session = session;
    await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    path.begin(session);
  }

  /**
   * Sends another stream in the place of the present one, without a break; false where that needs another session.
   * @param {MediaStream} stream
   */
  async replace(stream) {
    const senders = this.#pc?.getSenders() ?? [];
    const tracks = stream.getTracks();
    /** @param {MediaStreamTrack} track */
    const places = tracks.map((track) => senders.find((sender) => sender.track?.kind === track.kind));
    if (places.length !== senders.length || places.includes(undefined)) return false;
    for (const [n, track] of tracks.entries()) {
      if (track.kind === "video") track.contentHint = "motion";
      await places[n]?.replaceTrack(track);
    }
    return true;
  }

  stop() {
    removeEventListener("online", this.#hurry);
    this.#path?.stop();
    this.#leave(this.#session);
    this.#session = undefined;
    const pc = this.#pc;
    this.#pc = undefined;
    pc?.close();
    this.#set("idle");
  }

  /** What leaves now: `[{rid, bitrate, width, height, fps, limit}]`, lowest first. Bits per second since the last call; `limit` is what the
   * browser holds the picture back for: `none`, `bandwidth`, `cpu` or `other` (W3C, Identifiers for WebRTC's Statistics API). */
  async rates() {
    const layers = [];
    for (const report of (await this.#pc?.getStats())?.values() ?? []) {
      if (report.type !== "outbound-rtp" || report.kind !== "video") continue;
      const before = this.#before.get(report.id);
      this.#before.set(report.id, report);
      const seconds = before ? (report.timestamp - before.timestamp) / 1000 : 0;
      layers.push({
        rid: report.rid ?? "",
        bitrate: seconds > 0 ? Math.round(((report.bytesSent - before.bytesSent) * 8) / seconds) : 0,
        width: report.frameWidth ?? 0,
        height: report.frameHeight ?? 0,
        fps: Math.round(report.framesPerSecond ?? 0),
        limit: String(report.qualityLimitationReason ?? "none"),
      });
    }
    /** @param {{rid: string}} layer */
    const place = ({ rid }) => LAYERS.findIndex((layer) => layer.rid === rid);
    return layers.sort((a, b) => place(a) - place(b));
  }

  #hurry = () => this.#path?.restart();

  /** @param {string} [session] */
  #leave(session) {
    if (session) fetch(session, { method: "DELETE", headers: this.#headers(), keepalive: true }).catch(() => {});
  }

  /** @returns {Record<string, string>} */
  #headers() {
    const { token } = this.#options;
    return token ? { Authorization: `Bearer ${token}` } : {};
  }

  /** @param {string} state */
  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

/**
 * Each packet of sound carries the one before once more (RFC 2198): some 25 kbit/s of the host's line, for which viewers who
 * lose a twentieth of their packets miss next to nothing of the sound instead of a thirtieth. The server sends it to those
 * alone; who loses nothing gets plain Opus, and so does Firefox, which does not take it.
 * @param {RTCRtpTransceiver} sound
 */
function preferRedundancy(sound) {
  const codecs = RTCRtpSender.getCapabilities?.("audio")?.codecs ?? [];
  const redundant = codecs.filter(({ mimeType }) => mimeType.toLowerCase() === "audio/red");
  if (redundant.length) sound.setCodecPreferences?.([...redundant, ...codecs.filter((codec) => !redundant.includes(codec))]);
}
