//! Two encoders with the right to one room that both come back when they are replaced: without an end to it each takes the room
//! from the other for as long as both run, and viewers see neither.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many takeovers of a show that is on the air are one host changing encoders, or two who have not noticed each other.
const MOST: usize = 3;
/// Within this time. Encoders come back after two to five seconds.
const WITHIN: Duration = Duration::from_secs(20);
/// So long whoever is on the air then is left there: longer than an operator needs to find the other one.
const PEACE: Duration = Duration::from_secs(60);
/// Whoever is refused may ask again after so many seconds: the one on the air may have gone.
pub(crate) const RETRY_AFTER: u32 = 10;

/// Who took a room's show from whom of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contest {
    /// When it was taken from somebody on the air; at most `MOST`.
    takeovers: VecDeque<Instant>,
    /// Set by the last of too many.
    peace_until: Option<Instant>,
    /// Whether the last who asked for the room found somebody on the air.
    challenged: bool,
}

impl Contest {
    /// Somebody asks for the room, where somebody else is on the air or is not. Whether they may have it.
    pub(crate) fn challenge(&mut self, now: Instant, is_on_air: bool) -> bool {
        self.challenged = is_on_air;
        !(is_on_air && self.is_fought_over(now))
    }

    /// Who was there before has been replaced. Whether that was once too often.
    pub(crate) fn taken_over(&mut self, now: Instant) -> bool {
        if !std::mem::take(&mut self.challenged) {
            return false;
        }
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < WITHIN;
        self.takeovers.retain(is_recent);
        self.takeovers.push_back(now);
        let is_fight = self.takeovers.len() >= MOST;
        if is_fight {
            self.takeovers.clear();
            self.peace_until = Some(now + PEACE);
        }
        is_fight
    }

    /// Whether the room was taken so often that whoever is on the air is left there.
    pub(crate) fn is_fought_over(&self, now: Instant) -> bool {
        self.peace_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(contest: &mut Contest, now: Instant, is_on_air: bool) -> bool {
        let may = contest.challenge(now, is_on_air);
        if may {
            contest.taken_over(now);
        }
        may
    }

    #[test]
    fn two_who_take_a_show_from_one_another_come_to_rest() {
        let (begin, mut contest) = (Instant::now(), Contest::default());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let took: Vec<u64> = (0..200)
            .step_by(2)
            .filter(|&second| take(&mut contest, at(second), true))
            .collect();
        assert_eq!(took, [0, 2, 4, 64, 66, 68, 128, 130, 132, 192, 194, 196]);
    }

    #[test]
    fn an_encoder_that_comes_back_to_its_own_dead_session_is_always_let_in() {
        let (begin, mut contest) = (Instant::now(), Contest::default());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!((0..100).all(|second| take(&mut contest, at(second), false)));
        assert!((0..3).all(|second| take(&mut contest, at(100 + second), true)));
        assert!(!take(&mut contest, at(104), true), "that one is on the air");
        assert!(take(&mut contest, at(105), false), "and has gone");
    }

    #[test]
    fn a_host_who_changes_encoders_now_and_then_is_let_in() {
        let (begin, mut contest) = (Instant::now(), Contest::default());
        let mut at = (0..50).map(|turn| begin + turn * Duration::from_secs(11));
        assert!(at.all(|now| take(&mut contest, now, true)));
    }

    #[test]
    fn who_asks_and_never_connects_takes_nothing() {
        let (now, mut contest) = (Instant::now(), Contest::default());
        assert!((0..50).all(|_| contest.challenge(now, true)));
    }
}
