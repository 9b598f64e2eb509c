// How loud it is: a bar that moves with the voice, and words where nothing is heard.

import { $ } from "./ui.js";

const EVERY_MS = 66;
/** The bar begins here; quieter than this is the noise of a room. */
const FLOOR_DB = -60;
/** A bar that falls slower than it rises can be read. */
const FALL = 0.85;
/** A microphone that gives not even noise for so long is off, or another one is meant. */
const SILENT_MS = 4000;

export class Meter {
  /** @type {AudioContext | undefined} */
  #context;
  /** @type {MediaStreamAudioSourceNode | undefined} */
  #source;
  /** @type {AnalyserNode | undefined} */
  #analyser;
  /** @type {MediaStreamTrack | undefined} */
  #track;
  #level = 0;
  #heardAt = 0;

  constructor() {
    setInterval(() => this.#draw(), EVERY_MS);
  }

  /**
   * Listens to the sound of this stream, or to nothing.
   * @param {MediaStream | null | undefined} stream
   */
  listen(stream) {
    const track = stream?.getAudioTracks()[0];
    if (track === this.#track) return;
    this.#track = track;
    this.#source?.disconnect();
    this.#source = undefined;
    this.#heardAt = performance.now();
    if (!track) return void ($("#level").hidden = true);
    this.#context ??= new AudioContext();
    this.#analyser ??= this.#context.createAnalyser();
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
  }

  /** Whether a sound that is on has been silent for a while. */
  get isSilent() {
    return Boolean(this.#track?.enabled) && this.#context?.state === "running" && performance.now() - this.#heardAt > SILENT_MS;
  }

  #draw() {
    if (!this.#track || !this.#analyser || document.hidden) return;
    const isOn = this.#context?.state === "running";
    // A bar that could not move would be read as silence.
    $("#level").hidden = !isOn;
    if (!isOn) {
      this.#heardAt = performance.now();
      // Some browsers begin it only with a tap, and without a loudspeaker never.
      return void this.#context?.resume().catch(() => {});
    }
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    if (peak > 0) this.#heardAt = performance.now();
    const level = peak > 0 ? Math.max(0, 1 - (20 * Math.log10(peak)) / FLOOR_DB) : 0;
    this.#level = Math.max(Math.min(level, 1), this.#level * FALL);
    $("#level").style.setProperty("--level", this.#level.toFixed(3));
  }
}
