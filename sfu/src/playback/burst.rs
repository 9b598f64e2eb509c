//! How a viewer that is behind comes to the live edge: how much of the cached group of pictures it gets, and how fast.

use std::time::{Duration, Instant};

use super::pace::{LIMITED_ALLOWANCE, Pace};

/// In percent of a picture's rate, how fast it comes to the live edge of a line that was too thin for it.
const THIN_PACE: u64 = 115;

/// A picture that is so late on such a line goes on at a new keyframe, where the publisher makes one.
const LATE: Duration = Duration::from_secs(1);
/// But seldom: each keyframe takes of the line what many pictures would, of everybody who shares it.
const SPARING: Duration = Duration::from_secs(2);

/// Where a picture has stood still for so long though there was a keyframe to go on with, this part of its rate is tried
/// however full the line is, at most so many bits per second: whoever shares it and has more stops for a moment then. What a
/// viewer does not send it cannot lose to others, and believed to carry nothing the line would stay his neighbour's.
const STARVING: Duration = Duration::from_secs(1);
const FED_PART: u64 = 2;
const MOST_FED: u64 = 240_000;

/// How much of a line's queue is left when a picture of another layer begins behind it: it is told a little late, and a
/// line that stands idle brings the picture later. And how long that is waited for.
const LEFT: Duration = Duration::from_millis(40);
const LONGEST_WAIT: Duration = Duration::from_millis(240);
/// The same where layers of the same encoding are left out: the picture goes on by itself when there is room.
const LONGEST_WAIT_BELOW: Duration = Duration::from_millis(300);
/// And how long what follows may wait while something is missing that it is built upon.
const LONGEST_COMPLETION: Duration = Duration::from_millis(800);

/// How much of a cached group of pictures a viewer may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    /// All of it, however long that takes: a picture was there before, and it must go on moving.
    Whole,
    /// What the line carries soon; else its keyframe alone.
    Soon,
    /// All of it at the pace given: the viewer is live, and only a keyframe is spread out.
    Live,
    /// As fast as the line has room for it and no faster, for nothing smaller is there: it comes to the live edge where it
    /// can, and goes on at the next keyframe where it cannot.
    Thin,
}

/// How far a viewer is sent at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// To the live edge.
    Edge,
    /// To the end of the picture with this timestamp. Then the next keyframe is awaited.
    Still(u32),
    /// Nothing more until the next keyframe.
    NextKeyframe,
}

/// A viewer that is behind the live edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    pace: Pace,
    appetite: Appetite,
    reach: Reach,
    /// The timestamp of the keyframe it began with.
    keyframe: u32,
    credit: u64,
    /// It goes on with fewer layers, since when.
    below: Option<Instant>,
    /// When it begins at the latest, while it waits for the line's queue.
    waits_until: Option<Instant>,
    begins: Instant,
    at: Instant,
    /// Bytes sent of this group.
    sent: u64,
    /// Since when there is a keyframe to send, and when the one it is at began.
    hungry: Instant,
    began: Instant,
}

impl Burst {
    /// At a keyframe whose group of pictures has so many bytes by now.
    pub(super) fn new(now: Instant, pace: Pace, appetite: Appetite, keyframe: u32, group: u64) -> Burst {
        let mut burst = Burst {
            pace,
            appetite,
            reach: Reach::Edge,
            keyframe,
            credit: pace.allowance(),
            below: None,
            waits_until: pace.waits.then(|| now + LONGEST_WAIT),
            begins: now,
            at: now,
            sent: 0,
            hungry: now,
            began: now,
        };
        burst.begin(now, keyframe, group);
        burst
    }

    /// Nothing more before the next keyframe, and from there on a little faster than a picture of `bitrate` comes, or what
    /// there is room for.
    pub(super) fn pause(now: Instant, bitrate: u64) -> Burst {
        let pace = Pace {
            fast: bitrate * THIN_PACE / 100,
            limit: Some(0),
            waits: false,
        };
        Burst {
            reach: Reach::NextKeyframe,
            ..Burst::new(now, pace, Appetite::Thin, 0, 0)
        }
    }

