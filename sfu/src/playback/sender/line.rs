//! What a stream is given when it forwards, and how that went.

use std::time::{Duration, Instant};

use super::super::{PlayoutDelay, RtpSink};
use crate::bandwidth::Bandwidth;
use crate::relay::EncodingId;
use crate::stats::PlaybackStats;

/// What every sending needs from its viewer.
pub(in crate::playback) struct Line<'a, S: RtpSink> {
    pub(in crate::playback) now: Instant,
    pub(in crate::playback) sink: &'a mut S,
    /// Bits per second, where the line has shown that it carries no more.
    pub(in crate::playback) limit: Option<u64>,
    /// What the line is believed to have for the picture, however little that is.
    pub(in crate::playback) room: u64,
    /// How long what is on its way will wait in the line.
    pub(in crate::playback) backlog: Duration,
    /// The rate of the picture, if it stops now until its next keyframe.
    pub(in crate::playback) stop: Option<u64>,
    /// Live pictures wait, for a large one is held up on its way.
    pub(in crate::playback) holds: bool,
    /// What comes to the live edge waits for the line's first answer.
    pub(in crate::playback) awaits_answer: bool,
    pub(in crate::playback) playout_delay: Option<PlayoutDelay>,
    pub(in crate::playback) bandwidth: &'a mut Bandwidth,
    pub(in crate::playback) stats: &'a mut PlaybackStats,
}

/// How forwarding went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::playback) enum Progress {
    Good,
    /// The cached group of pictures was given up: only a new keyframe makes the picture move.
    NeedsKeyframe(EncodingId),
    /// The history has gone on without this viewer: it needs a place to enter anew.
    Lost,
}
