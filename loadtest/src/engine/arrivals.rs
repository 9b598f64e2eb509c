//! Which packets of one RTP stream came: lost, late, twice, out of order.

use std::collections::BTreeSet;

/// Sequence numbers remembered: what is further behind the newest than [`PATIENCE`] has been given up long before.
const WINDOW: u64 = 1024;
const BLOCKS: usize = WINDOW as usize / 64;
/// A packet this far behind the newest does not come any more.
pub(super) const PATIENCE: u64 = 500;
/// Taken packets remembered at once: what is under way on a long line when it overflows.
const MAX_TAKEN: usize = 4096;
/// A step beyond this is another beginning, not a gap (RFC 3550 §A.1).
const MAX_DROPOUT: i64 = 3000;

/// What an arriving packet turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The first, or the first after a new beginning.
    Begin(u64),
    /// The next expected one, or one after a gap.
    Ahead {
        /// The packet's number, unrolled.
        number: u64,
        /// The number that was expected; less than `number` when others are missing.
        expected: u64,
    },
    /// A number that was missing.
    Behind(u64),
    /// A number seen before.
    Duplicate,
    /// Too old to tell, or a stray far from the stream.
    Stray,
}

/// Counts of one stream; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Packets, each once.
    pub(super) unique: u64,
    /// Numbers given up, but for those our own network model took.
    pub(super) lost: u64,
    /// Numbers our own network model took that did not come again.
    pub(super) taken: u64,
    /// Packets that had come before.
    pub(super) duplicates: u64,
    /// Packets that came after a later one.
    pub(super) reordered: u64,
    /// Packets too old to count.
    pub(super) strays: u64,
}

/// The sequence numbers of one stream.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    first: u64,
    /// The highest number; `None` before the first packet.
    highest: Option<u64>,
    /// All below are counted as come or lost.
    settled: u64,
    seen: [u64; BLOCKS],
    /// After a stray: the number that would make it a new beginning.
    restart: Option<u16>,
    /// What our own network model took, ahead of [`Arrivals::settled`].
    taken: BTreeSet<u64>,
    /// The same, before there is a first number to count from.
    taken_early: Vec<u16>,
    pub(super) counts: Counts,
}

