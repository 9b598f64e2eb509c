//! What a viewer sees: whole pictures in their order, freezes, and sizes.

use std::time::{Duration, Instant};

use super::arrivals::Arrivals;

/// No whole picture for longer than this is a freeze that people notice.
pub(super) const FREEZE: Duration = Duration::from_millis(500);

/// Marker bits remembered, like the numbers themselves.
const BLOCKS: usize = 1024 / 64;

/// What came of moving on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Whole pictures.
    pub(super) frames: u64,
    /// How long the picture had stood still before the first of them, when that was a freeze.
    pub(super) froze: Option<Duration>,
}

/// The pictures of one stream. A picture is whole when all its packets are there, and it is seen when all before are
/// whole or given up and, after a loss, a keyframe has come.
#[derive(Debug)]
pub(super) struct Pictures {
    /// The next number to be shown; all before are done with.
    next: Option<u64>,
    markers: [u64; BLOCKS],
    /// Nothing is seen before this number: the keyframe's first packet.
    keyframe: Option<u64>,
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
            keyframe: None,
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
        if self.needs_keyframe && self.keyframe.is_none_or(|known| known < self.next.unwrap_or(0)) {
            self.keyframe = Some(number);
        }
    }

    /// The stream began again with other numbers.
    pub(super) fn restart(&mut self) {
        let last = self.last;
        *self = Pictures::new();
        self.last = last;
    }

    /// Shows what can be shown. `waits_for` is the oldest number that may still come.
    pub(super) fn advance(&mut self, arrivals: &Arrivals, waits_for: Option<u64>, now: Instant) -> Progress {
        let mut progress = Progress::default();
        let (Some(mut next), Some(highest)) = (self.next, arrivals.highest()) else {
            return progress;
        };
        while next <= highest && waits_for.is_none_or(|missing| next < missing) {
            if !arrivals.is_seen(next) {
                self.is_broken = true;
                self.needs_keyframe = true;
                self.keyframe = self.keyframe.filter(|number| *number > next);
            } else if self.needs_keyframe && self.keyframe == Some(next) {
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
        self.next = Some(next);
        progress
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
        pictures: Pictures,
        frames: u64,
        froze: Vec<u128>,
    }

    impl Story {
        fn new() -> Story {
            let (arrivals, pictures) = (Arrivals::new(), Pictures::new());
            Story {
                begin: Instant::now(),
                arrivals,
                pictures,
                frames: 0,
                froze: Vec::new(),
            }
        }

        fn receive(&mut self, ms: u64, sequence: u16, marker: bool, keyframe: bool, waits_for: Option<u16>) {
            if let Arrival::Begin(number) | Arrival::Ahead { number, .. } | Arrival::Behind(number) =
                self.arrivals.receive(sequence)
            {
                self.pictures.mark(number, marker);
                if keyframe {
                    self.pictures.keyframe(number);
                }
            }
            let waits_for = waits_for.map(|missing| (1 << 16) + u64::from(missing));
            let now = self.begin + Duration::from_millis(ms);
            let progress = self.pictures.advance(&self.arrivals, waits_for, now);
            self.frames += progress.frames;
            self.froze.extend(progress.froze.map(|still| still.as_millis()));
        }
    }

    #[test]
    fn nothing_is_seen_before_a_keyframe_and_holes_hold_pictures_back() {
        let mut story = Story::new();
        story.receive(0, 10, true, false, None);
        assert_eq!(story.frames, 0);
        story.receive(20, 11, false, true, None);
        story.receive(21, 12, true, false, None);
        assert_eq!(story.frames, 1);
        // 13 is missing and asked for: two pictures come with it.
        story.receive(40, 14, true, false, Some(13));
        story.receive(60, 15, true, false, Some(13));
        assert_eq!(story.frames, 1);
        story.receive(70, 13, false, false, None);
        assert_eq!((story.frames, story.froze.len()), (3, 0));
    }

    #[test]
    fn a_loss_that_is_given_up_freezes_until_the_next_keyframe() {
        let mut story = Story::new();
        story.receive(0, 0, true, true, None);
        story.receive(40, 2, true, false, None);
        assert!(story.pictures.needs_keyframe());
        story.receive(80, 3, true, false, None);
        assert_eq!(story.frames, 1);
        story.receive(900, 4, false, true, None);
        story.receive(920, 5, true, false, None);
        assert_eq!((story.frames, &story.froze[..]), (2, &[920][..]));
        assert!(!story.pictures.needs_keyframe());
        story.receive(960, 6, true, false, None);
        assert_eq!(story.frames, 3);
    }
}
