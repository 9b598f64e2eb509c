//! How publishers cut their frames into packets, and when these leave.

use std::time::Duration;

use crate::recording::Recording;

/// Frames per second.
pub const FRAME_RATE: u32 = 30;
/// Between keyframes nobody asked for, in frames.
pub const GROUP: u32 = 60;
/// A keyframe's size, in usual frames.
const KEYFRAME: usize = 5;
/// Payload bytes of Chromium's largest packet with its usual extensions, and of encoders that fill 1,200 bytes.
const CHROMIUM_PAYLOAD: usize = 1150;
const ENCODER_PAYLOAD: usize = 1180;
/// Chromium's pacer: every 5 ms what two and a half times the rate allows.
const BURST: Duration = Duration::from_millis(5);

/// A kind of publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Nearly equal packets that differ by one byte, the longer ones last, paced.
    Chromium,
    /// Packets filled to the MTU, the whole frame at once (OBS; ffmpeg with one slice).
    Filled,
    /// Four slices a frame, each filled to the MTU by itself (ffmpeg with `-tune zerolatency` and slice threads).
    Slices,
    /// What one sent.
    Recorded(Recording),
}

/// One packet of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Payload bytes.
    pub len: usize,
    /// After the frame's first packet.
    pub at: Duration,
    /// The first of a NAL unit, or of a VP8 frame.
    pub starts: bool,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its number.
    pub number: u32,
    /// Whether a decoder can start with it.
    pub is_key: bool,
    /// Its packets; the last has the marker.
    pub parts: Vec<Part>,
}

impl Pattern {
    /// All that were recorded, and three that are made up: with more pacing, less, and with slices.
    pub const ALL: [Pattern; 7] = [
        Pattern::Recorded(Recording::Chromium),
        Pattern::Recorded(Recording::Obs),
        Pattern::Recorded(Recording::Ffmpeg),
        Pattern::Recorded(Recording::Gstreamer),
        Pattern::Chromium,
        Pattern::Filled,
        Pattern::Slices,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Pattern::Chromium => "paced in bursts",
            Pattern::Filled => "filled to the MTU",
            Pattern::Slices => "four slices",
            Pattern::Recorded(recording) => recording.name(),
        }
    }

    /// Whether it is a browser's VP8; all others are encoders' H.264.
    pub fn is_browser(self) -> bool {
        matches!(self, Pattern::Chromium | Pattern::Recorded(Recording::Chromium))
    }

    /// A group of frames, from its keyframe on, of a stream of `bitrate` bits per second whose packets have RTP headers
    /// of so many bytes.
    pub fn frames(self, bitrate: u32, header: usize) -> Vec<Frame> {
        let cut: fn(usize, u32) -> Vec<Part> = match self {
            Pattern::Recorded(recording) => return recording.frames(bitrate, header),
            Pattern::Chromium => chromium,
            Pattern::Filled => |size, _| filled(size),
            Pattern::Slices => |size, _| (0..4).flat_map(|_| filled(size / 4)).collect(),
        };
        (0..GROUP).map(|number| made_up(number, bitrate, cut)).collect()
    }
}

/// A frame whose size varies by a quarter around the mean.
fn made_up(number: u32, bitrate: u32, cut: fn(usize, u32) -> Vec<Part>) -> Frame {
    let mean = (bitrate / 8 / FRAME_RATE) as usize;
    let is_key = number.is_multiple_of(GROUP);
    // Any fixed sequence that does not repeat soon will do.
    let varied = mean * (75 + (number.wrapping_mul(2_654_435_761) >> 16) as usize % 51) / 100;
    let size = if is_key { KEYFRAME * mean } else { varied };
    Frame {
        number,
        is_key,
        parts: cut(size, bitrate),
    }
}

fn chromium(size: usize, bitrate: u32) -> Vec<Part> {
    let count = size.div_ceil(CHROMIUM_PAYLOAD).max(1);
    let (each, longer) = (size / count, size % count);
    let allowance = (bitrate as usize * 5 / 2 / 8 * BURST.as_millis() as usize / 1000).max(1);
    let (mut sent, mut parts) = (0, Vec::new());
    for place in 0..count {
        let len = each + usize::from(place >= count - longer);
        parts.push(Part {
            len,
            at: BURST * (sent / allowance) as u32,
            starts: place == 0,
        });
        sent += len;
    }
    parts
}

fn filled(size: usize) -> Vec<Part> {
    let mut rest = size.max(1);
    let mut parts = Vec::new();
    while rest > 0 {
        let len = rest.min(ENCODER_PAYLOAD);
        parts.push(Part {
            len,
            at: Duration::ZERO,
            starts: parts.is_empty(),
        });
        rest -= len;
    }
    parts
}
