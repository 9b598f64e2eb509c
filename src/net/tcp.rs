//! ICE-TCP for clients whose UDP is blocked: passive candidates (RFC 6544), packets framed by their length
//! (RFC 4571). Connections are numbered; a shard knows them as [`Remote::Tcp`].

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sfu::transport::{Outbox, Remote, Run};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::framing::{Frames, NotFramed, PREFIX};
use super::outgoing::{Dropped, Outgoing};

/// Connections of one port; each holds up to a few hundred kilobytes while its line is slow. More are closed as they
/// come.
const MAX_CONNECTIONS: usize = 1024;
/// Bytes the kernel keeps beyond what is on the way, so that what is late waits where it can still be dropped: a
/// few frames, for the line must not run dry between two turns of the thread.
const MAX_UNSENT: u32 = 16 << 10;
/// Without a packet for this long the other side is gone: ICE consent checks come every few seconds (RFC 7675).
const IDLE: Duration = Duration::from_secs(30);
/// A new connection is to begin with its STUN check within this time.
const FIRST_PACKET: Duration = Duration::from_secs(5);
/// Connections taken from the listener in one go.
const ACCEPTS: usize = 64;
/// Reads of one connection before others have their turn.
const READS: usize = 8;

/// What a port counted; only ever grows, but for the connections open now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused because there were too many.
    pub refused: u64,
    /// Connections closed for not speaking the protocol.
    pub violated: u64,
    /// Packets dropped because a connection's queue was full or the connection gone.
    pub send_dropped: u64,
    /// Media dropped because its line was too slow for it.
    pub send_late: u64,
    /// Connections open now.
    pub open: u64,
}

/// A listening port and its connections.
pub struct TcpPort {
    listener: TcpListener,
    connections: HashMap<u64, Connection>,
    next: u64,
    scratch: Vec<u8>,
    counts: TcpCounts,
    swept: Option<Instant>,
}

struct Connection {
    stream: TcpStream,
    frames: Frames,
    outgoing: Outgoing,
    /// When the last whole packet came.
    last_heard: Instant,
    /// Whether the connection broke rather than ended.
    broken: bool,
}

/// A connection that must be closed.
struct Over;

impl TcpPort {
    /// Listens on a port on every address; IPv4 alone where there is no IPv6.
    ///
    /// # Errors
    /// When the port is taken or the system refuses.
    pub fn bind(port: u16) -> io::Result<TcpPort> {
        match TcpPort::bind_to(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            Err(_) => TcpPort::bind_to(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            bound => bound,
        }
    }

    fn bind_to(address: SocketAddr) -> io::Result<TcpPort> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(ACCEPTS as i32)?;
        Ok(TcpPort {
            listener: TcpListener::from_std(socket.into()),
            connections: HashMap::new(),
            next: 0,
            scratch: vec![0; 64 << 10],
            counts: TcpCounts::default(),
            swept: None,
        })
    }

    /// The port number.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn number(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// The listener, to register with a poll.
    pub fn source(&mut self) -> &mut impl mio::event::Source {
        &mut self.listener
    }

    /// What was counted so far.
    pub fn counts(&self) -> TcpCounts {
        TcpCounts {
            open: self.connections.len() as u64,
            ..self.counts
        }
    }

