// The host's camera or screen: chosen, shown, sent, measured.

import { WhipPublisher } from "./publisher.js";
import { $, el, toast } from "./ui.js";

/** A rate for people. */
export function rate(bitrate) {
  return bitrate > 0 ? `${(bitrate / 1000).toFixed(0)} kbit/s` : "–";
}

/** Camera or screen, shown and sent. */
export class Studio {
  #room;
  #token;
  #stream;
  #publisher;

  /** @param {{room: string, token?: string}} options */
  constructor({ room, token }) {
    this.#room = room;
    this.#token = token;
    $("#camera").addEventListener("click", () => this.#choose(() => navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    })));
    $("#screen").addEventListener("click", () => this.#choose(() => navigator.mediaDevices.getDisplayMedia({ video: true, audio: true })));
    $("#go").addEventListener("click", () => this.#go());
    $("#stop").addEventListener("click", () => this.#stop());
    addEventListener("pagehide", () => this.#publisher?.stop());
    setInterval(() => this.#measure(), 1000);
  }

  async #choose(get) {
    if (!navigator.mediaDevices) return toast("Camera and screen need https or localhost", "bad");
    try {
      const stream = await get();
      this.#stream?.getTracks().forEach((track) => track.stop());
      this.#stream = stream;
      $("#preview").srcObject = stream;
      $("#no-preview").hidden = true;
      $("#go").disabled = false;
      if (this.#publisher) await this.#go();
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  async #go() {
    this.#publisher?.stop();
    const publisher = new WhipPublisher({ url: new URL(`/whip/${this.#room}`, location).href, token: this.#token, stream: this.#stream });
    this.#publisher = publisher;
    publisher.addEventListener("state", () => {
      if (publisher !== this.#publisher) return;
      const isOn = publisher.state !== "idle";
      $("#go").hidden = isOn;
      $("#stop").hidden = !isOn;
      $("#stop").textContent = publisher.state === "live" ? "End" : "Connecting…";
      document.documentElement.dataset.publishing = publisher.state;
      if (publisher.state === "lost") setTimeout(() => publisher === this.#publisher && this.#comeBack(), 2000);
    });
    try {
      await publisher.start();
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  /** The line was lost: try again, unless somebody else is on the air now. */
  async #comeBack() {
    const { live } = await fetch(`/api/rooms/${this.#room}`)
      .then((response) => response.json())
      .catch(() => ({ live: false }));
    if (!live) return this.#go();
    this.#stop();
    toast("Somebody else is live in this room now", "bad");
  }

  #stop() {
    const publisher = this.#publisher;
    publisher?.stop();
    this.#publisher = undefined;
    $("#layers").replaceChildren(el("tr", {}, el("td", { colspan: "4", class: "small" }, "Nothing leaves yet")));
  }

  async #measure() {
    if (this.#publisher?.state !== "live") return;
    const layers = await this.#publisher.rates();
    $("#layers").replaceChildren(
      ...layers.map((layer) =>
        el(
          "tr",
          { class: layer.bitrate ? "" : "off", "data-rid": layer.rid, "data-bitrate": String(layer.bitrate) },
          el("td", {}, layer.rid || "single"),
          el("td", {}, layer.width ? `${layer.width}×${layer.height}` : "–"),
          el("td", {}, String(layer.fps || "–")),
          el("td", {}, rate(layer.bitrate)),
        ),
      ),
    );
  }
}