    /// All that has come since, where a picture of `bitrate` has waited.
    pub(super) fn go_on(now: Instant, bitrate: u64) -> Burst {
        let pace = Pace {
            waits: false,
            ..Pace::of_full_line(bitrate * THIN_PACE / 100)
        };
        Burst::new(now, pace, Appetite::Whole, 0, 0)
    }

    /// Fewer layers of the same encoding, when what is in the line is through.
    pub(super) fn below(now: Instant, pace: Pace) -> Burst {
        Burst {
            below: Some(now),
            waits_until: Some(now + LONGEST_WAIT_BELOW),
            begins: now + LONGEST_WAIT_BELOW,
            ..Burst::new(now, pace, Appetite::Whole, 0, 0)
        }
    }

    /// What is in the line takes so long to come through.
    pub(super) fn wait(&mut self, now: Instant, backlog: Duration) {
        let Some(until) = self.waits_until else {
            return;
        };
        let left = backlog.saturating_sub(LEFT);
        if left.is_zero() || now >= until {
            self.waits_until = None;
        }
        self.begins = (now + left).min(until);
        self.at = self.begins.max(now);
    }

    /// Whether fewer layers have yet to go on.
    pub(super) fn is_waiting(&self, now: Instant) -> bool {
        self.is_below() && self.waits_until.is_some() && now < self.begins
    }

    /// Whether it goes on with fewer layers.
    pub(super) fn is_below(&self) -> bool {
        self.below.is_some()
    }

    /// Something is missing that what follows is built upon: whether that is waited for.
    pub(super) fn waits_on(&mut self, now: Instant) -> bool {
        let waits = self.below.is_some_and(|since| now < since + LONGEST_COMPLETION);
        if waits {
            self.begins = self.begins.max(now);
            self.at = self.at.max(now);
            self.credit = self.credit.min(LIMITED_ALLOWANCE / 2);
        }
        waits
    }

    /// When the keyframe it is at began to leave, or could have.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Bytes that have left since.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether what comes next, of that timestamp, is the rest of a keyframe.
    pub(super) fn is_amid_keyframe(&self, timestamp: u32) -> bool {
        self.sent > 0 && timestamp == self.keyframe
    }

    /// Whether a picture may wait for the line's answer: the first one is there as soon as it can be.
    pub(super) fn may_wait(&self, timestamp: u32) -> bool {
        self.appetite != Appetite::Live && timestamp != self.keyframe
    }

    /// Nothing leaves now, and what could have is not saved up.
    pub(super) fn rest(&mut self, now: Instant) {
        self.at = self.at.max(now);
    }

    /// Whether a packet that came then shows that this will not come to the live edge by itself, and a keyframe as new as
    /// that one has had its time.
    pub(super) fn is_late(&self, now: Instant, arrival: Instant, keyframe: Instant) -> bool {
        let since = |at| now.saturating_duration_since(at);
        self.appetite == Appetite::Thin && since(arrival) > LATE && since(keyframe) > SPARING
    }

    /// Whether a new keyframe may be asked for, where the newest came then: on a thin line each takes what many pictures
    /// would.
    pub(super) fn may_ask(&self, now: Instant, keyframe: Instant) -> bool {
        self.appetite != Appetite::Thin || now.saturating_duration_since(keyframe) > SPARING
    }

    /// Whether it only spreads out a live keyframe.
    pub(super) fn is_live(&self) -> bool {
        self.appetite == Appetite::Live
    }

    /// Whether it goes as fast as a line has room that is too thin for it.
    pub(super) fn is_thin(&self) -> bool {
        self.appetite == Appetite::Thin
    }

    pub(super) fn at_pace(self, pace: Pace) -> Burst {
        Burst { pace, ..self }
    }

