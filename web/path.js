// The way between a peer connection and its session's server, for players and publishers alike: it comes back by itself,
// or by a restart of ICE in the same session (RFC 9725 §4.3.3), as of a phone that went from Wi-Fi to mobile, or it is lost.

/** A line that is interrupted often comes back by itself; then a restart of ICE is tried for so long. */
const PATIENCE_MS = 2500;
const RESTART_PATIENCE_MS = 6000;
/** An offer that is not answered for so long is made anew: a network is asked ever more seldom whether it is there again. */
export const ANSWER_PATIENCE_MS = 8000;
/**
 * Refusals that pass: the room or its host is not there yet, the offer was too slow on its way, too many came at once.
 */
export const PASSING = [404, 408, 409, 429];
/** A clock that is looked at each second and has gone on by more than this belongs to a machine that slept. */
const LOOK_MS = 1000;
const SLEPT_MS = 5000;

/**
 * An offer that takes sound in both channels: Chromium mixes Opus down to one where its offer does not say so (RFC 7587 §6.1).
 * @param {RTCSessionDescriptionInit} offer
 * @returns {RTCSessionDescriptionInit}
 */
export function inStereo({ type, sdp = "" }) {
  const sections = sdp.split(/^(?=m=)/m).map((section) => {
    const opus = /^a=rtpmap:(\d+) opus\//m.exec(section)?.[1];
    if (!opus || !/^a=recvonly/m.test(section)) return section;
    return section.replace(new RegExp(`^(a=fmtp:${opus} (?!.*stereo=)[^\\r\\n]*)`, "m"), "$1;stereo=1");
  });
  return { type, sdp: sections.join("") };
}

/**
 * Watches one connection until `stop`.
 * @typedef {{pc: RTCPeerConnection, headers: Record<string, string>, connected: () => void, interrupted: () => void,
 *   lost: (isGone: boolean) => void}} PathOptions `headers` go with every request of the session; `lost` is told once, with
 *   whether another try now is likely to help: the session is gone, the network is not.
 */
export class Path {
  #options;
  /** @type {string | undefined} */
  #session;
  /** @type {number | undefined} */
  #patience;
  #clock;
  #isRestarting = false;
  #isOver = false;

  /** @param {PathOptions} options */
  constructor(options) {
    this.#options = options;
    options.pc.addEventListener("connectionstatechange", () => this.#changed());
    let last = Date.now();
    this.#clock = setInterval(() => {
      const slept = Date.now() - last - LOOK_MS;
      last = Date.now();
      if (slept > SLEPT_MS) this.restart();
    }, LOOK_MS);
  }

  /**
   * The answer is set: the session is there.
   * @param {string | undefined} session its address
   */
  begin(session) {
    this.#session = session;
    // A server that says goodbye ends DTLS; the connection itself would notice much later.
    const dtls = this.#options.pc.getTransceivers().find(({ receiver }) => receiver.transport)?.receiver.transport;
    dtls?.addEventListener("statechange", () => dtls.state === "closed" && this.#end(false));
  }

  stop() {
    this.#isOver = true;
    clearTimeout(this.#patience);
    clearInterval(this.#clock);
  }

  /** Looks for a new path now, as after a change of the network. Media goes on meanwhile. */
  async restart() {
    const { pc, headers, interrupted } = this.#options;
    if (this.#isOver || this.#isRestarting || !this.#session) return;
    if (pc.connectionState !== "connected") interrupted();
    this.#isRestarting = true;
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => pc.connectionState !== "connected" && this.#end(false), RESTART_PATIENCE_MS);
    let isGone = false;
    try {
      const before = pc.remoteDescription?.sdp ?? "";
      pc.restartIce();
      await pc.setLocalDescription(inStereo(await pc.createOffer({ iceRestart: true })));
      const response = await fetch(this.#session, {
        method: "PATCH",
        headers: { ...headers, "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*" },
        body: fragment(pc.localDescription?.sdp ?? ""),
        signal: AbortSignal.timeout(RESTART_PATIENCE_MS),
      });
      isGone = response.status === 404;
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const fresh = credentials(await response.text());
      const sdp = before
        .replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${fresh.ufrag}`)
        .replace(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${fresh.pwd}`);
      if (!this.#isOver) await pc.setRemoteDescription({ type: "answer", sdp });
    } catch (error) {
      if (this.#isOver) return;
      console.debug("vitrine: no restart", error);
      // Media that goes on needs no other path; it is asked for again when it is interrupted.
      if (!isGone && pc.connectionState === "connected") await pc.setLocalDescription({ type: "rollback" }).catch(() => {});
      else this.#end(true);
    } finally {
      this.#isRestarting = false;
    }
  }

  #changed() {
    const { pc, connected } = this.#options;
    if (this.#isOver) return;
    switch (pc.connectionState) {
      case "connected":
        clearTimeout(this.#patience);
        return connected();
      case "disconnected":
        clearTimeout(this.#patience);
        this.#patience = setTimeout(() => this.restart(), PATIENCE_MS);
        return;
      case "failed":
      case "closed":
        return this.#end(false);
    }
  }

  /** @param {boolean} isGone */
  #end(isGone) {
    if (this.#isOver) return;
    this.stop();
    this.#options.lost(isGone);
  }
}

/** @param {string} sdp */
function credentials(sdp) {
  /** @param {string} name */
  const value = (name) => sdp.match(new RegExp(`^a=${name}:(.*?)\\r?$`, "m"))?.[1];
  return { ufrag: value("ice-ufrag"), pwd: value("ice-pwd") };
}

/**
 * What a PATCH says of a new offer (RFC 8840 §4.4).
 * @param {string} sdp
 */
function fragment(sdp) {
  const { ufrag, pwd } = credentials(sdp);
  const group = sdp.match(/^a=group:BUNDLE.*$/m)?.[0] ?? "";
  const media = sdp.match(/^m=.*$/m)?.[0] ?? "";
  const mid = sdp.match(/^a=mid:.*$/m)?.[0] ?? "";
  return [`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, group, media, mid].filter(Boolean).map((l) => `${l.trim()}\r\n`).join("");
}
