//! What has left and has not been answered yet, by transport-wide number.

/// Packets remembered at most: a second and more of 8 Mbps, 8 KiB.
const MAX_PACKETS: usize = 1024;
/// At first: half a second of a small picture.
const INITIAL_PACKETS: usize = 64;

/// One packet that left; eight bytes, for there are many.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Microseconds, wrapping after 71 minutes.
    at: u32,
    bytes: u16,
    /// 0 for none.
    cluster: u8,
    taken: bool,
}

/// A packet that was answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// When it left, microseconds.
    pub(super) at: i64,
    pub(super) bytes: u32,
    /// The probe it was part of, 0 for none.
    pub(super) cluster: u8,
}

/// What has become of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is on its way, or was never heard of.
    Unknown,
    /// It has come.
    Came,
    /// Others that left after it have come.
    Lost,
}

/// The ring of packets in flight. It grows with the line's delay and rate up to [`MAX_PACKETS`]; beyond that the
/// oldest are forgotten and their answers mean nothing.
#[derive(Debug)]
pub(super) struct Flight {
    /// A power of two of them, by number.
    ring: Vec<Entry>,
    next: u64,
    /// Every number below is answered or given up.
    settled: u64,
    /// Every number below has been counted as come or lost.
    judged: u64,
    bytes: u64,
}

impl Flight {
    pub(super) fn new() -> Flight {
        Flight {
            ring: vec![Entry::default(); INITIAL_PACKETS],
            next: 0,
            settled: 0,
            judged: 0,
            bytes: 0,
        }
    }

    /// A packet leaves; gives its number.
    pub(super) fn push(&mut self, at: i64, bytes: usize, cluster: u8) -> u16 {
        if self.next - self.settled >= self.ring.len() as u64 {
            if self.ring.len() < MAX_PACKETS {
                self.grow();
            } else {
                self.settle(self.settled);
            }
        }
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        let number = self.next;
        if let Some(entry) = self.entry_mut(number) {
            *entry = Entry {
                at: at as u32,
                bytes,
                cluster,
                taken: false,
            };
        }
        self.bytes += u64::from(bytes);
        self.next += 1;
        number as u16
    }

    /// The number that a 16-bit one stands for: the newest such.
    pub(super) fn unroll(&self, number: u16) -> Option<u64> {
        let newest = self.next.checked_sub(1)?;
        newest.checked_sub(u64::from((newest as u16).wrapping_sub(number)))
    }

    /// The packet of a number, once. `now` within 35 minutes of its leaving.
    pub(super) fn take(&mut self, now: i64, number: u64) -> Option<Sent> {
        let oldest = self.next.saturating_sub(self.ring.len() as u64);
        if number >= self.next || number < oldest {
            return None;
        }
        let entry = self.entry_mut(number).filter(|entry| !entry.taken)?;
        entry.taken = true;
        let age = (now as u32).wrapping_sub(entry.at) as i32;
        Some(Sent {
            at: now - i64::from(age),
            bytes: u32::from(entry.bytes),
            cluster: entry.cluster,
        })
    }

    /// Nothing up to this number is on its way any more.
    pub(super) fn settle(&mut self, number: u64) {
        while self.settled <= number && self.settled < self.next {
            let bytes = self.entry(self.settled).map_or(0, |entry| entry.bytes);
            self.bytes -= u64::from(bytes);
            self.settled += 1;
        }
    }

    /// How many of the answered packets that left before a moment came and were lost, each counted once. `now` as for
    /// [`Flight::take`].
    pub(super) fn judge(&mut self, now: i64, before: i64) -> (u32, u32) {
        let (mut came, mut lost) = (0, 0);
        // What the ring has forgotten nobody can judge.
        self.judged = self.judged.max(self.next.saturating_sub(self.ring.len() as u64));
        while self.judged < self.settled
            && let Some(entry) = self.entry(self.judged)
            && now - i64::from((now as u32).wrapping_sub(entry.at)) < before
        {
            came += u32::from(entry.taken);
            lost += u32::from(!entry.taken);
            self.judged += 1;
        }
        (came, lost)
    }

