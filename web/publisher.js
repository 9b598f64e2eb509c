// A browser's side of WHIP: camera or screen in three layers.

/** The layers, lowest first: what they are called, what they are scaled down by, and what they may take (bits/s). */
export const LAYERS = [
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 200_000 },
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 700_000 },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 2_500_000 },
];

/** Sends one stream until it is stopped. Events: `state`. */
export class WhipPublisher extends EventTarget {
  #options;
  /** @type {RTCPeerConnection | undefined} */
  #pc;
  /** @type {string | undefined} */
  #session;
  #before = new Map();

  /** @param {{url: string, token?: string, stream: MediaStream}} options */
  constructor(options) {
    super();
    this.#options = options;
    /** `idle`, `connecting`, `live` or `lost`. */
    this.state = "idle";
  }

  async start() {
    this.#set("connecting");
    const { stream, url, token } = this.#options;
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.#pc = pc;
    for (const track of stream.getVideoTracks()) {
      track.contentHint = "motion";
      pc.addTransceiver(track, { direction: "sendonly", sendEncodings: LAYERS.map((layer) => ({ ...layer })) });
    }
    for (const track of stream.getAudioTracks()) pc.addTransceiver(track, { direction: "sendonly" });
    pc.addEventListener("connectionstatechange", () => {
      if (pc !== this.#pc) return;
      if (pc.connectionState === "connected") this.#set("live");
      if (pc.connectionState === "failed" || pc.connectionState === "closed") this.#set("lost");
    });
    await pc.setLocalDescription(await pc.createOffer());
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/sdp" };
    if (token) headers.Authorization = `Bearer ${token}`;
    const response = await fetch(url, { method: "POST", headers, body: pc.localDescription?.sdp });
    if (!response.ok) {
      const { detail } = await response.json().catch(() => ({}));
      this.stop();
      throw new Error(detail || `HTTP ${response.status}`);
    }
    const location = response.headers.get("Location");
    this.#session = location ? new URL(location, url).href : undefined;
    await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    // A server that says goodbye ends DTLS; the connection itself would notice much later.
    const dtls = pc.getSenders().find((sender) => sender.transport)?.transport;
    dtls?.addEventListener("statechange", () => pc === this.#pc && dtls.state === "closed" && this.#set("lost"));
  }

  stop() {
    const { token } = this.#options;
    if (this.#session) {
      /** @type {Record<string, string>} */
      const headers = token ? { Authorization: `Bearer ${token}` } : {};
      fetch(this.#session, { method: "DELETE", headers, keepalive: true }).catch(() => {});
    }
    this.#session = undefined;
    const pc = this.#pc;
    this.#pc = undefined;
    pc?.close();
    this.#set("idle");
  }

  /** What leaves now: `[{rid, bitrate, width, height, fps}]`, lowest first. Bits per second since the last call. */
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
      });
    }
    /** @param {{rid: string}} layer */
    const place = ({ rid }) => LAYERS.findIndex((layer) => layer.rid === rid);
    return layers.sort((a, b) => place(a) - place(b));
  }

  /** @param {string} state */
  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
