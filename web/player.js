// The player: WHEP with the shop's data channels on the same connection. Import it from any page:
//
//   import { WhepPlayer } from "https://your.server/assets/player.js";
//   const player = new WhepPlayer({ url: "https://your.server/whep/demo", video: document.querySelector("video") });
//   player.addEventListener("state", () => console.log(player.state));
//   player.start();
//
// or `<vitrine-player src="https://your.server/whep/demo"></vitrine-player>`.

import { Decoders } from "./decoders.js";
import { ANSWER_PATIENCE_MS, inStereo, PASSING, Path } from "./path.js";

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

/** Who is told to come again later does so this many times as late, less or more by a quarter, but never sooner. */
const FULL_WAIT = 4 / 3;

/** A layer may be so much larger than what is shown of it: the next smaller one would look soft. */
const SHRINKS = 1.5;
/** Sizes settle before they are told; a hidden page may be back soon. */
const SETTLE_MS = 300;
const HIDDEN_MS = 10_000;
/** Sound that comes without a picture for so long is played without one. */
const ALONE_MS = 1500;
/** Without a packet for so long no sound comes; in silence some encoders send one in 400 ms. */
const QUIET_MS = 1500;
/** @typedef {{rid?: string, maxWidth?: number, maxHeight?: number}} Wish A layer that is asked for. */

/** How often a player tells of itself at most, and then only when something is new. */
const REPORT_MS = 10_000;

/** Channels of the shop and how they are opened (overlay/PROTOCOL.md). */
export const CHANNELS = {
  shop: { ordered: true },
  live: { ordered: false, maxRetransmits: 0 },
  chat: { ordered: true },
};

/**
 * Keeps one video element playing a WHEP resource, over lost lines, restarted servers and hosts that come and go.
 * Events: `state` (see `state`), `channels` (`detail.channels` by label, new with every connection; also `channels`).
 */
export class WhepPlayer extends EventTarget {
  #options;
  /** @type {RTCPeerConnection | undefined} */
  #pc;
  /** @type {Record<string, RTCDataChannel> | undefined} */
  #channels;
  /** @type {string | undefined} */
  #session;
  /** @type {Path | undefined} */
  #path;
  /** Ends the request for an answer. @type {AbortController | undefined} */
  #asking;
  #decoders = new Decoders();
  #retry = FIRST_RETRY_MS;
  /** @type {number | undefined} */
  #timer;
  #stopped = true;
  #attempt = 0;
  /** What the page asks of layers, what the element's size asks, and what the server was told last. */
  /** @type {Wish} */
  #wish = {};
  #told = "{}";
  /** @type {ResizeObserver | undefined} */
  #sizes;
  /** @type {number | undefined} */
  #settling;
  #began = 0;
  /** @type {number | undefined} */
  #reporting;
  #reported = "";
  /** @type {any} */
  #before;

  /** @param {{url: string, video: HTMLVideoElement, token?: string, channels?: boolean}} options */
  constructor(options) {
    super();
    this.#options = { channels: true, ...options };
    /** `idle`, `connecting`, `connected`, `interrupted`, `full` or `refused` (the last two with `reason`). */
    this.state = "idle";
    this.reason = "";
  }

  /** The RTCPeerConnection in use. */
  get connection() {
    return this.#pc;
  }

  /** Its data channels by label, open or not. */
  get channels() {
    return this.#channels;
  }

