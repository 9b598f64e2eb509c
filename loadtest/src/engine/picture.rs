//! What a viewer sees: whole pictures in their order, freezes, and sizes.

use std::time::{Duration, Instant};

use super::arrivals::Arrivals;
use super::repair::Holes;

/// No whole picture for longer than this is a freeze that people notice.
pub(super) const FREEZE: Duration = Duration::from_millis(500);

/// Marker bits remembered, like the numbers themselves.
const BLOCKS: usize = 1024 / 64;
/// Keyframes begun and not reached: a hole is waited for a second, and no publisher sends more in that time.
const MAX_KEYFRAMES: usize = 4;

/// What came of moving on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Whole pictures.
    pub(super) frames: u64,
    /// How long the picture had stood still before the first of them, when that was a freeze.
    pub(super) froze: Option<Duration>,
}

/// The pictures of one stream. A picture is whole when all its packets are there, and it is seen when all before are
/// whole or given up and, after a loss, a keyframe has come. A whole keyframe does not wait for anything before it.
#[derive(Debug)]
pub(super) struct Pictures {
    /// The next number to be shown; all before are done with.
    next: Option<u64>,
    markers: [u64; BLOCKS],
    /// First packets of keyframes that are still to be shown, as they came.
    keyframes: [Option<u64>; MAX_KEYFRAMES],
    /// A loss, or the beginning: until a keyframe comes nothing is seen.
    needs_keyframe: bool,
    /// The current picture misses a packet that will not come.
    is_broken: bool,
    last: Option<Instant>,
}

impl Pictures {
    pub(super) fn new() -> Pictures {
        Pictures {
            next: None,
            markers: [0; BLOCKS],
            keyframes: [None; MAX_KEYFRAMES],
            needs_keyframe: true,
            is_broken: false,
            last: None,
        }
    }

    /// Whether a keyframe is waited for, so that payloads must be looked at.
    pub(super) fn needs_keyframe(&self) -> bool {
        self.needs_keyframe
    }

    /// Whether a picture begins with this number: the one before ended one.
    pub(super) fn begins_with(&self, number: Option<u64>) -> bool {
        number.is_none_or(|number| self.is_marker(number.saturating_sub(1)))
    }

    /// A packet came, and how it ends.
    pub(super) fn mark(&mut self, number: u64, marker: bool) {
        self.next.get_or_insert(number);
        if let Some(block) = self.markers.get_mut((number / 64) as usize % BLOCKS) {
            let bit = 1 << (number % 64);
            *block = if marker { *block | bit } else { *block & !bit };
        }
    }

    /// This number begins a keyframe.
    pub(super) fn keyframe(&mut self, number: u64) {
        if !self.keyframes.contains(&Some(number)) {
            let [.., oldest] = &mut self.keyframes;
            *oldest = Some(number);
            self.keyframes.rotate_right(1);
        }
    }

    /// Reads what the next packet needs.
    pub(super) fn glance(&self) -> u64 {
        let next = self.next.unwrap_or_default();
        let block = self.markers.get((next / 64) as usize % BLOCKS);
        let keyframe = self.keyframes.first().and_then(|begin| *begin);
        block.map_or(next, |block| block ^ next) ^ keyframe.unwrap_or_default()
    }

    /// The stream began again with other numbers.
    pub(super) fn restart(&mut self) {
        let last = self.last;
        *self = Pictures::new();
        self.last = last;
    }

    /// Shows what can be shown. A hole that a whole keyframe made moot is no hole any more.
    pub(super) fn advance(&mut self, arrivals: &Arrivals, holes: &mut Holes, now: Instant) -> Progress {
        let mut progress = Progress::default();
        let (Some(mut next), Some(highest)) = (self.next, arrivals.highest()) else {
            return progress;
        };
        loop {
            while next <= highest && holes.first().is_none_or(|missing| next < missing) {
                if !arrivals.is_seen(next) {
                    self.is_broken = true;
                    self.needs_keyframe = true;
                } else if self.needs_keyframe && self.keyframes.contains(&Some(next)) {
                    self.needs_keyframe = false;
                    self.is_broken = false;
                }
                if arrivals.is_seen(next) && self.is_marker(next) {
                    if !self.is_broken && !self.needs_keyframe {
                        self.show(now, &mut progress);
                    }
                    self.is_broken = false;
                }
                next += 1;
            }
            let Some(begin) = self.whole_keyframe(next, highest, arrivals) else {
                break;
            };
            (next, self.needs_keyframe, self.is_broken) = (begin, false, false);
            holes.forget_before(begin);
        }
        for keyframe in &mut self.keyframes {
            *keyframe = keyframe.filter(|begin| *begin >= next);
        }
        self.next = Some(next);
        progress
    }

