//! After a batch of input: everything that is due is written, once per peer.

use std::time::{Duration, Instant};

use super::Shard;
use super::deadlines::Owner;
use super::peer::Due;
use super::room::Source;
use crate::relay::Relay;
use crate::transport::Outbox;

/// A deadline that stays in the past would spin the caller.
const EARLIEST_RETURN: Duration = Duration::from_micros(250);

/// Takes what is in the outbox while more is written.
pub(super) type Drain<'a> = Option<&'a mut dyn FnMut(&Outbox)>;

impl Shard {
    /// The next flush serves this peer.
    pub(super) fn touch_peer(&mut self, key: usize) {
        self.touch_peer_for(key, Due::All);
    }

    /// The next flush does at least that for this peer.
    pub(super) fn touch_peer_for(&mut self, key: usize, due: Due) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.due == Due::Nothing {
            self.dirty_peers.push(key);
        }
        peer.due = peer.due.max(due);
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

    /// Without a `drain` all of it, otherwise to rooms what one turn may send, and as much to single peers: the rest is
    /// written when this is called next.
    pub(super) fn write_due(&mut self, now: Instant, mut drain: Drain<'_>) {
        if self.rest_since.is_none() || self.door.gave_way(now) {
            self.open_door(now);
        }
        let turn = drain.as_ref().map_or(u64::MAX, |_| self.hold.turn());
        let until = self.outbox.queued().0.saturating_add(turn);
        let mut served = 0;
        while let Some(&room) = self.dirty_rooms.get(served)
            && self.outbox.queued().0 < until
        {
            self.serve_viewers(now, room, until, &mut drain);
            served += 1;
        }
        // Whoever had a turn is behind all who had none.
        self.dirty_rooms.rotate_left(served);
        let until = self.outbox.queued().0.saturating_add(turn);
        let mut served = 0;
        while let Some(&peer) = self.dirty_peers.get(served)
            && self.outbox.queued().0 < until
        {
            self.serve_peer(now, peer);
            drain_into(&mut drain, &mut self.outbox);
            served += 1;
        }
        self.dirty_peers.drain(..served);
        // Only now: what viewers ask of their publishers is known.
        let mut left = 0;
        for place in 0..self.dirty_rooms.len() {
            if let Some(&room) = self.dirty_rooms.get(place)
                && self.serve_stage(now, room)
            {
                self.dirty_rooms.swap(left, place);
                left += 1;
            }
        }
        self.dirty_rooms.truncate(left);
        let is_rest = left > 0 || !self.dirty_peers.is_empty();
        self.rest_since = is_rest.then_some(now);
    }

    /// New packets and messages to every viewer of a room, or to as many as there is time for: the next call goes on
    /// with the others, and what comes meanwhile goes to all behind that.
    fn serve_viewers(&mut self, now: Instant, key: usize, until: u64, drain: &mut Drain<'_>) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        room.begin_round(now, &self.hold);
        // A viewer's media is not in the cache, and a look at it costs more than what is told.
        let has_media = !room.round.only_tells;
        while self.outbox.queued().0 < until
            && let Some(viewer) = self.next_viewer(now, key, has_media)
        {
            self.write_peer(now, viewer, has_media);
            drain_into(drain, &mut self.outbox);
        }
        self.ask_for_keyframes(now, key);
    }

    /// Who comes next of a room's viewers in this round.
    fn next_viewer(&mut self, now: Instant, key: usize, has_media: bool) -> Option<usize> {
        let room = self.rooms.get_mut(key)?;
        while let Some(viewer) = room.next_viewer() {
            let Some(peer) = self.peers.get(viewer) else {
                continue;
            };
            let is_eager = has_media && peer.is_eager(now);
            room.has_eager |= is_eager;
            if is_eager || !room.round.only_eager {
                return Some(viewer);
            }
        }
        None
    }

