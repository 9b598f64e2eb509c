// A thin line between a viewer and the server: a UDP forwarder with a rate, a queue, a delay and losses that can be
// changed while it runs, and what makes a page use it.

import { createSocket } from "node:dgram";

/** One direction: `rate` in bits per second (0 is no limit), `queue`, `delay` and `jitter` in milliseconds, `loss` of 1 in
    runs of `burst`. Two lines that share one share its queue. */
export class Direction {
  rate = 0;
  queue = 300;
  delay = 0;
  jitter = 0;
  loss = 0;
  burst = 1;
  #free = 0;
  #losing = 0;
  /** What jitter delays delays what follows: it does not overtake. */
  #latest = 0;
  /** When the packets of a thin line began and ended to leave. */
  #busy = [];

  /** The part of a time, by `performance.now()`, in which something was on the thin line. */
  busy(from, to) {
    const within = this.#busy.map(([begin, end]) => Math.min(end, to) - Math.max(begin, from));
    return within.reduce((sum, part) => sum + Math.max(0, part), 0) / (to - from);
  }

  pass(bytes, deliver) {
    if (this.#losing === 0 && Math.random() < this.loss / this.burst) this.#losing = this.burst;
    if (this.#losing > 0) {
      this.#losing -= 1;
      return;
    }
    const now = performance.now();
    let leaves = now;
    if (this.rate) {
      const starts = Math.max(now, Math.min(this.#free, now + this.queue));
      if (this.#free - now > this.queue) return;
      // IPv4 and UDP headers take their part of the line.
      leaves = starts + ((bytes + 28) * 8000) / this.rate;
      this.#free = leaves;
      this.#busy.push([starts, leaves]);
      if (this.#busy.length > 5000) this.#busy.splice(0, 1000);
    }
    this.#latest = Math.max(leaves + this.delay + Math.random() * this.jitter, this.#latest);
    const wait = this.#latest - now;
    if (wait < 1) deliver();
    else setTimeout(deliver, wait);
  }
}

export class Line {
  #isOpen = true;
  #viewer;
  /** The ports it was used from, and those nothing passes from or to any more. */
  #known = new Set();
  #forgotten = new Set();
  down = new Direction();
  up = new Direction();

  /** A line to a port of this machine. */
  static async to(port) {
    const line = new Line();
    line.front = createSocket("udp4");
    line.back = createSocket("udp4");
    line.front.on("message", (data, from) => {
      if (line.#forgotten.has(from.port)) return;
      line.#known.add(from.port);
      line.#viewer = from;
      line.up.pass(data.length, () => line.#isOpen && line.back.send(data, port, "127.0.0.1", () => {}));
    });
    line.back.on("message", (data) => {
      const viewer = line.#viewer;
      if (viewer) line.down.pass(data.length, () => line.#isOpen && line.front.send(data, viewer.port, viewer.address, () => {}));
    });
    await Promise.all([line.front, line.back].map((socket) => new Promise((done) => socket.bind(0, "0.0.0.0", done))));
    line.port = line.front.address().port;
    return line;
  }

  /** Nothing passes from or to the ports used so far, as when a phone has left its network: only new ones help. */
  forget() {
    this.#forgotten = new Set(this.#known);
    this.#viewer = undefined;
  }

  close() {
    this.#isOpen = false;
    this.front.close();
    this.back.close();
  }
}

/** A port nobody has, for a server whose viewers come through a line. */
export function freeUdpPort() {
  return new Promise((resolve) => {
    const probe = createSocket("udp4");
    probe.bind(0, () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** For `page`'s `before`: whichever addresses the server names, the line's port is there. */
export const throughLine = (port) => new Function(`(${replaceCandidates})(${port})`);

function replaceCandidates(port) {
  const plain = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const sdp = description.sdp
      .replace(/^a=candidate:.*\btcp\b.*\r?\n/gim, "")
      .replace(/^(a=candidate:.* udp \d+ \S+) \d+ typ/gim, `$1 ${port} typ`);
    return plain.call(this, { type: description.type, sdp });
  };
}