    /// Where the newest keyframe begins that is there in one piece, behind what is waited for.
    fn whole_keyframe(&self, next: u64, highest: u64, arrivals: &Arrivals) -> Option<u64> {
        let is_whole = |begin: &u64| {
            let mut picture = (*begin..=highest).take_while(|number| arrivals.is_seen(*number));
            picture.any(|number| self.is_marker(number))
        };
        let begun = self.keyframes.iter().flatten();
        begun
            .filter(|begin| **begin > next)
            .filter(|begin| is_whole(begin))
            .max()
            .copied()
    }

    fn show(&mut self, now: Instant, progress: &mut Progress) {
        progress.frames += 1;
        progress.froze = progress.froze.or(self.stood_still(now));
        self.last = Some(now);
    }

    fn is_marker(&self, number: u64) -> bool {
        let block = self.markers.get((number / 64) as usize % BLOCKS);
        block.is_some_and(|block| block & (1 << (number % 64)) != 0)
    }

    /// How long there has been no new picture, when that is a freeze.
    pub(super) fn stood_still(&self, now: Instant) -> Option<Duration> {
        let still = now.saturating_duration_since(self.last?);
        (still > FREEZE).then_some(still)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::arrivals::Arrival;

    struct Story {
        begin: Instant,
        arrivals: Arrivals,
        holes: Holes,
        pictures: Pictures,
        frames: u64,
        froze: Vec<u128>,
    }

    impl Story {
        fn new() -> Story {
            Story {
                begin: Instant::now(),
                arrivals: Arrivals::new(),
                holes: Holes::default(),
                pictures: Pictures::new(),
                frames: 0,
                froze: Vec::new(),
            }
        }

        fn receive(&mut self, ms: u64, sequence: u16, marker: bool, keyframe: bool) {
            let now = self.begin + Duration::from_millis(ms);
            let number = match self.arrivals.receive(sequence) {
                Arrival::Begin(number) => number,
                Arrival::Ahead { number, expected } => {
                    self.holes.open(expected..number, now);
                    number
                }
                Arrival::Behind(number) => {
                    self.holes.close(number);
                    number
                }
                other => panic!("{other:?}"),
            };
            self.pictures.mark(number, marker);
            if keyframe {
                self.pictures.keyframe(number);
            }
            self.advance(now);
        }

        fn advance(&mut self, now: Instant) {
            let progress = self.pictures.advance(&self.arrivals, &mut self.holes, now);
            self.frames += progress.frames;
            self.froze.extend(progress.froze.map(|still| still.as_millis()));
        }

        fn give_up(&mut self, ms: u64) {
            let now = self.begin + Duration::from_millis(ms);
            assert!(self.holes.give_up(now));
            self.advance(now);
        }
    }

    #[test]
    fn nothing_is_seen_before_a_keyframe_and_holes_hold_pictures_back() {
        let mut story = Story::new();
        story.receive(0, 10, true, false);
        assert_eq!(story.frames, 0);
        story.receive(20, 11, false, true);
        story.receive(21, 12, true, false);
        assert_eq!(story.frames, 1);
        // 13 is missing and asked for: two pictures come with it.
        story.receive(40, 14, true, false);
        story.receive(60, 15, true, false);
        assert_eq!(story.frames, 1);
        story.receive(70, 13, false, false);
        assert_eq!((story.frames, story.froze.len()), (3, 0));
    }

    #[test]
    fn a_loss_that_is_given_up_freezes_until_the_next_keyframe() {
        let mut story = Story::new();
        story.receive(0, 0, true, true);
        story.receive(40, 2, true, false);
        assert!(!story.pictures.needs_keyframe(), "it may still come");
        story.give_up(1_040);
        assert!(story.pictures.needs_keyframe());
        story.receive(1_080, 3, true, false);
        assert_eq!(story.frames, 1);
        story.receive(1_200, 4, false, true);
        story.receive(1_220, 5, true, false);
        assert_eq!((story.frames, &story.froze[..]), (2, &[1_220][..]));
        assert!(!story.pictures.needs_keyframe());
        story.receive(1_260, 6, true, false);
        assert_eq!(story.frames, 3);
    }

    #[test]
    fn a_whole_keyframe_makes_what_is_missing_before_it_moot() {
        let mut story = Story::new();
        story.receive(0, 0, true, true);
        // 1 is missing for good; the keyframe is 3 to 5, and its middle comes last.
        story.receive(40, 2, true, false);
        story.receive(80, 3, false, true);
        story.receive(81, 5, true, false);
        assert_eq!(story.frames, 1);
        story.receive(90, 4, false, false);
        assert_eq!((story.frames, story.holes.first()), (2, None));
        // What is missing behind it is still waited for.
        story.receive(120, 7, true, false);
        assert_eq!(story.holes.first(), Some((1 << 16) + 6));
        story.receive(130, 6, false, false);
        assert_eq!(story.frames, 3);
    }
}
