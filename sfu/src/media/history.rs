//! The packets of one encoding, kept once: the forwarding queue, the retransmission store and the cached group of
//! pictures of every viewer on the shard.

use std::time::Instant;

use crate::negotiation::Codec;

/// What the payload's first bytes say, parsed once at ingest and used by every subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadInfo {
    /// Nothing to rewrite inside the payload (Opus, H.264, AV1).
    Opaque,
    /// VP8 (RFC 7741 §4.2). Offsets are into the payload; a field that is absent is `None`.
    Vp8 {
        /// Offset and width (7 or 15 bits) of the picture id, with its value.
        picture_id: Option<(u8, u8, u16)>,
        /// Offset and value of TL0PICIDX.
        tl0_pic_idx: Option<(u8, u8)>,
        /// Length of the payload descriptor in bytes.
        descriptor: u8,
    },
    /// VP9 (RFC 9628 §4.2).
    Vp9 {
        /// Offset and width (7 or 15 bits) of the picture id, with its value.
        picture_id: Option<(u8, u8, u16)>,
        /// Offset and value of TL0PICIDX.
        tl0_pic_idx: Option<(u8, u8)>,
        /// Spatial layer, 0 for none.
        spatial: u8,
        /// Whether an upper spatial layer may start here.
        switching_up: bool,
    },
}

/// One RTP packet of an encoding.
#[derive(Clone, Debug)]
pub struct StoredPacket {
    /// When it came; a retransmitted one keeps the time it finally came.
    pub arrival: Instant,
    /// Extended sequence number: the publisher's 16 bits unrolled.
    pub sequence: u64,
    /// RTP timestamp as sent.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// The codec it carries (a publisher may change payload type mid-stream).
    pub codec: Codec,
    /// First packet of a keyframe, a decoder can start here (with parameter sets, for H.264).
    pub keyframe_start: bool,
    /// First packet of a frame.
    pub frame_start: bool,
    /// Temporal layer, 0 is the base.
    pub temporal: u8,
    /// Whether the next lower temporal layers alone may be continued from here upward.
    pub temporal_sync: bool,
    /// Payload fields to rewrite.
    pub info: PayloadInfo,
    /// RTP header with extensions, as the publisher sent it (for extensions passed through), then the payload
    /// without padding.
    pub bytes: Box<[u8]>,
    /// Where the payload starts in `bytes`.
    pub payload_offset: u16,
}

impl StoredPacket {
    /// The RTP header and its extensions.
    pub fn header(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.payload_offset))
            .unwrap_or_default()
    }

    /// The payload without padding.
    pub fn payload(&self) -> &[u8] {
        self.bytes
            .get(usize::from(self.payload_offset)..)
            .unwrap_or_default()
    }
}

/// A bounded ring of one encoding's packets. A *position* counts packets in the order they are to be forwarded
/// (arrival order); it never repeats, so a cursor that falls behind the ring is noticed.
#[derive(Debug)]
pub struct History {}

impl History {
    /// The position the next packet will get.
    pub fn end(&self) -> u64 {
        todo!()
    }

    /// The oldest position still kept.
    pub fn start(&self) -> u64 {
        todo!()
    }

    /// The packet at a position.
    pub fn get(&self, position: u64) -> Option<&StoredPacket> {
        let _ = position;
        todo!()
    }

    /// The position of a sequence number, for retransmission.
    pub fn find(&self, sequence: u64) -> Option<u64> {
        let _ = sequence;
        todo!()
    }

    /// Where the newest complete-enough group of pictures starts: the position of the last `keyframe_start` whose
    /// packets are all still kept.
    pub fn keyframe(&self) -> Option<u64> {
        todo!()
    }
}
