//! Sequence numbers unrolled and holes in them (RFC 3550 A.1, RFC 4585 §6.2.1).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::rate_limiter::{Rate, RateLimiter};

/// A number this far from the last one is another stream, or a stray (RFC 3550 A.1, MAX_DROPOUT).
const MAX_JUMP: u64 = 3000;
/// Holes remembered. More means the line was gone: a keyframe repairs that, not retransmissions.
const MAX_MISSING: usize = 1000;
/// Holes that are remembered a second, and at once: each is asked for and looked at in every turn. Who makes more has no
/// line that repairs would mend.
const HOLES: Rate = Rate::new(1000, 1000);
/// A packet may be late without being lost: it is asked for after this long.
const REORDERING: Duration = Duration::from_millis(10);
/// Between the first two requests for one packet; grows by half each time.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest time between two requests.
const LONGEST_RETRY: Duration = Duration::from_millis(300);
/// Requests for one packet until it is given up, after about a second and a half.
const MAX_REQUESTS: u8 = 8;
/// A hole this old stops whoever needs it: repairs that come take a round trip or two. Where none ever came none is
/// awaited (OBS sends only its highest encoding's again).
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_WITHOUT_REPAIRS: Duration = Duration::from_millis(300);

/// What a packet's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The newest so far, or later than its place but not asked for.
    New(u64),
    /// It was missing and had been asked for.
    Recovered(u64),
    /// Seen before, or too far off to believe.
    Refused,
    /// The numbers began anew; everything before is over.
    Restarted(u64),
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    since: Instant,
    next_request: Instant,
    retry: Duration,
    requests: u8,
}

/// The numbers of one stream.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The first and the highest, unrolled.
    range: Option<(u64, u64)>,
    missing: BTreeMap<u64, Missing>,
    /// The number that would confirm a jump.
    jumping_to: Option<u16>,
    lost: u64,
    /// The highest number given up.
    given_up: Option<u64>,
    /// Numbers that came later than disorder on the way explains.
    repaired: u64,
    /// Numbers that did not come by themselves.
    asked: u64,
    overflowed: bool,
    holes: Option<RateLimiter>,
    /// The next number is the first of a new beginning.
    begins: bool,
}

impl Sequence {
    /// Takes the number of a packet.
    pub(super) fn arrive(&mut self, now: Instant, number: u16) -> Arrival {
        let Some((_, highest)) = self.range else {
            return Arrival::New(self.restart(number));
        };
        if self.begins {
            return Arrival::Restarted(self.restart(number));
        }
        let unrolled = unroll(highest, number);
        if unrolled.abs_diff(highest) > MAX_JUMP {
            // One stray packet must not end a stream: the next number must follow it.
            let confirmed = self.jumping_to == Some(number);
            self.jumping_to = Some(number.wrapping_add(1));
            if !confirmed {
                return Arrival::Refused;
            }
            return Arrival::Restarted(self.restart(number));
        }
        self.jumping_to = None;
        if unrolled > highest {
            self.miss(now, highest + 1, unrolled);
            if let Some((_, highest)) = &mut self.range {
                *highest = unrolled;
            }
            return Arrival::New(unrolled);
        }
        let missing = self.missing.remove(&unrolled);
        let is_repair = |missing: &Missing| now.saturating_duration_since(missing.since) > REORDERING;
        self.repaired += u64::from(missing.as_ref().is_some_and(is_repair));
        match missing {
            Some(missing) if missing.requests > 0 => Arrival::Recovered(unrolled),
            Some(_) => Arrival::New(unrolled),
            None => Arrival::Refused,
        }
    }

    /// Whether a number can be of this stream as it is.
    pub(super) fn is_near(&self, number: u16) -> bool {
        let highest = self.highest();
        highest.is_some_and(|highest| unroll(highest, number).abs_diff(highest) <= MAX_JUMP)
    }