    /// One peer that was sent something or whose time has come.
    fn serve_peer(&mut self, now: Instant, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let room = peer.room;
        match std::mem::replace(&mut peer.due, Due::Nothing) {
            // Its room's turn has come meanwhile.
            Due::Nothing => return,
            due => self.write_peer(now, key, due == Due::All),
        }
        if !self.keyframes.is_empty() {
            self.ask_for_keyframes(now, room);
            self.touch_room(room);
        }
        self.take_transport_events(now, key);
    }

    /// What one peer is due: of its media where that is looked at, and of its data channels. Then when it wants more.
    fn write_peer(&mut self, now: Instant, key: usize, has_media: bool) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(peer.room) else {
            return;
        };
        let publication = room.stage.as_ref().map(|stage| &stage.publication);
        let (compound, keyframes) = (&mut self.compound, &mut self.keyframes);
        let has_picture =
            has_media && peer.write_media(now, publication, &mut self.outbox, compound, keyframes);
        let (hold, counts) = (&self.hold, &mut self.counts);
        let is_told = room.write_channels(now, peer, has_picture, hold, &mut self.outbox, counts);
        self.told += u64::from(is_told);
        let deadline = peer.conclude(has_media, &mut self.events);
        let deadline = deadline.map(|at| at.max(now + EARLIEST_RETURN));
        self.deadlines.arm(Owner::Peer(key), &mut peer.armed, deadline);
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

    /// The publication's own business: feedback to its publisher, copies to other shards, news of it. Whether something
    /// is left for the room's viewers.
    fn serve_stage(&mut self, now: Instant, key: usize) -> bool {
        self.relay_media(key);
        self.count_audience(now, key);
        let Some(room) = self.rooms.get_mut(key) else {
            return false;
        };
        room.dirty = room.has_rest();
        match room.stage.as_mut().map(|stage| (stage.source, stage)) {
            None => {}
            Some((Source::Shard(shard), stage)) => {
                while let Some(encoding) = stage.publication.poll_keyframe_request(now) {
                    let request = Relay::Keyframe {
                        room: room.name.clone(),
                        generation: stage.generation,
                        encoding,
                    };
                    self.relays.push_back((Some(shard), request));
                }
            }
            Some((Source::Peer(publisher), stage)) => {
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
        room.dirty
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaConfig;
    use crate::negotiation::IceCredentials;
    use crate::playback::PlaybackConfig;
    use crate::relay::ShardId;
    use crate::sdp::{Direction, Offer};
    use crate::shard::config::{PeerId, ShardConfig};
    use crate::transport::{Identity, TransportConfig};

    const OFFER: &str = include_str!("../../tests/offers/chromium-play.sdp");

    #[test]
    fn who_is_to_be_served_wholly_is_so_whatever_comes_next() {
        let now = crate::media::begin();
        let config = ShardConfig {
            id: ShardId(0),
            identity: Identity::generate().unwrap(),
            max_peers: 1,
            transport: TransportConfig::default(),
            media: MediaConfig::default(),
            playback: PlaybackConfig::new((now, 0)),
            health_interval: Duration::from_secs(1),
            hold_max: Duration::ZERO,
        };
        let mut shard = Shard::new(config, 1, now);
        let offer = Offer::parse(OFFER, Direction::Play, 1).unwrap();
        let ice = IceCredentials {
            ufrag: "ufragufragufrag0".to_owned(),
            pwd: "passwordpasswordpassword".to_owned(),
        };
        shard
            .open_viewer(now, PeerId(1), "room".into(), offer, ice)
            .unwrap();
        let key = shard.by_id[&PeerId(1)];
        shard.flush(now);
        let due = |shard: &Shard| shard.peers[key].due;
        assert_eq!(due(&shard), Due::Nothing);
        shard.touch_peer_for(key, Due::Channels);
        assert_eq!(due(&shard), Due::Channels);
        // Feedback, and an acknowledgement behind it.
        shard.touch_peer(key);
        shard.touch_peer_for(key, Due::Channels);
        assert_eq!((due(&shard), shard.dirty_peers.len()), (Due::All, 1));
        shard.flush(now);
        assert_eq!(due(&shard), Due::Nothing);
    }
}
