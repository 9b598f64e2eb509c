//! How many connections there are, in all and of each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::origin::household;

/// Everybody connected.
pub(super) struct Crowd {
    max: usize,
    max_per_address: usize,
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

impl Crowd {
    pub(super) fn new(max: usize, max_per_address: usize) -> Crowd {
        Crowd {
            max,
            max_per_address,
            counts: Arc::default(),
        }
    }

    /// A place for a connection from here; `None` when there is none left. Loopback counts in the whole only.
    pub(super) fn enter(&self, from: IpAddr) -> Option<Place> {
        let address = household(from);
        let mut counts = lock(&self.counts);
        let theirs = counts.by_address.get(&address).copied().unwrap_or_default();
        if counts.all >= self.max || (theirs >= self.max_per_address && !from.is_loopback()) {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, theirs + 1);
        Some(Place {
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
        let crowd = Crowd::new(3, 2);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = crowd.enter(one).unwrap();
        let _second = crowd.enter(one).unwrap();
        assert!(crowd.enter(one).is_none());
        let _third = crowd.enter(other).unwrap();
        assert!(crowd.enter(other).is_none(), "full");
        drop(first);
        assert!(crowd.enter(one).is_some());
    }
}
