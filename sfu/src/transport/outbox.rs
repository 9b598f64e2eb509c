//! Datagrams on their way out: one arena per shard, filled while a batch is handled, sent and cleared after it.

use std::net::{IpAddr, SocketAddr};

/// Where a datagram came from and where the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// A UDP 5-tuple on the shard's socket.
    Udp {
        /// The other side.
        peer: SocketAddr,
        /// Our address the datagram came to, so that a host with many addresses answers from the same one.
        local: Option<IpAddr>,
    },
    /// An accepted ICE-TCP connection, numbered by the caller; the caller frames (RFC 4571).
    Tcp(u64),
}

/// Datagrams for one remote, one after the other in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Where they go.
    pub to: Remote,
    /// All of them; every one is `segment` bytes long except the last, which may be shorter.
    pub bytes: &'a [u8],
    /// The length of each datagram but the last.
    pub segment: usize,
    /// Whether all of them are of a picture, which is what must give way first.
    pub is_video: bool,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    to: Remote,
    start: usize,
    end: usize,
    segment: usize,
    open: bool,
    is_video: bool,
}

/// The send arena. Consecutive datagrams to one remote merge into runs that the kernel can segment (UDP GSO):
/// equal sizes but for the last.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    datagrams: u64,
    total_bytes: u64,
    refused: u64,
}

/// The kernel's bound on segments of one GSO send (UDP_MAX_SEGMENTS).
const MAX_SEGMENTS: usize = 64;
/// A GSO send must fit one maximal UDP datagram.
const MAX_RUN_BYTES: usize = 65_000;
/// What one batch may queue: at 2.5 Mbps this is more than 25 s of one viewer or 10 ms of 2,500 of them.
const MAX_ARENA_BYTES: usize = 8 << 20;
/// Bytes worth sending before more is written: hundreds of packets share the cost of handing over, and half of the
/// smallest second-level cache in use still holds them when the kernel copies them.
const PORTION: usize = 256 << 10;

impl Outbox {
    /// An empty outbox.
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Appends one datagram that `write` puts at the end of the buffer it gets. Nothing is queued when `write`
    /// returns false or wrote nothing, or when the arena is full, which is counted in [`Outbox::refused`].
    pub fn push(&mut self, to: Remote, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        self.append(to, false, write)
    }

    /// The same for a packet of a picture.
    pub fn push_video(&mut self, to: Remote, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        self.append(to, true, write)
    }

    fn append(&mut self, to: Remote, is_video: bool, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let start = self.bytes.len();
        if start >= MAX_ARENA_BYTES {
            self.refused += 1;
            return false;
        }
        if !write(&mut self.bytes) || self.bytes.len() <= start {
            self.bytes.truncate(start);
            return false;
        }
        let end = self.bytes.len();
        let len = end - start;
        self.datagrams += 1;
        self.total_bytes += len as u64;
        if let Some(span) = self.spans.last_mut()
            && span.open
            && span.to == to
            && len <= span.segment
            && end - span.start <= MAX_RUN_BYTES
            && end - span.start <= span.segment * MAX_SEGMENTS
        {
            span.end = end;
            span.open = len == span.segment;
            span.is_video &= is_video;
            return true;
        }
        self.spans.push(Span {
            to,
            start,
            end,
            segment: len,
            open: true,
            is_video,
        });
        true
    }

    /// The runs in the order they were pushed.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.spans.iter().filter_map(|span| {
            let bytes = self.bytes.get(span.start..span.end)?;
            Some(Run {
                to: span.to,
                bytes,
                segment: span.segment,
                is_video: span.is_video,
            })
        })
    }

    /// Whether enough is queued to be sent before more is written.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= PORTION
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Datagrams queued since the start, and their bytes.
    pub fn queued(&self) -> (u64, u64) {
        (self.datagrams, self.total_bytes)
    }

    /// Datagrams refused because the arena was full, since the start.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Forgets everything queued, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(port: u16) -> Remote {
        Remote::Udp {
            peer: SocketAddr::from(([127, 0, 0, 1], port)),
            local: None,
        }
    }

    fn push(outbox: &mut Outbox, port: u16, len: usize) {
        outbox.push(remote(port), |bytes| {
            bytes.extend(std::iter::repeat_n(7, len));
            true
        });
    }

    #[test]
    fn equal_sizes_merge_and_a_shorter_one_ends_the_run() {
        let mut outbox = Outbox::new();
        for (port, len) in [(1, 100), (1, 100), (1, 40), (1, 40), (2, 40), (1, 100), (1, 120)] {
            push(&mut outbox, port, len);
        }
        let runs: Vec<_> = outbox
            .runs()
            .map(|run| (run.to, run.bytes.len(), run.segment))
            .collect();
        assert_eq!(
            runs,
            [
                (remote(1), 240, 100),
                (remote(1), 40, 40),
                (remote(2), 40, 40),
                (remote(1), 100, 100),
                (remote(1), 120, 120)
            ]
        );
    }

    #[test]
    fn a_run_keeps_the_kernels_bounds() {
        let mut outbox = Outbox::new();
        (0..65).for_each(|_| push(&mut outbox, 1, 10));
        (0..60).for_each(|_| push(&mut outbox, 2, 1200));
        let runs: Vec<_> = outbox.runs().map(|run| run.bytes.len() / run.segment).collect();
        assert_eq!(runs, [64, 1, 54, 6]);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let mut outbox = Outbox::new();
        outbox.push(remote(1), |bytes| {
            bytes.push(1);
            false
        });
        assert!(outbox.is_empty());
    }
}
