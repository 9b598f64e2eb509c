//! Datagrams of viewers on their way to a socket.

use std::net::SocketAddr;
use std::ops::Range;

/// What viewers have said since the socket was last written to; one buffer for all of them.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<(u32, SocketAddr, Range<usize>)>,
}

impl Outbox {
    /// A viewer's datagram.
    pub(super) fn push(&mut self, viewer: u32, to: SocketAddr, datagram: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.datagrams.push((viewer, to, start..self.bytes.len()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Viewer, destination and bytes of each, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, SocketAddr, &[u8])> {
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.datagrams
            .iter()
            .map(move |(viewer, to, range)| (*viewer, *to, bytes(range)))
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
    }
}
