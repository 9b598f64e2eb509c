// The host's camera or screen: chosen, shown, sent, measured.

import { Awake } from "./awake.js";
import { WhipPublisher } from "./publisher.js";
import { $, all, el, patch, toast } from "./ui.js";

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

  /** @param {{room: string, token?: string, shop: import("./shop.js").ShopClient}} options */
  constructor({ room, token, shop }) {
    this.#room = room;
    this.#token = token;
    $("#camera").addEventListener("click", () => this.#camera());
    $("#screen").addEventListener("click", () => this.#screen());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#plugged());
    for (const list of ["#cameras", "#microphones"]) $(list).addEventListener("change", () => this.#camera());
    $("#mute").addEventListener("click", () => this.#mute());
    $("#go").addEventListener("click", () => this.#go());
    $("#stop").addEventListener("click", () => this.#stop());
    shop.on("health", ({ detail }) => this.#arriving(detail));
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
    for (const button of all("[data-copy]")) {
      button.addEventListener("click", () =>
        navigator.clipboard.writeText($(`#${button.dataset.copy}`).value).then(
          () => toast("Copied", "good"),
          () => toast("This browser does not let pages copy", "bad"),
        ),
      );
    }
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
      $("#no-preview").hidden = true;
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
  }

  async #measure() {
    if (this.#publisher?.state !== "live") return;
    const layers = await this.#publisher.rates();
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

  /** @param {import("./show.js").ShowEvents["health"]} health */
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
    const text = warnings.join(" · ");
    if ($("#warnings").textContent !== text) $("#warnings").textContent = text;
  }
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
