//! One thread's share of the server: its peers, its view of the rooms, its timers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::media::MediaConfig;
use crate::negotiation::{IceCredentials, Label};
use crate::playback::{LayerLimit, PlaybackConfig};
use crate::relay::{Generation, Relay, RoomName, ShardId};
use crate::sdp::Offer;
use crate::stats::{MediaStats, PlaybackStats};
use crate::transport::{CloseReason, Identity, Outbox, Remote, TransportConfig};

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
}

/// Why a peer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The shard has `max_peers` peers.
    #[error("the server is full")]
    Full,
}

/// A message on one of a viewer's or host's data channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMessage {
    /// The channel's label.
    pub channel: Arc<str>,
    /// The message.
    pub data: Bytes,
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
    /// A peer is gone; its number is free.
    Closed {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: CloseReason,
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
    /// How a publisher does, for its host's page.
    Health {
        /// The publisher.
        peer: PeerId,
        /// The room.
        room: RoomName,
        /// Each video encoding, then audio.
        encodings: Vec<EncodingHealth>,
    },
}

/// One encoding as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingHealth {
    /// Its rid, when simulcast.
    pub rid: Option<Label>,
    /// The codec's name as in SDP, lower case.
    pub codec: &'static str,
    /// Bits per second.
    pub bitrate: u64,
    /// Coded pixels, where known.
    pub size: Option<(u16, u16)>,
    /// Whether packets come.
    pub active: bool,
}

/// What a shard has and counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Publishers now.
    pub publishers: u64,
    /// Viewers now.
    pub viewers: u64,
    /// Datagrams taken in.
    pub datagrams_in: u64,
    /// Bytes of them.
    pub bytes_in: u64,
    /// Datagrams handed out.
    pub datagrams_out: u64,
    /// Bytes of them.
    pub bytes_out: u64,
    /// Datagrams of no known peer, malformed, or failing authentication.
    pub datagrams_rejected: u64,
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

/// One shard.
pub struct Shard {}

impl Shard {
    /// An empty shard. `seed` decides its random choices, never keys.
    pub fn new(config: ShardConfig, seed: u64, now: Instant) -> Shard {
        let _ = (config, seed, now);
        todo!()
    }

    /// Opens a publisher. A lower `generation` of the same room, here or at another shard, yields to it.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_publisher(
        &mut self,
        now: Instant,
        peer: PeerId,
        room: RoomName,
        generation: Generation,
        offer: Offer,
        ice: IceCredentials,
    ) -> Result<(), OpenError> {
        let _ = (now, peer, room, generation, offer, ice);
        todo!()
    }

    /// Opens a viewer; it waits when nothing is on the air.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_viewer(
        &mut self,
        now: Instant,
        peer: PeerId,
        room: RoomName,
        offer: Offer,
        ice: IceCredentials,
    ) -> Result<(), OpenError> {
        let _ = (now, peer, room, offer, ice);
        todo!()
    }

    /// New ICE credentials after a restart; false when the peer is gone.
    pub fn restart_ice(&mut self, peer: PeerId, local: IceCredentials, remote: IceCredentials) -> bool {
        let _ = (peer, local, remote);
        todo!()
    }

    /// Closes a peer with a goodbye; no [`Event::Closed`] follows. False when it was gone already.
    pub fn close(&mut self, now: Instant, peer: PeerId) -> bool {
        let _ = (now, peer);
        todo!()
    }

    /// Sends a message on a peer's channel of that label; false when it was refused (counted).
    pub fn send_message(&mut self, peer: PeerId, channel: &str, data: &Bytes) -> bool {
        let _ = (peer, channel, data);
        todo!()
    }

    /// Sends a message to everybody in the room with that channel open. `lossy` messages skip peers whose last one
    /// is unsent.
    pub fn broadcast(&mut self, room: &str, channel: &str, data: &Bytes, lossy: bool) {
        let _ = (room, channel, data, lossy);
        todo!()
    }

    /// Sets a viewer's own layer limit; false when it is gone.
    pub fn set_limit(&mut self, peer: PeerId, limit: LayerLimit) -> bool {
        let _ = (peer, limit);
        todo!()
    }

    /// Takes one datagram in. Its consequences leave with the next [`Shard::flush`].
    pub fn handle_datagram(&mut self, now: Instant, from: Remote, datagram: &mut [u8]) {
        let _ = (now, from, datagram);
        todo!()
    }

    /// Takes a message of another shard.
    pub fn handle_relay(&mut self, now: Instant, from: ShardId, message: Relay) {
        let _ = (now, from, message);
        todo!()
    }

    /// Drives everything that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// After a batch: forwards what came in, writes what is due. The caller sends [`Shard::outbox`] and clears it.
    pub fn flush(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// Datagrams to send.
    pub fn outbox(&mut self) -> &mut Outbox {
        todo!()
    }

    /// When [`Shard::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }

    /// The next message for another shard; `None` as the shard means all others.
    pub fn poll_relay(&mut self) -> Option<(Option<ShardId>, Relay)> {
        todo!()
    }

    /// What it has and counted.
    pub fn stats(&self) -> ShardStats {
        todo!()
    }

    /// Closes every peer with a goodbye.
    pub fn close_all(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }
}
