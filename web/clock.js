// What belongs to a moment before the camera is shown with the frame of that moment. The server tells which RTP time was
// captured when (`clock`); the browser tells which RTP time is on screen.

/** Whatever its frame does, an event is shown after this long. */
const LONGEST_WAIT_MS = 3000;
/** Without a frame for so long there is no picture to wait for. */
const STILL_MS = 1000;
/** Records kept of what was shown when. */
const KEPT = 100;
/** RTP timestamps wrap at 32 bits. */
const WRAP = 2 ** 32;

/** Holds events back until their frame is there, in their order. */
export class Timeline {
  /** @type {{rtp: number, rate: number, captured_at: number} | undefined} */
  #map;
  /** When the frame on screen was captured, by the server's clock, and when it came, by the page's. */
  /** @type {{capturedAt: number, at: number} | undefined} */
  #frame;
  /** @type {{event: {captured_at?: number | null}, act: () => void, since: number}[]} */
  #waiting = [];
  /** @type {number | undefined} */
  #timer;

  /** @param {HTMLVideoElement} [video] */
  constructor(video) {
    /** @type {{wanted: number, frame: number, waited: number}[]} */
    this.shown = [];
    this.#watch(video);
  }

  /** @param {{rtp: number, rate: number, captured_at: number}} clock */
  learn(clock) {
    this.#map = clock;
  }

  /**
   * Does what an event asks for: now, or with its frame. Later events wait for earlier ones.
   * @param {{captured_at?: number | null, at?: number}} event
   * @param {() => void} act
   */
  show(event, act) {
    const hasToWait = this.#waiting.length > 0 || this.#isAhead(event);
    if (!hasToWait) return act();
    this.#waiting.push({ event, act, since: performance.now() });
    this.#timer ??= setTimeout(() => this.#give(), LONGEST_WAIT_MS);
  }

  /** Shows everything that waits, as before a new start. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { act } of this.#waiting.splice(0)) act();
  }

  /** When the frame on screen was captured, by the server's clock, where that is known. */
  get frameTime() {
    return this.#frame?.capturedAt;
  }

  /** @param {{captured_at?: number | null}} event */
  #isAhead({ captured_at }) {
    if (!captured_at || !this.#map || !this.#frame) return false;
    const isMoving = performance.now() - this.#frame.at < STILL_MS && !document.hidden;
    return isMoving && this.#frame.capturedAt < captured_at;
  }

  /** @param {HTMLVideoElement} [video] */
  #watch(video) {
    if (!video?.requestVideoFrameCallback) return;
    /** @type {VideoFrameRequestCallback} */
    const watch = (_, frame) => {
      this.#saw(frame);
      video.requestVideoFrameCallback(watch);
    };
    video.requestVideoFrameCallback(watch);
  }

  /** @param {VideoFrameCallbackMetadata} frame */
  #saw({ rtpTimestamp }) {
    if (!this.#map || rtpTimestamp === undefined) return;
    const { rtp, rate, captured_at } = this.#map;
    let ticks = (rtpTimestamp - rtp) % WRAP;
    if (ticks >= WRAP / 2) ticks -= WRAP;
    if (ticks < -WRAP / 2) ticks += WRAP;
    this.#frame = { capturedAt: captured_at + (ticks * 1000) / rate, at: performance.now() };
    if (this.#waiting.length > 0) this.#give();
  }

  #give() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      const [{ event, act, since }] = this.#waiting;
      const waited = performance.now() - since;
      if (this.#isAhead(event) && waited < LONGEST_WAIT_MS) break;
      this.#waiting.shift();
      if (event.captured_at && this.#frame) {
        this.shown = [...this.shown, { wanted: event.captured_at, frame: this.#frame.capturedAt, waited }].slice(-KEPT);
      }
      act();
    }
    const [next] = this.#waiting;
    if (next) this.#timer = setTimeout(() => this.#give(), Math.max(0, LONGEST_WAIT_MS - (performance.now() - next.since)));
  }
}
