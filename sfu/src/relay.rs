//! What shards tell each other. The caller carries these between threads: control lanes are bounded and
//! refuse, media lanes are bounded and drop (nobody sends a dropped packet again: the next keyframe repairs it).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::negotiation::ReceivedMedia;

/// The number of a shard, its index in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

/// Names a room; shared, so that messages carry it cheaply.
pub type RoomName = Arc<str>;

/// Orders publications of one room: the higher one took over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// A message from one shard to another.
#[derive(Clone, Debug)]
pub enum Relay {
    /// The sender has viewers in the room and wants its media.
    Watch {
        /// The room.
        room: RoomName,
    },
    /// The sender's last viewer of the room left.
    Unwatch {
        /// The room.
        room: RoomName,
    },
    /// A publication is on the air at the sender.
    Up {
        /// The room.
        room: RoomName,
        /// Which publication; the highest wins.
        generation: Generation,
        /// What it sends.
        media: Arc<Vec<ReceivedMedia>>,
    },
    /// The publication ended.
    Down {
        /// The room.
        room: RoomName,
        /// Which publication.
        generation: Generation,
    },
    /// Media of a publication.
    Media {
        /// The room.
        room: RoomName,
        /// Which publication.
        generation: Generation,
        /// What arrived.
        item: RelayedMedia,
    },
    /// What a publication keeps for those who join, once, behind `Up`: in one message, for without its end the group is of
    /// no use to anybody, and lanes of media drop what they have no room for.
    Group {
        /// The room.
        room: RoomName,
        /// Which publication.
        generation: Generation,
        /// In the order it arrived, encoding by encoding.
        items: Vec<RelayedMedia>,
    },
    /// Ask the publisher for a keyframe.
    Keyframe {
        /// The room.
        room: RoomName,
        /// Which publication.
        generation: Generation,
        /// The encoding, as numbered by [`RelayedMedia`].
        encoding: EncodingId,
    },
}

/// An encoding of a publication: m-section, then layer, both in order of first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EncodingId {
    /// Index into the publication's m-sections.
    pub section: u8,
    /// Index of the encoding in the section: the rid's place in the offer, or 0.
    pub layer: u8,
}

/// One piece of a publication's media, as the publisher's shard took it in.
#[derive(Clone, Debug)]
pub enum RelayedMedia {
    /// A plain RTP packet as received (after RTX unwrapping), extension ids as the publisher uses them.
    Packet {
        /// Its encoding.
        encoding: EncodingId,
        /// When it came.
        at: Instant,
        /// Header and payload.
        packet: Bytes,
    },
    /// A sender report's pair of clocks.
    Report {
        /// Its encoding.
        encoding: EncodingId,
        /// When it came.
        at: Instant,
        /// NTP timestamp, 32.32 fixed point seconds (RFC 3550 §6.4.1).
        ntp: u64,
        /// The RTP timestamp of the same instant.
        rtp: u32,
    },
}
