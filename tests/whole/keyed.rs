//! A viewer with keys of its own over a socket of its own, which does as it is told: also what no browser would.

use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use sfu::negotiation::IceCredentials;
use sfu::transport::RtpParts;

use super::peer::{Part, Party, Peer};
use super::server::{PATIENCE, Server};

pub(crate) struct Keyed {
    pub(crate) peer: Peer,
    socket: Socket,
    /// Where its session is.
    pub(crate) session: String,
    /// Datagrams that it still sends.
    sends: usize,
    pub(crate) random: SmallRng,
    /// Streams that come, their newest numbers, and how many packets came: the picture has most.
    streams: Vec<(u32, u16, usize)>,
}

/// How it reaches the server. What does not fit into the kernel's buffers is lost.
pub(crate) enum Socket {
    Udp(UdpSocket),
    /// Framed (RFC 4571), and what was read of the next frame.
    Tcp(TcpStream, Vec<u8>),
}

impl Socket {
    fn send(&self, datagram: &[u8]) {
        let _ = match self {
            Socket::Udp(socket) => socket.send(datagram).map(drop),
            Socket::Tcp(stream, _) => {
                let frame = [&(datagram.len() as u16).to_be_bytes(), datagram].concat();
                (&*stream).write_all(&frame)
            }
        };
    }

    fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (stream, read) = match self {
            Socket::Udp(socket) => return socket.recv(buffer),
            Socket::Tcp(stream, read) => (stream, read),
        };
        loop {
            let len = match &read[..] {
                [high, low, rest @ ..] => {
                    Some(usize::from(u16::from_be_bytes([*high, *low]))).filter(|len| rest.len() >= *len)
                }
                _ => None,
            };
            if let Some(len) = len {
                buffer[..len].copy_from_slice(&read[2..2 + len]);
                read.drain(..2 + len);
                return Ok(len);
            }
            let mut part = [0; 4096];
            match stream.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => read.extend(&part[..count]),
            }
        }
    }
}

/// Sends one of so many.
fn send(socket: &Socket, sends: &mut usize, datagram: &[u8]) {
    if let Some(left) = sends.checked_sub(1) {
        *sends = left;
        socket.send(datagram);
    }
}

/// What somebody comes for: a viewer of a room, or a publisher with a token.
#[derive(Clone, Copy)]
pub(crate) enum Wish<'a> {
    Watch { room: &'a str },
    Publish { room: &'a str, token: &'a str },
}

/// A viewer of the demo.
const DEMO: Wish<'_> = Wish::Watch { room: "demo" };

