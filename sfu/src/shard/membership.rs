//! Peers come and go.

use std::sync::Arc;
use std::time::Instant;

use rand::Rng;
use smallvec::SmallVec;

use super::Shard;
use super::config::{Event, OpenError, PeerEnd, PeerId};
use super::deadlines::Armed;
use super::peer::{Due, Peer, Role};
use super::room::{Room, Source};
use super::routes::Addresses;
use crate::negotiation::{AgreedMedia, IceCredentials};
use crate::playback::Playback;
use crate::rate_limiter::RateLimiter;
use crate::relay::{Generation, Relay, RoomName};
use crate::sdp::Offer;
use crate::transport::{Association, Setup};

impl Shard {
    pub(super) fn admit_publisher(
        &mut self,
        now: Instant,
        id: PeerId,
        room: RoomName,
        generation: Generation,
        mut offer: Offer,
        ice: IceCredentials,
    ) -> Result<(), OpenError> {
        let AgreedMedia::Publisher(media) = &mut offer.media else {
            return Err(OpenError::WrongDirection);
        };
        let role = Role::Publisher {
            generation,
            media: Arc::new(std::mem::take(media)),
        };
        let (room, key) = self.admit(now, id, room, role, offer, ice)?;
        if let Some(room) = self.rooms.get_mut(room) {
            room.publishers.push(key);
        }
        Ok(())
    }

    pub(super) fn admit_viewer(
        &mut self,
        now: Instant,
        id: PeerId,
        room: RoomName,
        mut offer: Offer,
        ice: IceCredentials,
    ) -> Result<(), OpenError> {
        let AgreedMedia::Viewer(media) = &mut offer.media else {
            return Err(OpenError::WrongDirection);
        };
        let media = std::mem::take(media);
        let mut config = self.config.playback.clone();
        if offer.is_firefox {
            config.start_delay = config.start_delay_firefox;
        }
        let playback = Playback::new(media, config, self.rng.next_u64(), now);
        let role = Role::Viewer(Box::new(playback));
        let (room, key) = self.admit(now, id, room, role, offer, ice)?;
        let Some(room) = self.rooms.get_mut(room) else {
            return Ok(());
        };
        room.viewers.push(key);
        if let Some(stage) = &room.stage
            && let Some(Peer {
                role: Role::Viewer(playback),
                ..
            }) = self.peers.get_mut(key)
        {
            playback.attach(now, Some((stage.generation, &stage.publication)));
        }
        if room.viewers.len() == 1 {
            let room = room.name.clone();
            self.relays.push_back((None, Relay::Watch { room }));
        }
        Ok(())
    }

    /// Makes a peer and finds or makes its room; returns the places of the room and of the peer.
    fn admit(
        &mut self,
        now: Instant,
        id: PeerId,
        room: RoomName,
        role: Role,
        offer: Offer,
        ice: IceCredentials,
    ) -> Result<(usize, usize), OpenError> {
        self.make_room(now);
        if self.peers.len() >= self.config.max_peers || self.by_id.contains_key(&id) {
            return Err(OpenError::Full);
        }
        let local_ufrag = ice.ufrag.clone();
        let setup = Setup {
            local_ice: ice,
            remote_ice: offer.ice,
            remote_fingerprints: offer.fingerprints,
            role: offer.role,
            data_channels: offer.data_channels,
        };
        let association = Association::new(
            &self.config.identity,
            setup,
            &self.config.transport,
            self.rng.next_u64(),
            now,
        );
        let room = self.room_named(&room);
        let heard = match role {
            Role::Viewer(_) => self.rooms.get(room).map_or(0, |room| room.said.end()),
            // Hosts are told by themselves.
            Role::Publisher { .. } => u64::MAX,
        };
        let key = self.peers.insert(Peer {
            id,
            room,
            association,
            role,
            channels: SmallVec::new(),
            addresses: Addresses::default(),
            opened_at: now,
            hellos: 0,
            armed: Armed::default(),
            known: RateLimiter::new(now),
            unknown: RateLimiter::new(now),
            listens: true,
            heard,
            waiting: None,
            has_fallen_behind: false,
            has_caught_up: false,
            has_own: false,
            due: Due::Nothing,
        });
        if let Some(peer) = self.peers.get_mut(key) {
            self.routes.add_ufrag(key, &mut peer.addresses, &local_ufrag);
        }
        self.by_id.insert(id, key);
        self.await_keys(now, id);
        self.touch_peer(key);
        Ok((room, key))
    }

    /// The place of a room, which is made when there is none of that name.
    pub(super) fn room_named(&mut self, name: &RoomName) -> usize {
        if let Some(&key) = self.by_name.get(name) {
            return key;
        }
        let key = self.rooms.insert(Room::new(name.clone()));
        self.by_name.insert(name.clone(), key);
        key
    }

    /// Says goodbye to a peer and forgets it. `end` makes an event of it.
    pub(super) fn remove_peer(&mut self, now: Instant, key: usize, end: Option<PeerEnd>) {
        let Some(mut peer) = self.peers.try_remove(key) else {
            return;
        };
        peer.association.close(now, &mut self.outbox);
        self.by_id.remove(&peer.id);
        self.sources.remove(peer.id);
        self.routes.remove(key, &peer.addresses);
        self.deadlines.disarm(&mut peer.armed);
        self.gone.add_peer(&peer);
        if let Some(reason) = end {
            let peer = peer.id;
            self.events.push_back(Event::Closed { peer, reason });
        }
        let Some(room) = self.rooms.get_mut(peer.room) else {
            return;
        };
        room.remove_viewer(key);
        room.publishers.retain(|&other| other != key);
        let watched_remotely = match &room.stage {
            Some(stage) => matches!(stage.source, Source::Shard(_)),
            None => false,
        };
        if room.stage_of(key).is_some() {
            self.leave_stage(now, peer.room);
        } else if matches!(peer.role, Role::Viewer(_)) && room.viewers.is_empty() {
            let name = room.name.clone();
            self.relays.push_back((None, Relay::Unwatch { room: name }));
            if watched_remotely {
                self.set_stage(now, peer.room, None);
            }
        }
        self.forget_room_if_empty(peer.room);
    }

    pub(super) fn forget_room_if_empty(&mut self, key: usize) {
        if let Some(room) = self.rooms.get_mut(key)
            && room.is_empty()
        {
            self.deadlines.disarm(&mut room.armed);
            self.by_name.remove(&room.name);
            self.rooms.remove(key);
        }
    }
}
