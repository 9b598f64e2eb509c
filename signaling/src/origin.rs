//! Where a request comes from.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::HeaderMap;

use crate::network::Network;

/// The address a connection comes from; the listener puts it into each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// The client's address: the connection's, or what trusted proxies say of it. Each proxy adds the address it was
/// reached from to the right, so from there the first that is no proxy of ours is the client; further left anybody
/// can write anything.
pub(crate) fn client_address(
    PeerAddress(peer): PeerAddress,
    headers: &HeaderMap,
    trusted: &[Network],
) -> IpAddr {
    let mut client = peer.to_canonical();
    if trusted.is_empty() {
        return client;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter();
    let texts: Vec<&str> = forwarded.filter_map(|value| value.to_str().ok()).collect();
    let hops = texts.iter().flat_map(|text| text.split(',')).rev();
    for hop in hops {
        if !Network::any(trusted, client) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

/// The part of an address that its owner cannot choose freely: all of IPv4, the /64 of IPv6.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", value.parse().unwrap());
        headers
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn net(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        let peer = PeerAddress(ip("192.0.2.1"));
        let headers = forwarded("203.0.113.9");
        assert_eq!(client_address(peer, &headers, &[]), ip("192.0.2.1"));
        assert_eq!(
            client_address(peer, &headers, &[net("192.0.2.2")]),
            ip("192.0.2.1")
        );
        assert_eq!(
            client_address(peer, &headers, &[net("192.0.2.1")]),
            ip("203.0.113.9")
        );
        assert_eq!(
            client_address(peer, &headers, &[net("192.0.2.0/24")]),
            ip("203.0.113.9")
        );
    }

    #[test]
    fn what_the_client_wrote_itself_is_not_believed() {
        let peer = PeerAddress(ip("::ffff:192.0.2.1"));
        let trusted = [net("192.0.2.1"), net("192.0.2.2")];
        let headers = forwarded("10.0.0.1, 203.0.113.9, 192.0.2.2");
        assert_eq!(client_address(peer, &headers, &trusted), ip("203.0.113.9"));
        let nonsense = forwarded("203.0.113.9, unknown");
        assert_eq!(client_address(peer, &nonsense, &trusted), ip("192.0.2.1"));
    }

    #[test]
    fn an_ipv6_household_is_a_64() {
        assert_eq!(household(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(household(ip("192.0.2.1")), ip("192.0.2.1"));
    }
}
