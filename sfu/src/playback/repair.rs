//! What a viewer asked for again, within bounds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

/// Requests waiting; a NACK names up to 17 packets in four bytes, so a flood must end somewhere.
const MAX_WAITING: usize = 256;
/// Packets remembered as sent again.
const MAX_RECENT: usize = 64;
/// Bytes of repairs a viewer may have at once.
const ALLOWANCE: u64 = 96 << 10;
/// Bytes of repairs per second when the line is thin.
const LEAST_BYTES_PER_SECOND: u64 = 32 << 10;
/// The same where it is full, and what it may have saved up: what is sent again there is what is lost next.
const LEAST_BYTES_PER_SECOND_FULL: u64 = 4 << 10;
const ALLOWANCE_FULL: u64 = 12 << 10;

/// Where a repair is sent twice, the second one follows so much later: a burst of losses is over then.
const ECHO: Duration = Duration::from_millis(20);

/// Requests of one viewer's stream.
#[derive(Debug)]
pub(super) struct Repairs {
    waiting: VecDeque<u16>,
    recent: VecDeque<(u16, Instant)>,
    /// To be sent a second time, and when.
    echoes: VecDeque<(u16, Instant)>,
    credit: u64,
    at: Instant,
    /// The newest number asked for.
    newest: Option<u16>,
}

impl Repairs {
    pub(super) fn new(now: Instant) -> Repairs {
        Repairs {
            waiting: VecDeque::new(),
            recent: VecDeque::new(),
            echoes: VecDeque::new(),
            credit: ALLOWANCE,
            at: now,
            newest: None,
        }
    }

    /// The viewer asks for a packet; whether it had asked for none so new before.
    pub(super) fn request(&mut self, sequence: u16) -> bool {
        if self.waiting.len() < MAX_WAITING && !self.waiting.contains(&sequence) {
            self.waiting.push_back(sequence);
        }
        let is_newer = |known: u16| sequence != known && sequence.wrapping_sub(known) < 1 << 15;
        let is_first = self.newest.is_none_or(is_newer);
        if is_first {
            self.newest = Some(sequence);
        }
        is_first
    }

    /// Nothing that waits is of use any more.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.echoes.clear();
    }

    /// What waits to leave for the first time, in the order it was asked for.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u16> {
        self.waiting.iter().copied()
    }

    /// Takes these out of what waits.
    pub(super) fn withdraw(&mut self, numbers: &[u16]) {
        self.waiting.retain(|waiting| !numbers.contains(waiting));
    }

    /// One that leaves now leaves a second time a little later.
    pub(super) fn echo(&mut self, now: Instant, sequence: u16) {
        if self.echoes.len() < MAX_WAITING {
            self.echoes.push_back((sequence, now + ECHO));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.echoes.is_empty()
    }

    /// The numbers to send again now. One that was sent less than a round trip ago is on its way. When more is asked
    /// for than half the line could carry, the rest is not served: the viewer asks again or needs a keyframe.
    /// With `twice` each is given out again a little later.
    pub(super) fn take(
        &mut self,
        now: Instant,
        round_trip: Duration,
        estimate: u64,
        is_full: bool,
        twice: bool,
    ) -> SmallVec<[u16; 16]> {
        let passed = now.saturating_duration_since(self.at).as_micros() as u64;
        let (least, most) = if is_full {
            (LEAST_BYTES_PER_SECOND_FULL, ALLOWANCE_FULL)
        } else {
            (LEAST_BYTES_PER_SECOND, ALLOWANCE)
        };
        let per_second = (estimate / 16).max(least);
        self.credit = (self.credit + passed * per_second / 1_000_000).min(most);
        self.at = now;
        let is_on_its_way = |recent: &VecDeque<(u16, Instant)>, sequence| {
            recent
                .iter()
                .any(|&(sent, at)| sent == sequence && now.saturating_duration_since(at) < round_trip)
        };
        let mut due = SmallVec::new();
        while let Some(&(sequence, at)) = self.echoes.front()
            && at <= now
        {
            self.echoes.pop_front();
            self.credit = self.credit.saturating_sub(1200);
            due.push(sequence);
        }
        for sequence in self.waiting.drain(..) {
            if self.credit == 0 || is_on_its_way(&self.recent, sequence) {
                continue;
            }
            // About a packet.
            self.credit = self.credit.saturating_sub(1200);
            due.push(sequence);
            if twice && self.echoes.len() < MAX_WAITING {
                self.echoes.push_back((sequence, now + ECHO));
            }
            if self.recent.len() >= MAX_RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back((sequence, now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::begin;

    const ROUND_TRIP: Duration = Duration::from_millis(200);

    #[test]
    fn a_doubled_repair_leaves_again_a_little_later_and_no_third_time() {
        let now = begin();
        let mut repairs = Repairs::new(now);
        repairs.request(7);
        let take = |repairs: &mut Repairs, after: Duration, twice| {
            repairs
                .take(now + after, ROUND_TRIP, 1_000_000, false, twice)
                .to_vec()
        };
        assert_eq!(take(&mut repairs, Duration::ZERO, true), [7]);
        assert!(!repairs.is_empty(), "its echo waits");
        assert!(take(&mut repairs, ECHO - Duration::from_millis(1), true).is_empty());
        assert_eq!(take(&mut repairs, ECHO, true), [7]);
        assert!(repairs.is_empty());
        repairs.request(7);
        assert!(
            take(&mut repairs, ROUND_TRIP / 2, true).is_empty(),
            "it is on its way"
        );
        repairs.request(7);
        assert_eq!(take(&mut repairs, ROUND_TRIP, false), [7]);
        assert!(
            take(&mut repairs, ROUND_TRIP + ECHO, false).is_empty(),
            "once where that is enough"
        );
        repairs.echo(now, 8);
        assert_eq!(take(&mut repairs, ECHO, false), [8]);
    }

    #[test]
    fn a_full_line_is_not_filled_with_repairs() {
        let now = begin();
        let repairs = |is_full| {
            let mut repairs = Repairs::new(now);
            let mut taken = |after| {
                (0..200).for_each(|sequence| {
                    repairs.request(sequence);
                });
                let due = repairs.take(now + after, Duration::ZERO, 60_000, is_full, false);
                due.len()
            };
            [taken(Duration::ZERO), taken(Duration::from_secs(1))]
        };
        assert_eq!(
            repairs(false),
            [82, 28],
            "what a browser's queue may lose of a keyframe at once"
        );
        assert_eq!(
            repairs(true),
            [11, 4],
            "a few packets, then as many as a thin line has room for"
        );
    }

    #[test]
    fn what_is_not_needed_any_more_has_no_echo() {
        let now = begin();
        let mut repairs = Repairs::new(now);
        repairs.request(7);
        assert_eq!(
            repairs.take(now, ROUND_TRIP, 1_000_000, false, true).as_slice(),
            [7]
        );
        repairs.forget();
        assert!(
            repairs
                .take(now + ECHO, ROUND_TRIP, 1_000_000, false, true)
                .is_empty()
        );
    }
}