    /// Takes waiting connections in, each registered under a token of `first` plus its number; true when there may
    /// be more.
    pub fn accept(&mut self, now: Instant, registry: &Registry, first: usize) -> bool {
        for _ in 0..ACCEPTS {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // Given up before it was its turn; others wait behind it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    tracing::debug!(%error, "accepting failed");
                    return false;
                }
            };
            if self.connections.len() >= MAX_CONNECTIONS {
                self.counts.refused += 1;
                continue;
            }
            // Packets are not to wait for one another; without it they would be late, not lost.
            let _ = stream.set_nodelay(true);
            // Best effort: without it the kernel's buffer adds its own delay.
            let _ = SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT);
            let number = self.next;
            let both = Interest::READABLE | Interest::WRITABLE;
            let token = usize::try_from(number)
                .ok()
                .and_then(|number| first.checked_add(number));
            let Some(token) = token else { continue };
            if let Err(error) = registry.register(&mut stream, Token(token), both) {
                tracing::debug!(%error, "registering a connection failed");
                continue;
            }
            self.next += 1;
            self.counts.accepted += 1;
            self.connections.insert(
                number,
                Connection {
                    stream,
                    frames: Frames::default(),
                    outgoing: Outgoing::default(),
                    last_heard: now,
                    broken: false,
                },
            );
        }
        true
    }

    /// Serves a connection that the poll named: hands over its whole packets and writes what waits. True when there
    /// may be more to read.
    pub fn serve(&mut self, now: Instant, number: u64, mut take: impl FnMut(Remote, &mut [u8])) -> bool {
        let Some(connection) = self.connections.get_mut(&number) else {
            return false;
        };
        let read = connection.read(now, &mut self.scratch, |packet| take(Remote::Tcp(number), packet));
        let violated = read.is_err() && !connection.broken && !connection.frames.is_whole();
        let wrote = connection.write(now);
        self.counts.add(connection.dropped());
        if read.is_err() || wrote.is_err() {
            self.counts.violated += u64::from(violated);
            self.connections.remove(&number);
            return false;
        }
        read.unwrap_or_default()
    }

    /// Sends every run that goes by TCP. What does not fit, or comes too late for its line, is dropped and counted.
    pub fn send(&mut self, now: Instant, outbox: &Outbox) {
        for run in outbox.runs() {
            let Remote::Tcp(number) = run.to else { continue };
            let Some(connection) = self.connections.get_mut(&number) else {
                self.counts.send_dropped += packets(run).len() as u64;
                continue;
            };
            let sent = connection.send(now, run, &mut self.scratch);
            self.counts.add(connection.dropped());
            if sent.is_err() {
                self.connections.remove(&number);
            }
        }
    }

    /// Closes connections on which nothing comes any more. Cheap when called often.
    pub fn sweep(&mut self, now: Instant) {
        if self
            .swept
            .is_some_and(|swept| now.saturating_duration_since(swept) < Duration::from_secs(1))
        {
            return;
        }
        self.swept = Some(now);
        self.connections.retain(|_, connection| {
            let limit = if connection.frames.has_spoken() {
                IDLE
            } else {
                FIRST_PACKET
            };
            now.saturating_duration_since(connection.last_heard) < limit
        });
    }
}

impl Connection {
    fn read(
        &mut self,
        now: Instant,
        scratch: &mut [u8],
        mut take: impl FnMut(&mut [u8]),
    ) -> Result<bool, Over> {
        for _ in 0..READS {
            match self.stream.read(scratch) {
                Ok(0) => return Err(Over),
                Ok(count) => {
                    let bytes = scratch.get(..count).unwrap_or_default();
                    let last_heard = &mut self.last_heard;
                    let framed = self.frames.take(bytes, |packet| {
                        *last_heard = now;
                        take(packet);
                    });
                    framed.map_err(|NotFramed| Over)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.broken = true;
                    return Err(Over);
                }
            }
        }
        Ok(true)
    }

    /// Writes a run's packets, or puts them behind what waits.
    fn send(&mut self, now: Instant, run: Run<'_>, scratch: &mut [u8]) -> Result<(), Over> {
        let mut written = if self.outgoing.is_empty() {
            self.write_at_once(run, scratch)?
        } else {
            0
        };
        for packet in packets(run) {
            let size = PREFIX + packet.len();
            if written < size {
                self.outgoing.push(now, packet, written);
            }
            written = written.saturating_sub(size);
        }
        self.write(now)
    }

    /// Most lines take all of a run, in one call and without a copy being kept. Returns how many bytes they took.
    fn write_at_once(&mut self, run: Run<'_>, scratch: &mut [u8]) -> Result<usize, Over> {
        let mut end = 0;
        for packet in packets(run) {
            let Some(frame) = scratch.get_mut(end..end + PREFIX + packet.len()) else {
                break;
            };
            let (prefix, body) = frame.split_at_mut(PREFIX);
            prefix.copy_from_slice(&(packet.len() as u16).to_be_bytes());
            body.copy_from_slice(packet);
            end += PREFIX + packet.len();
        }
        let frames = scratch.get(..end).unwrap_or_default();
        let mut written = 0;
        while let Some(rest) = frames.get(written..).filter(|rest| !rest.is_empty()) {
            match taken(self.stream.write(rest))? {
                Some(count) => written += count,
                None => break,
            }
        }
        Ok(written)
    }

    /// Writes what waits.
    fn write(&mut self, now: Instant) -> Result<(), Over> {
        let stream = &mut self.stream;
        self.outgoing
            .write_to(now, |slices| taken(stream.write_vectored(slices)))
    }

    fn dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.outgoing.dropped)
    }
}

/// How many bytes a write took; none when the connection takes no more for now.
fn taken(written: io::Result<usize>) -> Result<Option<usize>, Over> {
    match written {
        Ok(0) => Err(Over),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(0)),
        // Not connected: the connection is still being made.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
            ) =>
        {
            Ok(None)
        }
        Err(_) => Err(Over),
    }
}

