// The way to the shop: a player's data channels, or an event stream and POST where there are none.

/** Without open channels after this long the event stream is used. */
const CHANNEL_PATIENCE_MS = 6000;

/** Carries messages both ways and says when it is there. */
export class Line {
  #options;
  /** @type {Record<string, RTCDataChannel>} */
  #channels = {};
  /** @type {EventSource | undefined} */
  #events;
  /** @type {string | undefined} */
  #secret;
  /** @type {number | undefined} */
  #patience;
  #isStopped = false;

  /**
   * @param {{address: string, query: () => URLSearchParams, receive: (data: string) => void, opened: () => void, lost: () => void,
   *   refused: (why: string) => void}} options `address` is the room's, `query` what an event stream says for a greeting; `opened`
   * is called when a greeting must be said, `refused` when its token is not taken.
   */
  constructor(options) {
    this.#options = options;
  }

  /**
   * Takes a player's channels; those before are given up.
   * @param {Record<string, RTCDataChannel>} channels by label
   */
  attach(channels) {
    if (this.#isStopped) return;
    this.#channels = channels;
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.openEvents(), CHANNEL_PATIENCE_MS);
    for (const channel of Object.values(channels)) {
      channel.addEventListener("message", ({ data }) => this.#options.receive(data));
    }
    const opened = () => {
      if (this.#channels !== channels) return;
      clearTimeout(this.#patience);
      this.#closeEvents();
      this.#options.opened();
    };
    // The connection may be older than the shop.
    if (channels.shop.readyState === "open") opened();
    else channels.shop.addEventListener("open", opened);
    channels.shop.addEventListener("close", () => {
      if (this.#channels === channels) this.#options.lost();
    });
  }

  /** Ends it for good. */
  stop() {
    this.#isStopped = true;
    clearTimeout(this.#patience);
    this.#closeEvents();
    this.#channels = {};
  }

  /** Listens without data channels. */
  openEvents() {
    if (this.#isStopped || this.#events || this.#channels.shop?.readyState === "open") return;
    const { address, query, receive, lost } = this.#options;
    const url = `${address}/events?${query()}`;
    const events = new EventSource(url);
    this.#events = events;
    // The connection's own event has no data, the server's of the same name has.
    events.addEventListener("open", (/** @type {Event & {data?: string}} */ event) => {
      if (event.data) this.#secret = JSON.parse(event.data).client;
    });
    events.addEventListener("message", ({ data }) => receive(data));
    events.addEventListener("error", () => {
      lost();
      // The browser's own retry would resume from where the stream began, not from where it ended.
      if (this.#events !== events) return;
      const hasOpened = Boolean(this.#secret);
      this.#closeEvents();
      if (!hasOpened) this.#learn(url);
      this.#patience = setTimeout(() => this.openEvents(), CHANNEL_PATIENCE_MS * (0.5 + Math.random() / 2));
    });
  }

  /**
   * Sends on the channel of that label or another open way; false when there is none.
   * @param {import("./protocol.js").FromClient & {v: number}} message
   * @param {string} label
   */
  send(message, label) {
    const text = JSON.stringify(message);
    const channel = [this.#channels[label], this.#channels.shop].find((known) => known?.readyState === "open");
    if (channel) {
      try {
        channel.send(text);
        return true;
      } catch {
        // Its queue is full: the line is as good as broken.
        return false;
      }
    }
    if (!this.#secret) return false;
    fetch(`${this.#options.address}/messages`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Client": this.#secret },
      body: text,
    }).catch(() => {});
    return true;
  }

  /**
   * Why an event stream does not open: it says no more than that.
   * @param {string} url
   */
  async #learn(url) {
    const asking = new AbortController();
    try {
      const response = await fetch(url, { signal: asking.signal });
      if (response.status === 401) this.#options.refused((await response.json()).detail);
    } catch {
      // It is tried again anyway.
    } finally {
      asking.abort();
    }
  }

  #closeEvents() {
    this.#events?.close();
    this.#events = undefined;
    this.#secret = undefined;
  }
}
