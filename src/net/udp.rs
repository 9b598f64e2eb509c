//! One shard's UDP port, IPv4 and IPv6: datagrams come in by recvmmsg with GRO and leave in runs by GSO.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use sfu::transport::{Outbox, Remote, Run};
use socket2::{Domain, Protocol, Socket, Type};

/// Asked of the kernel for both directions; it gives what `rmem_max` and `wmem_max` allow. 4 MiB hold 16 ms of a
/// 2 Gbit/s port while its thread is held up.
const SOCKET_BUFFER: usize = 4 << 20;
/// Buffers of one recvmmsg. With GRO each can hold dozens of datagrams.
const BATCH: usize = 16;
/// The longest datagram or run of datagrams the kernel can hand over.
const BUFFER: usize = 1 << 16;
/// Receive calls before what came in is handled: bounds the wait of the first datagram of a flood.
const MAX_BATCHES: usize = 8;

/// What a port counted; only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounts {
    /// Datagrams not sent because the kernel's buffer was full.
    pub send_full: u64,
    /// Datagrams not sent for another reason: no route, too long.
    pub send_failed: u64,
    /// Receive calls that failed.
    pub receive_failed: u64,
}

/// A bound port.
pub struct UdpPort {
    socket: UdpSocket,
    state: UdpSocketState,
    is_ipv6: bool,
    buffer: Vec<u8>,
    counts: UdpCounts,
}

impl UdpPort {
    /// Binds a port on every address of the machine; IPv4 alone where there is no IPv6. Port 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken or the system refuses.
    pub fn bind(port: u16) -> io::Result<UdpPort> {
        match UdpPort::bind_to(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            Err(_) => UdpPort::bind_to(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            bound => bound,
        }
    }

    fn bind_to(address: SocketAddr) -> io::Result<UdpPort> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_nonblocking(true)?;
        // Best effort: a smaller buffer works too.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into());
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(UdpPort {
            socket,
            state,
            is_ipv6: address.is_ipv6(),
            buffer: vec![0; BATCH * BUFFER],
            counts: UdpCounts::default(),
        })
    }

    /// The port number.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn number(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// What to register with a poll.
    pub fn source(&mut self) -> &mut impl mio::event::Source {
        &mut self.socket
    }

    /// What was counted so far.
    pub fn counts(&self) -> UdpCounts {
        self.counts
    }

    /// Hands over waiting datagrams; true when there may be more.
    pub fn receive(&mut self, mut take: impl FnMut(Remote, &mut [u8])) -> bool {
        for _ in 0..MAX_BATCHES {
            let mut chunks = self.buffer.chunks_mut(BUFFER);
            let mut buffers: [IoSliceMut<'_>; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let mut meta = [RecvMeta::default(); BATCH];
            let count = match self
                .state
                .recv(UdpSockRef::from(&self.socket), &mut buffers, &mut meta)
            {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    // An ICMP error of an earlier send, for one. The next call goes on behind it.
                    self.counts.receive_failed += 1;
                    tracing::debug!(%error, "receiving failed");
                    continue;
                }
            };
            for (meta, buffer) in meta.iter().zip(&mut buffers).take(count) {
                let from = Remote::Udp {
                    peer: canonical(meta.addr),
                    local: meta.dst_ip.map(|address| address.to_canonical()),
                };
                let bytes = buffer.get_mut(..meta.len).unwrap_or_default();
                for datagram in bytes.chunks_mut(meta.stride.max(1)) {
                    take(from, datagram);
                }
            }
        }
        true
    }

    /// Sends every run that goes by UDP. What the kernel does not take is dropped and counted.
    pub fn send(&mut self, outbox: &Outbox) {
        for run in outbox.runs() {
            if let Remote::Udp { peer, local } = run.to {
                self.send_run(run, peer, local);
            }
        }
    }

