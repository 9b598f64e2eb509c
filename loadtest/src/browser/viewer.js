// Viewers in a browser's own page: they join by WHEP as any player does, and tell what the browser's statistics say.
(() => {
  const viewers = [];

  class Viewer {
    constructor() {
      this.began = performance.now();
      this.since = {};
      this.failure = null;
      this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    }

    note(what) {
      this.since[what] ??= performance.now() - this.began;
    }

    async join(whep, token) {
      const pc = this.pc;
      const video = document.createElement("video");
      Object.assign(video, { muted: true, autoplay: true, playsInline: true, srcObject: new MediaStream() });
      document.body.append(video);
      pc.ontrack = ({ track }) => video.srcObject.addTrack(track);
      pc.onconnectionstatechange = () => {
        if (pc.connectionState === "connected") this.note("dtls");
        if (pc.connectionState === "failed") this.failure ??= "the browser's connection failed";
      };
      video.requestVideoFrameCallback(() => this.note("picture"));
      for (const kind of ["audio", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
      await pc.setLocalDescription();
      while (pc.iceGatheringState !== "complete") {
        await new Promise((done) => pc.addEventListener("icegatheringstatechange", done, { once: true }));
      }
      this.began = performance.now();
      const headers = { "Content-Type": "application/sdp" };
      if (token) headers.Authorization = `Bearer ${token}`;
      this.headers = headers;
      const answer = await fetch(whep, { method: "POST", headers, body: pc.localDescription.sdp });
      const sdp = await answer.text();
      if (answer.status !== 201) throw new Error(`the server refused with ${answer.status}: ${sdp.slice(0, 200)}`);
      this.note("answer");
      this.resource = new URL(answer.headers.get("Location"), whep);
      await pc.setRemoteDescription({ type: "answer", sdp });
    }

    async look() {
      const sum = { packets: 0, bytes: 0, lost: 0, frames: 0, freezes: 0, frozen_ms: 0, height: 0 };
      const reports = await this.pc.getStats();
      for (const report of reports.values()) {
        if (report.type !== "inbound-rtp") continue;
        sum.packets += report.packetsReceived ?? 0;
        sum.bytes += (report.bytesReceived ?? 0) + (report.headerBytesReceived ?? 0);
        sum.lost += Math.max(0, report.packetsLost ?? 0);
        sum.frames += report.framesDecoded ?? 0;
        sum.freezes += report.freezeCount ?? 0;
        sum.frozen_ms += Math.round((report.totalFreezesDuration ?? 0) * 1000);
        sum.height = Math.max(sum.height, report.frameHeight ?? 0);
      }
      const { answer = null, dtls = null, picture = null } = this.since;
      return { ...sum, answer, dtls, picture, failure: this.failure };
    }

    async leave() {
      if (this.resource) await fetch(this.resource, { method: "DELETE", headers: this.headers }).catch(() => {});
      this.pc.close();
    }
  }

  globalThis.loadtest = {
    join(whep, token) {
      const viewer = new Viewer();
      viewers.push(viewer);
      viewer.join(whep, token).catch((error) => (viewer.failure = String(error.message ?? error)));
    },
    look: async () => JSON.stringify(await Promise.all(viewers.map((viewer) => viewer.look()))),
    leave: async () => void (await Promise.all(viewers.map((viewer) => viewer.leave()))),
  };
})();
