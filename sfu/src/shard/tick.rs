//! When messages to everybody in a room leave. A packet of its own for each viewer costs several times as much as a
//! message more in a packet, so what is said soon after other things waits and leaves together with what follows.

use std::time::{Duration, Instant};

/// For how long messages wait for the next picture, behind which they cost a part of what they cost alone: a frame at
/// 25 per second.
const FOR_A_PICTURE: Duration = Duration::from_millis(40);
/// From one time that messages leave to the next it takes so many times what they cost: a talkative room takes a
/// twentieth of the thread's time, whatever its size.
const TIMES_ITS_COST: u32 = 20;
/// But never longer than this: with the wait for a picture five times a second, as fast as a count that falls is read.
const LONGEST: Duration = Duration::from_millis(160);

/// One room's messages in time. The first after a while leaves at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tick {
    /// Since when something waits for its turn.
    waits_since: Option<Instant>,
    /// When the next turn may begin.
    free_from: Option<Instant>,
    /// Whose turn it is waits until then for a picture.
    leaves_at: Option<Instant>,
    /// And some viewers have it already: what is said now waits for another turn.
    has_begun: bool,
}

impl Tick {
    /// Something was said.
    pub(super) fn said(&mut self, now: Instant) {
        if !self.is_gathering() {
            self.waits_since.get_or_insert(now);
        }
    }

    /// Too much waits already.
    pub(super) fn hurry(&mut self) {
        self.free_from = None;
    }

    /// Whether what waits must leave now, picture or not.
    pub(super) fn turn(&mut self, now: Instant, has_picture: bool) -> bool {
        if let Some(at) = self.opens_at().filter(|at| *at <= now) {
            let latest = at + FOR_A_PICTURE;
            self.leaves_at = Some(self.leaves_at.map_or(latest, |known| known.min(latest)));
            self.waits_since = None;
            self.has_begun = false;
        }
        let is_due = self.leaves_at.is_some_and(|at| at <= now || !has_picture);
        if is_due {
            self.leaves_at = None;
        }
        is_due
    }

    /// The first viewer gets what waits; to send it to all takes so long.
    pub(super) fn begin(&mut self, now: Instant, cost: Duration) {
        self.has_begun = true;
        self.free_from = Some(now + (cost * TIMES_ITS_COST).min(LONGEST));
    }

    /// Whether some viewers have what was offered last, and others may not.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether something waits for a picture.
    pub(super) fn is_offered(&self) -> bool {
        self.leaves_at.is_some()
    }

    /// Whether it does, and what is said now may join it.
    pub(super) fn is_gathering(&self) -> bool {
        self.leaves_at.is_some() && !self.has_begun
    }

    /// When [`Tick::turn`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.opens_at().into_iter().chain(self.leaves_at).min()
    }

    fn opens_at(&self) -> Option<Instant> {
        let since = self.waits_since?;
        Some(self.free_from.map_or(since, |free| free.max(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// How long each message of a room waits, said at these milliseconds, where a picture comes as often as given; and
    /// how often messages left.
    fn waits(said: &[u32], cost: Duration, picture: Option<u32>) -> (Vec<Duration>, usize) {
        let start = crate::media::begin();
        let mut tick = Tick::default();
        let (mut waiting, mut waits, mut times) = (Vec::new(), Vec::new(), 0);
        for ms in 0..said.last().map_or(0, |last| last + 400) {
            let now = start + MS * ms;
            for _ in said.iter().filter(|at| **at == ms) {
                tick.said(now);
                waiting.push(now);
            }
            let is_due = tick.turn(now, picture.is_some());
            let rides = tick.is_offered() && picture.is_some_and(|every| ms.is_multiple_of(every));
            // All viewers get the same picture: nobody is left for later.
            if (is_due || rides) && !tick.has_begun() {
                tick.begin(now, cost);
                waits.extend(waiting.drain(..).map(|at| now - at));
                times += 1;
            }
            assert!(tick.poll_timeout().is_none_or(|at| at > now), "{ms}");
        }
        assert!(waiting.is_empty());
        (waits, times)
    }

    #[test]
    fn what_is_said_now_and_then_leaves_at_once() {
        let said: Vec<u32> = (0..20).map(|number| 500 * number).collect();
        let (waits, times) = waits(&said, 100 * MS, None);
        assert_eq!((waits, times), (vec![Duration::ZERO; 20], 20));
    }

    #[test]
    fn what_follows_waits_and_leaves_together() {
        let (waits, times) = waits(&[10, 20, 30, 50, 110], 5 * MS, None);
        assert_eq!(times, 2);
        // The first, and the others a hundred milliseconds after it.
        assert_eq!(waits, [0, 90, 80, 60, 0].map(|ms| MS * ms));
    }

    #[test]
    fn a_talkative_room_takes_a_twentieth_of_the_time_and_waits_no_longer_than_a_fifth_of_a_second() {
        let said: Vec<u32> = (0..1000).map(|number| 10 * number).collect();
        let seconds = 10;
        for (cost, times) in [(MS, 10_000 / 20), (4 * MS, 10_000 / 80), (50 * MS, 10_000 / 160)] {
            let (all, left) = waits(&said, cost, None);
            assert!(left.abs_diff(times) <= 2, "{cost:?}: {left} in {seconds} s");
            assert!(all.iter().all(|wait| *wait <= LONGEST));
            let (all, left) = waits(&said, cost, Some(33));
            assert!(left <= times + 2, "{cost:?}: {left} in {seconds} s");
            assert!(all.iter().all(|wait| *wait <= LONGEST + FOR_A_PICTURE));
        }
    }

    #[test]
    fn a_picture_is_waited_for_and_what_comes_meanwhile_rides_too() {
        let (all, times) = waits(&[1, 5, 20, 34], MS, Some(33));
        assert_eq!(all, [32, 28, 13, 32].map(|ms| MS * ms));
        assert_eq!(times, 2);
        // None comes in time.
        let (all, _) = waits(&[1, 5], MS, Some(1000));
        assert_eq!(all, [40, 36].map(|ms| MS * ms));
    }

    #[test]
    fn who_saw_no_picture_gets_it_when_the_time_is_over() {
        let now = crate::media::begin();
        let mut tick = Tick::default();
        tick.said(now);
        assert!(!tick.turn(now, true) && tick.is_gathering());
        tick.begin(now, 3 * MS);
        tick.said(now + MS);
        assert!(tick.is_offered() && !tick.is_gathering());
        assert!(!tick.turn(now + 39 * MS, true));
        assert!(tick.turn(now + 40 * MS, true) && !tick.is_offered());
        assert_eq!(tick.poll_timeout(), Some(now + 60 * MS), "what was said after it");
    }

    #[test]
    fn too_much_leaves_before_its_time() {
        let now = crate::media::begin();
        let mut tick = Tick::default();
        tick.said(now);
        assert!(tick.turn(now, false));
        tick.begin(now, 8 * MS);
        tick.said(now + MS);
        assert!(!tick.turn(now + MS, false));
        tick.hurry();
        assert!(tick.turn(now + MS, false));
    }
}
