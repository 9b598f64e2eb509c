//! The sockets of one thread. Toward a server on this machine one socket serves all viewers, each with a loopback
//! address of its own; toward others each viewer has a socket, and so a port.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

use super::viewer::Moment;

/// Asked for the shared socket, both ways; the kernel gives what `rmem_max` and `wmem_max` allow.
const SHARED_BUFFER: usize = 8 << 20;
/// With so much, by the kernel's count, a gigabit per second may wait for a millisecond.
const ROOMY: usize = 2 << 20;
/// For a socket of one viewer: a tenth of a second at 20 Mbit/s.
const OWN_BUFFER: usize = 256 << 10;
/// Buffers of one recvmmsg. With GRO each holds up to a whole run.
const BATCH: usize = 32;
/// The longest run, and a little: buffers a power of two apart would be in each other's place in the processor's caches.
const BUFFER: usize = (1 << 16) + (5 << 10) + 64;
/// Receive calls on one socket before others are looked at.
const MAX_BATCHES: usize = 16;
/// Viewers of a thread on loopback: a block of addresses, the last two bytes of 127.x.y.z.
pub(super) const MAX_VIEWERS: u32 = 60_000;
/// The first block: far from 127.0.0.1, where servers are.
const FIRST_BLOCK: u8 = 64;
/// The shared socket's token; those of viewers come after it.
const SHARED: usize = 0;

struct Port {
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
    viewer: u32,
}

/// A viewer's place on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// On the shared socket, with the address of its place.
    Shared,
    /// On a socket of its own.
    Own(usize),
}

/// Datagrams of one sender to one viewer that came together.
pub(super) struct Run<'b> {
    pub(super) viewer: u32,
    pub(super) moment: Moment,
    pub(super) from: SocketAddr,
    bytes: &'b mut [u8],
    stride: usize,
}

impl Run<'_> {
    /// The first of them.
    pub(super) fn first(&self) -> &[u8] {
        self.bytes.get(..self.stride).unwrap_or(self.bytes)
    }

    /// In order.
    pub(super) fn datagrams(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.bytes.chunks_mut(self.stride)
    }
}

/// The sockets of one thread.
pub(super) struct Wire {
    block: u32,
    shared: Option<Port>,
    own: Slab<Port>,
    buffer: Vec<u8>,
    /// The shared socket's buffer is as large as it should be.
    is_roomy: bool,
    /// Datagrams the kernel did not take.
    pub(super) unsent: u64,
}

impl Wire {
    pub(super) fn new(thread: u8) -> Wire {
        Wire {
            block: u32::from(Ipv4Addr::new(127, FIRST_BLOCK.saturating_add(thread), 0, 1)),
            shared: None,
            own: Slab::new(),
            buffer: vec![0; BATCH * BUFFER],
            is_roomy: false,
            unsent: 0,
        }
    }

