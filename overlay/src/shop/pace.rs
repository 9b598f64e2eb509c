//! How fast addresses and buyers may go, whichever client they come by.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use super::ShopConfig;
use super::limits::Bucket;
use crate::UnixMillis;

/// Addresses and buyers watched at once. When full, newcomers share one bucket: an attacker with many addresses slows
/// down strangers, not those already here.
const WATCHED: usize = 50_000;
/// Between two looks for those who have been quiet, in milliseconds.
const PRUNE_INTERVAL: i64 = 10_000;
/// A bucket for each of many.
#[derive(Debug)]
struct Buckets<K> {
    most: u32,
    per_ten_seconds: u32,
    buckets: HashMap<K, Bucket>,
    strangers: Bucket,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(most: u32, per_ten_seconds: u32) -> Buckets<K> {
        Buckets {
            most,
            per_ten_seconds,
            buckets: HashMap::new(),
            strangers: Bucket::new(UnixMillis(0), most, per_ten_seconds),
        }
    }

    fn take(&mut self, key: K, now: UnixMillis) -> Result<(), i64> {
        if self.buckets.len() >= WATCHED && !self.buckets.contains_key(&key) {
            return self.strangers.take(now);
        }
        let full = || Bucket::new(now, self.most, self.per_ten_seconds);
        self.buckets.entry(key).or_insert_with(full).take(now)
    }

    fn prune(&mut self, now: UnixMillis) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
    }
}

/// What is counted beyond single clients.
#[derive(Debug)]
pub(super) struct Pace {
    addresses: Buckets<IpAddr>,
    buyers: Buckets<(Arc<str>, String)>,
    next_prune: i64,
}

impl Pace {
    pub(super) fn new(config: &ShopConfig) -> Pace {
        let buys = config.buys_per_ten_seconds;
        let messages = config.address_messages_per_ten_seconds;
        Pace {
            // Many viewers share one address behind a carrier's NAT.
            addresses: Buckets::new(messages.div_ceil(5), messages),
            buyers: Buckets::new(buys, buys),
            next_prune: 0,
        }
    }

    /// A message from an address; the error is how many milliseconds to wait. Private networks are not counted.
    pub(super) fn message(&mut self, from: IpAddr, now: UnixMillis) -> Result<(), i64> {
        if is_private(from) {
            return Ok(());
        }
        self.addresses.take(network(from), now)
    }

    /// A buy of somebody; the error is how many milliseconds to wait.
    pub(super) fn buy(&mut self, room: &Arc<str>, subject: &str, now: UnixMillis) -> Result<(), i64> {
        self.buyers.take((room.clone(), subject.to_owned()), now)
    }

    /// Forgets who has been quiet.
    pub(super) fn prune(&mut self, now: UnixMillis) {
        if now.0 >= self.next_prune {
            self.next_prune = now.0 + PRUNE_INTERVAL;
            self.addresses.prune(now);
            self.buyers.prune(now);
        }
    }
}

/// Whether an address is of this machine or of a private network (RFC 1918, RFC 4193, link-local), where a proxy or a
/// container's gateway speaks for all behind it.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// An IPv6 host has a whole /64 of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_those_who_are_watched_strangers_share() {
        let mut buckets = Buckets::new(2, 10);
        let now = UnixMillis(0);
        assert!((0..WATCHED).all(|stranger| buckets.take(stranger, now).is_ok()));
        assert!(buckets.take(WATCHED, now).is_ok() && buckets.take(WATCHED + 1, now).is_ok());
        assert!(
            buckets.take(WATCHED + 2, now).is_err(),
            "two strangers had what there is"
        );
        assert!(
            buckets.take(7, now).is_ok() && buckets.take(7, now).is_err(),
            "who is watched has the own"
        );
        assert_eq!(buckets.buckets.len(), WATCHED);
        // Who has been quiet makes room.
        buckets.prune(UnixMillis(1000));
        assert_eq!(buckets.buckets.len(), 1);
        assert!(buckets.take(WATCHED + 2, UnixMillis(1000)).is_ok());
        assert_eq!(buckets.buckets.len(), 2);
    }

    #[test]
    fn a_private_network_is_not_counted() {
        let config = ShopConfig {
            address_messages_per_ten_seconds: 5,
            ..ShopConfig::default()
        };
        let mut pace = Pace::new(&config);
        let mut says = |text: &str| {
            let from = text.parse().unwrap();
            (0..10).all(|_| pace.message(from, UnixMillis(0)).is_ok())
        };
        assert!(
            ["127.0.0.1", "::1", "172.17.0.1", "fd00::1"]
                .into_iter()
                .all(&mut says)
        );
        assert!(!["192.0.2.1", "2001:db8::1"].into_iter().any(&mut says));
    }

    #[test]
    fn one_ipv6_network_is_one_address_and_quiet_ones_are_forgotten() {
        let mut buckets = Buckets::new(1, 10);
        let now = UnixMillis(0);
        let at = |text: &str| network(text.parse().unwrap());
        assert!(buckets.take(at("2001:db8::1"), now).is_ok());
        assert!(buckets.take(at("2001:db8::2"), now).is_err());
        assert!(buckets.take(at("2001:db8:0:1::1"), now).is_ok());
        assert!(buckets.take(at("192.0.2.1"), now).is_ok());
        assert!(buckets.take(at("::ffff:192.0.2.1"), now).is_err());
        buckets.prune(UnixMillis(1000));
        assert!(buckets.buckets.is_empty());
    }
}
