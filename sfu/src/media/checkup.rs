//! What an encoder does that browsers show badly or not at all, noticed from its packets.

use std::time::{Duration, Instant};

/// What was seen lately is still so.
const MEMORY: Duration = Duration::from_secs(10);
/// Without a keyframe for so long, whoever comes sees nothing or an old still.
const KEYFRAME_OVERDUE: Duration = Duration::from_secs(10);
/// The longest group of pictures that is no trouble where keyframes cannot be had by asking: joins are served from the
/// cache, but a lost packet stays visible until the next keyframe.
const LONG_GROUP: Duration = Duration::from_millis(4500);
/// Requests in a row without a keyframe: it does not act on them.
const IGNORED_REQUESTS: u32 = 3;
/// H.264 profiles that browsers decode (ITU-T H.264 §A.2): Baseline, Main, High.
const PLAYED_PROFILES: [u8; 3] = [66, 77, 100];

/// What is wrong with a stream, for its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Pictures that are shown in another order than they come (B-frames).
    pub reordered: bool,
    /// No keyframe for ten seconds, and none to be had by asking.
    pub no_keyframe: bool,
    /// Keyframes are this far apart and not made when asked for.
    pub rare_keyframes: Option<Duration>,
    /// `profile_idc` of an H.264 stream that no browser decodes.
    pub profile: Option<u8>,
    /// What was lost of it was not sent again.
    pub unrepaired: bool,
    /// Packets come that do not say of which layer they are.
    pub unnamed: bool,
}

/// One encoding's encoder, watched.
#[derive(Debug, Default)]
pub(super) struct Checkup {
    first_picture: Option<Instant>,
    keyframe: Option<Instant>,
    /// Between the last two keyframes.
    group: Option<Duration>,
    reordered: Option<Instant>,
    profile: Option<u8>,
    /// Requests sent since the last keyframe.
    requests: u32,
    ignores_requests: bool,
}

impl Checkup {
    /// A picture began.
    pub(super) fn picture(&mut self, now: Instant) {
        self.first_picture.get_or_insert(now);
    }

    /// A picture came before one that it is shown after.
    pub(super) fn reordered(&mut self, now: Instant) {
        self.reordered = Some(now);
    }

    /// A keyframe began.
    pub(super) fn keyframe(&mut self, now: Instant) {
        if let Some(before) = self.keyframe.replace(now) {
            self.group = Some(now.saturating_duration_since(before));
        }
        match self.requests {
            0 => {}
            // By itself a keyframe comes seldom right behind a request.
            1 => self.ignores_requests = false,
            _ => {}
        }
        self.requests = 0;
    }

    /// The publisher was asked for a keyframe.
    pub(super) fn requested(&mut self) {
        self.requests = self.requests.saturating_add(1);
        self.ignores_requests |= self.requests >= IGNORED_REQUESTS;
    }

    /// A sequence parameter set of this `profile_idc` came.
    pub(super) fn profile(&mut self, profile: u8) {
        self.profile = Some(profile);
    }

    /// What is wrong. `can_ask`: whether requests for keyframes were agreed at all.
    pub(super) fn faults(&self, now: Instant, can_ask: bool) -> Faults {
        let since = |at: Instant| now.saturating_duration_since(at);
        let on_request = can_ask && !self.ignores_requests;
        let waiting = self.keyframe.or(self.first_picture).map(since);
        let is_overdue = waiting.is_some_and(|time| time >= KEYFRAME_OVERDUE);
        let apart = self.group.max(waiting).filter(|&time| time >= LONG_GROUP);
        Faults {
            reordered: self.reordered.is_some_and(|at| since(at) < MEMORY),
            no_keyframe: is_overdue && (self.keyframe.is_none() || !on_request),
            rare_keyframes: apart.filter(|_| !on_request && self.keyframe.is_some()),
            profile: self.profile.filter(|profile| !PLAYED_PROFILES.contains(profile)),
            unrepaired: false,
            unnamed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::begin;
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn an_encoder_that_answers_may_have_any_group() {
        let (begin, mut checkup) = (begin(), Checkup::default());
        for minute in 0..3 {
            let now = begin + seconds(60 * minute);
            checkup.picture(now);
            checkup.requested();
            checkup.keyframe(now);
            assert_eq!(checkup.faults(now + seconds(59), true), Faults::default());
        }
        assert!(
            checkup.faults(begin + seconds(180), false).no_keyframe,
            "but it must be asked"
        );
    }

    #[test]
    fn an_encoder_that_does_not_answer_must_not_let_wait() {
        let (begin, mut checkup) = (begin(), Checkup::default());
        checkup.picture(begin);
        checkup.keyframe(begin);
        (0..IGNORED_REQUESTS).for_each(|_| checkup.requested());
        assert_eq!(checkup.faults(begin + seconds(4), true), Faults::default());
        checkup.keyframe(begin + seconds(5));
        let faults = checkup.faults(begin + seconds(6), true);
        assert_eq!(faults.rare_keyframes, Some(seconds(5)));
        assert!(!faults.no_keyframe);
        assert!(checkup.faults(begin + seconds(15), true).no_keyframe);
        checkup.requested();
        checkup.keyframe(begin + seconds(15));
        assert_eq!(
            checkup.faults(begin + seconds(30), true),
            Faults::default(),
            "it has learned"
        );
    }

    #[test]
    fn a_stream_without_any_keyframe_is_told_whatever_was_agreed() {
        let (begin, mut checkup) = (begin(), Checkup::default());
        assert_eq!(
            checkup.faults(begin + seconds(99), true),
            Faults::default(),
            "nothing came"
        );
        checkup.picture(begin);
        assert!(!checkup.faults(begin + seconds(9), true).no_keyframe);
        let faults = checkup.faults(begin + seconds(10), true);
        assert!(faults.no_keyframe && faults.rare_keyframes.is_none());
    }

    #[test]
    fn order_and_profile_are_told_while_they_last() {
        let (begin, mut checkup) = (begin(), Checkup::default());
        checkup.reordered(begin);
        assert!(checkup.faults(begin + seconds(9), true).reordered);
        assert!(!checkup.faults(begin + seconds(10), true).reordered);
        checkup.profile(244);
        assert_eq!(checkup.faults(begin, true).profile, Some(244));
        checkup.profile(100);
        assert_eq!(checkup.faults(begin, true).profile, None);
    }
}
