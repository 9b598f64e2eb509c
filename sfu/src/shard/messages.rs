//! Data-channel messages out.

use bytes::Bytes;

use super::Shard;
use super::peer::Peer;

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
        match queue(peer, channel, data, lossy) {
            Queued::Yes => {
                self.counts.messages_out += 1;
                self.touch_peer(key);
                true
            }
            Queued::Skipped => false,
            Queued::Refused => {
                self.counts.messages_refused += 1;
                false
            }
        }
    }

    pub(super) fn queue_broadcast(&mut self, room: &str, channel: &str, data: &Bytes, lossy: bool) {
        let Some(room) = self.by_name.get(room).and_then(|&key| self.rooms.get(key)) else {
            return;
        };
        // Both lists stay as they are while messages are queued.
        let everybody: Vec<usize> = room.viewers.iter().chain(&room.publishers).copied().collect();
        for key in everybody {
            let has_channel = self
                .peers
                .get(key)
                .is_some_and(|peer| peer.channel(channel).is_some());
            if has_channel {
                self.queue_message(key, channel, data, lossy);
            }
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