impl Arrivals {
    pub(super) fn new() -> Arrivals {
        Arrivals {
            first: 0,
            highest: None,
            settled: 0,
            seen: [0; BLOCKS],
            restart: None,
            taken: BTreeSet::new(),
            taken_early: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Takes a packet.
    pub(super) fn receive(&mut self, sequence: u16) -> Arrival {
        let Some(highest) = self.highest else {
            return self.begin(sequence);
        };
        let number = unroll(highest, sequence);
        let step = number as i64 - highest as i64;
        if step > MAX_DROPOUT || step <= -(WINDOW as i64) {
            if self.restart == Some(sequence) {
                self.finish();
                return self.begin(sequence);
            }
            self.restart = Some(sequence.wrapping_add(1));
            self.counts.strays += 1;
            return Arrival::Stray;
        }
        self.restart = None;
        if step <= 0 {
            return self.fill(number);
        }
        for between in highest + 1..=number {
            self.settle_below((between + 1).saturating_sub(PATIENCE));
            self.set(between, false);
        }
        self.set(number, true);
        self.highest = Some(number);
        self.counts.unique += 1;
        Arrival::Ahead {
            number,
            expected: highest + 1,
        }
    }

    fn begin(&mut self, sequence: u16) -> Arrival {
        // Leaves room below for what overtook the first packet.
        let number = (1 << 16) + u64::from(sequence);
        self.seen = [0; BLOCKS];
        (self.first, self.settled) = (number, number);
        self.highest = Some(number);
        self.restart = None;
        self.set(number, true);
        self.counts.unique += 1;
        for early in std::mem::take(&mut self.taken_early) {
            self.take(early);
        }
        Arrival::Begin(number)
    }

    /// A packet from behind the highest: it came out of order, or twice.
    fn fill(&mut self, number: u64) -> Arrival {
        if self.is_seen(number) {
            self.counts.duplicates += 1;
            return Arrival::Duplicate;
        }
        if number < self.settled {
            self.counts.strays += 1;
            return Arrival::Stray;
        }
        self.set(number, true);
        self.counts.unique += 1;
        self.counts.reordered += 1;
        Arrival::Behind(number)
    }

    /// A retransmission brought the number; false when nobody misses it.
    pub(super) fn repair(&mut self, sequence: u16) -> Option<u64> {
        let number = unroll(self.highest?, sequence);
        if number < self.settled || Some(number) > self.highest || self.is_seen(number) {
            return None;
        }
        self.set(number, true);
        Some(number)
    }

    /// Whether the number came, or was repaired. Only for numbers within the window.
    pub(super) fn is_seen(&self, number: u64) -> bool {
        let block = self.seen.get((number / 64) as usize % BLOCKS);
        self.highest
            .is_some_and(|highest| number <= highest && highest - number < WINDOW)
            && number >= self.first
            && block.is_some_and(|block| block & (1 << (number % 64)) != 0)
    }

    /// Reads what the next packet needs.
    pub(super) fn glance(&self) -> u64 {
        let next = self.highest.unwrap_or_default();
        let block = self.seen.get((next / 64) as usize % BLOCKS);
        block.map_or(next, |block| block ^ next)
    }

    /// The highest number, unrolled.
    pub(super) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// How many numbers there were, come or not (RFC 3550 §A.3).
    pub(super) fn expected(&self) -> u64 {
        self.highest.map_or(0, |highest| highest - self.first + 1)
    }

    /// Our own network model took this packet before it could arrive.
    pub(super) fn take(&mut self, sequence: u16) {
        match self.highest {
            None if self.taken_early.len() < MAX_TAKEN => self.taken_early.push(sequence),
            Some(highest) if self.taken.len() < MAX_TAKEN => {
                let number = unroll(highest, sequence);
                if number >= self.settled {
                    self.taken.insert(number);
                }
            }
            _ => {}
        }
    }

    /// Gives up everything that is missing.
    pub(super) fn finish(&mut self) {
        if let Some(highest) = self.highest {
            self.settle_below(highest + 1);
        }
    }

    fn settle_below(&mut self, end: u64) {
        while self.settled < end {
            let was_taken = self.taken.remove(&self.settled);
            if !self.is_seen(self.settled) {
                if was_taken {
                    self.counts.taken += 1;
                } else {
                    self.counts.lost += 1;
                }
            }
            self.settled += 1;
        }
    }

    fn set(&mut self, number: u64, seen: bool) {
        if let Some(block) = self.seen.get_mut((number / 64) as usize % BLOCKS) {
            let bit = 1 << (number % 64);
            *block = if seen { *block | bit } else { *block & !bit };
        }
    }
}

/// The number nearest to the highest one with these lower bits.
pub(super) fn unroll(highest: u64, sequence: u16) -> u64 {
    let step = sequence.wrapping_sub(highest as u16) as i16;
    highest.saturating_add_signed(step.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sequences: impl IntoIterator<Item = u16>) -> Counts {
        let mut arrivals = Arrivals::new();
        for sequence in sequences {
            arrivals.receive(sequence);
        }
        arrivals.finish();
        arrivals.counts
    }

    #[test]
    fn a_whole_stream_over_the_rollover_loses_nothing() {
        let seen = counts((65_000..=65_535).chain(0..3_000));
        assert_eq!(
            seen,
            Counts {
                unique: 3_536,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn gaps_duplicates_and_disorder_are_told_apart() {
        let seen = counts([10, 11, 14, 13, 13, 15, 11, 20]);
        assert_eq!(
            seen,
            Counts {
                unique: 6,
                lost: 5,
                duplicates: 2,
                reordered: 1,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn a_late_packet_still_counts_until_it_is_given_up() {
        let mut arrivals = Arrivals::new();
        arrivals.receive(1);
        for sequence in 4..=501 {
            arrivals.receive(sequence);
        }
        assert_eq!(arrivals.receive(2), Arrival::Behind((1 << 16) + 2));
        assert_eq!(arrivals.counts.lost, 0);
        arrivals.receive(502);
        arrivals.receive(503);
        assert_eq!(arrivals.receive(3), Arrival::Stray);
        assert_eq!(arrivals.counts.lost, 1);
    }

    #[test]
    fn a_repair_fills_a_hole_once() {
        let mut arrivals = Arrivals::new();
        arrivals.receive(65_534);
        arrivals.receive(1);
        assert_eq!(arrivals.repair(65_535), Some((1 << 16) + 65_535));
        assert_eq!(arrivals.repair(65_535), None);
        assert_eq!(arrivals.repair(1), None);
        assert_eq!(arrivals.repair(2), None, "not sent yet");
        arrivals.finish();
        assert_eq!((arrivals.counts.unique, arrivals.counts.lost), (2, 1));
    }

    #[test]
    fn what_the_model_took_is_no_loss_of_the_server() {
        let mut arrivals = Arrivals::new();
        arrivals.receive(1);
        for taken in [2, 4, 5] {
            arrivals.take(taken);
        }
        arrivals.receive(6);
        arrivals.repair(5);
        arrivals.receive(1500);
        arrivals.finish();
        let Counts { lost, taken, .. } = arrivals.counts;
        assert_eq!((taken, lost), (2, 1 + 1493));
        assert!(arrivals.taken.is_empty());
    }

    #[test]
    fn what_the_model_took_before_the_first_arrival_counts_too() {
        let mut arrivals = Arrivals::new();
        // A burst overflows a thin line: of a thousand packets every tenth arrives, much later.
        for sequence in (65_000..=65_535).chain(0..464) {
            if sequence % 10 != 0 {
                arrivals.take(sequence);
            }
        }
        for sequence in (65_000..=65_535)
            .chain(0..464)
            .filter(|sequence| sequence % 10 == 0)
        {
            arrivals.receive(sequence);
        }
        arrivals.finish();
        assert_eq!((arrivals.counts.lost, arrivals.counts.strays), (0, 0));
        assert!(arrivals.counts.taken > 880, "{:?}", arrivals.counts);
    }

    #[test]
    fn a_stray_is_no_new_beginning_but_two_in_a_row_are() {
        let mut arrivals = Arrivals::new();
        arrivals.receive(100);
        assert_eq!(arrivals.receive(40_000), Arrival::Stray);
        arrivals.receive(101);
        assert_eq!(arrivals.receive(40_001), Arrival::Stray);
        assert!(matches!(arrivals.receive(40_002), Arrival::Begin(_)));
        arrivals.receive(40_003);
        arrivals.finish();
        assert_eq!(
            arrivals.counts,
            Counts {
                unique: 4,
                strays: 2,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn loss_is_exact_against_a_plain_set() {
        use rand::{RngExt, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        let mut sent: Vec<u16> = Vec::new();
        let (mut lost, mut twice) = (0, 0);
        for number in 0..50_000_u32 {
            // The last always comes: what nothing follows is not known to be missing.
            if number != 49_999 && number > 0 && random.random_bool(0.05) {
                lost += 1;
                continue;
            }
            sent.push(number as u16);
            if random.random_bool(0.01) {
                sent.push(number as u16);
                twice += 1;
            }
            let len = sent.len();
            if len > 40 && number != 49_999 && random.random_bool(0.03) {
                sent.swap(len - 1, len - 20);
            }
        }
        let seen = counts(sent);
        assert_eq!((seen.lost, seen.duplicates, seen.strays), (lost, twice, 0));
    }
}