    /// Whether it goes on to the live edge.
    pub(super) fn goes_on(&self) -> bool {
        self.reach == Reach::Edge
    }

    /// Goes on at a newer keyframe.
    pub(super) fn begin(&mut self, now: Instant, keyframe: u32, group: u64) {
        if self.reach == Reach::NextKeyframe {
            self.hungry = now;
        }
        let fits = self.appetite != Appetite::Soon || self.pace.is_soon(group);
        self.reach = if fits { Reach::Edge } else { Reach::Still(keyframe) };
        self.keyframe = keyframe;
        self.began = now;
        self.sent = 0;
    }

    /// The line has shown its limit, or that it has none. True when this ends the catching up in the midst of the
    /// group: the rest would come too late. `room` is what the line is believed to have for it, however little.
    pub(super) fn limit(&mut self, now: Instant, limit: Option<u64>, room: u64, group: u64) -> bool {
        match self.appetite {
            Appetite::Whole | Appetite::Soon => self.pace.limit = limit,
            Appetite::Thin => {
                let has_starved = now.saturating_duration_since(self.hungry) > STARVING;
                let least = if has_starved {
                    (self.pace.fast / FED_PART).min(MOST_FED)
                } else {
                    0
                };
                self.pace.limit = Some(room.max(least));
            }
            Appetite::Live => {}
        }
        let gives_up = self.appetite == Appetite::Soon
            && self.reach == Reach::Edge
            && !self.pace.is_soon(group.saturating_sub(self.sent));
        if gives_up {
            self.reach = Reach::NextKeyframe;
        }
        gives_up
    }

    /// Whether a packet of the picture with this timestamp may leave now.
    pub(super) fn take(&mut self, now: Instant, timestamp: u32, bytes: usize) -> bool {
        match self.reach {
            Reach::Edge => {}
            Reach::Still(picture) if picture == timestamp => {}
            Reach::Still(_) | Reach::NextKeyframe => {
                self.reach = Reach::NextKeyframe;
                return false;
            }
        }
        if now < self.begins {
            return false;
        }
        let passed = now.saturating_duration_since(self.at).as_micros() as u64;
        let earned = passed * (self.pace.rate() / 8) / 1_000_000;
        if earned > 0 {
            self.credit = (self.credit + earned).min(self.pace.allowance());
            self.at = now;
        }
        match self.credit.checked_sub(bytes as u64) {
            Some(left) => {
                self.credit = left;
                self.sent += bytes as u64;
                true
            }
            None => false,
        }
    }

