//! Data-channel messages out.

use bytes::Bytes;
use smallvec::SmallVec;

use super::Shard;
use super::config::{Event, ShardStats};
use super::peer::Peer;
use crate::backlog::{Backlog, Urgency};
use crate::transport::ChannelId;

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
    /// The line is too slow: what waited is lost.
    Behind,
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
        let Some(peer) = self.peers.get_mut(key) else {
            return false;
        };
        let queued = queue(peer, channel, data, urgency);
        self.counts.count(queued);
        peer.has_own |= queued == Queued::Yes;
        match queued {
            Queued::Yes => self.touch_peer(key),
            Queued::Behind => self.events.push_back(Event::Behind { peer: peer.id }),
            Queued::Waits | Queued::Skipped | Queued::Refused => {}
        }
        matches!(queued, Queued::Yes | Queued::Waits)
    }

    pub(super) fn queue_broadcast(&mut self, room: &str, channel: &str, data: &Bytes, urgency: Urgency) {
        let Some(&key) = self.by_name.get(room) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        for &viewer in &room.viewers {
            if let Some(peer) = self.peers.get_mut(viewer)
                && peer.listens
                && peer.channel(channel).is_some()
            {
                let queued = queue(peer, channel, data, urgency);
                self.counts.count(queued);
                if queued == Queued::Behind {
                    self.events.push_back(Event::Behind { peer: peer.id });
                }
            }
        }
        room.has_messages = true;
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
            Queued::Behind | Queued::Refused => self.messages_refused += 1,
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
    if std::mem::replace(&mut waiting.is_behind, true) {
        Queued::Refused
    } else {
        Queued::Behind
    }
}

impl Peer {
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
