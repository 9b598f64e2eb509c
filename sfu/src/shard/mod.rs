//! One thread's share of the server: its peers, its view of the rooms, its timers.

mod announcements;
mod audience;
mod config;
mod costs;
mod counts;
mod deadlines;
mod door;
mod flush;
mod hold;
mod ingest;
mod membership;
mod messages;
mod peer;
mod room;
mod routes;
mod sources;
mod stage;
mod tick;
mod unconnected;
mod wheel;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use slab::Slab;

pub use audience::{Audience, ViewerLayer, ViewerStats};
pub use config::{ChannelMessage, Event, OpenError, PeerEnd, PeerId, ShardConfig, ShardStats};
pub use sources::PublisherPath;

use crate::backlog::Urgency;
use crate::negotiation::IceCredentials;
use crate::playback::LayerLimit;
use crate::relay::{EncodingId, Generation, Relay, RoomName, ShardId};
use crate::sdp::Offer;
use crate::transport::{Outbox, Remote};
use costs::Sent;
use deadlines::Deadlines;
use door::Door;
use hold::Hold;
use peer::{Peer, Role};
use room::Room;
use routes::Routes;
use sources::Sources;
use unconnected::Unconnected;

/// One shard. Input is only taken in; its consequences leave together with [`Shard::flush`], so that what came in one
/// batch goes out in one batch.
pub struct Shard {
    config: ShardConfig,
    /// Labels of data channels that everybody uses.
    labels: Vec<Arc<str>>,
    rng: SmallRng,
    peers: Slab<Peer>,
    by_id: HashMap<PeerId, usize>,
    rooms: Slab<Room>,
    by_name: HashMap<RoomName, usize>,
    routes: Routes,
    sources: Sources,
    deadlines: Deadlines,
    door: Door,
    unconnected: Unconnected,
    dirty_peers: Vec<usize>,
    dirty_rooms: Vec<usize>,
    hold: Hold,
    /// When the last flush left something to be written by the next.
    rest_since: Option<Instant>,
    outbox: Outbox,
    /// Viewers who were given messages to everybody, once for each time.
    told: u64,
    events: VecDeque<Event>,
    relays: VecDeque<(Option<ShardId>, Relay)>,
    /// Counted by the shard itself.
    counts: ShardStats,
    /// Counted by peers and publications that are gone.
    gone: ShardStats,
    /// Buffers that keep their memory from batch to batch.
    compound: Vec<u8>,
    keyframes: Vec<EncodingId>,
}

impl Shard {
    /// An empty shard. `seed` decides its random choices, never keys.
    pub fn new(config: ShardConfig, seed: u64, now: Instant) -> Shard {
        let channels = config.transport.negotiated_channels.iter();
        Shard {
            labels: channels.map(|(_, label)| Arc::from(label.as_str())).collect(),
            rng: SmallRng::seed_from_u64(seed),
            peers: Slab::new(),
            by_id: HashMap::new(),
            rooms: Slab::new(),
            by_name: HashMap::new(),
            routes: Routes::default(),
            sources: Sources::default(),
            deadlines: Deadlines::new(now),
            door: Door::new(now),
            unconnected: Unconnected::default(),
            dirty_peers: Vec::new(),
            dirty_rooms: Vec::new(),
            hold: Hold::new(config.hold_max),
            rest_since: None,
            outbox: Outbox::new(),
            told: 0,
            events: VecDeque::new(),
            relays: VecDeque::new(),
            counts: ShardStats::default(),
            gone: ShardStats::default(),
            compound: Vec::new(),
            keyframes: Vec::new(),
            config,
        }
    }