    /// What was taken for a packet that did not leave: of a layer that is left out.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.credit += bytes as u64;
        self.sent = self.sent.saturating_sub(bytes as u64);
    }

    /// Whether it ends before the live edge.
    pub(super) fn awaits_keyframe(&self) -> bool {
        self.reach != Reach::Edge
    }

    /// When the next packets may leave: a few at a time, so that they make a run. Never while only a keyframe helps.
    pub(super) fn next(&self) -> Option<Instant> {
        (self.reach != Reach::NextKeyframe).then(|| (self.at + Duration::from_millis(2)).max(self.begins))
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::ALLOWANCE;
    use super::*;
    use crate::media::begin;

    const FAST: Pace = Pace {
        fast: 8_000_000,
        limit: None,
        waits: false,
    };

    #[test]
    fn a_group_leaves_at_its_pace() {
        let now = begin();
        let mut burst = Burst::new(now, FAST, Appetite::Soon, 7, 400_000);
        let sent = |burst: &mut Burst, at| (0..1000).take_while(|_| burst.take(at, 8, 1000)).count() as u64;
        assert_eq!(sent(&mut burst, now), ALLOWANCE / 1000, "a keyframe at once");
        let next = burst.next().unwrap();
        assert_eq!(sent(&mut burst, next), 2, "then a megabyte a second");
    }

    #[test]
    fn what_the_line_does_not_carry_soon_is_a_still() {
        let now = begin();
        let mut burst = Burst::new(now, FAST, Appetite::Soon, 7, 500_001);
        assert!(burst.take(now, 7, 1000) && burst.take(now, 7, 1000));
        assert!(!burst.take(now, 8, 1000) && !burst.take(now, 8, 1000));
        assert_eq!(burst.next(), None, "until the next keyframe");
        burst.begin(now, 9, 1000);
        assert!(burst.take(now, 9, 1000) && burst.take(now, 10, 1000));
        assert!(Burst::new(now, FAST, Appetite::Whole, 7, 1 << 30).take(now, 8, 1000));
    }

    #[test]
    fn a_line_that_shows_its_limit_ends_what_would_come_late() {
        let now = begin();
        let mut burst = Burst::new(now, FAST, Appetite::Soon, 7, 400_000);
        assert!(burst.take(now, 8, 30_000));
        assert!(
            !burst.limit(now, Some(7_000_000), 0, 400_000),
            "it still comes soon"
        );
        assert!(burst.limit(now, Some(1_000_000), 0, 400_000));
        assert!(!burst.limit(now, Some(1_000_000), 0, 400_000), "told once");
        assert!(!burst.take(now + Duration::from_secs(1), 9, 1000));
        let mut patient = Burst::new(now, FAST, Appetite::Whole, 7, 400_000);
        assert!(!patient.limit(now, Some(1_000_000), 0, 400_000));
        assert!(patient.take(now, 9, 1000));
    }

    #[test]
    fn fewer_layers_go_on_when_the_queue_is_through_and_what_is_missing_has_left() {
        let now = begin();
        let after = |ms| now + Duration::from_millis(ms);
        let full = Pace::of_full_line(400_000);
        let mut burst = Burst::below(now, full);
        burst.wait(now, Duration::from_millis(140));
        assert!(burst.is_waiting(after(99)) && !burst.take(after(99), 7, 1000));
        assert!(!burst.is_waiting(after(100)) && burst.take(after(100), 7, 1000));
        let mut burst = Burst::below(now, full);
        burst.wait(now, Duration::from_secs(2));
        assert_eq!(burst.begins, now + LONGEST_WAIT_BELOW);
        assert!(burst.waits_on(after(500)));
        burst.wait(after(500), Duration::from_secs(2));
        assert!(
            burst.take(after(500), 7, 1500) && !burst.take(after(500), 7, 1),
            "one packet"
        );
        assert!(!burst.waits_on(now + LONGEST_COMPLETION), "not for ever");
        assert!(
            !Burst::new(now, full, Appetite::Whole, 7, 0).waits_on(now),
            "a keyframe needs nothing"
        );
    }

    #[test]
    fn on_a_line_that_is_too_thin_the_next_keyframe_goes_on_with_what_there_is_room_for() {
        let now = begin();
        let mut burst = Burst::pause(now, 4_000_000);
        assert!(!burst.goes_on() && !burst.take(now, 7, 1000));
        burst.begin(now, 9, 1 << 20);
        burst.limit(now, None, 800_000, 1 << 20);
        let sent = |burst: &mut Burst, at| (0..1000).take_while(|_| burst.take(at, 9, 1000)).count();
        assert_eq!(
            (burst.goes_on(), sent(&mut burst, now)),
            (true, 3),
            "a few packets at once"
        );
        let sent = (1..=100).map(|step| sent(&mut burst, now + step * Duration::from_millis(10)));
        assert_eq!(sent.sum::<usize>(), 100, "then 100 kilobytes a second");
        assert!(burst.is_late(now + LATE * 3, now, now) && !burst.is_late(now + LATE * 2, now, now));
        assert!(!burst.is_late(now + LATE * 3, now + LATE * 2, now));
        assert!(!Burst::new(now, FAST, Appetite::Soon, 9, 0).is_late(now + LATE * 3, now, now));
        assert!(
            !burst.may_ask(now + SPARING, now),
            "the last one has had no time yet"
        );
        assert!(burst.may_ask(now + SPARING + Duration::from_millis(1), now));
        assert!(Burst::new(now, FAST, Appetite::Soon, 9, 0).may_ask(now, now));
    }

    #[test]
    fn who_starves_beside_others_tries_however_full_the_line_is() {
        let now = begin();
        let mut burst = Burst::pause(now, 400_000);
        let later = now + Duration::from_secs(5);
        burst.begin(later, 9, 30_000);
        burst.limit(later + STARVING, None, 0, 30_000);
        assert_eq!(burst.pace.rate(), 1, "the wait for a keyframe does not count");
        let later = later + STARVING + Duration::from_millis(1);
        burst.limit(later, None, 0, 30_000);
        assert_eq!(burst.pace.rate(), 230_000);
        burst.limit(later, None, 300_000, 30_000);
        assert_eq!(burst.pace.rate(), 300_000, "where there is more room");
        let mut large = Burst::pause(now, 4_000_000);
        large.limit(later, None, 0, 30_000);
        assert_eq!(large.pace.rate(), MOST_FED);
    }

    #[test]
    fn behind_a_queue_nothing_leaves_before_that_is_nearly_through() {
        let ms = Duration::from_millis;
        let now = begin();
        let pace = Pace {
            limit: Some(800_000),
            waits: true,
            ..FAST
        };
        let burst = || Burst::new(now, pace, Appetite::Whole, 7, 400_000);
        let mut told = burst();
        told.wait(now, ms(150));
        assert_eq!(told.next(), Some(now + ms(152) - LEFT));
        assert!(!told.take(now + ms(109), 7, 1000));
        // It drains faster than it was thought to.
        told.wait(now + ms(50), LEFT);
        assert!(told.take(now + ms(50), 7, 1000));
        told.wait(now + ms(60), ms(500));
        assert!(told.take(now + ms(60), 7, 1000), "once is enough");
        let mut untold = burst();
        untold.wait(now, ms(5000));
        untold.wait(now + ms(200), ms(5000));
        assert_eq!(untold.next(), Some(now + LONGEST_WAIT + ms(2)));
        let mut free = Burst::new(now, FAST, Appetite::Whole, 7, 400_000);
        free.wait(now, ms(150));
        assert!(free.take(now, 7, 1000));
    }

    #[test]
    fn a_keyframe_is_spread_out_only_where_the_line_is_thin_for_it() {
        assert!(Pace::of_keyframe(8_000_000, 1_000_000).is_none());
        let pace = |brings, bitrate| Pace::of_keyframe(brings, bitrate).unwrap().rate();
        assert_eq!(pace(7_999_999, 1_000_000), 7_999_999, "as it is brought");
        assert_eq!(
            pace(1_000_000, 1_000_000),
            1_300_000,
            "it must come to the live edge"
        );
        let spread = Pace::of_keyframe(800_000, 400_000).unwrap();
        let mut burst = Burst::new(begin(), spread, Appetite::Live, 7, 1 << 20);
        let sent = (0..100).take_while(|_| burst.take(begin(), 7, 1000)).count();
        assert_eq!(sent, 3);
    }

    #[test]
    fn a_picture_that_stops_goes_on_at_the_next_keyframe_only() {
        let mut burst = Burst::pause(begin(), 1_000_000);
        let later = begin() + Duration::from_secs(2);
        burst.limit(later, Some(10_000_000), 10_000_000, 1000);
        assert!(!burst.take(later, 7, 1000) && burst.awaits_keyframe());
        assert_eq!(burst.next(), None);
        burst.begin(later, 9, 1000);
        burst.limit(later, Some(10_000_000), 10_000_000, 1000);
        assert!(burst.goes_on() && burst.take(later, 9, 1000));
        // Wherever there is room, not faster than a little more than the picture comes.
        assert_eq!(burst.pace.rate(), 1_150_000);
    }
}
