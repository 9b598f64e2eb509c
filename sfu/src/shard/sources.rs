//! Where publishers send from, for a caller who listens to them apart from everybody else.

use std::collections::{HashMap, VecDeque};

use super::Shard;
use super::config::PeerId;
use super::peer::Role;
use crate::transport::Remote;

/// Where a publisher's media comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherPath {
    /// The publisher.
    pub peer: PeerId,
    /// Where it sends from now; none when it is gone.
    pub path: Option<Remote>,
}

/// What was told, and what is to be told.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Publishers with keys.
    told: HashMap<PeerId, Remote>,
    /// Taken with every flush, which keeps it short.
    changes: VecDeque<PublisherPath>,
}

impl Sources {
    fn set(&mut self, peer: PeerId, path: Option<Remote>) {
        let before = match path {
            Some(path) => self.told.insert(peer, path),
            None => self.told.remove(&peer),
        };
        if before != path {
            self.changes.push_back(PublisherPath { peer, path });
        }
    }

    /// The peer is gone.
    pub(super) fn remove(&mut self, peer: PeerId) {
        self.set(peer, None);
    }

    pub(super) fn poll(&mut self) -> Option<PublisherPath> {
        self.changes.pop_front()
    }
}

impl Shard {
    /// A peer has its keys, or passed a check: of publishers it is told where they send from.
    pub(super) fn tell_source(&mut self, key: usize) {
        if let Some(peer) = self.peers.get(key)
            && matches!(peer.role, Role::Publisher { .. })
            && peer.association.is_connected()
            && let Some(path) = peer.association.path()
        {
            self.sources.set(peer.id, Some(path));
        }
    }

    /// The next publisher who sends from elsewhere than before, or has come or gone. To be taken like events.
    pub fn poll_publisher_path(&mut self) -> Option<PublisherPath> {
        self.sources.poll()
    }
}
