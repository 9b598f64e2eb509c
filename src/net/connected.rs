//! Publishers' own sockets on a shard's UDP port. The kernel gives a connected socket what comes from its peer and
//! nothing else, so that a publisher's media has a queue of its own: a flood of others fills theirs. What is sent
//! leaves by the port's common socket, and where the kernel or its bounds give no such socket, all comes by that one.

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{UdpSockRef, UdpSocketState};
use sfu::transport::Remote;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::reader::Reader;

/// Publishers of one port with a socket of their own. Kernels before 6.13 look through all sockets of a port and
/// address for every datagram; more share the common one.
pub const MAX_CONNECTED: usize = 32;
/// Asked of the kernel for what waits: a second of a publisher of 8 Mbit/s.
const BUFFER: usize = 1 << 20;

/// The connected sockets of a port.
#[derive(Default)]
pub(super) struct Connected {
    lines: Vec<Option<Line>>,
    /// Sockets the kernel did not give.
    refused: u64,
}

struct Line {
    publisher: u64,
    path: Remote,
    socket: UdpSocket,
    state: UdpSocketState,
    has_more: bool,
}

impl Connected {
    /// Sockets open now.
    pub(super) fn open(&self) -> u64 {
        self.lines.iter().flatten().count() as u64
    }

    /// Sockets the kernel did not give; those publishers' media comes by the common one.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// A publisher sends from there, or is gone. Its socket is registered under a token of `first` plus at most
    /// [`MAX_CONNECTED`].
    pub(super) fn follow(
        &mut self,
        common: &UdpSocket,
        publisher: u64,
        path: Option<Remote>,
        registry: &Registry,
        first: usize,
    ) {
        for place in &mut self.lines {
            if let Some(line) = place
                && (line.publisher == publisher || Some(line.path) == path)
            {
                let _ = registry.deregister(&mut line.socket);
                // Closed here. What waits in it is lost: a path is left when nothing comes by it any more.
                *place = None;
            }
        }
        let Some(path) = path else { return };
        // Where it is not known to which of our addresses it sends, it would have to be guessed.
        let Remote::Udp {
            peer,
            local: Some(local),
        } = path
        else {
            return;
        };
        let place = match self.lines.iter().position(Option::is_none) {
            Some(place) => place,
            None if self.lines.len() < MAX_CONNECTED => {
                self.lines.push(None);
                self.lines.len() - 1
            }
            None => return,
        };
        match self.connect(common, SocketAddr::new(local, 0), peer) {
            Ok((mut socket, state)) => {
                let token = Token(first + place);
                if registry.register(&mut socket, token, Interest::READABLE).is_err() {
                    self.refused += 1;
                    return;
                }
                if let Some(line) = self.lines.get_mut(place) {
                    *line = Some(Line {
                        publisher,
                        path,
                        socket,
                        state,
                        has_more: true,
                    });
                }
            }
            Err(error) => {
                self.refused += 1;
                tracing::debug!(%error, %peer, "no socket of its own for a publisher");
            }
        }
    }

