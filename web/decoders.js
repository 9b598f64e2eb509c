// Which codecs this browser offers to decode and then does not, as where a plug-in is blocked or the machine's own decoder is
// broken: they are not asked for again, so that the server has another one, or the sound alone and says why.

const LOOK_MS = 1000;
/** Pictures that come in so many looks, none of which is decoded, will not be: a busy machine needs a second for its first. */
const LOOKS = 8;

/**
 * A codec as it is called outside of SDP.
 * @param {string} codec
 */
export const codecName = (codec) => codec.toUpperCase().replace("H264", "H.264");

export class Decoders {
  /** As in "video/H264". @type {Set<string>} */
  #failed = new Set();
  /** @type {number | undefined} */
  #looking;

  /**
   * Leaves out what failed. Without any other codec all are tried again.
   * @param {RTCRtpTransceiver} transceiver
   */
  prefer(transceiver) {
    const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
    const left = codecs.filter(({ mimeType }) => !this.#failed.has(mimeType));
    const isUsable = left.some(({ mimeType }) => !/\/(rtx|red|ulpfec|flexfec-03)$/.test(mimeType));
    // Firefox has it from 128 on.
    if (this.#failed.size && isUsable) transceiver.setCodecPreferences?.(left);
  }

  /**
   * Looks at a connection until its first picture is decoded, `stop` or `failed`, which is told once for each codec.
   * @param {RTCPeerConnection} pc
   * @param {() => void} failed
   */
  watch(pc, failed) {
    this.stop();
    let [last, looks] = [0, 0];
    const looking = setInterval(async () => {
      // A page in the background decodes when it likes.
      if (document.hidden) return;
      const reports = [...(await pc.getStats()).values()];
      const video = reports.find(({ type, kind }) => type === "inbound-rtp" && kind === "video");
      const { framesReceived = 0, framesDecoded = 0, codecId } = video ?? {};
      if (framesDecoded > 0) return clearInterval(looking);
      if (framesReceived > last) looks += 1;
      last = framesReceived;
      if (looks < LOOKS) return;
      clearInterval(looking);
      const codec = reports.find(({ id }) => id === codecId)?.mimeType;
      if (!codec || this.#failed.has(codec) || this.#looking !== looking) return;
      this.#failed.add(codec);
      failed();
    }, LOOK_MS);
    this.#looking = looking;
  }

  stop() {
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}