fn packets(run: Run<'_>) -> std::slice::Chunks<'_, u8> {
    run.bytes.chunks(run.segment.max(1))
}

impl TcpCounts {
    fn add(&mut self, dropped: Dropped) {
        self.send_dropped += dropped.full;
        self.send_late += dropped.late;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use mio::{Events, Poll};

    use super::super::outgoing::MAX_BYTES;
    use super::*;

    const LISTENER: Token = Token(0);
    const FIRST: usize = 1;

    struct Server {
        poll: Poll,
        port: TcpPort,
        got: Vec<(u64, Vec<u8>)>,
    }

    impl Server {
        fn new() -> Server {
            let poll = Poll::new().unwrap();
            let mut port = TcpPort::bind(0).unwrap();
            poll.registry()
                .register(port.source(), LISTENER, Interest::READABLE)
                .unwrap();
            Server {
                poll,
                port,
                got: Vec::new(),
            }
        }

        fn connect(&self) -> Client {
            let client = Client::connect(("127.0.0.1", self.port.number().unwrap())).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            client
        }

        /// Turns the loop until `done`.
        fn turn(&mut self, done: impl Fn(&Server) -> bool) {
            let mut events = Events::with_capacity(16);
            while !done(self) {
                self.poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
                assert!(!events.is_empty(), "nothing happened");
                let now = Instant::now();
                for event in &events {
                    match event.token() {
                        LISTENER => while self.port.accept(now, self.poll.registry(), FIRST) {},
                        Token(token) => {
                            while self.port.serve(now, (token - FIRST) as u64, |from, packet| {
                                let Remote::Tcp(number) = from else { panic!() };
                                self.got.push((number, packet.to_vec()));
                            }) {}
                        }
                    }
                }
            }
        }
    }

    fn framed(packet: &[u8]) -> Vec<u8> {
        [&(packet.len() as u16).to_be_bytes(), packet].concat()
    }

    #[test]
    fn packets_survive_any_cut_of_the_stream() {
        let mut server = Server::new();
        let mut client = server.connect();
        let stream = [framed(&[0, 1, 2]), framed(&[128; 1200]), framed(&[22])].concat();
        for part in stream.chunks(7) {
            client.write_all(part).unwrap();
        }
        server.turn(|server| server.got.len() == 3);
        let lengths: Vec<_> = server.got.iter().map(|(_, packet)| packet.len()).collect();
        assert_eq!(lengths, [3, 1200, 1]);

        let mut outbox = Outbox::new();
        for len in [500, 500, 20] {
            outbox.push(Remote::Tcp(server.got[0].0), |out| {
                out.extend(std::iter::repeat_n(7, len));
                true
            });
        }
        server.port.send(Instant::now(), &outbox);
        let mut answer = vec![0; 3 * PREFIX + 1020];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(
            answer,
            [framed(&[7; 500]), framed(&[7; 500]), framed(&[7; 20])].concat()
        );
    }

    #[test]
    fn what_is_not_ice_is_closed() {
        let mut server = Server::new();
        for junk in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0], &[0, 4, 128, 0, 0, 0]] {
            let violated = server.port.counts().violated;
            let mut client = server.connect();
            client.write_all(junk).unwrap();
            server.turn(|server| server.port.counts().violated > violated);
            assert!(matches!(client.read(&mut [0; 10]), Ok(0) | Err(_)));
        }
        assert!(server.got.is_empty());
    }

    #[test]
    fn a_silent_connection_is_swept_sooner_than_one_that_spoke() {
        let mut server = Server::new();
        let mut talker = server.connect();
        let _silent = server.connect();
        talker.write_all(&framed(&[0, 1])).unwrap();
        server.turn(|server| !server.got.is_empty() && server.port.counts().open == 2);
        let later = Instant::now() + FIRST_PACKET + Duration::from_secs(1);
        server.port.sweep(later);
        assert_eq!(server.port.counts().open, 1);
        server.port.sweep(later + IDLE);
        assert_eq!(server.port.counts().open, 0);
    }

    #[test]
    fn a_client_that_does_not_read_loses_packets_not_memory() {
        let mut server = Server::new();
        let mut client = server.connect();
        client.write_all(&framed(&[0, 1])).unwrap();
        server.turn(|server| !server.got.is_empty());
        for _ in 0..40 {
            let mut outbox = Outbox::new();
            for _ in 0..1000 {
                outbox.push(Remote::Tcp(0), |out| {
                    out.extend([7; 1200]);
                    true
                });
            }
            server.port.send(Instant::now(), &outbox);
        }
        assert!(server.port.counts().send_dropped > 0);
        assert!(server.port.connections[&0].outgoing.len() <= MAX_BYTES);
    }
}
