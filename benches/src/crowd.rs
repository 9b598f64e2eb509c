//! Many peers on few sockets: each has an address of its own in 127.0.0.0/8, so one socket serves hundreds.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use sfu::media::RtpPacket;
use socket2::{Domain, Protocol, Socket, Type};

use crate::channels::Channels;
use crate::feedback::Feedback;
use crate::house::House;
use crate::peer::{Part, Party, Peer, TRANSPORT_SEQUENCE};

/// Peers on one socket.
const PEERS_PER_SOCKET: usize = 250;
/// Handshakes under way at once: more would overrun buffers.
const HANDSHAKES: usize = 50;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const BATCH: usize = 32;
const BUFFER: usize = 1 << 16;
const SOCKET_BUFFER: usize = 4 << 20;
/// Between two looks at the sockets while watching: a browser's thread is not woken for every packet either.
const LOOK: Duration = Duration::from_millis(2);
/// Feedback tells times of a clock that begins anew after this long.
const CLOCK_US: u64 = 64_000 << 23;
/// What took longer was not sent now.
const LONGEST_WAY: Duration = Duration::from_secs(2);
/// Between a browser's checks of consent.
const CONSENT: Duration = Duration::from_millis(2500);

/// A socket of many peers.
struct Shared {
    socket: UdpSocket,
    state: UdpSocketState,
    buffer: Vec<u8>,
}

impl Shared {
    fn new(offload: bool) -> Shared {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_recv_buffer_size(SOCKET_BUFFER).unwrap();
        socket.set_send_buffer_size(SOCKET_BUFFER).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())
            .unwrap();
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).unwrap();
        setsockopt(&socket, sockopt::UdpGroSegment, &offload).unwrap();
        Shared {
            socket,
            state,
            buffer: vec![0; BATCH * BUFFER],
        }
    }

    fn send(&self, from: Ipv4Addr, to: SocketAddr, datagram: &[u8]) {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: Some(from.into()),
        };
        // What is lost here is lost as on any network.
        let _ = self.state.try_send(UdpSockRef::from(&self.socket), &transmit);
    }

    /// Hands over what waits: the peer's address, the sender's, when it came by the wall clock, and the datagram.
    fn receive(&mut self, mut take: impl FnMut(Ipv4Addr, SocketAddr, Duration, &mut [u8])) {
        loop {
            let mut chunks = self.buffer.chunks_mut(BUFFER);
            let mut buffers: [IoSliceMut<'_>; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap()));
            let mut meta = [RecvMeta::default(); BATCH];
            let socket = UdpSockRef::from(&self.socket);
            let count = match self.state.recv(socket, &mut buffers, &mut meta) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            };
            for (meta, buffer) in meta.iter().zip(&mut buffers).take(count) {
                let Some(IpAddr::V4(to)) = meta.dst_ip else {
                    continue;
                };
                let at = meta.timestamp.unwrap_or_default();
                for datagram in buffer[..meta.len].chunks_mut(meta.stride.max(1)) {
                    take(to, meta.addr, at, datagram);
                }
            }
        }
    }
}

/// Peers that come and go together.
pub struct Crowd {
    party: Party,
    first: u64,
    offload: bool,
    has_channels: bool,
    sockets: Vec<Shared>,
    members: Vec<Member>,
}

/// A peer and whom it talks to.
struct Member {
    peer: Peer,
    server: SocketAddr,
    /// Where it opens data channels.
    channels: Option<Channels>,
    feedback: Feedback,
    next_feedback: Instant,
    next_check: Instant,
    /// Whether it opens what it gets, to see when that was sent.
    is_timed: bool,
}

/// How long packets took from their publisher to a viewer's socket.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Of every packet of a picture.
    pub packets: Vec<Duration>,
    /// Of the last packet of each frame, without which it cannot be shown, but for keyframes.
    pub frames: Vec<Duration>,
    /// Of the last packet of each keyframe.
    pub keyframes: Vec<Duration>,
}

