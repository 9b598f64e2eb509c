//! How many connections there are, in all and of each address.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::network::{Network, is_private};
use crate::origin::household;

/// Everybody connected.
pub(super) struct Crowd {
    max: usize,
    max_per_address: usize,
    /// Everybody comes from a proxy's address.
    proxies: Arc<[Network]>,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; free again when dropped.
pub(super) struct Place {
    counts: Arc<Mutex<Counts>>,
    address: IpAddr,
}

/// Which bound is met, in the words of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Address,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Full::All => "http_max_connections",
            Full::Address => {
                "http_max_connections_per_address; or http_trusted_proxies lacks that address, where it is a proxy's"
            }
        })
    }
}

impl Crowd {
    pub(super) fn new(max: usize, max_per_address: usize, proxies: Arc<[Network]>) -> Crowd {
        Crowd {
            max,
            max_per_address,
            proxies,
            counts: Arc::default(),
        }
    }

    /// A place for a connection from here, if there is one left. Private networks and proxies count in the whole only.
    pub(super) fn enter(&self, from: IpAddr) -> Result<Place, Full> {
        let address = household(from);
        let mut counts = lock(&self.counts);
        let theirs = counts.by_address.get(&address).copied().unwrap_or_default();
        if counts.all >= self.max {
            return Err(Full::All);
        }
        let is_many = is_private(from) || Network::any(&self.proxies, from);
        if theirs >= self.max_per_address && !is_many {
            return Err(Full::Address);
        }
        counts.all += 1;
        counts.by_address.insert(address, theirs + 1);
        Ok(Place {
            counts: Arc::clone(&self.counts),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.all = counts.all.saturating_sub(1);
        if let Some(theirs) = counts.by_address.get_mut(&self.address) {
            *theirs = theirs.saturating_sub(1);
            if *theirs == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_for_each_address() {
        let crowd = Crowd::new(3, 2, Arc::default());
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let refused = |from| crowd.enter(from).err();
        let first = crowd.enter(one).ok().unwrap();
        let _second = crowd.enter(one).ok().unwrap();
        assert_eq!(refused(one), Some(Full::Address));
        let _third = crowd.enter(other).ok().unwrap();
        assert_eq!(refused(other), Some(Full::All));
        drop(first);
        assert!(crowd.enter(one).is_ok());
    }

    #[test]
    fn a_private_network_is_bounded_in_all_only() {
        let crowd = Crowd::new(3, 1, Arc::default());
        for near in [[127, 0, 0, 1], [172, 17, 0, 1]].map(IpAddr::from) {
            let places: Vec<Place> = (0..3).filter_map(|_| crowd.enter(near).ok()).collect();
            assert_eq!((places.len(), crowd.enter(near).err()), (3, Some(Full::All)));
        }
    }

    #[test]
    fn everybody_may_come_by_a_trusted_proxy() {
        let proxy = IpAddr::from([192, 0, 2, 1]);
        let crowd = Crowd::new(3, 1, Arc::from([Network::from(proxy)]));
        let places: Vec<Place> = (0..3).filter_map(|_| crowd.enter(proxy).ok()).collect();
        assert_eq!(places.len(), 3);
        assert_eq!(crowd.enter(proxy).err(), Some(Full::All));
    }
}