    /// A socket at the port's number, connected to a peer. Sockets share a number only where all of them say so at that
    /// moment (SO_REUSEPORT); they do not before and after, so that no other process comes in between.
    fn connect(
        &self,
        common: &UdpSocket,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<(UdpSocket, UdpSocketState)> {
        let local = SocketAddr::new(local.ip(), common.local_addr()?.port());
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // Best effort, as for the common one.
        let _ = socket.set_recv_buffer_size(BUFFER);
        // Before it is bound: what others send until it is connected comes here, and must tell to which address.
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let shared = |is_shared: bool| -> io::Result<()> {
            let lines = self
                .lines
                .iter()
                .flatten()
                .map(|line| SockRef::from(&line.socket));
            for socket in lines.chain([SockRef::from(common)]) {
                socket.set_reuse_port(is_shared)?;
            }
            Ok(())
        };
        let bound = shared(true)
            .and_then(|()| socket.set_reuse_port(true))
            .and_then(|()| socket.bind(&local.into()))
            .and_then(|()| socket.connect(&peer.into()))
            .and_then(|()| socket.set_reuse_port(false));
        shared(false)?;
        bound?;
        Ok((UdpSocket::from_std(socket.into()), state))
    }

    /// The socket of this place has something to read.
    pub(super) fn wake(&mut self, place: usize) {
        if let Some(Some(line)) = self.lines.get_mut(place) {
            line.has_more = true;
        }
    }

    /// Hands over what waits in the sockets that were woken; true when there may be more.
    pub(super) fn receive(&mut self, reader: &mut Reader, mut take: impl FnMut(Remote, &mut [u8])) -> bool {
        let mut is_left = false;
        for line in self.lines.iter_mut().flatten().filter(|line| line.has_more) {
            line.has_more = reader.receive(&line.socket, &line.state, &mut take);
            is_left |= line.has_more;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::super::udp::UdpPort;
    use super::*;

    const FIRST: usize = 3;

    /// A port, who publishes to it, and a stranger beside.
    struct Stage {
        port: UdpPort,
        poll: Poll,
        publisher: std::net::UdpSocket,
        stranger: std::net::UdpSocket,
        path: Remote,
    }

    impl Stage {
        fn at(address: &str) -> Stage {
            let port = UdpPort::bind(0).unwrap();
            let address: IpAddr = address.parse().unwrap();
            let [publisher, stranger] = [(), ()].map(|()| {
                let socket = std::net::UdpSocket::bind((address, 0)).unwrap();
                socket.connect((address, port.number().unwrap())).unwrap();
                socket
            });
            let path = Remote::Udp {
                peer: publisher.local_addr().unwrap(),
                local: Some(address),
            };
            let poll = Poll::new().unwrap();
            Stage {
                port,
                poll,
                publisher,
                stranger,
                path,
            }
        }

        fn follow(&mut self, publisher: u64, path: Option<Remote>) {
            self.port.follow(publisher, path, self.poll.registry(), FIRST);
        }

        /// What comes by publishers' own sockets once the poll tells of one.
        fn own(&mut self) -> Vec<Vec<u8>> {
            let mut events = Events::with_capacity(8);
            self.poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            for event in &events {
                self.port.wake(event.token().0 - FIRST);
            }
            let path = self.path;
            let mut got = Vec::new();
            while self.port.receive_connected(|from, bytes| {
                assert_eq!(from, path);
                got.push(bytes.to_vec());
            }) {}
            got
        }

        /// What waits in the common socket; on a loopback device nothing is on its way.
        fn common(&mut self) -> Vec<Vec<u8>> {
            let mut got = Vec::new();
            while self.port.receive(|_, bytes| got.push(bytes.to_vec())) {}
            got
        }
    }

    #[test]
    fn a_publisher_is_heard_though_strangers_fill_the_common_socket() {
        for address in ["127.0.0.1", "::1"] {
            let mut stage = Stage::at(address);
            stage.follow(1, Some(stage.path));
            assert_eq!(stage.port.counts().connected, 1);
            // More than the kernel keeps, whatever it allows.
            let junk = [0; 1000];
            for _ in 0..20_000 {
                stage.stranger.send(&junk).unwrap();
            }
            stage.publisher.send(b"picture").unwrap();
            assert_eq!(stage.own(), [b"picture"]);
            let common = stage.common();
            assert!(!common.is_empty() && common.len() < 20_000, "{}", common.len());
            assert!(common.iter().all(|bytes| bytes == &junk));
        }
    }

    #[test]
    fn who_goes_or_sends_from_elsewhere_leaves_nothing_behind() {
        let mut stage = Stage::at("127.0.0.1");
        stage.follow(1, Some(stage.path));
        let Remote::Udp { peer, local } = stage.path else {
            unreachable!()
        };
        let elsewhere = Remote::Udp {
            peer: SocketAddr::new(peer.ip(), 9),
            local,
        };
        stage.follow(1, Some(elsewhere));
        assert_eq!(stage.port.counts().connected, 1);
        stage.publisher.send(b"old path").unwrap();
        assert_eq!(stage.common(), [b"old path"]);
        // Another who has the address now.
        stage.follow(2, Some(stage.path));
        stage.follow(3, Some(stage.path));
        assert_eq!(stage.port.counts().connected, 2);
        stage.follow(1, None);
        stage.follow(3, None);
        let counts = stage.port.counts();
        assert_eq!((counts.connected, counts.connect_failed), (0, 0));
        stage.publisher.send(b"common again").unwrap();
        assert_eq!(stage.common(), [b"common again"]);
    }

    #[test]
    fn so_many_have_their_own_and_others_come_by_the_common_one() {
        let mut stage = Stage::at("127.0.0.1");
        for number in 0..MAX_CONNECTED as u16 {
            let path = Remote::Udp {
                peer: ([127, 0, 0, 1], 1000 + number).into(),
                local: Some([127, 0, 0, 1].into()),
            };
            stage.follow(u64::from(number), Some(path));
        }
        stage.follow(99, Some(stage.path));
        assert_eq!(stage.port.counts().connected, MAX_CONNECTED as u64);
        stage.publisher.send(b"picture").unwrap();
        assert_eq!(stage.common(), [b"picture"]);
        // By TCP, or where our address is not known, there is nothing to connect.
        stage.follow(0, None);
        stage.follow(98, Some(Remote::Tcp(1)));
        assert_eq!(stage.port.counts().connected, MAX_CONNECTED as u64 - 1);
    }

    #[test]
    fn the_number_stays_ours() {
        let mut stage = Stage::at("127.0.0.1");
        stage.follow(1, Some(stage.path));
        let number = stage.port.number().unwrap();
        for address in ["0.0.0.0", "127.0.0.1", "127.0.0.2"] {
            let address: IpAddr = address.parse().unwrap();
            let other = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            other.set_reuse_port(true).unwrap();
            let bound = other.bind(&SocketAddr::new(address, number).into());
            assert!(bound.is_err(), "{address}");
        }
    }
}