    /// Whatever the next number is, the stream begins anew with it.
    pub(super) fn begin_anew(&mut self) {
        self.begins = self.range.is_some();
    }

    /// Whether the number that came last was refused for being far off, and this one would confirm it.
    pub(super) fn confirms_jump(&self, number: u16) -> bool {
        self.jumping_to == Some(number)
    }

    /// Whether the number that came last was refused for being far off.
    pub(super) fn is_jumping(&self) -> bool {
        self.jumping_to.is_some()
    }

    fn restart(&mut self, number: u16) -> u64 {
        // Above all before it, with room for what comes late.
        let above = self.range.map_or(0, |(_, highest)| highest + MAX_JUMP) & !0xffff;
        let unrolled = above + (1 << 16) + u64::from(number);
        self.range = Some((unrolled, unrolled));
        self.missing.clear();
        self.given_up = None;
        self.jumping_to = None;
        self.begins = false;
        unrolled
    }

    fn miss(&mut self, now: Instant, from: u64, to: u64) {
        let holes = self.holes.get_or_insert_with(|| RateLimiter::new(now));
        for number in from..to {
            if self.missing.len() >= MAX_MISSING || !holes.take(now, HOLES) {
                self.lost += self.missing.len() as u64 + (to - number);
                self.asked += to - number;
                self.missing.clear();
                self.given_up = to.checked_sub(1);
                self.overflowed = true;
                return;
            }
            let missing = Missing {
                since: now,
                next_request: now + REORDERING,
                retry: FIRST_RETRY,
                requests: 0,
            };
            self.missing.insert(number, missing);
        }
    }

    /// Puts the numbers to ask for now into `due`; whether something is lost for good since the last call.
    pub(super) fn request(&mut self, now: Instant, due: &mut Vec<u16>) -> bool {
        let mut given_up = std::mem::take(&mut self.overflowed);
        let (lost, asked, last) = (&mut self.lost, &mut self.asked, &mut self.given_up);
        self.missing.retain(|&number, missing| {
            if missing.next_request > now {
                return true;
            }
            if missing.requests >= MAX_REQUESTS {
                *lost += 1;
                *last = (*last).max(Some(number));
                given_up = true;
                return false;
            }
            *asked += u64::from(missing.requests == 0);
            missing.requests += 1;
            missing.next_request = now + missing.retry;
            missing.retry = (missing.retry * 3 / 2).min(LONGEST_RETRY);
            due.push(number as u16);
            true
        });
        given_up
    }

    /// Whether behind this number is a hole that is not filled and, as things are, will not be soon.
    pub(super) fn is_broken_behind(&self, now: Instant, number: u64) -> bool {
        let patience = if self.repaired > 0 {
            PATIENCE
        } else {
            PATIENCE_WITHOUT_REPAIRS
        };
        // The first hole is the oldest: numbers are missed in their order. Viewers ask at each turn.
        let oldest = self.missing.range(number + 1..).next();
        let is_old = |missing: &Missing| now.saturating_duration_since(missing.since) >= patience;
        oldest.is_some_and(|(_, missing)| is_old(missing)) || self.given_up.is_some_and(|last| last > number)
    }

    /// Whether something was lost for good and nothing was ever sent again.
    pub(super) fn is_never_repaired(&self) -> bool {
        self.lost > 0 && self.repaired == 0
    }

    /// When [`Sequence::request`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.missing.values().map(|missing| missing.next_request).min()
    }

    /// Highest number received, unrolled.
    pub(super) fn highest(&self) -> Option<u64> {
        self.range.map(|(_, highest)| highest)
    }

    /// How many numbers there have been since the start.
    pub(super) fn expected(&self) -> u64 {
        self.range.map_or(0, |(first, highest)| highest - first + 1)
    }

    /// Holes now.
    pub(super) fn missing(&self) -> u64 {
        self.missing.len() as u64
    }

    /// Numbers lost on the way, whether or not they came again.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// Numbers given up.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

