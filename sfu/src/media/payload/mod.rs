//! What a payload's first bytes say, by codec. Pure readers of untrusted bytes.

pub mod av1;
pub(crate) mod bits;
pub mod dependency;
pub mod frame_marking;
pub mod h264;
pub mod red;
pub mod vp8;
pub mod vp9;

use super::history::PayloadInfo;
use crate::negotiation::Codec;
use dependency::LayerSet;

/// What is known of a packet from its own payload, whatever the codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadFacts {
    /// Whether a frame starts here; `None` where only the packets around it can tell (H.264, AV1).
    pub frame_start: Option<bool>,
    /// How the packet belongs to a keyframe's beginning.
    pub keyframe: Keyframe,
    /// Coded width and height in pixels.
    pub size: Option<(u16, u16)>,
    /// The same of each spatial layer, 0 of both where there are no more (VP9).
    pub layer_sizes: Option<LayerSizes>,
    /// Temporal layer.
    pub temporal: u8,
    /// See `StoredPacket::temporal_sync`.
    pub temporal_sync: bool,
    /// See `StoredPacket::opens`.
    pub opens: LayerSet,
    /// Whether only pictures that nothing needs would miss the packet (H.264).
    pub disposable: Disposable,
    /// Fields to rewrite.
    pub info: PayloadInfo,
    /// A B slice (H.264).
    pub bidirectional: bool,
    /// `profile_idc` where a parameter set tells it (H.264).
    pub h264_profile: Option<u8>,
}

/// Width and height in pixels of each spatial layer, from the lowest; as many as browsers make.
pub type LayerSizes = [(u16, u16); 4];

/// Whether a decoder can do without a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disposable {
    /// No, or it can not be read.
    #[default]
    No,
    /// It is of a picture that no other is predicted from.
    Picture,
    /// It has nothing of a picture.
    Beside,
}

/// Whether a decoder can begin with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyframe {
    /// No.
    No,
    /// Yes.
    Start,
    /// Yes, if no parameter sets of the same picture came before it (an H.264 IDR slice).
    StartWithoutParameters,
}

impl PayloadFacts {
    /// Of a packet that is padding only.
    pub const EMPTY: PayloadFacts = PayloadFacts {
        frame_start: Some(false),
        keyframe: Keyframe::No,
        size: None,
        layer_sizes: None,
        temporal: 0,
        temporal_sync: false,
        opens: LayerSet::NONE,
        disposable: Disposable::No,
        info: PayloadInfo::Opaque,
        bidirectional: false,
        h264_profile: None,
    };

    /// Reads a payload; `None` when it is malformed where it must be rewritten. H.264 and AV1 pass as they are, so what
    /// cannot be read there is the decoder's to judge: kept back, it would be a hole that viewers ask for again and again.
    pub fn read(codec: Codec, payload: &[u8]) -> Option<PayloadFacts> {
        if payload.is_empty() {
            return Some(Self::EMPTY);
        }
        match codec {
            Codec::Opus => Some(PayloadFacts {
                frame_start: Some(true),
                keyframe: Keyframe::Start,
                ..Self::EMPTY
            }),
            Codec::RedundantOpus => red::RedHeader::parse(payload).map(|header| PayloadFacts {
                frame_start: Some(true),
                keyframe: Keyframe::Start,
                info: PayloadInfo::Red(header),
                ..Self::EMPTY
            }),
            Codec::Vp8 => Self::vp8(payload),
            Codec::Vp9 { .. } => Self::vp9(payload),
            Codec::H264 { .. } => Some(Self::h264(payload)),
            Codec::Av1 { .. } => Some(Self::av1(payload)),
        }
    }

    fn vp8(payload: &[u8]) -> Option<PayloadFacts> {
        let read = vp8::Vp8Descriptor::parse(payload)?;
        Some(PayloadFacts {
            frame_start: Some(read.frame_start),
            keyframe: Keyframe::start_if(read.keyframe_start),
            size: read.size,
            temporal: read.temporal,
            temporal_sync: read.layer_sync,
            info: PayloadInfo::Vp8 {
                picture_id: read.picture_id,
                tl0_pic_idx: read.tl0_pic_idx,
                descriptor: read.len,
            },
            ..Self::EMPTY
        })
    }

    fn vp9(payload: &[u8]) -> Option<PayloadFacts> {
        let read = vp9::Vp9Descriptor::parse(payload)?;
        Some(PayloadFacts {
            frame_start: Some(read.frame_start()),
            keyframe: Keyframe::start_if(read.keyframe_start()),
            size: read.size,
            layer_sizes: read.layer_sizes,
            temporal: read.temporal,
            // RFC 9628 §4.2: no later picture of a higher temporal layer needs one from before this one.
            opens: if read.switching_up {
                LayerSet::temporal_of(read.spatial)
            } else {
                LayerSet::NONE
            },
            info: PayloadInfo::Vp9 {
                picture_id: read.picture_id,
                tl0_pic_idx: read.tl0_pic_idx,
                spatial: read.spatial,
                // Without a reference to an earlier picture, the lower layer of this one is enough.
                switching_up: read.layer_start && !read.inter_picture,
                layer_end: read.layer_end,
            },
            ..Self::EMPTY
        })
    }

    fn h264(payload: &[u8]) -> PayloadFacts {
        let read = h264::H264Units::parse(payload).unwrap_or_default();
        let keyframe = match (read.parameters, read.idr_start) {
            (true, _) => Keyframe::Start,
            (false, true) => Keyframe::StartWithoutParameters,
            (false, false) => Keyframe::No,
        };
        PayloadFacts {
            frame_start: None,
            keyframe,
            size: read.size,
            disposable: read.disposable,
            bidirectional: read.bidirectional,
            h264_profile: read.profile,
            ..Self::EMPTY
        }
    }

    fn av1(payload: &[u8]) -> PayloadFacts {
        let read = av1::Av1Units::parse(payload).unwrap_or_default();
        PayloadFacts {
            frame_start: if read.continues { Some(false) } else { None },
            keyframe: Keyframe::start_if(read.sequence_start),
            size: read.size,
            ..Self::EMPTY
        }
    }
}

impl Keyframe {
    fn start_if(start: bool) -> Keyframe {
        if start { Keyframe::Start } else { Keyframe::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_need_not_be_rewritten_passes_unread() {
        let h264 = Codec::H264 {
            profile_level_id: [0x42, 0xe0, 0x1f],
            packetization_mode: 1,
        };
        let unread = PayloadFacts {
            frame_start: None,
            ..PayloadFacts::EMPTY
        };
        // The head of a fragment without its second byte; an aggregation header with nothing behind it.
        assert_eq!(PayloadFacts::read(h264, &[0x7c]), Some(unread));
        assert_eq!(
            PayloadFacts::read(Codec::Av1 { profile: 0 }, &[0x10]),
            Some(unread)
        );
        assert_eq!(PayloadFacts::read(Codec::Vp8, &[0x80]), None);
    }
}
