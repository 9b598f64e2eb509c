// What is on the air, as viewers get it, while this browser shows nothing of its own: a host who streams from elsewhere
// sees here what arrives.

import { WhepPlayer } from "./player.js";
import { $ } from "./ui.js";

/** How often it is asked whose picture it is: a host who comes takes it from the demo without a break. */
const ASK_MS = 3000;

/** @param {string} codec */
const isKnown = (codec) =>
  RTCRtpReceiver.getCapabilities("video")?.codecs.some(({ mimeType }) => mimeType.toLowerCase() === `video/${codec.toLowerCase()}`) ?? true;

/** Says with `change` that the picture is there, or not any more, or somebody else's. */
export class Monitor extends EventTarget {
  #room;
  #token;
  #shop;
  /** @type {HTMLVideoElement} */
  #video = $("#program");
  /** @type {WhepPlayer | undefined} */
  #player;
  #isWished = true;
  /** The codecs of the picture, as the server tells every second. @type {string[]} */
  #codecs = [];

  /** @param {{room: string, token?: string, shop: import("./shop.js").ShopClient}} options */
  constructor({ room, token, shop }) {
    super();
    this.#room = room;
    this.#token = token;
    this.#shop = shop;
    /** Whether what is on the air is the server's own demo, which makes room for any host; so it is believed until the answer is there. */
    this.isDemo = true;
    this.#video.addEventListener("resize", () => this.#told());
    shop.on("change", ({ detail }) => {
      if (!["welcome", "show", "connection"].includes(detail)) return;
      this.#look();
      this.#told();
      this.#ask();
    });
    shop.on("health", ({ detail: { encodings } }) => {
      this.#codecs = encodings.filter(({ active, codec }) => active && codec !== "opus").map(({ codec }) => codec);
      this.#look();
      this.#told();
    });
    setInterval(() => this.#ask(), ASK_MS);
  }

  /** Whether a host is on the air, by this browser or another program. */
  get hasHost() {
    return Boolean(this.#shop.show?.on_air) && !this.isDemo;
  }

  /** Whether there is a picture. */
  get isThere() {
    return Boolean(this.#player) && this.#video.videoWidth > 2;
  }

  /** What is heard, once there is something. */
  get stream() {
    return /** @type {MediaStream | null} */ (this.#player && this.#video.srcObject);
  }

  /** @param {boolean} isWished not while the host looks at a picture of this browser's own */
  wish(isWished) {
    this.#isWished = isWished;
    this.#look();
  }

  /** The codec of a picture that this browser cannot show. */
  get unplayable() {
    return this.#isOn && !this.#codecs.some(isKnown) ? this.#codecs[0] : undefined;
  }

  get #isOn() {
    return this.#isWished && Boolean(this.#shop.show?.on_air) && this.#codecs.length > 0;
  }

  #look() {
    // One who cannot see it would be told of as a viewer who cannot.
    const isOn = this.#isOn && !this.unplayable;
    if (isOn === Boolean(this.#player)) return;
    if (isOn) {
      const url = new URL(`/whep/${this.#room}`, location.href).href;
      // The shop is on a connection of its own; nobody is counted as watching who is not in the shop by this one.
      this.#player = new WhepPlayer({ url, video: this.#video, token: this.#token, channels: false });
      this.#player.start();
    } else {
      this.#player?.stop();
      this.#player = undefined;
      this.#video.srcObject = null;
    }
    this.#told();
  }

  async #ask() {
    if (!this.#shop.show?.on_air || document.hidden) return;
    const { stand_in: isDemo } = await fetch(`/api/rooms/${this.#room}`)
      .then((response) => response.json())
      .catch(() => ({ stand_in: this.isDemo }));
    if (isDemo === this.isDemo) return;
    this.isDemo = isDemo;
    this.#told();
  }

  #told() {
    this.dispatchEvent(new Event("change"));
  }
}
