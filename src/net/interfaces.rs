//! Which addresses an answer names as candidates.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Candidates per protocol in one answer: two families on four interfaces. Each costs the client checks, and its
/// answer 80 bytes.
const MAX_ADDRESSES: usize = 8;
/// Interfaces come and go; asking the kernel for each answer costs more than the answer.
const REFRESH: Duration = Duration::from_secs(5);

/// The machine's addresses, or those it is reached by from outside.
pub struct HostAddresses {
    /// `public_address` of the configuration: behind NAT or in a container, interface addresses mean nothing.
    public: Vec<IpAddr>,
    interfaces: Mutex<Option<(Instant, Vec<IpAddr>)>>,
}

impl HostAddresses {
    /// Candidates name `public` if there is one, else every usable interface address.
    pub fn new(public: Vec<IpAddr>) -> HostAddresses {
        HostAddresses {
            public,
            interfaces: Mutex::new(None),
        }
    }

    /// The addresses for a client whose request came from `from`, the most likely to work first: ffmpeg uses no
    /// other than the first.
    pub fn toward(&self, from: IpAddr) -> Vec<IpAddr> {
        let from = from.to_canonical();
        if self.public.is_empty() {
            return ranked(&self.interfaces(), from);
        }
        let mut addresses = self.public.clone();
        if from.is_loopback() {
            // A client on this very machine; the public address may not lead back to it.
            addresses.insert(0, from);
        }
        addresses.truncate(MAX_ADDRESSES);
        addresses
    }

    fn interfaces(&self) -> Vec<IpAddr> {
        let mut cached = self.interfaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, addresses)) = cached.as_ref()
            && at.elapsed() < REFRESH
        {
            return addresses.clone();
        }
        let addresses: Vec<IpAddr> = match if_addrs::get_if_addrs() {
            Ok(interfaces) => interfaces.iter().map(|interface| interface.ip()).collect(),
            Err(error) => {
                tracing::warn!(%error, "cannot list the network interfaces");
                Vec::new()
            }
        };
        *cached = Some((Instant::now(), addresses.clone()));
        addresses
    }
}

/// Usable addresses by likelihood: the client's own, its loopback, its family, then the other.
fn ranked(interfaces: &[IpAddr], from: IpAddr) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = interfaces
        .iter()
        .map(IpAddr::to_canonical)
        .filter(|address| is_usable(*address))
        .collect();
    let reachable = |address: &IpAddr| from.is_loopback() || !address.is_loopback();
    if addresses.iter().any(reachable) {
        addresses.retain(reachable);
    }
    if addresses.is_empty() {
        addresses.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    // Stable: what the kernel lists first stays first among equals.
    addresses.sort_by_key(|address| {
        (
            *address != from,
            from.is_loopback() && !address.is_loopback(),
            address.is_ipv4() != from.is_ipv4(),
        )
    });
    addresses.dedup();
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// Link-local addresses need a scope that candidates cannot carry.
fn is_usable(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !link_local && !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn interfaces() -> Vec<IpAddr> {
        addresses(&[
            "127.0.0.1",
            "::1",
            "192.0.2.2",
            "fe80::2",
            "169.254.3.4",
            "2001:db8::2",
            "198.51.100.2",
        ])
    }

    #[test]
    fn a_client_on_this_machine_gets_loopback_first_and_the_rest_too() {
        assert_eq!(
            ranked(&interfaces(), "127.0.0.1".parse().unwrap()),
            addresses(&["127.0.0.1", "::1", "192.0.2.2", "198.51.100.2", "2001:db8::2"])
        );
        assert_eq!(
            ranked(&interfaces(), "::1".parse().unwrap())[..2],
            addresses(&["::1", "127.0.0.1"])
        );
    }

    #[test]
    fn a_client_elsewhere_gets_its_own_family_first_and_no_loopback() {
        assert_eq!(
            ranked(&interfaces(), "203.0.113.9".parse().unwrap()),
            addresses(&["192.0.2.2", "198.51.100.2", "2001:db8::2"])
        );
        assert_eq!(
            ranked(&interfaces(), "2001:db8::9".parse().unwrap())[0],
            addresses(&["2001:db8::2"])[0]
        );
    }

    #[test]
    fn a_client_that_came_by_an_interface_of_ours_gets_that_one() {
        let from = "198.51.100.2".parse().unwrap();
        assert_eq!(ranked(&interfaces(), from)[0], from);
    }

    #[test]
    fn a_machine_without_a_network_still_serves_itself() {
        let from = "203.0.113.9".parse().unwrap();
        assert_eq!(
            ranked(&addresses(&["127.0.0.1"]), from),
            addresses(&["127.0.0.1"])
        );
        assert_eq!(ranked(&[], from), addresses(&["127.0.0.1"]));
    }

    #[test]
    fn a_public_address_stands_alone() {
        let host = HostAddresses::new(addresses(&["203.0.113.1"]));
        assert_eq!(
            host.toward("198.51.100.9".parse().unwrap()),
            addresses(&["203.0.113.1"])
        );
        assert_eq!(
            host.toward("::ffff:127.0.0.1".parse().unwrap()),
            addresses(&["127.0.0.1", "203.0.113.1"])
        );
    }
}
