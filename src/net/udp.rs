//! One shard's UDP port, IPv4 and IPv6: datagrams come in by recvmmsg with GRO and leave in runs by GSO.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::Registry;
use mio::net::UdpSocket;
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use sfu::transport::{Outbox, Remote, Run};
use socket2::{Domain, Protocol, Socket, Type};

use super::batch::{self, Batches, Way};
use super::connected::Connected;
use super::overflow::{Handed, Left, Overflow};
use super::reader::Reader;

/// Asked of the kernel for both directions; it gives what `rmem_max` and `wmem_max` allow. 4 MiB hold 16 ms of a
/// 2 Gbit/s port while its thread is held up.
const SOCKET_BUFFER: usize = 4 << 20;
/// `errno` of a full queue on Linux.
const ENOBUFS: i32 = 105;
/// Segments of a run at most ([`Outbox`]); what cuts up fewer is given runs one by one.
const MAX_SEGMENTS: usize = 64;
/// What a port counted; only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounts {
    /// Runs that were to be sent: with a network card that cuts them up, packets of this count cost as much as one.
    pub runs: u64,
    /// Datagrams not sent because the kernel's buffer was full.
    pub send_full: u64,
    /// Datagrams that waited for room in the kernel's buffer.
    pub send_waited: u64,
    /// Datagrams not sent for another reason: no route, too long.
    pub send_failed: u64,
    /// Receive calls that failed.
    pub receive_failed: u64,
    /// Publishers who could have had a socket of their own and got none.
    pub connect_failed: u64,
    /// Sockets of publishers open now.
    pub connected: u64,
    /// 1 where the kernel or a device does not cut up runs (GSO), so that every datagram is sent alone.
    pub without_gso: u64,
    /// 1 where the kernel does not join datagrams it received (GRO).
    pub without_gro: u64,
}

/// A bound port.
pub struct UdpPort {
    socket: UdpSocket,
    state: UdpSocketState,
    is_ipv6: bool,
    reader: Reader,
    connected: Connected,
    overflow: Overflow,
    runs: u64,
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
            reader: Reader::new(),
            connected: Connected::default(),
            overflow: Overflow::default(),
            runs: 0,
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
        let lost = self.overflow.lost();
        UdpCounts {
            runs: self.runs,
            send_full: lost.full,
            send_waited: lost.waited,
            send_failed: lost.refused,
            receive_failed: self.reader.failed(),
            connect_failed: self.connected.refused(),
            connected: self.connected.open(),
            without_gso: u64::from(self.state.max_gso_segments() <= 1),
            without_gro: u64::from(self.state.gro_segments() <= 1),
        }
    }

    /// Hands over waiting datagrams; true when there may be more.
    pub fn receive(&mut self, take: impl FnMut(Remote, &mut [u8])) -> bool {
        self.reader.receive(&self.socket, &self.state, take)
    }

    /// The same of the publishers' own sockets that were woken.
    pub fn receive_connected(&mut self, take: impl FnMut(Remote, &mut [u8])) -> bool {
        self.connected.receive(&mut self.reader, take)
    }

    /// A publisher's own socket has something to read.
    pub fn wake(&mut self, place: usize) {
        self.connected.wake(place);
    }

    /// A publisher sends from there, or is gone: it gets a socket of its own, registered under a token of `first` plus its
    /// place, which is less than [`MAX_CONNECTED`](super::connected::MAX_CONNECTED). Where that cannot be, all comes by
    /// the common one, as before.
    pub fn follow(&mut self, publisher: u64, path: Option<Remote>, registry: &Registry, first: usize) {
        self.connected
            .follow(&self.socket, publisher, path, registry, first);
    }

    /// Sends every run that goes by UDP, behind what waits from before. What the kernel has no room for is dropped where
    /// it is of a picture, and waits where not.
    pub fn send(&mut self, outbox: &Outbox) {
        let UdpPort {
            socket,
            state,
            is_ipv6,
            overflow,
            runs: count,
            ..
        } = self;
        let runs = outbox.runs().filter(|run| matches!(run.to, Remote::Udp { .. }));
        let runs = runs.inspect(|_| *count += 1);
        let way = |run: &Run<'_>| way(*is_ipv6, run);
        let many = |runs: &[Run<'_>]| {
            let can_cut = runs.len() > 1 && state.max_gso_segments() >= MAX_SEGMENTS;
            can_cut.then(|| batch::send(socket, runs, way))
        };
        let one = |run: &Run<'_>| hand_over_one(socket, state, way(run), run);
        overflow.send(Batches::of(runs), |runs| hand_over(runs, many, one));
    }

    /// Sends what waits for room in the kernel.
    pub fn send_waiting(&mut self) {
        if self.overflow.is_waiting() {
            self.send(&Outbox::new());
        }
    }

    /// Whether something waits for room in the kernel.
    pub fn is_waiting(&self) -> bool {
        self.overflow.is_waiting()
    }
}