/// Asks for a session; the port of the answer, and where the session is.
pub(crate) async fn ask(server: &Server, peer: &mut Peer, wish: Wish<'_>) -> (u16, String) {
    let end = Instant::now() + PATIENCE;
    let answer = loop {
        let post = |path: String| server.client.post(server.at(&path));
        let (request, part) = match wish {
            Wish::Watch { room } => (post(format!("/whep/{room}")), Part::Viewer),
            Wish::Publish { room, token } => {
                (post(format!("/whip/{room}")).bearer_auth(token), Part::Chromium)
            }
        };
        let request = request.header(CONTENT_TYPE, "application/sdp");
        let answer = request.body(peer.offer(part)).send().await.unwrap();
        if answer.status() == StatusCode::CREATED {
            break answer;
        }
        assert!(Instant::now() < end, "no session: {}", answer.status());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let session = answer.headers()[LOCATION].to_str().unwrap().to_owned();
    let answer = answer.text().await.unwrap();
    let of = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    peer.answered(IceCredentials {
        ufrag: of("a=ice-ufrag:"),
        pwd: of("a=ice-pwd:"),
    });
    let candidate = answer
        .lines()
        .find(|line| line.starts_with("a=candidate:") && line.to_ascii_lowercase().contains(" udp "));
    let port = candidate.unwrap().split(' ').nth(5).unwrap();
    (port.parse().unwrap(), session)
}

impl Keyed {
    /// Comes in as a browser would; returns when the picture comes.
    pub(crate) async fn come(server: &Server) -> Keyed {
        let mut keyed = Keyed::enter(server, &Party::new(), 1, false).await;
        let end = Instant::now() + PATIENCE;
        while keyed.picture().is_none_or(|(_, _, packets)| packets < 100) {
            assert!(Instant::now() < end, "no picture");
            keyed.read();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        keyed
    }

    /// Comes in by UDP or TCP, one of many with a number of its own; returns when it has keys.
    pub(crate) async fn enter(server: &Server, party: &Party, number: u64, by_tcp: bool) -> Keyed {
        Keyed::ask(server, party, number, by_tcp, DEMO)
            .await
            .connected()
            .await
    }

    /// The same by UDP, with a wish.
    pub(crate) async fn enter_as(server: &Server, party: &Party, number: u64, wish: Wish<'_>) -> Keyed {
        Keyed::ask(server, party, number, false, wish)
            .await
            .connected()
            .await
    }

    async fn connected(mut self) -> Keyed {
        let keyed = &mut self;
        let end = Instant::now() + PATIENCE;
        while !keyed.peer.is_connected() {
            assert!(Instant::now() < end, "no keys");
            keyed.read();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self
    }

    /// Begins to come in and says no more after so many datagrams, as long as one waits for an answer.
    pub(crate) async fn stall(server: &Server, party: &Party, number: u64, sends: usize) {
        let mut keyed = Keyed::ask(server, party, number, false, DEMO).await;
        keyed.sends = sends;
        for _ in 0..20 {
            keyed.read();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn ask(server: &Server, party: &Party, number: u64, by_tcp: bool, wish: Wish<'_>) -> Keyed {
        let mut peer = Peer::new(party, number, Instant::now());
        let (port, session) = ask(server, &mut peer, wish).await;
        let socket = if by_tcp {
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_nonblocking(true).unwrap();
            Socket::Tcp(stream, Vec::new())
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(("127.0.0.1", port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            Socket::Udp(socket)
        };
        Keyed {
            peer,
            socket,
            session,
            sends: usize::MAX,
            random: SmallRng::seed_from_u64(number),
            streams: Vec::new(),
        }
    }

    /// The picture's SSRC, its newest number, and how many packets of it came.
    pub(crate) fn picture(&self) -> Option<(u32, u16, usize)> {
        self.streams.iter().copied().max_by_key(|stream| stream.2)
    }

    /// Takes what came.
    pub(crate) fn read(&mut self) {
        let now = Instant::now();
        let mut buffer = [0; 2048];
        while let Ok(len) = self.socket.recv(&mut buffer) {
            let (socket, sends) = (&self.socket, &mut self.sends);
            let mut send = |bytes: &[u8]| send(socket, sends, bytes);
            match &buffer[..len] {
                [128..=191, kind, h, l, _, _, _, _, a, b, c, d, ..] if !(192..=223).contains(kind) => {
                    let (ssrc, number) = (u32::from_be_bytes([*a, *b, *c, *d]), u16::from_be_bytes([*h, *l]));
                    match self.streams.iter_mut().find(|stream| stream.0 == ssrc) {
                        Some(stream) => (stream.1, stream.2) = (number, stream.2 + 1),
                        None => self.streams.push((ssrc, number, 1)),
                    }
                }
                datagram => self.peer.handle_datagram(now, datagram, &mut send),
            }
        }
        let (socket, sends) = (&self.socket, &mut self.sends);
        self.peer
            .handle_timeout(now, &mut |bytes| send(socket, sends, bytes));
    }

    /// Sends reports under its keys.
    pub(crate) fn report(&mut self, compound: &[u8]) {
        let mut sealed = Vec::new();
        assert!(self.peer.keys.as_mut().unwrap().seal_rtcp(compound, &mut sealed));
        self.socket.send(&sealed);
    }

    /// Sends a packet of media under its keys.
    pub(crate) fn send(&mut self, header: &[u8], payload: &[u8]) {
        let mut sealed = Vec::new();
        let packet = RtpParts {
            header,
            lead: &[],
            body: payload,
            padding: 0,
        };
        assert!(self.peer.keys.as_mut().unwrap().seal_rtp(packet, &mut sealed));
        self.socket.send(&sealed);
    }

    /// Sends a packet of SCTP.
    pub(crate) fn say(&mut self, packet: &[u8]) {
        let socket = &self.socket;
        if !self.peer.is_over {
            self.peer.send_data(packet, &mut |bytes| socket.send(bytes));
        }
    }

    /// Says that it is still there (RFC 7675).
    pub(crate) fn consent(&self) {
        let socket = &self.socket;
        self.peer.check(&mut |bytes| socket.send(bytes));
    }

    /// Takes one byte of what came by TCP.
    pub(crate) fn sip(&mut self) {
        if let Socket::Tcp(stream, _) = &mut self.socket {
            let _ = stream.read(&mut [0]);
        }
    }

    /// Says goodbye.
    pub(crate) fn goodbye(&mut self) {
        let socket = &self.socket;
        self.peer.goodbye(&mut |bytes| socket.send(bytes));
    }

    pub(crate) fn random_bytes(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.random.random_range(4..most) / 4 * 4];
        self.random.fill_bytes(&mut bytes);
        bytes
    }
}