    fn send_run(&mut self, run: Run<'_>, peer: SocketAddr, local: Option<IpAddr>) {
        let segment = run.segment.max(1);
        let mut rest = run.bytes;
        while !rest.is_empty() {
            // Read each time: the count falls to one when a device turns out not to segment.
            let segments = self.state.max_gso_segments().max(1);
            let (chunk, behind) = rest.split_at(rest.len().min(segment * segments));
            let transmit = Transmit {
                destination: self.outward(peer),
                ecn: None,
                contents: chunk,
                segment_size: (chunk.len() > segment).then_some(segment),
                src_ip: local.map(|address| self.outward((address, 0).into()).ip()),
            };
            match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.counts.send_full += chunk.len().div_ceil(segment) as u64;
                }
                Err(_) if chunk.len() > segment && self.state.max_gso_segments() <= 1 => continue,
                Err(error) => {
                    self.counts.send_failed += chunk.len().div_ceil(segment) as u64;
                    tracing::debug!(%error, %peer, "sending failed");
                }
            }
            rest = behind;
        }
    }

    /// An address as the socket's family writes it (RFC 4291 §2.5.5.2).
    fn outward(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.is_ipv6 => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            other => other,
        }
    }
}

/// An IPv4 peer as such, also when an IPv6 socket received from it.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // Keeps the scope of link-local addresses.
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn client(address: &str) -> std::net::UdpSocket {
        let socket = std::net::UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    /// Waits until `count` datagrams came.
    fn receive(port: &mut UdpPort, count: usize) -> Vec<(Remote, Vec<u8>)> {
        let mut poll = mio::Poll::new().unwrap();
        let mut events = mio::Events::with_capacity(4);
        poll.registry()
            .register(port.source(), mio::Token(0), mio::Interest::READABLE)
            .unwrap();
        let mut got = Vec::new();
        while got.len() < count {
            poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            assert!(!events.is_empty(), "only {} of {count} came", got.len());
            while port.receive(|from, datagram| got.push((from, datagram.to_vec()))) {}
        }
        poll.registry().deregister(port.source()).unwrap();
        got
    }

    #[test]
    fn a_datagram_is_answered_from_the_address_it_came_to() {
        for (bind, target) in [("0.0.0.0:0", "127.0.0.2"), ("[::]:0", "::1")] {
            let mut port = UdpPort::bind(0).unwrap();
            let client = client(bind);
            client
                .send_to(b"hello", (target, port.number().unwrap()))
                .unwrap();
            let (from, bytes) = receive(&mut port, 1).remove(0);
            assert_eq!(bytes, b"hello");
            let Remote::Udp { peer, local } = from else {
                panic!("{from:?}")
            };
            assert_eq!(local, Some(target.parse().unwrap()));
            assert_eq!(peer.is_ipv4(), target.contains('.'));

            let mut outbox = Outbox::new();
            outbox.push(from, |out| {
                out.extend(b"there");
                true
            });
            port.send(&outbox);
            let mut buffer = [0; 100];
            let (len, source) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(
                (&buffer[..len], source.ip()),
                (&b"there"[..], target.parse().unwrap())
            );
        }
    }

    #[test]
    fn a_run_arrives_as_its_datagrams() {
        let mut port = UdpPort::bind(0).unwrap();
        let client = client("127.0.0.1:0");
        let to = Remote::Udp {
            peer: client.local_addr().unwrap(),
            local: None,
        };
        let mut outbox = Outbox::new();
        for len in [1200, 1200, 1200, 300, 700] {
            outbox.push(to, |out| {
                out.extend(std::iter::repeat_n(len as u8, len));
                true
            });
        }
        assert_eq!(outbox.runs().count(), 2);
        port.send(&outbox);
        let mut buffer = [0; 2000];
        let lengths: Vec<usize> = (0..5).map(|_| client.recv(&mut buffer).unwrap()).collect();
        assert_eq!(lengths, [1200, 1200, 1200, 300, 700]);
        assert_eq!(port.counts(), UdpCounts::default());
    }

    #[test]
    fn many_datagrams_are_received_in_order() {
        let mut port = UdpPort::bind(0).unwrap();
        let client = client("127.0.0.1:0");
        for number in 0..100_u8 {
            client
                .send_to(&[number; 40], ("127.0.0.1", port.number().unwrap()))
                .unwrap();
        }
        let got = receive(&mut port, 100);
        assert!(
            got.iter()
                .enumerate()
                .all(|(place, (_, bytes))| bytes == &[place as u8; 40])
        );
    }

    #[test]
    fn an_address_without_a_route_is_counted_and_not_fatal() {
        let mut port = UdpPort::bind(0).unwrap();
        let mut outbox = Outbox::new();
        let to = Remote::Udp {
            peer: "255.255.255.255:9".parse().unwrap(),
            local: None,
        };
        outbox.push(to, |out| {
            out.push(1);
            true
        });
        port.send(&outbox);
        assert_eq!(port.counts().send_failed, 1);
    }
}
