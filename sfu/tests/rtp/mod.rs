//! RTP packets made by hand, for tests of the media core.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    reason = "each test file uses a part"
)]

pub mod show;

use rtc_rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};
use sfu::negotiation::{
    Codec, Extension, ExtensionMap, Feedback, Label, MediaKind, Payload, ReceivedMedia, SentMedia,
};
use sfu::playback::LayerLimit;
use sfu::rtcp;

/// Where virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "an instant cannot be made in another way"
)]
pub fn begin() -> std::time::Instant {
    std::time::Instant::now()
}

pub const AUDIO_PT: u8 = 111;
pub const VIDEO_PT: u8 = 96;
pub const RTX_PT: u8 = 97;
pub const MID_ID: u8 = 1;
pub const RID_ID: u8 = 2;
pub const RRID_ID: u8 = 3;
pub const TWCC_ID: u8 = 4;

pub fn label(text: &str) -> Label {
    Label::new(text.as_bytes()).unwrap()
}

/// A wish for one layer.
pub fn pinned(rid: &str) -> LayerLimit {
    LayerLimit {
        rid: Some(label(rid)),
        ..LayerLimit::default()
    }
}

/// A viewer asks for a packet of a stream again.
pub fn nack(media_ssrc: u32, number: u16) -> Vec<u8> {
    let nack = TransportLayerNack {
        sender_ssrc: 1,
        media_ssrc,
        nacks: vec![NackPair::new(number)],
    };
    let mut compound = Vec::new();
    assert!(rtcp::append(&mut compound, &[Box::new(nack)]));
    compound
}

fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.insert(MID_ID, Extension::Mid);
    map.insert(RID_ID, Extension::Rid);
    map.insert(RRID_ID, Extension::RepairedRid);
    map.insert(TWCC_ID, Extension::TransportSequence);
    map
}

fn payload(payload_type: u8, codec: Codec, rtx: Option<u8>) -> Payload {
    Payload {
        payload_type,
        codec,
        rtx,
        feedback: Feedback {
            nack: true,
            pli: true,
            fir: false,
            transport_cc: true,
            remb: false,
        },
    }
}

/// Opus, and VP8 in the layers `h` and `l`.
pub fn publisher_media() -> Vec<ReceivedMedia> {
    let media = |kind, mid, payloads, rids: &[&str]| ReceivedMedia {
        kind,
        mid: label(mid),
        payloads,
        extensions: extensions(),
        ssrcs: Vec::new(),
        rids: rids.iter().map(|rid| label(rid)).collect(),
    };
    vec![
        media(
            MediaKind::Audio,
            "0",
            vec![payload(AUDIO_PT, Codec::Opus, None)],
            &[],
        ),
        media(
            MediaKind::Video,
            "1",
            vec![payload(VIDEO_PT, Codec::Vp8, Some(RTX_PT))],
            &["h", "l"],
        ),
    ]
}

/// A viewer of the same with other numbers.
pub fn viewer_media() -> Vec<SentMedia> {
    let mut map = ExtensionMap::default();
    map.insert(9, Extension::Mid);
    map.insert(5, Extension::TransportSequence);
    let media = |kind, mid, payloads, ssrc, rtx_ssrc| {
        let mut extensions = map.clone();
        if kind == MediaKind::Video {
            extensions.insert(6, Extension::PlayoutDelay);
        }
        SentMedia {
            kind,
            mid: label(mid),
            payloads,
            extensions,
            ssrc,
            rtx_ssrc,
        }
    };
    vec![
        media(
            MediaKind::Audio,
            "a",
            vec![payload(63, Codec::Opus, None)],
            0x1000,
            0x1001,
        ),
        media(
            MediaKind::Video,
            "v",
            vec![payload(120, Codec::Vp8, Some(121))],
            0x2000,
            0x2001,
        ),
    ]
}

#[derive(Clone)]
pub struct Packet {
    payload_type: u8,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    extensions: Vec<u8>,
    payload: Vec<u8>,
}

impl Packet {
    pub fn new(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) -> Packet {
        Packet {
            payload_type,
            marker: false,
            sequence,
            timestamp,
            ssrc,
            extensions: Vec::new(),
            payload: Vec::new(),
        }
    }

    pub fn marker(mut self) -> Packet {
        self.marker = true;
        self
    }

    pub fn extension(mut self, id: u8, value: &[u8]) -> Packet {
        self.extensions.push(id << 4 | (value.len() as u8 - 1));
        self.extensions.extend_from_slice(value);
        self
    }

    pub fn payload(mut self, payload: &[u8]) -> Packet {
        self.payload = payload.to_vec();
        self
    }

    /// A VP8 frame's first packet with picture id and TL0PICIDX, 320x180 when a keyframe.
    pub fn vp8(self, keyframe: bool) -> Packet {
        let picture = self.sequence;
        self.vp8_picture(keyframe, picture)
    }

    pub fn vp8_picture(self, keyframe: bool, picture: u16) -> Packet {
        self.vp8_part(keyframe, picture, 0)
    }

    /// One packet of a VP8 frame; of the stream with an SSRC that ends in 0xbb half as large.
    pub fn vp8_part(self, keyframe: bool, picture: u16, part: u16) -> Packet {
        let width: [u8; 2] = if self.ssrc & 0xff == 0xbb {
            [160, 0]
        } else {
            [64, 1]
        };
        let [high, low] = picture.to_be_bytes();
        let first = if part == 0 { 0x90 } else { 0x80 };
        let mut payload = vec![first, 0xe0, 0x80 | high, low, picture as u8, 0x20];
        payload.extend_from_slice(&[
            u8::from(!keyframe),
            0,
            0,
            0x9d,
            0x01,
            0x2a,
            width[0],
            width[1],
            180,
            0,
        ]);
        payload.extend_from_slice(&[picture as u8; 500]);
        self.payload(&payload)
    }

    /// The same VP8 payload with a picture id of seven bits.
    pub fn short_id(mut self) -> Packet {
        self.payload.remove(2);
        self.payload[2] &= 0x7f;
        self
    }

    pub fn payload_bytes(&self) -> &[u8] {
        &self.payload
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, u8::from(self.marker) << 7 | self.payload_type];
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        if !self.extensions.is_empty() {
            bytes[0] |= 0x10;
            let words = self.extensions.len().div_ceil(4);
            bytes.extend_from_slice(&[0xbe, 0xde, 0, words as u8]);
            bytes.extend_from_slice(&self.extensions);
            bytes.resize(16 + words * 4, 0);
        }
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}
