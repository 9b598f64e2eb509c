//! An encoded picture: frames with their times, whatever file they came from.

use std::time::Duration;

use bytes::Bytes;

use super::keyframe::{self, Codec};
use crate::Error;

/// An hour at 60 frames a second: more is not a clip, and the frame index must stay small.
pub const MAX_FRAMES: usize = 216_000;
/// A 4K intra frame stays below this; larger lengths are damage.
pub const MAX_FRAME_BYTES: usize = 8 << 20;

/// An encoded frame and when it is shown, from the start of the clip.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Time from the start of the clip.
    pub at: Duration,
    /// The frame as the encoder made it; H.264 with start codes.
    pub data: Bytes,
}

/// The frames of one encoding.
#[derive(Debug, Clone)]
pub struct Video {
    codec: Codec,
    width: u16,
    height: u16,
    frames: Vec<Frame>,
    duration: Duration,
}

impl Video {
    /// Takes frames in the order they were encoded. Times count from the first frame.
    ///
    /// # Errors
    /// [`Error::Clip`]: no frames or more than [`MAX_FRAMES`], one that is empty or longer than [`MAX_FRAME_BYTES`], or
    /// times that do not rise (a picture with B-frames, which no browser plays in WebRTC).
    pub fn new(codec: Codec, (width, height): (u16, u16), mut frames: Vec<Frame>) -> Result<Self, Error> {
        let bad = |why: &str| Error::Clip(why.into());
        let (Some(first), Some(last)) = (frames.first().map(|f| f.at), frames.last().map(|f| f.at)) else {
            return Err(bad("no frames"));
        };
        if frames.len() > MAX_FRAMES {
            return Err(bad("too many frames"));
        }
        if frames
            .iter()
            .any(|frame| frame.data.is_empty() || frame.data.len() > MAX_FRAME_BYTES)
        {
            return Err(bad("a frame is empty or too long"));
        }
        if !frames.is_sorted_by(|a, b| a.at < b.at) {
            return Err(bad("timestamps do not rise; encode without B-frames"));
        }
        // The last frame lasts as long as the one before it.
        let before = frames.iter().rev().nth(1).map(|frame| frame.at);
        let step = before.map_or(Duration::from_millis(40), |before| last - before);
        for frame in &mut frames {
            frame.at -= first;
        }
        Ok(Self {
            codec,
            width,
            height,
            frames,
            duration: rounded(last - first + step),
        })
    }

    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Width and height in pixels, as the file says.
    pub fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// The frames, in time order; never empty.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// From the first frame to the end of the last.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Whether it begins with a keyframe.
    pub fn begins_with_a_keyframe(&self) -> bool {
        let first = self.frames.first();
        first.is_some_and(|frame| keyframe::in_frame(self.codec, &frame.data))
    }
}

/// To 10 µs: containers count in ticks, and 60 frames at 30 a second last two seconds and not a nanosecond less.
fn rounded(time: Duration) -> Duration {
    const GRAIN: u64 = 10;
    let micros = (time + Duration::from_micros(GRAIN / 2)).as_micros();
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX) / GRAIN * GRAIN)
}
