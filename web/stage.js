// The picture on the viewer's page: whether there is one, its shape, its sound, and what is said while there is none.

import { Awake } from "./awake.js";
import { codecName } from "./decoders.js";
import { $, clock, dayAndTime } from "./ui.js";

/** Without a new frame for so long there is no picture any more. */
const STILL_MS = 4000;
const GLOW_MS = 1500;
/** What a browser shows of a connection that has ended, or has no picture yet, is a black one of so many pixels. */
const NO_PICTURE = 2;

export class Stage {
  /** @type {import("./player.js").WhepPlayer} */
  #player;
  /** @type {import("./shop.js").ShopClient} */
  #shop;
  #video = $("#video");
  #hasPicture = false;
  #lastFrame = 0;
  /** Whether the sound goes on without the picture there was, as of a host who has switched the camera off. */
  #isHeardOn = false;
  #hears = false;
  #awake = new Awake();

  /** @param {{player: import("./player.js").WhepPlayer, shop: import("./shop.js").ShopClient}} options */
  constructor({ player, shop }) {
    this.#player = player;
    this.#shop = shop;
    const video = this.#video;
    this.#watchFrames();
    video.addEventListener("playing", () => this.#seen());
    video.addEventListener("resize", () => this.#drawShape());
    video.addEventListener("volumechange", () => this.draw());
    video.addEventListener("click", () => video.muted && this.#setSound(true));
    $("#sound").addEventListener("click", () => this.#setSound(video.muted));
    this.#offerPicture();
    // Some browsers play nothing before a tap, not even without sound, as those of phones that save their battery.
    $("#stage").addEventListener("click", () => video.paused && video.play().catch(() => {}));
    player.addEventListener("state", () => this.draw());
    shop.on("change", ({ detail }) => {
      if (detail === "show") this.#tick();
      if (["welcome", "show", "viewers", "connection"].includes(detail)) this.draw();
    });
    setInterval(() => this.#tick(), 1000);
    setInterval(() => this.#glow(), GLOW_MS);
    // The picture may have been there before.
    this.#drawShape();
    this.draw();
  }

  /** The picture by itself, above other windows: the shop goes on meanwhile. */
  #offerPicture() {
    const video = this.#video;
    const button = $("#pip");
    button.hidden = !document.pictureInPictureEnabled;
    button.addEventListener("click", () => {
      const isOut = document.pictureInPictureElement === video;
      (isOut ? document.exitPictureInPicture() : video.requestPictureInPicture()).catch(() => {});
    });
    video.addEventListener("enterpictureinpicture", () => button.setAttribute("aria-pressed", "true"));
    video.addEventListener("leavepictureinpicture", () => button.setAttribute("aria-pressed", "false"));
  }

  #drawShape() {
    if (this.#isThere()) $("#stage").dataset.shape = this.#video.videoWidth > this.#video.videoHeight ? "wide" : "tall";
  }

  #isThere() {
    return this.#video.videoWidth > NO_PICTURE;
  }

  #watchFrames() {
    this.#video.requestVideoFrameCallback?.(() => {
      this.#seen();
      this.#watchFrames();
    });
  }

  #seen() {
    if (!this.#isThere()) return;
    this.#lastFrame = performance.now();
    if (this.#hasPicture) return;
    this.#hasPicture = true;
    this.draw();
    this.#glow();
  }

  #tick() {
    // A page in the background is shown no frames.
    if (document.hidden || !this.#video.requestVideoFrameCallback) this.#lastFrame = performance.now();
    if (this.#hasPicture && performance.now() - this.#lastFrame > STILL_MS) this.#hasPicture = false;
    // Frames may be the last ones once more: whether pictures come the server knows.
    const comes = this.#hasPicture && this.#shop.show?.on_air !== false;
    const wasHeardOn = this.#isHeardOn;
    this.#isHeardOn = !comes && this.#lastFrame > 0 && this.#hears;
    if (!comes || wasHeardOn) this.draw();
    if (!comes) this.#player.hears().then((hears) => (this.#hears = hears));
  }

  /** The picture's colours fill what it leaves free of the screen. */
  #glow() {
    if (!this.#hasPicture || document.hidden) return;
    const canvas = $("#glow");
    if (getComputedStyle(canvas).display === "none") return;
    canvas.getContext("2d").drawImage(this.#video, 0, 0, canvas.width, canvas.height);
  }

  /** @param {boolean} on */
  #setSound(on) {
    this.#video.muted = !on;
    if (on) this.#video.play().catch(() => {});
  }

  draw() {
    const { show } = this.#shop;
    const onAir = (show ? show.on_air : this.#hasPicture) || this.#isHeardOn;
    const isShown = this.#hasPicture && onAir && !this.#isHeardOn && !this.#waitsForTap();
    const isHeard = !isShown && onAir && (this.#waitsForTap() || this.#isSoundOnly());
    const isLive = isShown || isHeard;
    $("#title").textContent = show?.title ?? "\u00a0";
    $("#viewers").textContent = String(this.#shop.viewers);
    const badge = $("#live");
    const text = isLive ? "LIVE" : this.#word(onAir);
    if (badge.textContent !== text) badge.textContent = text;
    badge.classList.toggle("live", isLive);
    // Seen among other tabs.
    if (show) document.title = isLive ? `LIVE · ${show.title}` : show.title;
    this.#awake.wish(isShown);
    $("#stage").classList.toggle("empty", !isShown);
    $("#stage").classList.toggle("heard", isHeard);
    $("#waiting").hidden = isShown;
    if (!isShown) this.#explain(onAir);
    this.#drawSound(isLive);
  }

  /** The browser plays nothing before a tap. */
  #waitsForTap() {
    return this.#player.state === "connected" && this.#video.paused;
  }

  #isSoundOnly() {
    return this.#player.state === "connected" && (this.#player.isSoundOnly || this.#isHeardOn || Boolean(this.#shop.unplayable));
  }

  /** @param {boolean} onAir */
  #word(onAir) {
    if (this.#player.state === "refused") return "Closed";
    if (this.#player.state === "interrupted") return "Reconnecting";
    if (this.#player.state === "full") return "Full";
    if (this.#shop.show?.state === "ended") return "Over";
    if (this.#player.state === "connected" && !onAir) return "Soon";
    if (this.#lastFrame > 0) return "Reconnecting";
    return "Connecting";
  }

  /** @param {boolean} onAir */
  #explain(onAir) {
    const [title, text] = this.#words(onAir);
    if ($("#waiting-title").textContent !== title) $("#waiting-title").textContent = title;
    if ($("#waiting-text").textContent !== text) $("#waiting-text").textContent = text;
    $("#waiting").classList.toggle("calm", this.#player.state === "refused" || this.#shop.show?.state === "ended");
  }

  /** @param {boolean} onAir */
  #words(onAir) {
    const { show, products } = this.#shop;
    if (this.#player.state === "refused") return ["This show cannot be watched", this.#player.reason];
    if (show?.state === "ended") return ["The show is over", "Thank you for watching."];
    if (this.#player.state === "interrupted") return ["One moment", "The connection was interrupted. It comes back by itself."];
    if (this.#player.state === "full") return ["The show is full", "More people watch than there is room for. This page tries again by itself."];
    if (onAir && this.#waitsForTap()) return ["Tap to watch", "This browser waits for a tap before it plays."];
    if (onAir && this.#shop.unplayable) return ["This browser cannot play the picture", `It is in ${codecName(this.#shop.unplayable)}, which this browser does not know. The sound goes on; another or a newer browser shows it all.`];
    if (onAir && this.#isSoundOnly()) return this.#isHeardOn ? ["The camera is off", "The sound goes on, and the picture comes back by itself."] : ["Sound only", "The picture comes when there is one."];
    if (onAir || !show) return ["One moment", this.#lastFrame > 0 ? "The picture has stopped. It comes back by itself." : "The picture is coming."];
    const startsAt = show.starts_at ?? 0;
    const left = startsAt - this.#shop.now();
    if (left > 0) return [`Starts in ${clock(left)}`, `${dayAndTime(startsAt)}. This page starts by itself.`];
    if (show.state === "paused") return ["A short break", "The show goes on in a moment."];
    const more = products.size ? " Have a look at the products meanwhile." : "";
    return ["The host will be here soon", `This page starts by itself.${more}`];
  }

  /** @param {boolean} isLive */
  #drawSound(isLive) {
    const on = !this.#video.muted;
    const button = $("#sound");
    button.setAttribute("aria-pressed", String(on));
    const isWished = isLive && !on;
    button.classList.toggle("wish", isWished);
    const wish = $("#sound-wish");
    wish.classList.toggle("visually-hidden", !isWished);
    wish.textContent = isWished ? "Tap for sound" : "Sound";
    $("#sound-on").toggleAttribute("hidden", !on);
    $("#sound-off").toggleAttribute("hidden", on);
  }
}
