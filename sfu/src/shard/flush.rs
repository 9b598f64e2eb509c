//! After a batch of input: everything that is due is written, once per peer.

use std::time::{Duration, Instant};

use super::Shard;
use super::deadlines::Owner;
use super::peer::Channels;
use super::room::Source;
use crate::relay::Relay;
use crate::transport::Outbox;

/// A deadline that stays in the past would spin the caller.
const EARLIEST_RETURN: Duration = Duration::from_micros(250);

/// Below this load nothing is held, from the other on packets are held as long as the configuration allows. A frame
/// in one run costs a third of its packets one by one, and on a wide line it is whole no later, so only a thread that
/// has next to nothing to do sends them one by one. Publishers pace a frame in bursts of 5 ms: to hold for less gains
/// nothing, so the way from one to the other is short.
const HOLDS_FROM: f32 = 0.02;
const HOLDS_FULLY_FROM: f32 = 0.1;

/// Takes what is in the outbox while more is written.
pub(super) type Drain<'a> = Option<&'a mut dyn FnMut(&Outbox)>;

impl Shard {
    /// The next flush serves this peer.
    pub(super) fn touch_peer(&mut self, key: usize) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.dirty
        {
            peer.dirty = true;
            self.dirty_peers.push(key);
        }
    }

    /// The next flush serves this room's publication.
    pub(super) fn touch_room(&mut self, key: usize) {
        if let Some(room) = self.rooms.get_mut(key)
            && !room.dirty
        {
            room.dirty = true;
            self.dirty_rooms.push(key);
        }
    }

    /// The next flush serves this room's publication and every viewer of it.
    pub(super) fn touch_media(&mut self, key: usize) {
        if let Some(room) = self.rooms.get_mut(key) {
            room.has_media = true;
        }
        self.touch_room(key);
    }

    pub(super) fn take_timeouts(&mut self, now: Instant) {
        while let Some(owner) = self.deadlines.pop_due(now) {
            match owner {
                Owner::Peer(key) => {
                    let Some(peer) = self.peers.get_mut(key) else {
                        continue;
                    };
                    peer.armed.fired();
                    if peer.association.poll_timeout().is_some_and(|at| at <= now) {
                        peer.association.handle_timeout(now, &mut self.outbox);
                    }
                    self.touch_peer(key);
                    self.take_transport_events(now, key);
                }
                Owner::Room(key) => {
                    let Some(room) = self.rooms.get_mut(key) else {
                        continue;
                    };
                    room.armed.fired();
                    if let Some(stage) = &mut room.stage {
                        stage.publication.handle_timeout(now);
                    }
                    room.has_media |= room.held_until.is_some_and(|at| at <= now);
                    self.touch_room(key);
                }
            }
        }
    }

    pub(super) fn write_due(&mut self, now: Instant, mut drain: Drain<'_>) {
        self.open_door(now);
        let mut place = 0;
        while let Some(&room) = self.dirty_rooms.get(place) {
            self.serve_viewers(now, room, &mut drain);
            place += 1;
        }
        while let Some(peer) = self.dirty_peers.pop() {
            self.serve_peer(now, peer);
            drain_into(&mut drain, &mut self.outbox);
        }
        // Only now: what viewers ask of their publishers is known.
        while let Some(room) = self.dirty_rooms.pop() {
            self.serve_stage(now, room);
        }
    }

    /// For how long packets of an unfinished frame are held: from nothing on an idle shard to the bound on a busy one.
    fn hold(&self) -> Duration {
        let share = (self.load - HOLDS_FROM) / (HOLDS_FULLY_FROM - HOLDS_FROM);
        self.config.hold_max.mul_f32(share.clamp(0.0, 1.0))
    }

    /// New packets and messages to every viewer of a room.
    fn serve_viewers(&mut self, now: Instant, key: usize, drain: &mut Drain<'_>) {
        let hold = self.hold();
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let are_due = room.messages_are_due(now);
        if !std::mem::take(&mut room.has_media) && !are_due {
            return;
        }
        let release = room
            .stage
            .as_mut()
            .map(|stage| stage.publication.release(now, hold));
        room.held_until = release.and_then(|release| release.next);
        let only_eager = release.is_some_and(|release| !release.has_more);
        if only_eager && !room.has_eager && !are_due {
            return;
        }
        room.has_eager = false;
        let has_riders = room.riders_since.is_some();
        let publication = room.stage.as_ref().map(|stage| &stage.publication);
        for &viewer in &room.viewers {
            let Some(peer) = self.peers.get_mut(viewer) else {
                continue;
            };
            let is_eager = peer.is_eager(now);
            room.has_eager |= is_eager;
            if only_eager && !is_eager && !are_due {
                continue;
            }
            let channels = if has_riders {
                peer.channels_beside_riders()
            } else {
                Channels::Now
            };
            let (compound, keyframes) = (&mut self.compound, &mut self.keyframes);
            peer.serve(now, publication, channels, &mut self.outbox, compound, keyframes);
            peer.take_news(&mut self.events);
            let deadline = peer.deadline().map(|at| at.max(now + EARLIEST_RETURN));
            self.deadlines.arm(Owner::Peer(viewer), &mut peer.armed, deadline);
            drain_into(drain, &mut self.outbox);
        }
        self.ask_for_keyframes(now, key);
    }

    /// One peer that was sent something or whose time has come.
    fn serve_peer(&mut self, now: Instant, key: usize) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.dirty) else {
            return;
        };
        let room_key = peer.room;
        let room = self.rooms.get(room_key);
        let stage = room.and_then(|room| room.stage.as_ref());
        let channels = if room.is_some_and(|room| room.riders_since.is_some()) {
            peer.channels_beside_riders()
        } else {
            Channels::Now
        };
        peer.serve(
            now,
            stage.map(|stage| &stage.publication),
            channels,
            &mut self.outbox,
            &mut self.compound,
            &mut self.keyframes,
        );
        peer.take_news(&mut self.events);
        let deadline = peer.deadline().map(|at| at.max(now + EARLIEST_RETURN));
        self.deadlines.arm(Owner::Peer(key), &mut peer.armed, deadline);
        if !self.keyframes.is_empty() {
            self.ask_for_keyframes(now, room_key);
            self.touch_room(room_key);
        }
        self.take_transport_events(now, key);
    }

    fn ask_for_keyframes(&mut self, now: Instant, room: usize) {
        let stage = self.rooms.get_mut(room).and_then(|room| room.stage.as_mut());
        if let Some(stage) = stage {
            for encoding in self.keyframes.drain(..) {
                stage.publication.request_keyframe(now, encoding);
            }
        }
        self.keyframes.clear();
    }

    /// The publication's own business: feedback to its publisher, copies to other shards, news of it.
    fn serve_stage(&mut self, now: Instant, key: usize) {
        self.relay_media(key);
        self.count_audience(now, key);
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        room.dirty = false;
        let Some(stage) = &mut room.stage else { return };
        match stage.source {
            Source::Shard(shard) => {
                while let Some(encoding) = stage.publication.poll_keyframe_request(now) {
                    let request = Relay::Keyframe {
                        room: room.name.clone(),
                        generation: stage.generation,
                        encoding,
                    };
                    self.relays.push_back((Some(shard), request));
                }
            }
            Source::Peer(publisher) => {
                if let Some(peer) = self.peers.get_mut(publisher) {
                    peer.send_feedback(now, &mut stage.publication, &mut self.outbox, &mut self.compound);
                    self.events.extend(
                        stage
                            .tell_on_air(now, &room.name)
                            .into_iter()
                            .chain(stage.tell_health(now, peer.id, &room.name, self.config.health_interval)),
                    );
                }
            }
        }
        let deadline = room.deadline().map(|at| at.max(now + EARLIEST_RETURN));
        self.deadlines.arm(Owner::Room(key), &mut room.armed, deadline);
    }
}

/// Hands over what is written once it is enough.
fn drain_into(drain: &mut Drain<'_>, outbox: &mut Outbox) {
    if let Some(drain) = drain
        && outbox.is_full()
    {
        drain(outbox);
        outbox.clear();
    }
}