/// Gives the kernel runs: `many` in one call, where it can, and `one` alone.
fn hand_over(
    runs: &[Run<'_>],
    many: impl Fn(&[Run<'_>]) -> Option<io::Result<usize>>,
    one: impl Fn(&Run<'_>) -> Handed,
) -> Handed {
    let mut sent = 0;
    while let Some(rest @ [first, ..]) = runs.get(sent..) {
        if let Some(Ok(count @ 1..)) = many(rest) {
            sent += count;
            continue;
        }
        // What stopped it shows when the next run is sent alone.
        match one(first) {
            Handed::Taken => sent += 1,
            Handed::Full(left) => return Handed::Full(Left { runs: sent, ..left }),
            Handed::Refused(left) => return Handed::Refused(Left { runs: sent, ..left }),
        }
    }
    Handed::Taken
}

/// Gives the kernel one run, in one call where it can cut it up.
fn hand_over_one(socket: &UdpSocket, state: &UdpSocketState, way: Option<Way>, run: &Run<'_>) -> Handed {
    let Some(way) = way else {
        return Handed::Taken;
    };
    let segment = run.segment.max(1);
    let mut sent = 0;
    while let Some(rest) = run.bytes.get(sent..).filter(|rest| !rest.is_empty()) {
        // Read each time: the count falls to one when a device turns out not to segment.
        let segments = state.max_gso_segments().max(1);
        let chunk = rest.get(..segment * segments).unwrap_or(rest);
        let transmit = Transmit {
            destination: way.peer,
            ecn: None,
            contents: chunk,
            segment_size: (chunk.len() > segment).then_some(segment),
            src_ip: way.local,
        };
        let left = Left { runs: 0, bytes: sent };
        match state.try_send(UdpSockRef::from(socket), &transmit) {
            Ok(()) => sent += chunk.len(),
            Err(error) if is_full(&error) => return Handed::Full(left),
            Err(_) if chunk.len() > segment && state.max_gso_segments() <= 1 => {}
            Err(error) => {
                tracing::debug!(%error, peer = %way.peer, "sending failed");
                return Handed::Refused(left);
            }
        }
    }
    Handed::Taken
}

/// Where a run goes; none by TCP.
fn way(is_ipv6: bool, run: &Run<'_>) -> Option<Way> {
    let Remote::Udp { peer, local } = run.to else {
        return None;
    };
    Some(Way {
        peer: outward(is_ipv6, peer),
        local: local.map(|address| outward(is_ipv6, (address, 0).into()).ip()),
    })
}

/// The socket's buffer (EAGAIN) or a queue below it (ENOBUFS) has no room.
fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(ENOBUFS)
}

/// An address as the socket's family writes it (RFC 4291 §2.5.5.2).
fn outward(is_ipv6: bool, address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if is_ipv6 => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
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
        let runs = 2;
        let counts = UdpCounts {
            runs,
            ..UdpCounts::default()
        };
        assert_eq!(port.counts(), counts);
    }

    #[test]
    fn runs_for_many_leave_together_and_one_without_a_route_holds_up_nobody() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let mut port = UdpPort::bind(0).unwrap();
            let clients: Vec<_> = (0..3).map(|_| client(bind)).collect();
            // They answer from there, not from where the route would have it.
            let local: IpAddr = if bind.starts_with('1') {
                [127, 0, 0, 2].into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            };
            let mut outbox = Outbox::new();
            let mut push = |to: SocketAddr, local, lengths: &[usize]| {
                for &len in lengths {
                    outbox.push(Remote::Udp { peer: to, local }, |out| {
                        out.extend(std::iter::repeat_n(len as u8, len));
                        true
                    });
                }
            };
            push(clients[0].local_addr().unwrap(), Some(local), &[900]);
            if local.is_ipv4() {
                push("255.255.255.255:9".parse().unwrap(), Some(local), &[1200, 1200]);
            }
            push(
                clients[1].local_addr().unwrap(),
                Some(local),
                &[1200, 1200, 1200, 300],
            );
            push(clients[2].local_addr().unwrap(), Some(local), &[1200, 1200]);
            push(clients[0].local_addr().unwrap(), None, &[1300, 1300, 50]);
            port.send(&outbox);
            for (client, expected) in clients.iter().zip([
                &[900, 1300, 1300, 50][..],
                &[1200, 1200, 1200, 300],
                &[1200, 1200],
            ]) {
                let mut buffer = [0; 2000];
                for &len in expected {
                    let (got, from) = client.recv_from(&mut buffer).unwrap();
                    let source = if len == 1300 || len == 50 {
                        client.local_addr().unwrap().ip()
                    } else {
                        local
                    };
                    assert_eq!((got, from.ip()), (len, source));
                }
            }
            let failed = if local.is_ipv4() { 2 } else { 0 };
            assert_eq!(port.counts().send_failed, failed);
            assert_eq!(port.counts().without_gso, 0);
        }
    }

    #[test]
    fn what_is_left_of_many_runs_is_told_by_its_place_among_all() {
        let bytes = [0; 30];
        let runs: Vec<Run<'_>> = (0..5)
            .map(|port| Run {
                to: Remote::Udp {
                    peer: ([127, 0, 0, 1], port).into(),
                    local: None,
                },
                bytes: &bytes,
                segment: 10,
                is_video: true,
            })
            .collect();
        let left = Left { runs: 0, bytes: 10 };
        // The call for many takes two runs and then none; the third leaves alone, a part of the fourth does not.
        let many = |rest: &[Run<'_>]| (rest.len() == 5).then_some(Ok(2));
        for stopped in [Handed::Full, Handed::Refused] {
            let one = |run: &Run<'_>| match run.to {
                Remote::Udp { peer, .. } if peer.port() == 3 => stopped(left),
                _ => Handed::Taken,
            };
            let handed = hand_over(&runs, many, one);
            assert_eq!(handed, stopped(Left { runs: 3, bytes: 10 }));
        }
        let nobody = |_: &[Run<'_>]| Some(Err(io::ErrorKind::WouldBlock.into()));
        assert_eq!(hand_over(&runs, nobody, |_| Handed::Taken), Handed::Taken);
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
