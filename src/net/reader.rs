//! How datagrams are read: many in one call (recvmmsg(2)), and those that the kernel has joined (GRO) taken apart.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use sfu::transport::Remote;

/// Buffers of one recvmmsg. With GRO each can hold dozens of datagrams.
const BATCH: usize = 16;
/// The longest datagram or run of datagrams the kernel can hand over.
const BUFFER: usize = 1 << 16;
/// Receive calls before what came in is handled: bounds the wait of the first datagram of a flood.
const MAX_BATCHES: usize = 8;

/// Reads the sockets of a port.
pub(super) struct Reader {
    buffer: Vec<u8>,
    failed: u64,
}

impl Reader {
    pub(super) fn new() -> Reader {
        Reader {
            buffer: vec![0; BATCH * BUFFER],
            failed: 0,
        }
    }

    /// Receive calls that failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Hands over a socket's waiting datagrams; true when there may be more.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        state: &UdpSocketState,
        mut take: impl FnMut(Remote, &mut [u8]),
    ) -> bool {
        for _ in 0..MAX_BATCHES {
            let mut chunks = self.buffer.chunks_mut(BUFFER);
            let mut buffers: [IoSliceMut<'_>; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let mut meta = [RecvMeta::default(); BATCH];
            let count = match state.recv(UdpSockRef::from(socket), &mut buffers, &mut meta) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    // An ICMP error of an earlier send, for one. The next call goes on behind it.
                    self.failed += 1;
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
            // Fewer than asked for: nothing is left, and what comes now wakes the poll anew.
            if count < BATCH {
                return false;
            }
        }
        true
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
