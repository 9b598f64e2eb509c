//! Where a stream is with its keyframes: still in one, waiting for one, or behind the live edge since the last.

use std::time::Instant;

use super::super::RtpSink;
use super::super::burst::Burst;
use super::super::pace::Pace;
use super::super::select::usual_rate_of;
use super::{Line, Sender};
use crate::media::{Encoding, History, StoredPacket};

/// A keyframe that comes next, or has begun to leave.
#[derive(Clone, Copy, Debug)]
pub(in crate::playback) struct KeyframeAtHand {
    pub(in crate::playback) began: Instant,
    /// Bytes that have left, and those that are left as far as they have come.
    pub(in crate::playback) sent: u64,
    pub(in crate::playback) left: u64,
    /// It came to a viewer at the live edge.
    pub(in crate::playback) is_live: bool,
}

impl Sender {
    /// It comes to the live edge, or waits.
    pub(in crate::playback) fn is_behind(&self) -> bool {
        self.burst.is_some()
    }

    /// It shows a still, or soon will.
    pub(in crate::playback) fn awaits_keyframe(&self) -> bool {
        self.burst.as_ref().is_some_and(Burst::awaits_keyframe)
    }

    /// Whether a new keyframe would help it on, and what it would take of a thin line is not too much.
    pub(in crate::playback) fn hopes_for_keyframe(&self, now: Instant, history: &History) -> bool {
        let newest = history.keyframe().and_then(|position| history.get(position));
        self.burst.as_ref().is_some_and(|burst| {
            burst.awaits_keyframe() && newest.is_none_or(|newest| burst.may_ask(now, newest.arrival))
        })
    }

    /// Whether a keyframe has begun to leave, and what comes next is more of it.
    pub(in crate::playback) fn is_amid_keyframe(&self, history: &History) -> bool {
        let next = self.cursor.and_then(|cursor| history.get(cursor.position));
        self.is_amid(next)
    }

    /// When the keyframe began to leave that is not through yet.
    pub(in crate::playback) fn began_keyframe(&self, history: &History) -> Option<Instant> {
        let burst = self.burst.as_ref().filter(|_| self.is_amid_keyframe(history))?;
        Some(burst.began())
    }

    /// Bytes that are left of a keyframe that has begun to leave, as far as they have come.
    pub(in crate::playback) fn left_of_keyframe(&self, history: &History) -> Option<u64> {
        let cursor = self.cursor.filter(|_| self.is_amid_keyframe(history))?;
        let next = history.get(cursor.position)?;
        Some(self.left_of(next.timestamp, history))
    }

    /// Bytes of the picture that comes next, as far as they have come.
    fn left_of(&self, timestamp: u32, history: &History) -> u64 {
        let begin = self.cursor.map_or(history.end(), |cursor| cursor.position);
        let packets = (begin..history.end()).map_while(|position| history.get(position));
        let rest = packets.take_while(|packet| packet.timestamp == timestamp);
        rest.map(|packet| packet.bytes.len() as u64).sum()
    }

    /// The keyframe that comes next to a viewer at the live edge, or has begun to leave.
    pub(in crate::playback) fn keyframe_at_hand(
        &self,
        now: Instant,
        history: &History,
    ) -> Option<KeyframeAtHand> {
        let next = history.get(self.cursor?.position)?;
        let (began, sent, is_live) = match &self.burst {
            Some(burst) => burst
                .is_amid_keyframe(next.timestamp)
                .then(|| (burst.began(), burst.sent(), burst.is_live())),
            None => next.keyframe_start.then_some((now, 0, true)),
        }?;
        Some(KeyframeAtHand {
            began,
            sent,
            left: self.left_of(next.timestamp, history),
            is_live,
        })
    }

    pub(super) fn is_amid(&self, next: Option<&StoredPacket>) -> bool {
        let burst = self.burst.as_ref();
        burst.is_some_and(|burst| next.is_some_and(|packet| burst.is_amid_keyframe(packet.timestamp)))
    }

    /// Its line was too thin for it, and it has not come to the live edge again.
    pub(in crate::playback) fn is_thin(&self) -> bool {
        self.burst.as_ref().is_some_and(Burst::is_thin)
    }

    /// How fast a live keyframe may leave, on a line that is thin for it.
    pub(super) fn keyframe_pace<S: RtpSink>(&self, encoding: &Encoding, line: &Line<'_, S>) -> Option<Pace> {
        Pace::of_keyframe(
            line.bandwidth.brings()?,
            usual_rate_of(encoding, self.cut.wanted()),
        )
    }
}
