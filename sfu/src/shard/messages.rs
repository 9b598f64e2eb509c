//! Data-channel messages out.

use bytes::Bytes;
use smallvec::SmallVec;

use super::Shard;
use super::config::ShardStats;
use super::peer::Peer;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Queued {
    Yes,
    /// The one before it is still unsent.
    Skipped,
    Refused,
}

impl Shard {
    pub(super) fn queue_message(&mut self, key: usize, channel: &str, data: &Bytes, lossy: bool) -> bool {
        let Some(peer) = self.peers.get_mut(key) else {
            return false;
        };
        let queued = queue(peer, channel, data, lossy);
        self.counts.count(queued);
        if queued == Queued::Yes {
            self.touch_peer(key);
        }
        queued == Queued::Yes
    }

    pub(super) fn queue_broadcast(&mut self, room: &str, channel: &str, data: &Bytes, lossy: bool) {
        let Some(&key) = self.by_name.get(room) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        for &viewer in &room.viewers {
            if let Some(peer) = self.peers.get_mut(viewer)
                && peer.channel(channel).is_some()
            {
                self.counts.count(queue(peer, channel, data, lossy));
            }
        }
        room.has_messages = true;
        // Hosts are few, and no picture goes to them that a message could ride behind.
        let hosts: SmallVec<[usize; 2]> = room.publishers.iter().copied().collect();
        for host in hosts {
            let peer = self.peers.get(host);
            if peer.is_some_and(|peer| peer.channel(channel).is_some()) {
                self.queue_message(host, channel, data, lossy);
            }
        }
        self.touch_room(key);
    }
}

impl ShardStats {
    fn count(&mut self, queued: Queued) {
        match queued {
            Queued::Yes => self.messages_out += 1,
            Queued::Skipped => {}
            Queued::Refused => self.messages_refused += 1,
        }
    }
}

fn queue(peer: &mut Peer, channel: &str, data: &Bytes, lossy: bool) -> Queued {
    let Some(channel) = peer.channel(channel) else {
        return Queued::Refused;
    };
    if lossy && peer.association.unsent(channel) > 0 {
        return Queued::Skipped;
    }
    match peer.association.send(channel, data) {
        Ok(()) => Queued::Yes,
        Err(_) => Queued::Refused,
    }
}