    /// A place for a viewer who will talk to `server`, and the address it talks from.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub(super) fn seat(
        &mut self,
        viewer: u32,
        server: SocketAddr,
        registry: &Registry,
    ) -> io::Result<(Seat, SocketAddr)> {
        if server.is_ipv4() && server.ip().is_loopback() {
            if self.shared.is_none() {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                let port = open(any, SHARED_BUFFER, 0, registry, Token(SHARED))?;
                self.is_roomy = socket2::SockRef::from(&port.socket).recv_buffer_size()? >= ROOMY;
                self.shared = Some(port);
            }
            let bound = self
                .shared
                .as_ref()
                .map(|port| port.socket.local_addr())
                .transpose()?;
            let port = bound.map_or(0, |bound| bound.port());
            let ip = Ipv4Addr::from(self.block + viewer);
            return Ok((Seat::Shared, SocketAddr::from((ip, port))));
        }
        let ip = source_toward(server)?;
        let entry = self.own.vacant_entry();
        let place = entry.key();
        let port = open(
            SocketAddr::new(ip, 0),
            OWN_BUFFER,
            viewer,
            registry,
            Token(SHARED + 1 + place),
        )?;
        let address = port.socket.local_addr()?;
        entry.insert(port);
        Ok((Seat::Own(place), address))
    }

    /// The viewer is gone.
    pub(super) fn release(&mut self, seat: Seat, registry: &Registry) {
        if let Seat::Own(place) = seat
            && let Some(mut port) = self.own.try_remove(place)
        {
            // The socket closes with it.
            let _ = registry.deregister(&mut port.socket);
        }
    }

    /// Whether packets may wait in the kernel for a millisecond: sockets of single viewers always hold that much.
    pub(super) fn holds_a_rest(&self) -> bool {
        self.shared.is_none() || self.is_roomy
    }

    /// Local ports in use.
    pub(super) fn ports(&self) -> Vec<u16> {
        let ports = self.shared.iter().chain(self.own.iter().map(|(_, port)| port));
        ports
            .filter_map(|port| Some(port.socket.local_addr().ok()?.port()))
            .collect()
    }

    /// Hands over what waits on a socket, a call's worth at a time; true when there may be more.
    pub(super) fn receive(&mut self, token: Token, mut take: impl FnMut(&mut [Run<'_>])) -> bool {
        let port = match token.0.checked_sub(SHARED + 1) {
            None => self.shared.as_ref(),
            Some(place) => self.own.get(place),
        };
        let Some(port) = port else {
            return false;
        };
        let is_shared = token.0 == SHARED;
        for _ in 0..MAX_BATCHES {
            let mut chunks = self.buffer.chunks_mut(BUFFER);
            let mut buffers: [IoSliceMut<'_>; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let mut meta = [RecvMeta::default(); BATCH];
            let count = match port
                .state
                .recv(UdpSockRef::from(&port.socket), &mut buffers, &mut meta)
            {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An ICMP error of an earlier send, for one: the next call goes on behind it.
                Err(_) => continue,
            };
            let (now, unix) = (Instant::now(), unix_now());
            let filled = meta.iter().zip(&mut buffers).take(count);
            let runs = filled.filter_map(|(meta, buffer)| {
                // When the kernel had it: our own lateness must not look like the network's.
                let age = meta
                    .timestamp
                    .map_or(Duration::ZERO, |stamp| unix.saturating_sub(stamp));
                let viewer = match (is_shared, meta.dst_ip) {
                    (true, Some(IpAddr::V4(ip))) => u32::from(ip).wrapping_sub(self.block),
                    (true, _) => return None,
                    (false, _) => port.viewer,
                };
                Some(Run {
                    viewer,
                    moment: Moment {
                        at: now.checked_sub(age).unwrap_or(now),
                        unix_us: unix.saturating_sub(age).as_micros() as u64,
                        is_held_back: false,
                    },
                    from: meta.addr,
                    bytes: buffer.get_mut(..meta.len).unwrap_or_default(),
                    stride: meta.stride.max(1),
                })
            });
            take(&mut runs.collect::<Vec<_>>());
            if count < BATCH {
                return false;
            }
        }
        true
    }

    /// Sends one datagram of a viewer's.
    pub(super) fn send(&mut self, seat: Seat, viewer: u32, to: SocketAddr, datagram: &[u8]) {
        let (port, source) = match seat {
            Seat::Shared => (
                self.shared.as_ref(),
                Some(IpAddr::V4(Ipv4Addr::from(self.block + viewer))),
            ),
            Seat::Own(place) => (self.own.get(place), None),
        };
        let Some(port) = port else {
            return;
        };
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: source,
        };
        if let Err(error) = port.state.try_send(UdpSockRef::from(&port.socket), &transmit) {
            self.unsent += 1;
            tracing::debug!(%error, %to, "sending failed");
        }
    }
}

fn open(
    address: SocketAddr,
    buffer: usize,
    viewer: u32,
    registry: &Registry,
    token: Token,
) -> io::Result<Port> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Best effort: a smaller buffer works, and what it drops is counted.
    let _ = socket.set_recv_buffer_size(buffer);
    let _ = socket.set_send_buffer_size(buffer);
    socket.bind(&address.into())?;
    let mut socket = mio::net::UdpSocket::from_std(socket.into());
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    // Nobody here looks at ECN, and what the kernel tells with every run costs. Best effort, too.
    let _ = match address {
        SocketAddr::V4(_) => socket2::SockRef::from(&socket).set_recv_tos_v4(false),
        SocketAddr::V6(_) => socket2::SockRef::from(&socket).set_recv_tclass_v6(false),
    };
    registry.register(&mut socket, token, Interest::READABLE)?;
    Ok(Port {
        socket,
        state,
        viewer,
    })
}

/// The address of ours from which packets to `server` leave.
fn source_toward(server: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let probe = StdSocket::bind(any)?;
    // Sends nothing: it only asks for the route.
    probe.connect(server)?;
    Ok(probe.local_addr()?.ip())
}

fn unix_now() -> Duration {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
}
