//! What the benches share: a publisher's stream and what its viewers offer; the real media threads on loopback, and
//! real encrypted peers around them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench ends where it cannot go on, and reads the clock"
)]

pub mod channels;
pub mod crowd;
pub mod faucet;
pub mod feedback;
pub mod floor;
pub mod house;
pub mod indoors;
pub mod options;
pub mod pattern;
pub mod peer;
pub mod publisher;
pub mod recording;
pub mod server;
pub mod show;
pub mod telling;

use sfu::negotiation::{
    Codec, Extension, ExtensionMap, Feedback, Label, MediaKind, Payload, ReceivedMedia, SentMedia,
};

/// Payload bytes of a full packet.
pub const PAYLOAD: usize = 1150;

const VIDEO: u8 = 96;

fn payload(payload_type: u8, rtx: u8) -> Payload {
    Payload {
        payload_type,
        codec: Codec::Vp8,
        rtx: Some(rtx),
        feedback: Feedback {
            nack: true,
            pli: true,
            transport_cc: true,
            ..Feedback::default()
        },
    }
}

fn extensions(mid: u8, transport: u8) -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.insert(mid, Extension::Mid);
    map.insert(transport, Extension::TransportSequence);
    map
}

/// One VP8 stream as a publisher sends it; nothing when a label could not be made.
pub fn publisher() -> Option<ReceivedMedia> {
    Some(ReceivedMedia {
        kind: MediaKind::Video,
        mid: Label::new(b"0")?,
        payloads: vec![payload(VIDEO, 97)],
        extensions: extensions(1, 4),
        ssrcs: Vec::new(),
        rids: Vec::new(),
    })
}

/// The same as a viewer receives it.
pub fn viewer(number: u32) -> Option<SentMedia> {
    Some(SentMedia {
        kind: MediaKind::Video,
        mid: Label::new(b"v")?,
        payloads: vec![payload(120, 121)],
        extensions: extensions(9, 5),
        ssrc: 2 * number,
        rtx_ssrc: 2 * number + 1,
    })
}

/// One packet of a VP8 frame: four packets a frame, the first of every 300 frames a keyframe.
pub fn packet(number: u32) -> Vec<u8> {
    let (frame, part) = (number / 4, number % 4);
    let is_key = frame.is_multiple_of(300);
    let mut bytes = vec![0x80, VIDEO | if part == 3 { 0x80 } else { 0 }];
    bytes.extend_from_slice(&(number as u16).to_be_bytes());
    bytes.extend_from_slice(&frame.wrapping_mul(3000).to_be_bytes());
    bytes.extend_from_slice(&7u32.to_be_bytes());
    let [high, low] = (frame as u16 & 0x7fff).to_be_bytes();
    bytes.extend_from_slice(&[
        if part == 0 { 0x90 } else { 0x80 },
        0xe0,
        0x80 | high,
        low,
        frame as u8,
        0x20,
    ]);
    bytes.extend_from_slice(&[u8::from(!is_key), 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    bytes.resize(12 + PAYLOAD, 0x5a);
    bytes
}

/// Keeps the calling thread, and those it starts, on one core, where there are so many.
pub fn pin(core: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(core) = cores.get(core) {
        core_affinity::set_for_current(*core);
    }
}

/// The first quartile, the median and the third of some figures; zeros of none.
pub fn quartiles(figures: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let at = |part: usize| figures.get(figures.len() * part / 4).copied().unwrap_or_default();
    [at(1), at(2), at(3)]
}

/// The number a bench was called with, among what cargo adds.
pub fn argument() -> Option<usize> {
    std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
}
