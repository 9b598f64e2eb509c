//! Which peer a datagram is for: by address once a STUN check proved it, by ICE user name before.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::transport::Remote;

/// Addresses one peer may have at once: several interfaces, each with IPv4, IPv6 and TCP, while ICE decides.
const MAX_REMOTES: usize = 8;
/// User names one peer may have at once: the current one and, during a restart, the one before.
const MAX_UFRAGS: usize = 2;

/// What one peer has in the tables, kept by the peer so that it can be taken out again.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    remotes: SmallVec<[Remote; 2]>,
    ufrags: SmallVec<[Box<str>; 1]>,
}

/// The tables, keyed to peers' places in the slab.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_remote: HashMap<Remote, usize>,
    by_ufrag: HashMap<Box<str>, usize>,
}

impl Routes {
    pub(super) fn by_remote(&self, remote: Remote) -> Option<usize> {
        self.by_remote.get(&remote).copied()
    }

    pub(super) fn by_ufrag(&self, ufrag: &str) -> Option<usize> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// A check of the peer came from `remote` and was authentic. The oldest address makes room for a new one. An
    /// address changes hands: the last one to prove it has it.
    pub(super) fn add_remote(&mut self, peer: usize, addresses: &mut Addresses, remote: Remote) {
        if self.by_remote.insert(remote, peer) == Some(peer) {
            return;
        }
        if addresses.remotes.len() >= MAX_REMOTES {
            let oldest = addresses.remotes.remove(0);
            self.remove_remote(peer, oldest);
        }
        addresses.remotes.push(remote);
    }

    /// Another local user name of the peer; only the newest two stay.
    pub(super) fn add_ufrag(&mut self, peer: usize, addresses: &mut Addresses, ufrag: &str) {
        if addresses.ufrags.len() >= MAX_UFRAGS {
            self.by_ufrag.remove(&addresses.ufrags.remove(0));
        }
        addresses.ufrags.push(ufrag.into());
        self.by_ufrag.insert(ufrag.into(), peer);
    }

    /// The peer is gone.
    pub(super) fn remove(&mut self, peer: usize, addresses: &Addresses) {
        for &remote in &addresses.remotes {
            self.remove_remote(peer, remote);
        }
        for ufrag in &addresses.ufrags {
            self.by_ufrag.remove(ufrag);
        }
    }

    fn remove_remote(&mut self, peer: usize, remote: Remote) {
        if self.by_remote(remote) == Some(peer) {
            self.by_remote.remove(&remote);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stay_bounded_and_an_address_follows_its_last_owner() {
        let mut routes = Routes::default();
        let (mut first, mut second) = (Addresses::default(), Addresses::default());
        for port in 0..20 {
            routes.add_remote(1, &mut first, Remote::Tcp(port));
        }
        assert_eq!(routes.by_remote.len(), MAX_REMOTES);
        routes.add_remote(2, &mut second, Remote::Tcp(19));
        for ufrag in ["a", "b", "c"] {
            routes.add_ufrag(1, &mut first, ufrag);
        }
        assert_eq!((routes.by_ufrag("a"), routes.by_ufrag("c")), (None, Some(1)));
        routes.remove(1, &first);
        assert_eq!(
            routes.by_remote(Remote::Tcp(19)),
            Some(2),
            "it is the other's by now"
        );
        assert_eq!((routes.by_remote.len(), routes.by_ufrag.len()), (1, 0));
    }
}
