//! A room as one shard sees it: who watches here, who sends, and which publication is on stage.

use std::time::{Duration, Instant};

use super::audience::Audience;
use super::config::{Event, PeerId};
use super::deadlines::Armed;
use crate::media::Publication;
use crate::relay::{Generation, RoomName, ShardId};

/// For how long messages to everybody wait for the next picture, behind which they cost a sixth of what they cost
/// alone: a frame at 25 per second.
const LONGEST_WAIT: Duration = Duration::from_millis(40);

/// Where a publication's packets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A peer of this shard, by its place in the slab.
    Peer(usize),
    /// Another shard, which relays.
    Shard(ShardId),
}

/// The publication that viewers get.
pub(super) struct Stage {
    pub generation: Generation,
    pub source: Source,
    pub publication: Publication,
    /// What the last `OnAir` said.
    pub on_air: bool,
    /// Until then a show that was on the air stays so: its new publisher's media is on the way.
    pub settles_at: Instant,
    /// When the publisher's health is told next.
    pub next_health: Instant,
}

pub(super) struct Room {
    pub name: RoomName,
    pub stage: Option<Stage>,
    /// Viewers and publishers by their places in the slab; bounded by the shard's peers.
    pub viewers: Vec<usize>,
    pub publishers: Vec<usize>,
    /// Shards with viewers here; bounded by the number of shards.
    pub watchers: Vec<ShardId>,
    /// The viewers as of the last count, and when they are counted next.
    pub audience: Audience,
    pub next_audience: Option<Instant>,
    pub armed: Armed,
    /// New media for every viewer since the last flush.
    pub has_media: bool,
    /// Messages to every viewer since the last flush.
    pub has_messages: bool,
    /// Since when messages wait for the next picture.
    pub riders_since: Option<Instant>,
    /// When packets that are held toward the end of their frame must leave.
    pub held_until: Option<Instant>,
    /// Whether a viewer, when all were served last, wanted packets that are held for the others.
    pub has_eager: bool,
    /// In the list of rooms that the next flush serves.
    pub dirty: bool,
}

impl Room {
    pub(super) fn new(name: RoomName) -> Room {
        Room {
            name,
            stage: None,
            viewers: Vec::new(),
            publishers: Vec::new(),
            watchers: Vec::new(),
            audience: Audience::default(),
            next_audience: None,
            armed: Armed::default(),
            has_media: false,
            has_messages: false,
            riders_since: None,
            held_until: None,
            has_eager: false,
            dirty: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stage.is_none()
            && self.viewers.is_empty()
            && self.publishers.is_empty()
            && self.watchers.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let riders = self.riders_since.map(|since| since + LONGEST_WAIT);
        let stage = self.stage.as_ref();
        let health = stage.filter(|stage| matches!(stage.source, Source::Peer(_)));
        let health = health.map(|stage| stage.next_health);
        let audience = self
            .next_audience
            .filter(|_| stage.is_some() && !self.viewers.is_empty());
        let publication = stage.and_then(|stage| stage.publication.poll_timeout());
        [riders, health, audience, publication, self.held_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether what waits in the viewers' data channels must leave now, picture or not.
    pub(super) fn messages_are_due(&mut self, now: Instant) -> bool {
        let has_picture = self
            .stage
            .as_ref()
            .is_some_and(|stage| stage.publication.is_flowing(now));
        let since = match (std::mem::take(&mut self.has_messages), self.riders_since) {
            (false, None) => return false,
            (true, None) => now,
            (_, Some(since)) => since,
        };
        let is_due = !has_picture || now >= since + LONGEST_WAIT;
        self.riders_since = (!is_due).then_some(since);
        is_due
    }

    /// The stage when `peer` is on it.
    pub(super) fn stage_of(&mut self, peer: usize) -> Option<&mut Stage> {
        self.stage
            .as_mut()
            .filter(|stage| stage.source == Source::Peer(peer))
    }
}

impl Stage {
    /// News when media began or ceased to come.
    pub(super) fn tell_on_air(&mut self, now: Instant, room: &RoomName) -> Option<Event> {
        let settling = self.on_air && now < self.settles_at;
        let live = settling || self.publication.is_flowing(now);
        if live == self.on_air {
            return None;
        }
        self.on_air = live;
        Some(Event::OnAir {
            room: room.clone(),
            generation: self.generation,
            live,
        })
    }

    /// How the publisher does, once per interval.
    pub(super) fn tell_health(
        &mut self,
        now: Instant,
        peer: PeerId,
        room: &RoomName,
        interval: Duration,
    ) -> Option<Event> {
        if now < self.next_health {
            return None;
        }
        self.next_health = now + interval;
        let encodings = self.publication.health(now);
        Some(Event::Health {
            peer,
            room: room.clone(),
            encodings,
        })
    }
}