  /** Whether the sound plays without a picture, because none comes. Changes are told as `state`. */
  get isSoundOnly() {
    return /** @type {MediaStream | null} */ (this.#options.video.srcObject)?.getVideoTracks().length === 0;
  }

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    addEventListener("online", this.#hurry);
    addEventListener("pagehide", this.#leave);
    addEventListener("pageshow", this.#return);
    const { video } = this.#options;
    this.#sizes = new ResizeObserver(this.#sized);
    this.#sizes.observe(video);
    video.addEventListener("resize", this.#sized);
    document.addEventListener("visibilitychange", this.#sized);
    this.#reporting = setInterval(() => this.#report(), REPORT_MS);
    this.#connect();
  }

  /** Ends the session and frees everything. */
  stop() {
    this.#stopped = true;
    removeEventListener("online", this.#hurry);
    removeEventListener("pagehide", this.#leave);
    removeEventListener("pageshow", this.#return);
    this.#sizes?.disconnect();
    this.#options.video.removeEventListener("resize", this.#sized);
    document.removeEventListener("visibilitychange", this.#sized);
    clearTimeout(this.#settling);
    clearInterval(this.#reporting);
    this.#leave();
    this.#close();
    this.#set("idle");
  }

  /**
   * Asks for a layer: `{rid}`, `{maxWidth}`, `{maxHeight}`, or `{}` for automatic, which is the best one that the line
   * carries and the element shows.
   * @param {Wish} wish
   */
  async setLayer(wish) {
    if (!this.#session) throw new Error("there is no session");
    this.#wish = wish;
    await this.#tell();
  }

  #sized = () => {
    clearTimeout(this.#settling);
    const wait = document.hidden ? HIDDEN_MS : SETTLE_MS;
    this.#settling = setTimeout(() => this.#tell().catch(() => {}), wait);
  };

  /** Nothing larger than the element's own pixels is of use. */
  #pixels() {
    const { video } = this.#options;
    if (document.hidden && document.pictureInPictureElement !== video) return { maxWidth: 1, maxHeight: 1 };
    if (document.pictureInPictureElement === video) return {};
    const [width, height] = [video.clientWidth * devicePixelRatio, video.clientHeight * devicePixelRatio];
    if (!width || !height) return {};
    let longest = Math.max(width, height);
    if (video.videoWidth) {
      const fit = getComputedStyle(video).objectFit === "cover" ? Math.max : Math.min;
      longest = fit(width / video.videoWidth, height / video.videoHeight) * Math.max(video.videoWidth, video.videoHeight);
    }
    const most = Math.ceil((longest * SHRINKS) / 16) * 16;
    return { maxWidth: most, maxHeight: most };
  }

  /** Tells the server what layers are wished, when that is news to it. */
  async #tell() {
    if (!this.#session) return;
    const isAutomatic = Object.keys(this.#wish).length === 0;
    const wish = JSON.stringify(isAutomatic ? this.#pixels() : this.#wish);
    if (wish === this.#told) return;
    this.#told = wish;
    const response = await fetch(`${this.#session}/layer`, { method: "POST", headers: this.#headers("application/json"), body: wish });
    // The session ended while nobody looked, as that of a phone that slept.
    if (response.status === 404 && this.state === "connected") this.#again(0);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
  }

  /**
   * What the picture is like now: `{width, height, fps, bitrate, codec, roundTripMs, lostPercent, freezes, freezeMs,
   * playoutDelayMs}`; rates since the last call.
   */
  async stats() {
    const reports = [...((await this.#pc?.getStats())?.values() ?? [])];
    const video = reports.find((report) => report.type === "inbound-rtp" && report.kind === "video");
    if (!video) return undefined;
    const before = this.#before?.ssrc === video.ssrc ? this.#before : undefined;
    this.#before = video;
    /** @param {string} name */
    const since = (name) => (video[name] ?? 0) - (before?.[name] ?? 0);
    const seconds = before ? (video.timestamp - before.timestamp) / 1000 : 0;
    const packets = since("packetsReceived") + since("packetsLost");
    const pair = reports.find((report) => report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime !== undefined);
    const emitted = since("jitterBufferEmittedCount");
    return {
      width: video.frameWidth ?? 0,
      height: video.frameHeight ?? 0,
      fps: seconds > 0 ? Math.round(since("framesDecoded") / seconds) : 0,
      bitrate: seconds > 0 ? Math.round((since("bytesReceived") * 8) / seconds) : 0,
      codec: reports.find((report) => report.id === video.codecId)?.mimeType?.split("/")[1] ?? "",
      roundTripMs: pair ? Math.round(pair.currentRoundTripTime * 1000) : undefined,
      lostPercent: packets > 0 ? Math.max(0, (since("packetsLost") / packets) * 100) : 0,
      freezes: video.freezeCount ?? 0,
      freezeMs: Math.round((video.totalFreezesDuration ?? 0) * 1000),
      playoutDelayMs: emitted > 0 ? Math.round((since("jitterBufferDelay") / emitted) * 1000) : undefined,
    };
  }

  /** Whether sound comes now. */
  async hears() {
    const reports = [...((await this.#pc?.getStats())?.values() ?? [])];
    const sound = reports.find(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
    return sound !== undefined && sound.timestamp - (sound.lastPacketReceivedTimestamp ?? 0) < QUIET_MS;
  }

  /**
   * Tells the server how it went, for the operator: the first picture, and whenever it stood still.
   * @param {number} [first] how long the first picture took, milliseconds
   */
  async #report(first) {
    if (!this.#session || document.hidden) return;
    const reports = [...((await this.#pc?.getStats())?.values() ?? [])];
    const video = reports.find((report) => report.type === "inbound-rtp" && report.kind === "video");
    const freezes = video?.freezeCount ?? 0;
    if (first === undefined && this.#reported === `${this.#session} ${freezes}`) return;
    this.#reported = `${this.#session} ${freezes}`;
    /** @type {Record<string, number>} */
    const report = { freezes, freezeMs: Math.round((video?.totalFreezesDuration ?? 0) * 1000) };
    if (first !== undefined) report.firstFrameMs = Math.round(first);
    if (video?.jitterBufferEmittedCount) report.playoutDelayMs = Math.round((video.jitterBufferDelay / video.jitterBufferEmittedCount) * 1000);
    fetch(`${this.#session}/report`, { method: "POST", headers: this.#headers("application/json"), body: JSON.stringify(report) }).catch(() => {});
  }

  /** Looks for a new path now, as after a change of the network. The picture goes on meanwhile. */
  async restart() {
    await this.#path?.restart();
  }

  #hurry = () => {
    if (this.state === "interrupted") this.#again(0);
    else this.restart();
  };

  /** A page that is taken out of the browser's memory again has left its session. @param {PageTransitionEvent} event */
  #return = ({ persisted }) => {
    if (persisted) this.#again(0);
  };

  #leave = () => {
    if (!this.#session) return;
    fetch(this.#session, { method: "DELETE", headers: this.#headers(), keepalive: true }).catch(() => {});
    this.#session = undefined;
  };

  /**
   * @param {string} [type]
   * @returns {Record<string, string>}
   */
  #headers(type) {
    /** @type {Record<string, string>} */
    const headers = type ? { "Content-Type": type } : {};
    if (this.#options.token) headers.Authorization = `Bearer ${this.#options.token}`;
    return headers;
  }

  /**
   * @param {string} state
   * @param {string} [reason]
   */
  #set(state, reason = "") {
    if (this.state === state && this.reason === reason) return;
    this.state = state;
    this.reason = reason;
    this.dispatchEvent(new Event("state"));
  }

  #close() {
    clearTimeout(this.#timer);
    this.#attempt += 1;
    this.#asking?.abort();
    this.#path?.stop();
    this.#path = undefined;
    this.#decoders.stop();
    this.#pc?.close();
    this.#pc = undefined;
    this.#channels = undefined;
    this.#session = undefined;
    this.#told = "{}";
  }

  #again(wait = this.#retry) {
    this.#close();
    if (this.#stopped) return;
    this.#set("interrupted");
    this.#wait(wait);
  }

  /**
   * Tries again after about so many milliseconds.
   * @param {number} wait
   */
  #wait(wait) {
    this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY_MS);
    // Not all viewers at once after a restart of the server.
    this.#timer = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  async #connect() {
    this.#close();
    const attempt = this.#attempt;
    const isOver = () => this.#stopped || attempt !== this.#attempt;
    if (this.state !== "interrupted" && this.state !== "full") this.#set("connecting");
    this.#began = performance.now();
    try {
      const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
      this.#pc = pc;
      const video = pc.addTransceiver("video", { direction: "recvonly" });
      askForLayers(video);
      this.#decoders.prefer(video);
      const audio = pc.addTransceiver("audio", { direction: "recvonly" });
      this.#show(video.receiver.track, audio.receiver.track);
      if (this.#options.channels) {
        /** @type {Record<string, RTCDataChannel>} */
        const channels = {};
        for (const [label, mode] of Object.entries(CHANNELS)) channels[label] = pc.createDataChannel(label, mode);
        this.#channels = channels;
        this.dispatchEvent(new CustomEvent("channels", { detail: { channels } }));
      }
      const path = new Path({
        pc,
        headers: this.#headers(),
        connected: () => {
          this.#retry = FIRST_RETRY_MS;
          this.#set("connected");
        },
        interrupted: () => this.#set("interrupted"),
        lost: (isGone) => this.#again(isGone ? 0 : undefined),
      });
      this.#path = path;
      await pc.setLocalDescription(inStereo(await pc.createOffer()));
      const asking = new AbortController();
      this.#asking = asking;
      setTimeout(() => asking.abort(), ANSWER_PATIENCE_MS);
      // No candidates of ours are needed: the server learns our address from our checks.
      const response = await fetch(this.#options.url, {
        method: "POST",
        headers: this.#headers("application/sdp"),
        body: pc.localDescription?.sdp,
        signal: asking.signal,
      });
      if (isOver()) return;
      if (response.status >= 400 && response.status < 500 && !PASSING.includes(response.status)) {
        const { detail } = await response.json().catch(() => ({}));
        this.#set("refused", detail || `HTTP ${response.status}`);
        return;
      }
      const retryAfter = Number(response.headers.get("Retry-After"));
      if (response.status === 503 && retryAfter > 0) {
        const { detail } = await response.json().catch(() => ({}));
        if (isOver()) return;
        this.#close();
        this.#set("full", detail || `HTTP ${response.status}`);
        this.#wait(Math.max(retryAfter * 1000, this.#retry) * FULL_WAIT);
        return;
      }
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const location = response.headers.get("Location");
      this.#session = location ? new URL(location, this.#options.url).href : undefined;
      const sdp = await response.text();
      if (isOver()) return;
      await pc.setRemoteDescription({ type: "answer", sdp });
      path.begin(this.#session);
      this.#decoders.watch(pc, () => this.#again(0));
      this.#tell().catch(() => {});
    } catch (error) {
      if (!isOver()) {
        console.debug("vitrine: no connection", error);
        this.#again();
      }
    }
  }

  /**
   * @param {MediaStreamTrack} picture
   * @param {MediaStreamTrack} sound
   */
  #show(picture, sound) {
    const { video } = this.#options;
    const attempt = this.#attempt;
    this.#play(new MediaStream([picture, sound]));
    // No browser plays an element that waits for its first picture: a host of sound alone would not be heard.
    sound.addEventListener("unmute", () => {
      setTimeout(() => attempt === this.#attempt && picture.muted && this.#play(new MediaStream([sound])), ALONE_MS);
    });
    picture.addEventListener("unmute", () => {
      if (attempt === this.#attempt && this.isSoundOnly) this.#play(new MediaStream([picture, sound]));
    });
    video.requestVideoFrameCallback?.((shown) => attempt === this.#attempt && this.#report(shown - this.#began));
  }

  /** @param {MediaStream} stream */
  #play(stream) {
    const { video } = this.#options;
    const wasSoundOnly = this.isSoundOnly;
    video.srcObject = stream;
    if (this.isSoundOnly !== wasSoundOnly) this.dispatchEvent(new Event("state"));
    video.playsInline = true;
    // Sound needs a tap first in most browsers.
    video.play().catch((error) => {
      if (error.name !== "NotAllowedError") return;
      video.muted = true;
      video.play().catch(() => {});
    });
  }
}

/**
 * AV1's layers are told apart by a header extension that Chromium understands and does not offer by itself; without it a
 * viewer gets the lowest one.
 * @param {RTCRtpTransceiver & {
 *   getHeaderExtensionsToNegotiate?: () => {uri: string, direction: string}[],
 *   setHeaderExtensionsToNegotiate?: (extensions: {uri: string, direction: string}[]) => void,
 * }} transceiver
 */
function askForLayers(transceiver) {
  const extensions = transceiver.getHeaderExtensionsToNegotiate?.() ?? [];
  const descriptor = extensions.find(({ uri }) => uri.endsWith("#dependency-descriptor-rtp-header-extension"));
  if (!descriptor) return;
  descriptor.direction = "sendrecv";
  transceiver.setHeaderExtensionsToNegotiate?.(extensions);
}

/** The element's own look, within its shadow: a page's style reaches `::part(video)` and `::part(sound)`. */
const STYLE = `
  :host { display: block; position: relative; background: #1b1712; }
  :host([hidden]) { display: none; }
  video { display: block; width: 100%; height: 100%; object-fit: inherit; }
  button {
    position: absolute; top: 12px; right: 12px; min-height: 44px; padding: 0 16px; border: 0; border-radius: 22px;
    background: rgb(255 255 255 / 94%); color: #1b1712; font: 600 14px system-ui, sans-serif; cursor: pointer;
  }
  button[hidden] { display: none; }
  button:focus-visible { outline: 3px solid #2f6fdb; outline-offset: 2px; }
`;

/**
 * `<vitrine-player src="…/whep/room" [token] [controls] [sound-label]>`: a video that keeps itself playing, muted until
 * its button is pressed. Its attribute `state` is the player's.
 */
export class VitrinePlayer extends HTMLElement {
  /** @type {WhepPlayer | undefined} */
  #player;

  connectedCallback() {
    const video = document.createElement("video");
    video.autoplay = true;
    video.muted = true;
    video.playsInline = true;
    video.controls = this.hasAttribute("controls");
    video.part = "video";
    const sound = document.createElement("button");
    sound.part = "sound";
    sound.textContent = this.getAttribute("sound-label") ?? "Tap for sound";
    sound.addEventListener("click", () => (video.muted = false));
    const drawSound = () => (sound.hidden = !video.muted || video.controls || video.readyState < video.HAVE_CURRENT_DATA);
    for (const event of ["volumechange", "playing", "emptied"]) video.addEventListener(event, drawSound);
    drawSound();
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    const shadow = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [style];
    shadow.replaceChildren(video, sound);
    const url = new URL(this.getAttribute("src") ?? "", document.baseURI).href;
    const player = new WhepPlayer({ url, video, token: this.getAttribute("token") ?? undefined });
    this.#player = player;
    player.addEventListener("state", () => this.setAttribute("state", player.state));
    player.start();
  }

  disconnectedCallback() {
    this.#player?.stop();
  }

  /** The player, for its events and layers. */
  get player() {
    return this.#player;
  }
}

customElements.get("vitrine-player") ?? customElements.define("vitrine-player", VitrinePlayer);