/// The unrolled number nearest to `highest` with these low 16 bits.
pub(super) fn unroll(highest: u64, number: u16) -> u64 {
    let ahead = number.wrapping_sub(highest as u16);
    if ahead < 0x8000 {
        highest + u64::from(ahead)
    } else {
        highest.saturating_sub(u64::from(0u16.wrapping_sub(ahead)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::begin;
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_hole_is_asked_for_until_it_is_filled() {
        let (now, mut sequence, mut due) = (begin(), Sequence::default(), Vec::new());
        assert_eq!(sequence.arrive(now, 65_534), Arrival::New((1 << 16) + 65_534));
        assert_eq!(sequence.arrive(now, 1), Arrival::New((2 << 16) + 1));
        sequence.request(now, &mut due);
        assert!(due.is_empty(), "it may only be late");
        assert!(!sequence.request(now + ms(10), &mut due));
        assert_eq!(due, [65_535, 0]);
        assert_eq!(sequence.arrive(now, 0), Arrival::Recovered(2 << 16));
        assert_eq!(sequence.arrive(now, 0), Arrival::Refused);
        due.clear();
        sequence.request(now + ms(30), &mut due);
        assert!(due.is_empty());
        sequence.request(now + ms(60), &mut due);
        assert_eq!(due, [65_535]);
    }

    #[test]
    fn what_never_comes_is_given_up() {
        let (begin, mut sequence, mut due) = (begin(), Sequence::default(), Vec::new());
        sequence.arrive(begin, 10);
        sequence.arrive(begin, 12);
        let lost_at = (0..400).find(|step| sequence.request(begin + ms(step * 10), &mut due));
        assert!((100..250).contains(&lost_at.unwrap()), "{lost_at:?}");
        assert_eq!((due.len(), sequence.lost()), (usize::from(MAX_REQUESTS), 1));
        assert_eq!(sequence.asked(), 1);
        assert_eq!((sequence.deadline(), sequence.expected()), (None, 3));
    }

    #[test]
    fn a_hole_stops_the_stream_the_sooner_where_none_was_ever_filled() {
        let (now, mut sequence) = (begin(), Sequence::default());
        sequence.arrive(now, 10);
        sequence.arrive(now, 12);
        assert_eq!(
            sequence.arrive(now + REORDERING, 11),
            Arrival::New((1 << 16) + 11)
        );
        sequence.arrive(now, 14);
        let base = 1 << 16;
        // Behind the beginning, right before the hole and behind it.
        let broken = |sequence: &Sequence, at, hole: u64| {
            [base + 10, hole - 1, hole].map(|number| sequence.is_broken_behind(at, number))
        };
        let (none, there) = ([false; 3], [true, true, false]);
        let hole = base + 13;
        assert_eq!(
            broken(&sequence, now + PATIENCE_WITHOUT_REPAIRS - ms(1), hole),
            none
        );
        assert_eq!(broken(&sequence, now + PATIENCE_WITHOUT_REPAIRS, hole), there);
        sequence.arrive(now + ms(400), 13);
        assert_eq!(broken(&sequence, now + ms(400), hole), none, "it came");
        sequence.arrive(now, 16);
        let hole = base + 15;
        assert_eq!(broken(&sequence, now + PATIENCE - ms(1), hole), none);
        assert_eq!(broken(&sequence, now + PATIENCE, hole), there);
        (0..300).for_each(|step| _ = sequence.request(now + ms(step * 10), &mut Vec::new()));
        assert_eq!(broken(&sequence, now, hole), there, "given up");
        assert!(!sequence.is_never_repaired());
    }

    #[test]
    fn a_stray_is_refused_and_a_restart_believed() {
        let (now, mut sequence) = (begin(), Sequence::default());
        sequence.arrive(now, 10);
        assert_eq!(sequence.arrive(now, 30_000), Arrival::Refused);
        assert_eq!(sequence.arrive(now, 11), Arrival::New((1 << 16) + 11));
        assert_eq!(sequence.arrive(now, 30_000), Arrival::Refused);
        assert_eq!(
            sequence.arrive(now, 30_001),
            Arrival::Restarted((2 << 16) + 30_001)
        );
    }

    #[test]
    fn a_long_gap_does_not_grow_the_list() {
        let (now, mut sequence) = (begin(), Sequence::default());
        sequence.arrive(now, 0);
        sequence.arrive(now, 2500);
        assert!(sequence.missing() <= MAX_MISSING as u64);
        assert!(sequence.request(now, &mut Vec::new()), "a keyframe is needed");
        assert_eq!(sequence.lost(), 2499);
    }

    #[test]
    fn who_makes_holes_all_the_time_is_not_kept_account_of() {
        let (begin, mut sequence) = (begin(), Sequence::default());
        let (mut number, mut kept) = (0_u16, 0);
        for step in 0..1000 {
            let before = sequence.missing();
            sequence.arrive(begin + ms(step), number);
            kept += sequence.missing().saturating_sub(before);
            number = number.wrapping_add(900);
        }
        assert!((899..=2000).contains(&kept), "{kept} holes in a second");
        assert!(
            sequence.request(begin + ms(1000), &mut Vec::new()),
            "a keyframe is needed"
        );
    }

    #[test]
    fn a_hole_is_asked_for_more_and_more_seldom() {
        let (begin, mut sequence) = (begin(), Sequence::default());
        sequence.arrive(begin, 10);
        sequence.arrive(begin, 12);
        let is_asked = |step: &u64| {
            let mut due = Vec::new();
            sequence.request(begin + ms(*step), &mut due);
            !due.is_empty()
        };
        let asked: Vec<u64> = (0..2000).filter(is_asked).collect();
        let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses.first(), Some(&50));
        assert!(pauses.is_sorted() && pauses.last() == Some(&300), "{pauses:?}");
    }

    #[test]
    fn what_a_gap_took_is_lost_and_stops_whoever_needs_it() {
        let (now, mut sequence) = (begin(), Sequence::default());
        sequence.arrive(now, 0);
        sequence.arrive(now, 2500);
        let base = 1 << 16;
        let broken = [2498, 2499, 2500].map(|number| sequence.is_broken_behind(now, base + number));
        assert_eq!(broken, [true, false, false]);
        assert_eq!(sequence.asked(), 1499, "those before were not");
        // A hole before it, and one after.
        sequence.arrive(now, 2502);
        (0..400).for_each(|step| _ = sequence.request(now + ms(step * 10), &mut Vec::new()));
        assert_eq!(sequence.lost(), 2500);
        assert!(sequence.is_broken_behind(now, base + 2500) && !sequence.is_broken_behind(now, base + 2501));
    }

    #[test]
    fn a_stream_that_begins_anew_has_no_holes_and_nothing_is_like_before() {
        let (now, mut sequence) = (begin(), Sequence::default());
        sequence.arrive(now, 65_000);
        sequence.arrive(now, 65_002);
        (0..400).for_each(|step| _ = sequence.request(now + ms(step * 10), &mut Vec::new()));
        sequence.arrive(now, 65_004);
        assert_eq!(sequence.arrive(now, 20_000), Arrival::Refused);
        assert_eq!(sequence.arrive(now, 65_005), Arrival::New((1 << 16) + 65_005));
        assert_eq!(sequence.arrive(now, 20_001), Arrival::Refused, "two strays");
        assert_eq!(
            sequence.arrive(now, 20_002),
            Arrival::Restarted((3 << 16) + 20_002),
            "with room for what is late, before and behind"
        );
        assert_eq!((sequence.missing(), sequence.deadline()), (0, None));
        assert!(!sequence.is_broken_behind(now + ms(9000), 0));
    }
}
