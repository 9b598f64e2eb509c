//! What a shard is told once, and the small values it shares with its caller.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::media::{EncodingHealth, MediaConfig};
use crate::playback::ClockMap;
use crate::playback::PlaybackConfig;
use crate::relay::{EncodingId, Generation, RoomName, ShardId};
use crate::stats::{MediaStats, PlaybackStats};
use crate::transport::{CloseReason, Identity, TransportConfig};

/// A peer's number, given by the caller, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// Everything a shard is told once.
#[derive(Clone)]
pub struct ShardConfig {
    /// Its number.
    pub id: ShardId,
    /// The process's DTLS identity.
    pub identity: Identity,
    /// Most peers it takes; more are refused with [`OpenError::Full`].
    pub max_peers: usize,
    /// Transport limits.
    pub transport: TransportConfig,
    /// Ingest limits.
    pub media: MediaConfig,
    /// Playback settings.
    pub playback: PlaybackConfig,
    /// How often [`Event::Health`] tells of each publisher.
    pub health_interval: Duration,
    /// How long a busy shard holds the packets of a frame toward its last one; zero for never.
    pub hold_max: Duration,
}

/// Why a peer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The shard has `max_peers` peers.
    #[error("the server is full")]
    Full,
    /// Those inside take all the time there is, as the caller judges.
    #[error("the server is busy")]
    Busy,
    /// The offer's media flows the other way.
    #[error("the offer's direction does not fit")]
    WrongDirection,
}

/// A message on one of a viewer's or host's data channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMessage {
    /// The channel's label.
    pub channel: Arc<str>,
    /// The message.
    pub data: Bytes,
}

/// Why a peer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerEnd {
    /// Its transport ended.
    Transport(CloseReason),
    /// Another publisher of the room took over.
    TakenOver,
}

/// What a shard tells its caller.
#[derive(Clone, Debug)]
pub enum Event {
    /// A peer's media can flow.
    Connected {
        /// The peer.
        peer: PeerId,
        /// From its opening to keys.
        took: Duration,
    },
    /// A data channel opened.
    ChannelOpen {
        /// The peer.
        peer: PeerId,
        /// The channel's label.
        channel: Arc<str>,
    },
    /// A message came on a data channel.
    Message {
        /// The peer.
        peer: PeerId,
        /// What came.
        message: ChannelMessage,
    },
    /// More waits for a peer than is kept: but for answers it is lost, and the peer listens no more.
    Behind {
        /// The peer.
        peer: PeerId,
    },
    /// A peer that was behind has taken everything.
    CaughtUp {
        /// The peer.
        peer: PeerId,
    },
    /// What a viewer's picture clock means.
    ClockMap {
        /// The viewer.
        peer: PeerId,
        /// A point of it.
        map: ClockMap,
    },
    /// A peer is gone; its number is free.
    Closed {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: PeerEnd,
    },
    /// A publisher's media came (again) or stopped coming; `false` also when the publisher left.
    OnAir {
        /// The room.
        room: RoomName,
        /// Which publication.
        generation: Generation,
        /// Whether media flows.
        live: bool,
    },
    /// How many of this shard's viewers get which encoding of the picture; every health interval while there are any.
    Audience {
        /// The room.
        room: RoomName,
        /// Encodings with viewers.
        layers: SmallVec<[(EncodingId, u32); 4]>,
        /// Viewers without a decoder for any of them.
        unplayable: u32,
    },
    /// A viewer has no decoder for the picture that is on the air, or can play what is there now.
    Unplayable {
        /// The viewer.
        peer: PeerId,
        /// The name of the picture's codec as in SDP, lower case; none when it is played, or none is there.
        codec: Option<&'static str>,
    },
    /// How a publisher does, for its host's page.
    Health {
        /// The publisher.
        peer: PeerId,
        /// The room.
        room: RoomName,
        /// Each encoding, in the order of the m-sections.
        encodings: Vec<EncodingHealth>,
    },
}

/// What a shard has and counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Publishers now.
    pub publishers: u64,
    /// Viewers now.
    pub viewers: u64,
    /// Of rooms on the air, as of the last count: viewers of the best layer.
    pub viewers_best: u64,
    /// Viewers of a lower layer.
    pub viewers_lower: u64,
    /// Viewers who get no picture.
    pub viewers_without: u64,
    /// Their estimates added up, bits per second.
    pub estimates: u64,
    /// Their round trips added up, microseconds.
    pub round_trips_us: u64,
    /// Datagrams taken in.
    pub datagrams_in: u64,
    /// Bytes of them.
    pub bytes_in: u64,
    /// Datagrams handed out to be sent.
    pub datagrams_out: u64,
    /// Bytes of them.
    pub bytes_out: u64,
    /// Datagrams of no known peer, malformed, or failing authentication.
    pub datagrams_rejected: u64,
    /// Datagrams not looked at because their peer sends too many.
    pub datagrams_refused: u64,
    /// Handshakes that waited for others, because many began at once.
    pub handshakes_delayed: u64,
    /// Handshakes not begun because too many waited; the peer repeats its hello.
    pub handshakes_refused: u64,
    /// SRTP or SRTCP seen before.
    pub replayed: u64,
    /// Datagrams dropped for a full outbox.
    pub outbox_refused: u64,
    /// Data-channel messages in.
    pub messages_in: u64,
    /// Data-channel messages out.
    pub messages_out: u64,
    /// Data-channel messages not taken: no open channel, or its buffer full.
    pub messages_refused: u64,
    /// Ingest.
    pub media: MediaStats,
    /// Playback.
    pub playback: PlaybackStats,
}
