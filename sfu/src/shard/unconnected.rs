//! Sessions that were answered and never went on: asking for one costs a stranger nothing, and each takes a place.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Shard;
use super::config::{PeerEnd, PeerId};
use crate::transport::CloseReason;

/// From then on a session without keys gives way to a new one where there is no other place. Browsers have theirs within
/// a second or two, on any line that a show can be watched on.
const GIVES_WAY: Duration = Duration::from_secs(5);

/// Those without keys yet, and some who have them, in the order they were opened. Nobody is here for longer than
/// [`connect_timeout`](crate::transport::TransportConfig::connect_timeout).
#[derive(Debug, Default)]
pub(super) struct Unconnected {
    order: VecDeque<(Instant, PeerId)>,
}

impl Shard {
    /// Another session begins.
    pub(super) fn await_keys(&mut self, now: Instant, peer: PeerId) {
        self.skip_connected();
        self.unconnected.order.push_back((now, peer));
    }

    /// Ends the oldest session that has no keys after some time, where all places are taken.
    pub(super) fn make_room(&mut self, now: Instant) {
        if self.peers.len() < self.config.max_peers {
            return;
        }
        self.skip_connected();
        if let Some(&(since, id)) = self.unconnected.order.front()
            && now.saturating_duration_since(since) >= GIVES_WAY
            && let Some(&key) = self.by_id.get(&id)
        {
            self.remove_peer(now, key, Some(PeerEnd::Transport(CloseReason::ConnectTimeout)));
        }
    }

    fn skip_connected(&mut self) {
        while let Some((_, id)) = self.unconnected.order.front()
            && !self.lacks_keys(*id)
        {
            self.unconnected.order.pop_front();
        }
    }

    fn lacks_keys(&self, id: PeerId) -> bool {
        let peer = self.by_id.get(&id).and_then(|key| self.peers.get(*key));
        peer.is_some_and(|peer| !peer.association.is_connected())
    }
}
