//! A part of the internet, as operators write it: an address, or a network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// An address, or all of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// What is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither an address nor a network, as in 192.0.2.7, 10.0.0.0/8 or fd00::/8")]
pub struct NoNetwork(String);

impl Network {
    /// Whether an address is in it. Those of IPv4 that come by an IPv6 socket are taken as what they are.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether an address is in one of several.
    pub(crate) fn any(networks: &[Network], address: IpAddr) -> bool {
        networks.iter().any(|network| network.contains(address))
    }
}

/// Whether an address is this machine's own or of a private network (RFC 1918, RFC 4193, link-local): who comes from there
/// is a proxy or a container's gateway, for all behind it, or a load test, and no stranger. Bounds for each address do not count it.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Network {
        Network(address.to_canonical().into())
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Network, NoNetwork> {
        let address = text.parse::<IpAddr>().map(Network::from);
        address
            .or_else(|_| text.parse().map(Network))
            .map_err(|_| NoNetwork(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = NoNetwork;

    fn try_from(text: String) -> Result<Network, NoNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_read_and_written() {
        for text in ["192.0.2.7", "10.0.0.0/8", "2001:db8::1", "fd00::/8", "0.0.0.0/0"] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), text);
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "proxy.example", "10.0.0.0/8 "] {
            let refused = text.parse::<Network>().unwrap_err();
            assert!(refused.to_string().contains("10.0.0.0/8"), "{refused}");
        }
    }

    #[test]
    fn private_networks_are_told_from_the_internet() {
        let own = [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "10.1.2.3",
            "172.17.0.1",
            "192.168.1.2",
            "169.254.1.1",
        ];
        let more = ["fd00::1", "fe80::1", "::ffff:172.31.255.255"];
        let theirs = [
            "192.0.2.1",
            "172.32.0.1",
            "100.64.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "fec0::1",
        ];
        let at = |text: &&str| is_private(text.parse().unwrap());
        assert!(own.iter().chain(&more).all(at));
        assert!(!theirs.iter().any(at));
    }

    #[test]
    fn an_address_is_in_its_network_by_whichever_socket_it_comes() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(holds("172.16.0.0/12", "172.31.255.255") && !holds("172.16.0.0/12", "172.32.0.0"));
        assert!(holds("172.16.0.0/12", "::ffff:172.17.0.1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("::ffff:192.0.2.7", "192.0.2.7"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "10.0.0.1"));
    }
}
