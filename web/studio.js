// The host's camera or screen: chosen, shown, sent, measured.

import { Awake } from "./awake.js";
import { codecName } from "./decoders.js";
import { Meter } from "./meter.js";
import { WhipPublisher } from "./publisher.js";
import { $, all, copy, el, patch, toast } from "./ui.js";

const AGAIN_MS = 2000;
/** @type {Record<string, string>} */
const LAYER_NAMES = { l: "low", m: "middle", h: "high" };
const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** Why a browser gives no picture, in the host's words.
 * @type {Record<string, string>} */
const REFUSALS = {
  NotAllowedError: "This page may not use the camera. Allow it beside the address: it comes on by itself then, or with Camera.",
  NotFoundError: "There is no camera and no microphone here.",
  NotReadableError: "Another program has the camera. End it there, then press Camera again.",
};

const SILENT = "Nothing is heard: is it the right microphone, and is it on?";

/** What holds the picture back, in the host's words.
 * @type {Record<string, string>} */
const HELD_BACK = {
  bandwidth: "Your line is too thin for the best picture: viewers get a smaller one. A cable is better than Wi-Fi",
  cpu: "This computer is too busy: viewers get a smaller picture. End other programs",
};
/** At the beginning, and behind a short trouble, it is so for some seconds. */
const HELD_BACK_SECONDS = 8;

/** What a file is sent with by ffmpeg, to the address behind it. */
const FFMPEG = "ffmpeg -re -i in.mp4 -c:v libx264 -profile:v baseline -tune zerolatency -g 60 -c:a libopus -ar 48000 -ac 2 -f whip -authorization TOKEN";

/**
 * A rate for people.
 * @param {number} bitrate bits per second
 */
function rate(bitrate) {
  if (bitrate >= 1_000_000) return `${(bitrate / 1_000_000).toFixed(1)} Mbit/s`;
  return bitrate > 0 ? `${(bitrate / 1000).toFixed(0)} kbit/s` : "–";
}

/** Camera or screen, shown and sent. */
export class Studio {
  #room;
  #token;
  /** @type {MediaStream | undefined} */
  #stream;
  /** @type {WhipPublisher | undefined} */
  #publisher;
  #isMuted = false;
  #isCamera = false;
  #isRefused = false;
  #awake = new Awake();
  #monitor;
  #meter = new Meter();
  /** What the server says of what arrives. @type {string[]} */
  #advice = [];
  #heldBack = { by: "none", seconds: 0 };

