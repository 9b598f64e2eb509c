//! Data-channel messages out.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::Shard;
use super::announcements::{Announcement, Announcements};
use super::config::{Event, ShardStats};
use super::hold::Hold;
use super::ingest::intern;
use super::peer::Peer;
use super::room::Room;
use crate::backlog::{Backlog, Urgency};
use crate::transport::{ChannelId, Outbox};

/// Bytes of one channel that SCTP may hold unsent before messages wait here, where what is urgent overtakes.
const AT_ONCE: usize = 16 << 10;
/// Bytes that wait for one peer, most of them shared with others: the whole of a large show, or a minute of a busy
/// one. A peer that falls behind further loses what waits.
const MAX_WAITING: usize = 256 << 10;

/// What waits because a peer's line is slow.
#[derive(Debug)]
pub(super) struct Waiting {
    backlog: Backlog<(ChannelId, Bytes)>,
    /// Whether something was lost.
    is_behind: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Queued {
    Yes,
    /// Behind others, until the line has taken them.
    Waits,
    /// The one before it could not be sent.
    Skipped,
    /// The channel is not open, or the line is too slow.
    Refused,
}

impl Shard {
    pub(super) fn queue_message(
        &mut self,
        key: usize,
        channel: &str,
        data: &Bytes,
        urgency: Urgency,
    ) -> bool {
        self.catch_up(key);
        let Some(peer) = self.peers.get_mut(key) else {
            return false;
        };
        let queued = queue(peer, channel, data, urgency);
        self.counts.count(queued);
        peer.take_news(&mut self.events);
        peer.has_own |= queued == Queued::Yes;
        if queued == Queued::Yes {
            self.touch_peer(key);
        }
        matches!(queued, Queued::Yes | Queued::Waits)
    }

    /// Puts into a viewer's queue what waits for all, before something that is not for all changes what it is or hears.
    pub(super) fn catch_up(&mut self, key: usize) {
        if let Some(peer) = self.peers.get_mut(key)
            && let Some(room) = self.rooms.get(peer.room)
        {
            peer.catch_up(&room.said, &mut self.counts, &mut self.events);
        }
    }

    pub(super) fn queue_broadcast(&mut self, room: &str, channel: &str, data: &Bytes, urgency: Urgency) {
        let Some(&key) = self.by_name.get(room) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        if !room.viewers.is_empty() {
            if room.said.is_too_much(data.len()) {
                for peer in room.viewers.iter() {
                    if let Some(peer) = self.peers.get_mut(*peer) {
                        peer.catch_up(&room.said, &mut self.counts, &mut self.events);
                    }
                }
                room.said.hand_over();
            }
            room.said.say(Announcement {
                channel: intern(&self.labels, channel),
                data: data.clone(),
                urgency,
            });
        }
        // Hosts are few, and no picture goes to them that a message could ride behind.
        let hosts: SmallVec<[usize; 2]> = room.publishers.iter().copied().collect();
        for host in hosts {
            let peer = self.peers.get(host);
            if peer.is_some_and(|peer| peer.listens && peer.channel(channel).is_some()) {
                self.queue_message(host, channel, data, urgency);
            }
        }
        self.touch_room(key);
    }
}

impl ShardStats {
    fn count(&mut self, queued: Queued) {
        match queued {
            Queued::Yes | Queued::Waits => self.messages_out += 1,
            Queued::Skipped => {}
            Queued::Refused => self.messages_refused += 1,
        }
    }
}

fn queue(peer: &mut Peer, channel: &str, data: &Bytes, urgency: Urgency) -> Queued {
    let Some(channel) = peer.channel(channel) else {
        return Queued::Refused;
    };
    if peer.waiting.is_none() {
        // What only waits for a picture to ride behind will leave together.
        if urgency == Urgency::Passing && peer.association.is_held_back(channel) {
            return Queued::Skipped;
        }
        let unsent = peer.association.unsent(channel);
        if unsent == 0 || unsent + data.len() <= AT_ONCE {
            return match peer.association.send(channel, data) {
                Ok(()) => Queued::Yes,
                Err(_) => Queued::Refused,
            };
        }
    }
    let waiting = peer.waiting.get_or_insert_with(|| {
        Box::new(Waiting {
            backlog: Backlog::new(MAX_WAITING),
            is_behind: false,
        })
    });
    if waiting.is_behind && urgency != Urgency::Answer {
        return Queued::Refused;
    }
    if waiting.backlog.push(urgency, data.len(), (channel, data.clone())) {
        return Queued::Waits;
    }
    waiting.backlog.keep_answers();
    peer.listens = false;
    // Told once, until it has caught up.
    peer.has_fallen_behind |= !std::mem::replace(&mut waiting.is_behind, true);
    Queued::Refused
}

impl Room {
    /// Writes a viewer's data channels, with what of the room's messages is for it now, unless they wait for a picture and
    /// none was written; whether it was told something.
    pub(super) fn write_channels(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        has_picture: bool,
        hold: &Hold,
        outbox: &mut Outbox,
        counts: &mut ShardStats,
    ) -> bool {
        let before = match self.said.riders() {
            Some(riders) if has_picture => riders,
            Some(_) if self.round.tells.is_none() && peer.awaits_picture() => return false,
            _ => self.said.begun(),
        };
        let is_told = peer.hear(&self.said, before, counts);
        if is_told {
            self.said.ride(now, before, self.telling_takes(hold));
        }
        peer.write_channels(now, outbox);
        is_told
    }
}

impl Peer {
    /// Takes all that its room has been told, before its turn.
    fn catch_up(&mut self, said: &Announcements, counts: &mut ShardStats, events: &mut VecDeque<Event>) {
        self.hear(said, said.end(), counts);
        self.take_news(events);
    }

    /// Takes what its room is told and it has not heard, before that number; whether there was anything for it.
    pub(super) fn hear(&mut self, said: &Announcements, before: u64, counts: &mut ShardStats) -> bool {
        let from = self.heard;
        if before <= from {
            return false;
        }
        self.heard = before;
        let mut has_any = false;
        for announcement in said.between(from, before) {
            if self.listens && self.channel(&announcement.channel).is_some() {
                counts.count(queue(
                    self,
                    &announcement.channel,
                    &announcement.data,
                    announcement.urgency,
                ));
                has_any = true;
            }
        }
        has_any
    }

    /// Hands SCTP what waits and what it has room for.
    pub(super) fn drain(&mut self) {
        let Some(waiting) = &mut self.waiting else { return };
        while let Some((channel, _)) = waiting.backlog.front()
            && self.association.unsent(*channel) < AT_ONCE
            && let Some((channel, data)) = waiting.backlog.pop()
        {
            // The channel may have closed meanwhile; then nobody waits for it.
            let _ = self.association.send(channel, &data);
        }
        let is_through = |(channel, _): &(ChannelId, _)| self.association.unsent(*channel) == 0;
        if waiting.backlog.is_empty() && (!waiting.is_behind || self.channels.iter().all(is_through)) {
            self.has_caught_up = waiting.is_behind;
            self.waiting = None;
        }
    }
}
