//! What real publishers sent, packet by packet; `benches/patterns/README.md` says how it was recorded.

use std::time::Duration;

use crate::pattern::{Frame, Part};

/// A publisher that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// A browser's VP8.
    Chromium,
    /// By the library that OBS publishes with.
    Obs,
    /// ffmpeg's WHIP muxer.
    Ffmpeg,
    /// GStreamer's WHIP client.
    Gstreamer,
}

/// Bits per second from which on the recording at 2.5 Mbit/s is nearer than that at 1.
const BETWEEN: u32 = 1_750_000;

impl Recording {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Recording::Chromium => "Chromium",
            Recording::Obs => "OBS",
            Recording::Ffmpeg => "ffmpeg",
            Recording::Gstreamer => "GStreamer",
        }
    }

    fn lines(self, bitrate: u32) -> &'static str {
        let [low, high] = match self {
            Recording::Chromium => [
                include_str!("../patterns/chromium-1000.txt"),
                include_str!("../patterns/chromium-2500.txt"),
            ],
            Recording::Obs => [
                include_str!("../patterns/obs-1000.txt"),
                include_str!("../patterns/obs-2500.txt"),
            ],
            Recording::Ffmpeg => [
                include_str!("../patterns/ffmpeg-1000.txt"),
                include_str!("../patterns/ffmpeg-2500.txt"),
            ],
            Recording::Gstreamer => [
                include_str!("../patterns/gstreamer-1000.txt"),
                include_str!("../patterns/gstreamer-2500.txt"),
            ],
        };
        if bitrate < BETWEEN { low } else { high }
    }

    /// Its frames, from the keyframe on, less RTP headers of so many bytes. How far they are apart is not told.
    pub fn frames(self, bitrate: u32, header: usize) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        let (mut parts, mut begin): (Vec<Part>, Option<u64>) = (Vec::new(), None);
        for line in self.lines(bitrate).lines() {
            let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap());
            let mut number = || numbers.next().unwrap();
            let (at, bytes, is_last) = (number(), number() as usize, number() == 1);
            let begin_at = *begin.get_or_insert(at);
            let len = bytes.saturating_sub(header).max(1);
            // Of a NAL unit's fragments none is longer than the one before it. A VP8 frame is one.
            let starts = match parts.last() {
                None => true,
                Some(before) => self != Recording::Chromium && len > before.len,
            };
            let at = Duration::from_micros(at - begin_at);
            parts.push(Part { len, at, starts });
            if is_last {
                begin = None;
                frames.push(Frame {
                    number: 0,
                    is_key: false,
                    parts: std::mem::take(&mut parts),
                });
            }
        }
        let bytes = |frame: &Frame| frame.parts.iter().map(|part| part.len).sum::<usize>();
        let places = 0..frames.len();
        let key = places.max_by_key(|&place| bytes(&frames[place])).unwrap();
        frames.rotate_left(key);
        frames[0].is_key = true;
        frames
    }
}
