//! What is missing of the pictures that others of several spatial layers are built upon.
//!
//! A browser asks for it once: as soon as a smaller picture has come that goes back to a keyframe by itself, it asks for
//! nothing before that any more (libwebrtc `RtpVideoStreamReceiver2::FrameContinuous`), though it shows none before every
//! layer of those in between is there. So whether a repair has come is looked for in the viewer's feedback, and one that is
//! lost leaves again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::bandwidth::Fate;

/// Packets that wait to leave, and that are not known to have come: of a large keyframe, 7 KiB of each. What is more is forgotten.
const MOST: usize = 128;
/// About a packet, in bits.
const PACKET: u64 = 1200 * 8;
/// What is missing for longer than this is not awaited by anybody: browsers have asked for a keyframe.
const LONGEST: Duration = Duration::from_secs(3);
/// What feedback tells to be lost is asked for within a round trip and this, or the request was lost, too.
const ASKED: Duration = Duration::from_millis(80);
/// When nothing is told of a packet for a round trip and this, another request counts.
const UNTOLD: Duration = Duration::from_millis(200);

/// By its number.
#[derive(Clone, Copy, Debug)]
struct Missing {
    number: u16,
    since: Instant,
    /// Nobody has asked for it: it is likely to be lost.
    is_guess: bool,
}

/// A packet on its way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    of: Missing,
    at: Instant,
    /// Its number on the line.
    flight: u64,
    /// For the first time.
    is_first: bool,
}

/// Repairs of one stream's pictures.
#[derive(Debug)]
pub(super) struct Completion {
    waiting: VecDeque<Missing>,
    sent: VecDeque<Sent>,
    /// When the next one may leave.
    next: Instant,
}

impl Completion {
    pub(super) fn new(now: Instant) -> Completion {
        Completion {
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            next: now,
        }
    }

    /// The viewer asks for these, in order. It has told all that is missing before the last one.
    pub(super) fn ask(&mut self, now: Instant, numbers: &[u16]) {
        let Some(last) = numbers.last() else { return };
        self.waiting
            .retain(|missing| !missing.is_guess || missing.number.wrapping_sub(*last) < 1 << 15);
        self.sent
            .retain(|sent| !sent.is_first || !numbers.contains(&sent.of.number));
        self.add(now, numbers, false);
    }

    /// These are likely to be lost; none leaves before a time.
    pub(super) fn expect(&mut self, now: Instant, begins: Instant, numbers: &[u16]) {
        self.add(now, numbers, true);
        self.next = self.next.max(begins);
    }

    fn add(&mut self, now: Instant, numbers: &[u16], is_guess: bool) {
        for &number in numbers {
            let waiting = self.waiting.iter().map(|missing| missing.number);
            let again = self.sent.iter().filter(|sent| !sent.is_first);
            let mut known = waiting.chain(again.map(|sent| sent.of.number));
            if self.waiting.len() < MOST && !known.any(|known| known == number) {
                let missing = Missing {
                    number,
                    since: now,
                    is_guess,
                };
                self.waiting.push_back(missing);
            }
        }
        self.sort();
    }

    /// What is below goes first: browsers show an upper layer that is not predicted from it without it, and then have nothing
    /// that the lower one could go on with.
    fn sort(&mut self) {
        // Numbers wrap.
        let first = self.waiting.front().map_or(0, |missing| missing.number);
        self.waiting
            .make_contiguous()
            .sort_by_key(|missing| missing.number.wrapping_sub(first).wrapping_add(1 << 15));
    }