/// What came to a crowd.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// RTP packets.
    pub packets: u64,
    /// Everything else.
    pub others: u64,
    /// What timed viewers saw.
    pub times: Times,
}

impl Crowd {
    /// Nobody yet. Peers are numbered from `first`, which keeps crowds of one server apart. With `offload` runs arrive
    /// whole, as if a network card had cut them up; without, the kernel does it in the sender's time.
    pub fn new(party: &Party, first: u64, offload: bool) -> Crowd {
        Crowd {
            party: party.clone(),
            first,
            offload,
            has_channels: false,
            sockets: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Peers open the three data channels too, and have joined when these are open.
    pub fn with_channels(mut self) -> Crowd {
        self.has_channels = true;
        self
    }

    /// Connects more peers to a shard's room; returns when all have keys.
    pub fn join(&mut self, house: &mut House, shard: usize, room: &str, part: Part, count: usize) {
        self.join_by(count, |peer| {
            house.admit(shard, room, peer, part);
            house.door(shard)
        });
    }

    /// Connects more peers; `admit` makes a session of each and says where its media goes.
    pub fn join_by(&mut self, count: usize, mut admit: impl FnMut(&mut Peer) -> SocketAddr) {
        let end = self.members.len() + count;
        while self.members.len() < end {
            let wave = (end - self.members.len()).min(HANDSHAKES);
            let begin = self.members.len();
            for _ in 0..wave {
                let now = Instant::now();
                let number = self.first + self.members.len() as u64;
                let mut peer = Peer::new(&self.party, number, now);
                let server = admit(&mut peer);
                self.members.push(Member {
                    peer,
                    server,
                    channels: self.has_channels.then(Channels::new),
                    feedback: Feedback::default(),
                    next_feedback: now,
                    next_check: now,
                    is_timed: false,
                });
                if self.members.len() > self.sockets.len() * PEERS_PER_SOCKET {
                    self.sockets.push(Shared::new(self.offload));
                }
            }
            self.connect(begin);
        }
    }

    fn connect(&mut self, begin: usize) {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        while self.members[begin..].iter().any(|member| !member.has_joined()) {
            let now = Instant::now();
            assert!(now < deadline, "peers do not connect");
            for (place, member) in self.members.iter_mut().enumerate().skip(begin) {
                let socket = &self.sockets[place / PEERS_PER_SOCKET];
                let (from, to) = (member.peer.address, member.server);
                member
                    .peer
                    .handle_timeout(now, &mut |datagram: &[u8]| socket.send(from, to, datagram));
            }
            self.receive(now, &mut Received::default());
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Lets so many members, evenly spread, time what they get.
    pub fn time(&mut self, count: usize) {
        let every = (self.members.len() / count.max(1)).max(1);
        for (place, member) in self.members.iter_mut().enumerate() {
            member.is_timed = place % every == 0;
        }
    }

    /// Takes what came.
    fn receive(&mut self, now: Instant, received: &mut Received) {
        let mut replies: Vec<(Ipv4Addr, SocketAddr, Vec<u8>)> = Vec::new();
        for socket in &mut self.sockets {
            socket.receive(|to, from, at, datagram| {
                let Some(place) = place(to, self.first) else {
                    return;
                };
                let Some(member) = self.members.get_mut(place) else {
                    return;
                };
                match datagram {
                    [128..=191, 192..=223, ..] => received.others += 1,
                    [128..=191, ..] => {
                        received.packets += 1;
                        if member.is_timed {
                            member.time(at, datagram, &mut received.times);
                        }
                        member.note(at, datagram);
                    }
                    _ => {
                        received.others += 1;
                        let mut send = |reply: &[u8]| replies.push((to, from, reply.to_vec()));
                        member.peer.handle_datagram(now, datagram, &mut send);
                        member.read_data(now, &mut send);
                    }
                }
            });
            for (from, to, reply) in replies.drain(..) {
                socket.send(from, to, &reply);
            }
        }
    }

    /// Feedback and checks that are due.
    fn answer(&mut self, now: Instant, interval: Duration) {
        let sockets = &self.sockets;
        for (place, member) in self.members.iter_mut().enumerate() {
            let socket = &sockets[place / PEERS_PER_SOCKET];
            let (from, to) = (member.peer.address, member.server);
            if now >= member.next_check {
                member.next_check = now + CONSENT;
                member
                    .peer
                    .check(&mut |check: &[u8]| socket.send(from, to, check));
            }
            member.repeat(now, &mut |datagram: &[u8]| socket.send(from, to, datagram));
            if now < member.next_feedback {
                continue;
            }
            member.next_feedback = now + interval;
            if let Some(compound) = member.feedback.take()
                && let Some(keys) = &mut member.peer.keys
            {
                let mut sealed = Vec::with_capacity(compound.len() + 32);
                keys.seal_rtcp(&compound, &mut sealed);
                socket.send(from, to, &sealed);
            }
        }
    }

    /// Takes what came and answers as a browser does.
    pub fn tend(&mut self, now: Instant, interval: Duration, received: &mut Received) {
        self.receive(now, received);
        self.answer(now, interval);
    }

    /// A member closes its connection.
    pub fn goodbye(&mut self, place: usize) {
        let Member { peer, server, .. } = &mut self.members[place];
        let (socket, from, to) = (&self.sockets[place / PEERS_PER_SOCKET], peer.address, *server);
        peer.goodbye(&mut |datagram: &[u8]| socket.send(from, to, datagram));
    }

    /// Receives on a thread of its own and answers as browsers do, feedback every `interval`.
    pub fn watch(mut self, interval: Duration) -> Watching {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let timed = Arc::new(Mutex::new([0; 3]));
        let counted = Arc::clone(&timed);
        let count = self.members.len().max(1) as u32;
        let now = Instant::now();
        // Nobody's feedback keeps step with another's.
        for (place, member) in self.members.iter_mut().enumerate() {
            member.next_feedback = now + interval * place as u32 / count;
            member.next_check = now + CONSENT * place as u32 / count;
        }
        let thread = std::thread::Builder::new().name("crowd".into()).spawn(move || {
            let mut total = Received::default();
            while !stopped.load(Ordering::Relaxed) {
                let now = Instant::now();
                self.tend(now, interval, &mut total);
                let Times {
                    packets,
                    frames,
                    keyframes,
                } = &total.times;
                *counted.lock().unwrap() = [packets, frames, keyframes].map(Vec::len);
                std::thread::sleep(LOOK);
            }
            (self, total)
        });
        Watching {
            stop,
            timed,
            thread: thread.unwrap(),
        }
    }

    /// Messages that came on all data channels.
    pub fn messages(&self) -> u64 {
        let channels = self.members.iter().filter_map(|member| member.channels.as_ref());
        channels.map(|channels| channels.received).sum()
    }

    /// How long messages with a stamp were on their way, since this was asked last.
    pub fn delays(&mut self) -> Vec<Duration> {
        let channels = self
            .members
            .iter_mut()
            .filter_map(|member| member.channels.as_mut());
        channels
            .flat_map(|channels| std::mem::take(&mut channels.took))
            .collect()
    }

    /// A member, by its place in the order of joining.
    pub fn peer(&mut self, place: usize) -> &mut Peer {
        &mut self.members[place].peer
    }

    /// Sends a datagram as a member.
    pub fn send(&self, place: usize, datagram: &[u8]) {
        let member = &self.members[place];
        self.sockets[place / PEERS_PER_SOCKET].send(member.peer.address, member.server, datagram);
    }

    /// Seals an RTP packet (header, rest) with a member's keys and sends it.
    pub fn send_rtp(&mut self, place: usize, header: &[u8], body: &[u8]) {
        let member = &mut self.members[place];
        let mut sealed = Vec::with_capacity(header.len() + body.len() + 32);
        let keys = member.peer.keys.as_mut().unwrap();
        let parts = sfu::transport::RtpParts {
            header,
            lead: &[],
            body,
            padding: 0,
        };
        assert!(keys.seal_rtp(parts, &mut sealed));
        self.sockets[place / PEERS_PER_SOCKET].send(member.peer.address, member.server, &sealed);
    }

    /// Where each member receives.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let port = |socket: &Shared| socket.socket.local_addr().unwrap().port();
        let members = self.members.iter().enumerate();
        members
            .map(|(place, member)| {
                let socket = &self.sockets[place / PEERS_PER_SOCKET];
                SocketAddr::from((member.peer.address, port(socket)))
            })
            .collect()
    }
}

impl Member {
    fn has_joined(&self) -> bool {
        self.peer.is_connected() && self.channels.as_ref().is_none_or(Channels::are_open)
    }

    /// What came by DTLS goes to the channels.
    fn read_data(&mut self, now: Instant, send: &mut impl FnMut(&[u8])) {
        let packets = std::mem::take(&mut self.peer.data);
        let Some(channels) = &mut self.channels else {
            return;
        };
        for packet in packets {
            channels.handle(now, packet, &mut |packet: &[u8]| {
                self.peer.send_data(packet, send)
            });
        }
    }

    /// What the channels repeat and acknowledge late.
    fn repeat(&mut self, now: Instant, send: &mut impl FnMut(&[u8])) {
        if let Some(channels) = &mut self.channels {
            channels.handle_timeout(now, &mut |packet: &[u8]| self.peer.send_data(packet, send));
        }
    }

    /// Opens a copy of a packet and reads the stamp at its end.
    fn time(&mut self, at: Duration, datagram: &[u8], times: &mut Times) {
        let mut packet = datagram.to_vec();
        let Some(keys) = &mut self.peer.keys else { return };
        let Some(len) = keys.open_rtp(&mut packet) else {
            return;
        };
        let Some(packet) = RtpPacket::parse(&packet[..len]) else {
            return;
        };
        let Some(stamp) = packet.payload().last_chunk() else {
            return;
        };
        let stamp = u64::from_be_bytes(*stamp);
        let Some(took) = at.checked_sub(Duration::from_nanos(stamp)) else {
            return;
        };
        // Sound, and what is sent again, has no stamp of now.
        if took < LONGEST_WAY {
            times.packets.push(took);
            if packet.marker() && stamp % 2 == 1 {
                times.keyframes.push(took);
            } else if packet.marker() {
                times.frames.push(took);
            }
        }
    }

    /// Notes when a packet came, by the kernel's stamp: this thread may be late, a browser's line is not.
    fn note(&mut self, at: Duration, datagram: &mut [u8]) {
        // The count of padding is encrypted; nothing here reads the payload.
        datagram[0] &= !0x20;
        let Some(packet) = RtpPacket::parse(datagram) else {
            return;
        };
        let Some(&number) = packet.extension(TRANSPORT_SEQUENCE).and_then(<[u8]>::first_chunk) else {
            return;
        };
        // The clock of feedback has 24 bits of 64 ms.
        let at = at.as_micros() as u64 % CLOCK_US;
        self.feedback
            .arrived(u16::from_be_bytes(number), at, packet.ssrc(), packet.sequence());
    }
}

/// The place of the member with that address.
fn place(address: Ipv4Addr, first: u64) -> Option<usize> {
    let [_, high, middle, low] = address.octets();
    let number = u64::from_be_bytes([0, 0, 0, 0, 0, high.checked_sub(1)?, middle, low]);
    usize::try_from(number.checked_sub(first)?).ok()
}

/// A crowd that watches.
pub struct Watching {
    stop: Arc<AtomicBool>,
    timed: Arc<Mutex<[usize; 3]>>,
    thread: JoinHandle<(Crowd, Received)>,
}

impl Watching {
    /// Packets, frames and keyframes timed so far.
    pub fn timed(&self) -> [usize; 3] {
        *self.timed.lock().unwrap()
    }

    /// Ends it; gives the crowd back and what came.
    pub fn stop(self) -> (Crowd, Received) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