    /// Opens a publisher. Once connected it takes the stage of its room, and a lower `generation`, here or at
    /// another shard, yields to it.
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
        self.admit_publisher(now, peer, room, generation, offer, ice)
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
        self.admit_viewer(now, peer, room, offer, ice)
    }

    /// New ICE credentials after a restart; false when the peer is gone.
    pub fn restart_ice(&mut self, peer: PeerId, local: IceCredentials, remote: IceCredentials) -> bool {
        let Some((key, peer)) = self.peer_mut(peer) else {
            return false;
        };
        let ufrag = local.ufrag.clone();
        peer.association.restart_ice(local, remote);
        if let Some(peer) = self.peers.get_mut(key) {
            self.routes.add_ufrag(key, &mut peer.addresses, &ufrag);
        }
        true
    }

    /// Closes a peer with a goodbye; no [`Event::Closed`] follows. False when it was gone already.
    pub fn close(&mut self, now: Instant, peer: PeerId) -> bool {
        let Some(&key) = self.by_id.get(&peer) else {
            return false;
        };
        self.remove_peer(now, key, None);
        true
    }

    /// Closes every peer with a goodbye.
    pub fn close_all(&mut self, now: Instant) {
        let all: Vec<usize> = self.peers.iter().map(|(key, _)| key).collect();
        for key in all {
            self.remove_peer(now, key, None);
        }
    }

    /// Sends a message on a peer's channel of that label; false when it was refused (counted).
    pub fn send_message(&mut self, peer: PeerId, channel: &str, data: &Bytes, urgency: Urgency) -> bool {
        let Some(&key) = self.by_id.get(&peer) else {
            self.counts.messages_refused += 1;
            return false;
        };
        self.queue_message(key, channel, data, urgency)
    }

    /// Sends a message to everybody in the room who listens, with that channel open. Passing ones skip peers whose last
    /// one could not be sent. What follows others soon waits, up to a fifth of a second where that is dear, and leaves
    /// with what follows it; to each peer all messages of a channel leave in the order they were sent.
    pub fn broadcast(&mut self, room: &str, channel: &str, data: &Bytes, urgency: Urgency) {
        self.queue_broadcast(room, channel, data, urgency);
    }

    /// Whether a peer gets what is broadcast; everybody does until told otherwise, or until [`Event::Behind`].
    pub fn listen(&mut self, peer: PeerId, listens: bool) {
        if let Some((key, _)) = self.peer_mut(peer) {
            self.catch_up(key);
            if let Some(peer) = self.peers.get_mut(key) {
                peer.listens = listens;
            }
        }
    }

    /// Sets a viewer's own layer limit; false when it is gone.
    pub fn set_limit(&mut self, peer: PeerId, limit: LayerLimit) -> bool {
        let Some((key, peer)) = self.peer_mut(peer) else {
            return false;
        };
        let Role::Viewer(playback) = &mut peer.role else {
            return false;
        };
        playback.set_limit(limit);
        self.touch_peer(key);
        true
    }

    /// Takes one datagram in. Its consequences leave with the next [`Shard::flush`].
    pub fn handle_datagram(&mut self, now: Instant, from: Remote, datagram: &mut [u8]) {
        self.take_datagram(now, from, datagram);
    }

    /// Takes a message of another shard.
    pub fn handle_relay(&mut self, now: Instant, from: ShardId, message: Relay) {
        self.relayed(now, from, message);
    }

    /// Drives everything that is due. What comes of it leaves with the next [`Shard::flush`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.take_timeouts(now);
    }

    /// After a batch: forwards what came in, writes what is due. The caller sends [`Shard::outbox`] and clears it.
    pub fn flush(&mut self, now: Instant) {
        self.write_due(now, None);
    }

    /// The same in portions: `send` gets and must send what was written so far whenever it is enough, so that little
    /// memory is used and what was sealed is still in the processor's cache when it is sent. The end of it is in
    /// [`Shard::outbox`], as after [`Shard::flush`]. Where there is a lot to write, to large rooms above all, not all
    /// of it is written: [`Shard::poll_timeout`] is at once then, and the caller takes in what came meanwhile.
    pub fn flush_through(&mut self, now: Instant, send: &mut dyn FnMut(&Outbox)) {
        self.write_due(now, Some(send));
    }

    /// Tells which share of its time the shard's thread works, 0 to 1, and for how long it has worked since this was told
    /// last: the busier it is, the longer packets of a picture are held toward the end of their frame
    /// ([`ShardConfig::hold_max`]), but no more of them than are sent within a moment.
    pub fn set_load(&mut self, load: f32, worked: Duration) {
        let messages = self.told;
        let packets = self.outbox.queued().0.saturating_sub(messages);
        self.hold.look(load, worked, Sent { messages, packets });
    }

    /// Datagrams to send.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// When [`Shard::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = self.deadlines.next().into_iter();
        deadlines
            .chain(self.door.poll_timeout())
            .chain(self.rest_since)
            .min()
    }

    /// The next event. The caller takes them all after every flush, which keeps the queue short.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message for another shard; `None` as the shard means all others. To be taken like events.
    pub fn poll_relay(&mut self) -> Option<(Option<ShardId>, Relay)> {
        self.relays.pop_front()
    }

    /// What it has and counted.
    pub fn stats(&self) -> ShardStats {
        self.sum()
    }

    fn peer_mut(&mut self, id: PeerId) -> Option<(usize, &mut Peer)> {
        let key = *self.by_id.get(&id)?;
        Some((key, self.peers.get_mut(key)?))
    }
}