  /** @param {{room: string, token?: string, shop: import("./shop.js").ShopClient, monitor: import("./monitor.js").Monitor}} options */
  constructor({ room, token, shop, monitor }) {
    this.#room = room;
    this.#token = token;
    this.#monitor = monitor;
    monitor.addEventListener("change", () => this.#drawWhose());
    $("#camera").addEventListener("click", () => this.#camera());
    $("#screen").addEventListener("click", () => this.#screen());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#plugged());
    for (const list of ["#cameras", "#microphones"]) $(list).addEventListener("change", () => this.#camera());
    $("#mute").addEventListener("click", () => this.#mute());
    $("#go").addEventListener("click", () => this.#go());
    $("#stop").addEventListener("click", () => this.#stop());
    shop.on("health", ({ detail }) => this.#arriving(detail));
    // Nothing is said any more of what has ended.
    shop.on("change", ({ detail }) => detail === "show" && !shop.show?.on_air && this.#arriving({ encodings: [], warnings: [] }));
    addEventListener("pagehide", () => this.#publisher?.stop());
    addEventListener("beforeunload", (event) => this.#publisher?.state === "live" && event.preventDefault());
    setInterval(() => this.#measure(), 1000);
    this.#watchPermission();
    this.#offerEncoder();
  }

  /** For those who stream from elsewhere: where to, and with what. */
  #offerEncoder() {
    $("#whip").value = this.#url();
    $("#bearer").value = this.#token ?? "";
    // The token is copied, and not shown.
    $("#ffmpeg").value = `${FFMPEG} ${this.#url()}`;
    for (const button of all("[data-copy]")) {
      button.addEventListener("click", () => copy($(`#${button.dataset.copy}`).value.replace("authorization TOKEN", `authorization ${this.#token ?? ""}`)));
    }
  }

  /** Whose picture it is, and who sees it. */
  #drawWhose() {
    const isOwn = Boolean(this.#stream);
    const isOnAir = this.#publisher?.state === "live";
    const [text, isLive] = isOwn
      ? isOnAir ? ["You are on the air", true] : [`Only you see this${this.#monitor.hasHost ? ": another encoder is on the air" : ""}`, false]
      : this.#elsewhere();
    const isThere = isOwn || this.#monitor.isThere;
    const badge = $("#whose");
    if (badge.textContent !== text) badge.textContent = text;
    badge.classList.toggle("live", isLive);
    badge.hidden = !isThere && !this.#monitor.unplayable;
    $("#no-preview").hidden = isThere;
    this.#meter.listen(isOwn ? this.#stream : this.#monitor.stream);
  }

  /**
   * Whose picture is on the air that this browser does not send, and whether it is a host's.
   * @returns {[string, boolean]}
   */
  #elsewhere() {
    const { isDemo, unplayable } = this.#monitor;
    if (unplayable) return [`On the air in ${codecName(unplayable)}, which this browser cannot show`, true];
    return isDemo ? ["The demo, until you go live", false] : ["On the air, from another encoder", true];
  }

  #url() {
    return new URL(`/whip/${this.#room}`, location.href).href;
  }

  async #camera() {
    /** @param {any} error */
    const refused = ({ name, message }) => {
      this.#isRefused = name === "NotAllowedError";
      if (!this.#stream) $("#no-preview").textContent = REFUSALS[name] ?? message;
      toast(REFUSALS[name] ?? message ?? name, "bad");
    };
    await this.#choose(() => devices($("#cameras").value, $("#microphones").value), refused);
    this.#isCamera = true;
    if (this.#stream) await this.#listDevices();
  }

  async #screen() {
    this.#isCamera = false;
    // Who closes the browser's own list of screens knows it.
    await this.#choose(
      () => navigator.mediaDevices.getDisplayMedia({ video: true, audio: true }),
      ({ name, message }) => name !== "NotAllowedError" && toast(message || name, "bad"),
    );
  }

  /** A camera that is allowed after all comes on by itself. */
  async #watchPermission() {
    try {
      const permission = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("camera") });
      permission.addEventListener("change", () => permission.state === "granted" && this.#isRefused && this.#camera());
    } catch {
      // A browser that does not tell: then Camera is pressed again.
    }
  }

  /** Their names are known only once a camera has been allowed. */
  async #listDevices() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const used = this.#stream?.getTracks().map((track) => track.getSettings().deviceId) ?? [];
    for (const [list, kind] of [["#cameras", "videoinput"], ["#microphones", "audioinput"]]) {
      const options = devices.filter((device) => device.kind === kind && device.deviceId);
      $(list).replaceChildren(...options.map(({ deviceId, label }, n) => el("option", { value: deviceId, selected: used.includes(deviceId) }, label || `${n + 1}`)));
    }
    $("#devices").hidden = false;
  }

  /**
   * @param {() => Promise<MediaStream>} get
   * @param {(error: any) => void} refused
   */
  async #choose(get, refused) {
    if (!navigator.mediaDevices) return toast("Camera and screen need https or localhost", "bad");
    try {
      const stream = await get();
      const before = this.#stream;
      this.#isRefused = false;
      this.#stream = stream;
      $("#preview").srcObject = stream;
      this.#monitor.wish(false);
      this.#drawWhose();
      $("#go").disabled = false;
      $("#mute").hidden = stream.getAudioTracks().length === 0;
      this.#applyMute();
      stream.getTracks().forEach((track) => track.addEventListener("ended", () => stream === this.#stream && this.#ended(track)));
      if (this.#publisher && !(await this.#publisher.replace(stream))) await this.#go();
      before?.getTracks().forEach((track) => track.stop());
    } catch (error) {
      refused(error);
    }
  }

  /**
   * A camera was pulled, or the browser's own button ended the screen: viewers see a still.
   * @param {MediaStreamTrack} track
   */
  #ended({ kind }) {
    toast(`The ${kind === "video" ? "picture" : "sound"} has ended. Choose camera or screen again.`, "bad");
  }

  /** Something was plugged in or pulled: a camera that comes back is on again by itself. */
  async #plugged() {
    const gone = this.#stream?.getTracks().filter(({ readyState }) => readyState === "ended") ?? [];
    if (!this.#isCamera) return;
    const there = await navigator.mediaDevices.enumerateDevices();
    if (gone.length > 0 && gone.every(({ label }) => there.some((device) => device.label === label))) await this.#camera();
    else await this.#listDevices();
  }

  #mute() {
    this.#isMuted = !this.#isMuted;
    this.#applyMute();
  }

  #applyMute() {
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !this.#isMuted;
    $("#mute").setAttribute("aria-pressed", String(this.#isMuted));
    $("#mute").textContent = this.#isMuted ? "Muted" : "Mute";
  }

  async #go() {
    if (!this.#stream) return;
    this.#publisher?.stop();
    const publisher = new WhipPublisher({ url: this.#url(), token: this.#token, stream: this.#stream });
    this.#publisher = publisher;
    publisher.addEventListener("state", () => publisher === this.#publisher && this.#changed(publisher));
    try {
      await publisher.start();
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  /** @param {WhipPublisher} publisher */
  #changed(publisher) {
    const isOn = publisher.state !== "idle";
    this.#awake.wish(isOn);
    const [shown, other] = isOn ? [$("#stop"), $("#go")] : [$("#go"), $("#stop")];
    const hasFocus = document.activeElement === other;
    shown.hidden = false;
    other.hidden = true;
    // One stands in the other's place for the keyboard, too.
    if (hasFocus) shown.focus();
    $("#stop").textContent = publisher.state === "live" ? "End" : "Connecting…";
    document.documentElement.dataset.publishing = publisher.state;
    this.#drawWhose();
    if (publisher.state === "lost") setTimeout(() => publisher === this.#publisher && this.#comeBack(), AGAIN_MS);
  }

  /** The line was lost: try again, unless somebody else is on the air now. The server's own demo makes room. */
  async #comeBack() {
    const { live, stand_in: isDemo } = await fetch(`/api/rooms/${this.#room}`)
      .then((response) => response.json())
      .catch(() => ({ live: false, stand_in: false }));
    if (!live || isDemo) return this.#go();
    this.#stop();
    toast("Somebody else is live in this room now", "bad");
  }

  #stop() {
    const publisher = this.#publisher;
    publisher?.stop();
    this.#publisher = undefined;
    patch($("#layers"), nothing());
    this.#drawWhose();
  }

  async #measure() {
    const layers = this.#publisher?.state === "live" ? await this.#publisher.rates() : [];
    const by = layers.map(({ limit }) => limit).find((limit) => limit in HELD_BACK) ?? "none";
    this.#heldBack = { by, seconds: by === this.#heldBack.by ? this.#heldBack.seconds + 1 : 0 };
    this.#drawAdvice();
    if (this.#publisher?.state !== "live") return;
    patch($("#layers"), layers.length ? layers.map((layer) => this.#layer(layer)) : nothing());
  }

  /** @param {Awaited<ReturnType<WhipPublisher["rates"]>>[number]} layer */
  #layer({ rid, bitrate, width, height, fps }) {
    return el(
      "tr",
      { class: bitrate ? "" : "off", "data-key": rid || "single", "data-rid": rid, "data-bitrate": String(bitrate) },
      el("td", {}, LAYER_NAMES[rid] ?? "picture"),
      el("td", {}, width ? `${width}×${height}` : "–"),
      el("td", {}, String(fps || "–")),
      el("td", {}, rate(bitrate)),
    );
  }

  /** @param {Pick<import("./show.js").ShowEvents["health"], "encodings" | "warnings">} health */
  #arriving({ encodings, warnings }) {
    const rows = encodings.map(({ rid, codec, bitrate, width, height, active, lost_permille, jitter_ms, viewers }) => {
      const what = rid ? (LAYER_NAMES[rid] ?? rid) : codec === "opus" ? "sound" : "picture";
      return el(
        "tr",
        { class: active ? "" : "off", "data-key": what },
        el("td", {}, what),
        el("td", {}, width ? `${width}×${height}` : "", " ", codec.toUpperCase()),
        el("td", {}, rate(bitrate)),
        el("td", {}, `${(lost_permille / 10).toFixed(1)}\u00a0%`),
        el("td", {}, `${jitter_ms}\u00a0ms`),
        el("td", {}, codec === "opus" ? "" : String(viewers)),
      );
    });
    patch($("#arriving"), rows.length ? rows : nothing(6));
    this.#advice = warnings;
    this.#drawAdvice();
    const well = warnings.length ? "" : inWords(encodings);
    if ($("#well").textContent !== well) $("#well").textContent = well;
  }

  #drawAdvice() {
    const isSilent = Boolean(this.#stream) && this.#meter.isSilent;
    const { by, seconds } = this.#heldBack;
    const isHeldBack = by in HELD_BACK && seconds >= HELD_BACK_SECONDS;
    const text = [...this.#advice, ...(isHeldBack ? [HELD_BACK[by]] : []), ...(isSilent ? [SILENT] : [])].join(" · ");
    if ($("#warnings").textContent !== text) $("#warnings").textContent = text;
  }
}

/**
 * That the picture arrives, and how large; empty while none does.
 * @param {import("./show.js").ShowEvents["health"]["encodings"]} encodings
 */
function inWords(encodings) {
  /** @param {(typeof encodings)[number]} encoding */
  const size = ({ width, height }) => (width ?? 0) * (height ?? 0);
  const [best] = encodings.filter((each) => each.active && size(each) > 0).sort((a, b) => size(b) - size(a));
  if (!best) return "";
  const total = encodings.reduce((sum, { bitrate }) => sum + bitrate, 0);
  return `Arrives well: ${best.width}×${best.height}, ${rate(total)}${best.lost_permille ? "" : ", nothing lost"}`;
}

/**
 * Camera and microphone, or the one of them that there is.
 * @param {string} camera the one wished, by its id
 * @param {string} microphone
 */
async function devices(camera, microphone) {
  const video = { ...VIDEO, ...(camera && { deviceId: camera }) };
  const audio = { ...AUDIO, ...(microphone && { deviceId: microphone }) };
  for (const wanted of [{ video, audio }, { video }]) {
    try {
      return await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      if (error.name !== "NotFoundError") throw error;
    }
  }
  return navigator.mediaDevices.getUserMedia({ audio });
}

const nothing = (columns = 4) => el("tr", { "data-key": "nothing" }, el("td", { colspan: String(columns), class: "small" }, "Nothing yet"));
