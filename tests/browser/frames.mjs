// What a viewer really sees: every frame as it is shown, with a number read from its pixels where the picture has one.

/** Runs in the page: notes each shown frame of a video as `[time, longer side, number]` in `window.frames[name]`. */
export function noteFrames(video, name, bits) {
  window.frames ??= {};
  const shown = (window.frames[name] = []);
  const canvas = document.createElement("canvas");
  canvas.width = bits;
  canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const note = (now) => {
    let number = 0;
    if (bits && video.videoWidth) {
      // The number's bits are squares along the top, the lowest first.
      const side = video.videoWidth / bits;
      context.drawImage(video, 0, 0, video.videoWidth, side / 2, 0, 0, bits, 1);
      const { data } = context.getImageData(0, 0, bits, 1);
      for (let bit = 0; bit < bits; bit++) if (data[bit * 4] > 128) number |= 1 << bit;
    }
    shown.push([now, Math.max(video.videoWidth, video.videoHeight), number]);
    if (shown.length > 5000) shown.splice(0, 1000);
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
}

/** The longest time without a new frame between two times, and when it began, milliseconds. */
export function longestStill(frames, from, to) {
  const times = [from, ...frames.map(([at]) => at).filter((at) => at > from && at < to), to];
  const stills = times.slice(1).map((at, n) => [at - times[n], times[n]]);
  return stills.reduce((longest, still) => (still[0] > longest[0] ? still : longest));
}

export const longestFreeze = (frames, from, to) => longestStill(frames, from, to)[0];

/** The value below which so many of 100 lie. */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * percent) / 100) - 1)];
}