    /// The number of the packet that left last, never used again.
    pub(super) fn newest(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// What has become of a packet.
    pub(super) fn fate(&self, number: u64) -> Fate {
        let is_kept = number >= self.next.saturating_sub(self.ring.len() as u64);
        match self.entry(number).filter(|_| is_kept && number < self.next) {
            Some(entry) if entry.taken => Fate::Came,
            Some(_) if number < self.settled => Fate::Lost,
            _ => Fate::Unknown,
        }
    }

    /// Bytes on their way.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes on their way for longer than so many microseconds.
    pub(super) fn bytes_older_than(&self, now: i64, age: i64) -> u64 {
        let entries = (self.settled..self.next).map_while(|number| self.entry(number));
        let is_older = |entry: &&Entry| i64::from((now as u32).wrapping_sub(entry.at)) > age;
        entries
            .take_while(is_older)
            .map(|entry| u64::from(entry.bytes))
            .sum()
    }

    /// Microseconds since the oldest packet in flight left; 0 when none is.
    pub(super) fn age(&self, now: i64) -> i64 {
        let oldest = self.entry(self.settled).filter(|_| self.settled < self.next);
        oldest.map_or(0, |entry| i64::from((now as u32).wrapping_sub(entry.at)))
    }

    fn grow(&mut self) {
        let old = self.ring.len();
        let mut ring = vec![Entry::default(); old * 2];
        let mask = ring.len() as u64 - 1;
        for number in self.next.saturating_sub(old as u64)..self.next {
            if let (Some(to), Some(&from)) = (ring.get_mut((number & mask) as usize), self.entry(number)) {
                *to = from;
            }
        }
        self.ring = ring;
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.ring.get((number & (self.ring.len() as u64 - 1)) as usize)
    }

    fn entry_mut(&mut self, number: u64) -> Option<&mut Entry> {
        let mask = self.ring.len() as u64 - 1;
        self.ring.get_mut((number & mask) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_found_by_number_across_growth_and_wrapping() {
        let mut flight = Flight::new();
        for packet in 0..70_000u64 {
            let number = flight.push(packet as i64 * 3_000_000, 1000 + packet as usize % 100, 7);
            assert_eq!(number, packet as u16);
            let late = 500;
            if let Some(answered) = packet.checked_sub(late) {
                let unrolled = flight.unroll(answered as u16).unwrap();
                assert_eq!(unrolled, answered);
                let now = packet as i64 * 3_000_000;
                let sent = flight.take(now, answered).unwrap();
                assert_eq!(sent.at, answered as i64 * 3_000_000, "within 71 minutes");
                assert_eq!((u64::from(sent.bytes), sent.cluster), (1000 + answered % 100, 7));
                assert_eq!(flight.take(now, answered), None, "once");
                flight.settle(answered);
                assert_eq!(flight.age(now), (late as i64 - 1) * 3_000_000);
            }
        }
        assert_eq!(flight.ring.len(), 512);
    }

    #[test]
    fn what_others_have_overtaken_is_lost_unless_it_comes() {
        let mut flight = Flight::new();
        assert_eq!((flight.newest(), flight.fate(0)), (None, Fate::Unknown));
        (0..4).for_each(|at| {
            flight.push(at, 10, 0);
        });
        flight.take(9, 2);
        flight.settle(2);
        let fates = [0, 2, 3, 4].map(|number| flight.fate(number));
        assert_eq!(fates, [Fate::Lost, Fate::Came, Fate::Unknown, Fate::Unknown]);
        assert_eq!(flight.newest(), Some(3));
        flight.take(9, 0);
        assert_eq!(flight.fate(0), Fate::Came, "late");
        (0..2 * MAX_PACKETS as i64).for_each(|at| {
            flight.push(at, 10, 0);
        });
        assert_eq!(flight.fate(1), Fate::Unknown, "forgotten");
    }

    #[test]
    fn the_ring_is_bounded_and_forgets_the_oldest() {
        let mut flight = Flight::new();
        (0..5000).for_each(|at| {
            flight.push(at, 10, 0);
        });
        assert_eq!(flight.ring.len(), MAX_PACKETS);
        assert_eq!(flight.take(5000, 5000 - MAX_PACKETS as u64 - 1), None);
        assert!(flight.take(5000, 5000 - MAX_PACKETS as u64).is_some());
        assert_eq!(flight.bytes(), MAX_PACKETS as u64 * 10);
        flight.settle(4999);
        assert_eq!(flight.bytes(), 0);
        assert_eq!(flight.age(6000), 0);
    }
}
