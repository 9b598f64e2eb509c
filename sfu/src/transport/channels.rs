//! The data channels that are open on an association, and what of each has left.

use super::ChannelId;
use super::sent::{SentBytes, for_each_new_data};

struct Channel {
    id: ChannelId,
    unsent: SentBytes,
}

/// Open channels. Their number is bounded by who opens them.
#[derive(Default)]
pub(super) struct OpenChannels {
    channels: Vec<Channel>,
    /// Of what left last.
    last_tsn: Option<u32>,
}

impl OpenChannels {
    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    pub(super) fn contains(&self, id: ChannelId) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn insert(&mut self, id: ChannelId) {
        self.channels.push(Channel {
            id,
            unsent: SentBytes::default(),
        });
    }

    /// Whether it was open.
    pub(super) fn remove(&mut self, id: ChannelId) -> bool {
        let before = self.channels.len();
        self.channels.retain(|open| open.id != id);
        self.channels.len() != before
    }

    /// So many bytes were given to the association.
    pub(super) fn wrote(&mut self, id: ChannelId, bytes: usize) {
        if let Some(open) = self.channels.iter_mut().find(|open| open.id == id) {
            open.unsent.wrote(bytes);
        }
    }

    /// Notes what leaves with a packet for the first time; whether anything does.
    pub(super) fn count(&mut self, packet: &[u8]) -> bool {
        let mut is_new = false;
        for_each_new_data(packet, &mut self.last_tsn, |stream, len| {
            is_new = true;
            if let Some(open) = self.channels.iter_mut().find(|open| open.id.0 == stream) {
                open.unsent.sent(len);
            }
        });
        is_new
    }

    /// All has been sent that the association may send now.
    pub(super) fn settle(&mut self) {
        self.channels.iter_mut().for_each(|open| open.unsent.settle());
    }

    /// Bytes of a channel never handed to the network.
    pub(super) fn unsent(&self, id: ChannelId) -> usize {
        self.get(id).map_or(0, |open| open.unsent.unsent())
    }

    /// Whether the association has not let all of a channel go when it was asked.
    pub(super) fn is_held_back(&self, id: ChannelId) -> bool {
        self.get(id).is_some_and(|open| open.unsent.is_held_back())
    }

    fn get(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.iter().find(|open| open.id == id)
    }
}
