//! A room as one shard sees it: who watches here, who sends, and which publication is on stage.

use std::time::{Duration, Instant};

use super::announcements::Announcements;
use super::audience::Audience;
use super::config::{Event, PeerId};
use super::deadlines::Armed;
use super::hold::Hold;
use crate::media::Publication;
use crate::relay::{Generation, RoomName, ShardId};

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

/// Where serving a room's viewers, one after the other and round again, has come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// The place in [`Room::viewers`] of the one whose turn it is.
    next: usize,
    /// So many have not got all there is for them.
    left: usize,
    /// For them there is only something if they want packets that are held for the others.
    pub only_eager: bool,
    /// For nobody there is anything but what was said.
    pub only_tells: bool,
    /// What was said before this number goes to them, picture or not, and is forgotten then.
    pub tells: Option<u64>,
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
    /// What the viewers are told.
    pub said: Announcements,
    /// When packets that are held toward the end of their frame must leave.
    pub held_until: Option<Instant>,
    pub round: Round,
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
            said: Announcements::default(),
            held_until: None,
            round: Round::default(),
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
        let said = self.said.poll_timeout();
        let stage = self.stage.as_ref();
        let health = stage.filter(|stage| matches!(stage.source, Source::Peer(_)));
        let health = health.map(|stage| stage.next_health);
        let audience = self
            .next_audience
            .filter(|_| stage.is_some() && !self.viewers.is_empty());
        let publication = stage.and_then(|stage| stage.publication.poll_timeout());
        [said, health, audience, publication, self.held_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// Decides what viewers get. What is new goes to those whose turn has not come, too, and then to the others.
    pub(super) fn begin_round(&mut self, now: Instant, hold: &Hold) {
        let are_due = self.messages_are_due(now, hold);
        if !std::mem::take(&mut self.has_media) {
            if are_due {
                // Who has not got the media of a round that goes on gets it with the messages.
                self.round.only_tells |= self.round.left == 0;
                self.tell_all();
            }
            return;
        }
        self.round.only_tells = false;
        let (all, audience) = (self.viewers.len(), &self.audience);
        let allowed = |encoding| hold.of(audience.at_most(all, encoding));
        let stage = self.stage.as_mut();
        let release = stage.map(|stage| stage.publication.release(now, allowed));
        self.held_until = release.and_then(|release| release.next);
        let only_eager = release.is_some_and(|release| !release.has_more) && !are_due;
        if !only_eager {
            self.round.left = all;
            self.round.only_eager = false;
            if are_due {
                self.tell_all();
            }
        } else if self.has_eager && self.round.left == 0 {
            self.round.left = all;
            self.round.only_eager = true;
        } else {
            // Who is on the way to all gets to the eager ones; then it is their turn.
            self.has_media = self.has_eager;
            return;
        }
        self.has_eager = false;
    }

    /// What has begun to leave goes to everybody.
    fn tell_all(&mut self) {
        self.round.left = self.viewers.len();
        self.round.only_eager = false;
        self.round.tells = Some(self.said.begun());
    }

    /// The next viewer of the round.
    pub(super) fn next_viewer(&mut self) -> Option<usize> {
        let Some(left) = self.round.left.checked_sub(1) else {
            if let Some(number) = self.round.tells.take() {
                self.said.forget_before(number);
            }
            return None;
        };
        if self.round.next >= self.viewers.len() {
            self.round.next = 0;
        }
        let viewer = self.viewers.get(self.round.next).copied();
        self.round.next += 1;
        self.round.left = if viewer.is_some() { left } else { 0 };
        viewer
    }

    /// Whether something is left for its viewers.
    pub(super) fn has_rest(&self) -> bool {
        self.round.left > 0 || self.has_media || self.said.is_new()
    }

    /// A viewer goes; nobody loses the turn.
    pub(super) fn remove_viewer(&mut self, viewer: usize) {
        let Some(place) = self.viewers.iter().position(|&other| other == viewer) else {
            return;
        };
        self.viewers.remove(place);
        if place < self.round.next {
            self.round.next -= 1;
        }
    }

    /// Whether what the viewers are told must leave now, picture or not.
    fn messages_are_due(&mut self, now: Instant, hold: &Hold) -> bool {
        let stage = self.stage.as_ref();
        let has_picture = stage.is_some_and(|stage| stage.publication.is_flowing(now));
        self.said.turn(now, has_picture, self.telling_takes(hold))
    }

    /// How long it takes to send messages to every viewer.
    pub(super) fn telling_takes(&self, hold: &Hold) -> Duration {
        let viewers = u32::try_from(self.viewers.len()).unwrap_or(u32::MAX);
        hold.costs.messages.saturating_mul(viewers)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::super::announcements::Announcement;
    use super::*;
    use crate::backlog::Urgency;
    use crate::media::MediaConfig;
    use crate::negotiation::{Codec, ExtensionMap, Feedback, Label, MediaKind, Payload, ReceivedMedia};
    use crate::shard::costs::Sent;

    const PAYLOAD_TYPE: u8 = 96;

    /// A room with a picture on stage and three viewers.
    fn room(now: Instant) -> Room {
        let payload = Payload {
            payload_type: PAYLOAD_TYPE,
            codec: Codec::Vp8,
            rtx: None,
            feedback: Feedback {
                nack: true,
                pli: true,
                fir: false,
                transport_cc: false,
                remb: false,
            },
        };
        let media = ReceivedMedia {
            kind: MediaKind::Video,
            mid: Label::new(b"0").unwrap(),
            payloads: vec![payload],
            extensions: ExtensionMap::default(),
            ssrcs: Vec::new(),
            rids: Vec::new(),
        };
        let mut room = Room::new("room".into());
        room.viewers = vec![10, 11, 12];
        room.stage = Some(Stage {
            generation: Generation(1),
            source: Source::Peer(0),
            publication: Publication::new(Arc::new(vec![media]), MediaConfig::default(), 1, now),
            on_air: false,
            settles_at: now,
            next_health: now,
        });
        room
    }

    /// A packet of a frame that is not its last: held where that is allowed.
    fn begins_frame(room: &mut Room, now: Instant, sequence: u8) {
        let mut packet = [0; 16];
        packet[..4].copy_from_slice(&[0x80, PAYLOAD_TYPE, 0, sequence]);
        packet[11..].copy_from_slice(&[9, 0x10, 1, 2, 3]);
        let stage = room.stage.as_mut().unwrap();
        stage.publication.handle_rtp(now, &packet);
        room.has_media = true;
    }

    fn served(room: &mut Room) -> Vec<usize> {
        std::iter::from_fn(|| room.next_viewer()).collect()
    }

    #[test]
    fn what_is_held_goes_to_those_who_want_it_at_once_and_to_nobody_else() {
        let now = crate::media::begin();
        let mut hold = Hold::new(Duration::from_millis(12));
        hold.look(1.0, Duration::ZERO, Sent::default());
        let mut room = room(now);
        begins_frame(&mut room, now, 1);
        room.begin_round(now, &hold);
        assert_eq!(served(&mut room), [], "all wait for the whole frame");
        assert!(room.held_until.is_some() && !room.has_rest());

        room.has_eager = true;
        begins_frame(&mut room, now, 2);
        room.begin_round(now, &hold);
        assert!(room.round.only_eager);
        assert_eq!(served(&mut room), [10, 11, 12], "each is asked");
    }

    #[test]
    fn who_wants_packets_at_once_gets_them_when_all_others_have_theirs() {
        let now = crate::media::begin();
        let mut room = room(now);
        begins_frame(&mut room, now, 1);
        room.begin_round(now, &Hold::new(Duration::ZERO));
        assert_eq!(room.next_viewer(), Some(10), "and there the time is over");

        let mut hold = Hold::new(Duration::from_millis(12));
        hold.look(1.0, Duration::ZERO, Sent::default());
        room.has_eager = true;
        begins_frame(&mut room, now, 2);
        room.begin_round(now, &hold);
        assert_eq!(served(&mut room), [11, 12]);
        assert!(room.has_rest() && !room.round.only_eager);
        room.begin_round(now, &hold);
        assert!(room.round.only_eager);
        assert_eq!(served(&mut room), [10, 11, 12]);
        assert!(!room.has_rest());
    }

    #[test]
    fn where_only_something_was_said_nobodys_media_is_looked_at_until_there_is_some() {
        let now = crate::media::begin();
        let hold = Hold::new(Duration::ZERO);
        let mut room = room(now);
        let say = |room: &mut Room| {
            room.said.say(Announcement {
                channel: "chat".into(),
                data: Bytes::from_static(b"hello"),
                urgency: Urgency::Talk,
            });
        };
        say(&mut room);
        room.begin_round(now, &hold);
        assert!(room.round.only_tells);
        assert_eq!(room.next_viewer(), Some(10), "and there the time is over");
        begins_frame(&mut room, now, 1);
        room.begin_round(now, &hold);
        assert!(!room.round.only_tells);
        assert_eq!(room.next_viewer(), Some(11));

        // Who has not got the packets yet gets them with what is said now.
        let later = now + Duration::from_secs(10);
        say(&mut room);
        room.begin_round(later, &hold);
        assert!(!room.round.only_tells);
        assert_eq!(served(&mut room), [12, 10, 11]);
        say(&mut room);
        room.begin_round(later + Duration::from_secs(1), &hold);
        assert!(room.round.only_tells);
        assert_eq!(served(&mut room), [12, 10, 11]);
    }

    #[test]
    fn nobody_loses_the_turn_when_a_viewer_goes() {
        let now = crate::media::begin();
        let mut room = room(now);
        begins_frame(&mut room, now, 1);
        room.begin_round(now, &Hold::new(Duration::ZERO));
        assert_eq!(room.next_viewer(), Some(10));
        room.remove_viewer(10);
        assert_eq!(room.next_viewer(), Some(11));
        room.remove_viewer(12);
        assert!(served(&mut room).iter().all(|viewer| *viewer == 11));
    }
}
