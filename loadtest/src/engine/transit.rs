//! Datagrams on modelled lines, until their time has come.

use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Instant;

/// Bytes under way at once: four thousand viewers of 1 Mbit/s, a quarter of a second each. Beyond, what comes is lost,
/// as on any full line.
const MAX_BYTES: usize = 128 << 20;

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Toward the viewer.
    In,
    /// The same, held back so that others overtake it.
    InLate,
    /// Toward the server.
    Out,
}

/// A datagram under way.
pub(super) struct Datagram {
    pub(super) due: Instant,
    order: u64,
    pub(super) viewer: u32,
    /// Tells the viewer from who has its place later.
    pub(super) serial: u64,
    pub(super) peer: SocketAddr,
    pub(super) way: Way,
    pub(super) bytes: Box<[u8]>,
}

impl PartialEq for Datagram {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.order) == (other.due, other.order)
    }
}
impl Eq for Datagram {}
impl PartialOrd for Datagram {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Datagram {
    /// The earliest is the greatest, for the heap.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

/// All datagrams of a thread that are under way.
#[derive(Default)]
pub(super) struct Transit {
    heap: BinaryHeap<Datagram>,
    bytes: usize,
    order: u64,
}

impl Transit {
    /// Puts a datagram on its way; false when there are too many already.
    pub(super) fn push(
        &mut self,
        due: Instant,
        (viewer, serial): (u32, u64),
        peer: SocketAddr,
        way: Way,
        bytes: &[u8],
    ) -> bool {
        if self.bytes + bytes.len() > MAX_BYTES {
            return false;
        }
        self.bytes += bytes.len();
        self.order += 1;
        self.heap.push(Datagram {
            due,
            order: self.order,
            viewer,
            serial,
            peer,
            way,
            bytes: bytes.into(),
        });
        true
    }

    /// The next one that has arrived.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Datagram> {
        if self.next()? > now {
            return None;
        }
        let next = self.heap.pop()?;
        self.bytes -= next.bytes.len();
        Some(next)
    }

    /// When the next one arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|next| next.due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn datagrams_arrive_in_time_and_in_order() {
        let begin = Instant::now();
        let ms = |ms| begin + Duration::from_millis(ms);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut transit = Transit::default();
        for (due, byte) in [(20, 1), (10, 2), (10, 3), (15, 4)] {
            assert!(transit.push(ms(due), (0, 0), peer, Way::In, &[byte]));
        }
        let mut arrived = Vec::new();
        for at in [5, 10, 14, 30] {
            while let Some(datagram) = transit.pop(ms(at)) {
                arrived.push((at, datagram.bytes[0]));
            }
        }
        assert_eq!(arrived, [(10, 2), (10, 3), (30, 4), (30, 1)]);
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let now = Instant::now();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut transit = Transit::default();
        let large = vec![0; MAX_BYTES / 2];
        assert!(transit.push(now, (0, 0), peer, Way::In, &large));
        assert!(transit.push(now, (0, 0), peer, Way::In, &large));
        assert!(!transit.push(now, (0, 0), peer, Way::In, &[0]));
        transit.pop(now);
        assert!(transit.push(now, (0, 0), peer, Way::In, &[0]));
    }
}
