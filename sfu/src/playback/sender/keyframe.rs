//! Where a stream is with its keyframes: still in one, waiting for one, or behind the live edge since the last.

use std::time::Instant;

use super::super::RtpSink;
use super::super::burst::Burst;
use super::super::pace::Pace;
use super::super::select::usual_rate_of;
use super::{Line, Sender};
use crate::media::{Encoding, History, StoredPacket};

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
        let timestamp = history.get(cursor.position)?.timestamp;
        let packets = (cursor.position..history.end()).map_while(|position| history.get(position));
        let rest = packets.take_while(|packet| packet.timestamp == timestamp);
        Some(rest.map(|packet| packet.bytes.len() as u64).sum())
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