    /// Nothing of it is of use any more.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.sent.clear();
    }

    /// Whether anything has yet to leave.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// When the next one may leave.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.is_busy().then_some(self.next)
    }

    /// The number to send again now, on a line of so many bits per second where it is full: no faster than it brings them,
    /// for behind a full queue they would be lost again.
    pub(super) fn take(&mut self, now: Instant, rate: Option<u64>) -> Option<u16> {
        self.waiting
            .retain(|missing| now.saturating_duration_since(missing.since) < LONGEST);
        if rate.is_some() && now < self.next {
            return None;
        }
        let missing = self.waiting.pop_front()?;
        let takes = rate.map_or(0, |rate| PACKET * 1_000_000 / rate.max(1));
        self.next = now + Duration::from_micros(takes);
        self.sent.retain(|sent| sent.of.number != missing.number);
        self.note(now, missing, u64::MAX, false);
        Some(missing.number)
    }

    /// A packet leaves for the first time, under this number of the line's.
    pub(super) fn leaves(&mut self, now: Instant, number: u16, flight: u64) {
        self.note(now, missing(number, now), flight, true);
    }

    /// It has left again.
    pub(super) fn left(&mut self, now: Instant, number: u16, flight: u64) {
        let again = self.sent.iter_mut().rev();
        match again
            .filter(|sent| !sent.is_first)
            .find(|sent| sent.of.number == number)
        {
            Some(sent) => (sent.at, sent.flight) = (now, flight),
            None => {
                self.sent.retain(|sent| sent.of.number != number);
                self.note(now, missing(number, now), flight, false);
            }
        }
    }

    fn note(&mut self, now: Instant, of: Missing, flight: u64, is_first: bool) {
        if self.sent.len() >= MOST {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent {
            of,
            at: now,
            flight,
            is_first,
        });
    }

    /// Has what is lost wait again, and forgets what has come. What has left once is asked for, and may have been overtaken: only
    /// where the line is full it is believed to be lost before that has had its time.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        is_full: bool,
        round_trip: Duration,
        fate: impl Fn(u64) -> Fate,
    ) {
        let waiting = &mut self.waiting;
        self.sent.retain(|sent| {
            let age = now.saturating_duration_since(sent.at);
            match fate(sent.flight) {
                Fate::Unknown => return age < round_trip + UNTOLD,
                Fate::Lost if sent.is_first && !is_full && age < round_trip + ASKED => return true,
                Fate::Came => waiting.retain(|missing| missing.number != sent.of.number),
                Fate::Lost => {
                    let is_known = waiting.iter().any(|missing| missing.number == sent.of.number);
                    if waiting.len() < MOST && !is_known {
                        waiting.push_back(Missing {
                            is_guess: false,
                            ..sent.of
                        });
                    }
                }
            }
            false
        });
        self.sort();
    }
}

