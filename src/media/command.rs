//! What a shard's thread is asked to do.

use std::time::Duration;

use bytes::Bytes;
use sfu::backlog::Urgency;
use sfu::negotiation::IceCredentials;
use sfu::playback::LayerLimit;
use sfu::relay::{Generation, RoomName};
use sfu::sdp::Offer;
use sfu::shard::{OpenError, PeerId, ShardStats, ViewerStats};
use tokio::sync::oneshot;

use crate::net::tcp::TcpCounts;
use crate::net::udp::UdpCounts;

/// One request. Those with a `reply` are answered unless the thread is gone.
pub enum Command {
    /// Open a publisher.
    OpenPublisher {
        /// Its number.
        peer: PeerId,
        /// Its room.
        room: RoomName,
        /// Which publication of the room.
        generation: Generation,
        /// What was agreed.
        offer: Box<Offer>,
        /// Our ICE credentials.
        ice: IceCredentials,
        /// Whether it was taken.
        reply: oneshot::Sender<Result<(), OpenError>>,
    },
    /// Open a viewer.
    OpenViewer {
        /// Its number.
        peer: PeerId,
        /// Its room.
        room: RoomName,
        /// What was agreed.
        offer: Box<Offer>,
        /// Our ICE credentials.
        ice: IceCredentials,
        /// Whether it was taken.
        reply: oneshot::Sender<Result<(), OpenError>>,
    },
    /// New ICE credentials on both sides.
    RestartIce {
        /// Whose.
        peer: PeerId,
        /// Ours.
        local: IceCredentials,
        /// The peer's.
        remote: IceCredentials,
        /// False when the peer is gone.
        reply: oneshot::Sender<bool>,
    },
    /// Close a peer with a goodbye.
    Close {
        /// Whom.
        peer: PeerId,
        /// Told when the goodbye is sent.
        reply: oneshot::Sender<()>,
    },
    /// A message on one peer's channel.
    SendMessage {
        /// To whom.
        peer: PeerId,
        /// The channel's label.
        channel: &'static str,
        /// What it may overtake.
        urgency: Urgency,
        /// The message.
        data: Bytes,
    },
    /// Whether a peer gets what is broadcast.
    Listen {
        /// Which.
        peer: PeerId,
        /// Whether it does.
        listens: bool,
    },
    /// A message to everybody in a room on this shard.
    Broadcast {
        /// Where.
        room: RoomName,
        /// The channel's label.
        channel: &'static str,
        /// The message.
        data: Bytes,
        /// What it may overtake; passing ones skip peers whose last one is unsent.
        urgency: Urgency,
    },
    /// A viewer's own layer limit.
    SetLimit {
        /// Whose.
        peer: PeerId,
        /// What.
        limit: LayerLimit,
        /// False when the peer is gone.
        reply: oneshot::Sender<bool>,
    },
    /// A room's viewers on this shard.
    Viewers {
        /// The room.
        room: RoomName,
        /// At most so many one by one.
        most: usize,
        /// Some of them, and how many there are.
        reply: oneshot::Sender<(Vec<ViewerStats>, usize)>,
    },
    /// A report of all counters.
    Stats {
        /// Where to.
        reply: oneshot::Sender<ShardReport>,
    },
    /// Close every peer and end the thread.
    Shutdown {
        /// Told when the goodbyes are sent.
        reply: oneshot::Sender<()>,
    },
}

/// What one shard and its thread counted; only ever grows, but for what is said to be now.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardReport {
    /// The shard.
    pub shard: ShardStats,
    /// Its UDP port.
    pub udp: UdpCounts,
    /// Its ICE-TCP port.
    pub tcp: TcpCounts,
    /// Its lanes.
    pub lanes: LaneCounts,
    /// Time spent working rather than waiting.
    pub busy: Duration,
    /// Turns of the loop.
    pub turns: u64,
}

/// What did not fit a thread or its lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Viewers turned away because the thread was as busy as it may be.
    pub viewers_refused: u64,
    /// Relayed media dropped toward other shards.
    pub relayed_media_dropped: u64,
    /// Relay control messages lost toward other shards.
    pub relayed_control_dropped: u64,
    /// Data-channel messages not handed to the shop.
    pub messages_dropped: u64,
    /// Publisher health reports not handed on.
    pub health_dropped: u64,
    /// Other events lost, after a long time without anybody to take them.
    pub events_dropped: u64,
    /// Relay messages waiting for this shard now.
    pub relay_queue: u64,
    /// Events waiting for the rest of the process now.
    pub event_queue: u64,
}