fn missing(number: u16, since: Instant) -> Missing {
    Missing {
        number,
        since,
        is_guess: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::begin;

    /// A packet takes ten milliseconds of it.
    const RATE: Option<u64> = Some(960_000);
    const ROUND_TRIP: Duration = Duration::from_millis(100);

    fn clock() -> impl Fn(u64) -> Instant {
        let now = begin();
        move |ms| now + Duration::from_millis(ms)
    }

    #[test]
    fn a_full_line_gets_one_after_the_other_and_the_lower_layer_first() {
        let after = clock();
        let mut completion = Completion::new(after(0));
        completion.ask(after(0), &[2, 65_535, 65_534]);
        completion.ask(after(0), &[1, 2]);
        let mut taken = |ms| completion.take(after(ms), RATE);
        assert_eq!(
            [0, 9, 10, 20].map(&mut taken),
            [Some(65_534), None, Some(65_535), Some(1)]
        );
        assert_eq!(completion.deadline(), Some(after(30)));
        assert_eq!(
            completion.take(after(21), None),
            Some(2),
            "another has room for all"
        );
        assert!(!completion.is_busy() && completion.deadline().is_none());
    }

    #[test]
    fn what_is_lost_again_leaves_again_though_nobody_asks() {
        let after = clock();
        let mut completion = Completion::new(after(0));
        completion.ask(after(0), &[1, 2, 3]);
        for flight in 11..=13 {
            let number = completion.take(after(0), None).unwrap();
            completion.left(after(0), number, flight);
        }
        completion.ask(after(0), &[1, 2, 3]);
        assert!(!completion.is_busy(), "they are on their way");
        completion.settle(after(50), false, ROUND_TRIP, |flight| match flight {
            11 => Fate::Came,
            12 => Fate::Lost,
            _ => Fate::Unknown,
        });
        assert_eq!(
            (completion.take(after(50), None), completion.is_busy()),
            (Some(2), false)
        );
        completion.settle(after(0) + LONGEST, false, ROUND_TRIP, |_| Fate::Unknown);
        assert!(completion.is_empty(), "nothing is told of any");
        completion.ask(after(0), &[4]);
        assert_eq!(
            completion.take(after(0) + LONGEST, None),
            None,
            "nobody waits for it any more"
        );
    }

    #[test]
    fn what_was_overtaken_is_lost_on_a_full_line_and_asked_for_on_another() {
        let after = clock();
        for is_full in [true, false] {
            let mut completion = Completion::new(after(0));
            completion.leaves(after(0), 7, 11);
            completion.settle(after(1), is_full, ROUND_TRIP, |_| Fate::Unknown);
            assert!(!completion.is_empty() && !completion.is_busy());
            completion.settle(after(50), is_full, ROUND_TRIP, |_| Fate::Lost);
            assert_eq!(completion.is_busy(), is_full);
            completion.ask(after(50), &[7]);
            assert_eq!(completion.take(after(50), None), Some(7));
            assert!(!completion.is_busy(), "once");
        }
    }

    #[test]
    fn what_is_lost_and_not_asked_for_in_time_leaves_anyway() {
        let after = clock();
        let mut completion = Completion::new(after(0));
        (1..=3).for_each(|number| completion.leaves(after(0), number, u64::from(number)));
        let fate = |flight| match flight {
            1 | 2 => Fate::Lost,
            3 => Fate::Came,
            _ => Fate::Unknown,
        };
        completion.settle(after(120), false, ROUND_TRIP, fate);
        assert!(!completion.is_busy(), "its request may be on its way");
        completion.left(after(130), 1, 4);
        completion.settle(after(179), false, ROUND_TRIP, fate);
        assert!(!completion.is_busy());
        completion.settle(after(180), false, ROUND_TRIP, fate);
        assert_eq!(completion.take(after(180), None), Some(2));
        completion.left(after(180), 2, 5);
        completion.settle(after(190), false, ROUND_TRIP, fate);
        assert!(
            !completion.is_busy() && !completion.is_empty(),
            "once, and not what was asked for"
        );
    }

    #[test]
    fn what_is_believed_to_be_lost_waits_for_room_and_for_what_is_known() {
        let after = clock();
        let mut completion = Completion::new(after(0));
        (1..=5).for_each(|number| completion.leaves(after(0), number, u64::from(number)));
        completion.expect(after(0), after(60), &[5, 4, 3, 2]);
        assert_eq!(
            (completion.deadline(), completion.take(after(59), RATE)),
            (Some(after(60)), None)
        );
        completion.settle(after(60), true, ROUND_TRIP, |flight| match flight {
            2 => Fate::Came,
            _ => Fate::Unknown,
        });
        completion.ask(after(60), &[4]);
        let taken = [60, 70, 80].map(|ms| completion.take(after(ms), RATE));
        assert_eq!(
            taken,
            [Some(4), Some(5), None],
            "of what came before it nothing else is missing"
        );
    }

    #[test]
    fn what_is_asked_for_leaves_although_the_feedback_says_that_it_came_and_a_guess_does_not() {
        let after = clock();
        let mut completion = Completion::new(after(0));
        (1..=2).for_each(|number| completion.leaves(after(0), number, u64::from(number)));
        completion.ask(after(50), &[1]);
        completion.expect(after(50), after(50), &[2]);
        completion.settle(after(50), true, ROUND_TRIP, |_| Fate::Came);
        let taken = [50, 60].map(|ms| completion.take(after(ms), RATE));
        assert_eq!(taken, [Some(1), None]);
    }

    #[test]
    fn what_has_just_left_again_does_not_leave_a_third_time_for_its_first_loss() {
        let after = clock();
        let mut completion = Completion::new(after(0));
        let lost_at_first = |flight| match flight {
            1..=3 => Fate::Lost,
            _ => Fate::Unknown,
        };
        (1..=3).for_each(|number| completion.leaves(after(0), number, u64::from(number)));
        completion.expect(after(0), after(0), &[3]);
        assert_eq!(completion.take(after(0), RATE), Some(3));
        completion.left(after(0), 3, 9);
        completion.expect(after(1), after(1), &[2]);
        completion.settle(after(50), true, ROUND_TRIP, lost_at_first);
        let taken = [50, 60, 70].map(|ms| completion.take(after(ms), RATE));
        assert_eq!(taken, [Some(1), Some(2), None], "each once, in order");
    }

    #[test]
    fn what_is_lost_again_goes_before_what_is_built_upon_it() {
        let after = clock();
        let mut completion = Completion::new(after(0));
        completion.leaves(after(0), 2, 2);
        completion.ask(after(0), &[1]);
        assert_eq!(completion.take(after(0), None), Some(1));
        completion.left(after(0), 1, 3);
        completion.settle(after(50), true, ROUND_TRIP, |_| Fate::Lost);
        let taken = [50, 60].map(|ms| completion.take(after(ms), None));
        assert_eq!(taken, [Some(1), Some(2)]);
    }

    #[test]
    fn whatever_is_asked_for_and_lost_no_more_is_remembered_than_a_large_keyframe() {
        let after = clock();
        let mut completion = Completion::new(after(0));
        (0..300).for_each(|number| completion.leaves(after(0), number, number.into()));
        assert_eq!(completion.sent.len(), MOST);
        let asked: Vec<u16> = (1000..1300).collect();
        completion.ask(after(0), &asked);
        completion.settle(after(50), true, ROUND_TRIP, |_| Fate::Lost);
        assert_eq!(completion.waiting.len(), MOST);
    }
}
