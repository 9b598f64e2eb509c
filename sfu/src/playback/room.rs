//! What a viewer's line has room for, and how fast a picture may come to the live edge in it.

use std::time::{Duration, Instant};

use super::pace::Pace;
use super::select::rate_of;
use super::sender::find;
use super::{Playback, select};
use crate::media::{Encoding, Publication};
use crate::negotiation::MediaKind;

/// Bits per second of a thumbnail: what a burst's pace is reckoned from at least.
const LEAST_BITRATE: u64 = 100_000;

/// A queue in which the lowest picture there is may stay: beyond it sound is late and packets are dropped.
const MOST_QUEUE: Duration = Duration::from_millis(100);
/// The part of a picture's rate that a calm line is tried with, however little it is believed to carry.
const LEAST_TRIED: u64 = 4;
/// Except a picture of no more bits per second than this: it is little beside what else may be on the line, and two viewers
/// who share one would starve each other by turns.
const ALWAYS: u64 = 200_000;
/// In percent of what the line is believed to carry, what is clearly too much for it.
const TOO_MUCH: u64 = 120;
/// In percent of what is sent, what comes where the line carries it: rates are averages.
const COMES: u64 = 90;
/// A keyframe is asked for when it has drained to this.
pub(super) const DRAINED: Duration = Duration::from_millis(30);

impl Playback {
    /// What a line that has shown its limit carries besides sound and messages, behind what is on its way: bits per second.
    pub(super) fn limit_for_picture(
        &self,
        now: Instant,
        publication: &Publication,
        backlog: Duration,
    ) -> Option<u64> {
        let carries = self.bandwidth.limit_behind(now, backlog)?;
        // A little beyond the lowest layer is sent whatever the line seems to carry: it comes to the live edge.
        let least = self.rate(publication).unwrap_or_default() * 21 / 20;
        let room = carries.saturating_sub(self.beside(publication).bitrate);
        Some(room.max(least))
    }

    /// What the line is believed to have for the picture, however little that is.
    pub(super) fn room(&self, now: Instant, publication: &Publication) -> u64 {
        let beside = self.beside(publication).bitrate;
        let limit = self.bandwidth.limit(now);
        let room = limit.unwrap_or(self.bandwidth.estimate()).saturating_sub(beside);
        // Little is sent there, and what is not sent proves nothing: where nothing waits some of a picture may be tried.
        let least = self.rate(publication).unwrap_or_default() / LEAST_TRIED;
        if limit.is_none() { room.max(least) } else { room }
    }

    /// Where nothing smaller is left and a queue stands, the picture stops until its next keyframe: sound goes on, and the
    /// line is seen empty now and then. The picture's rate then.
    pub(super) fn stop(&self, now: Instant, publication: &Publication) -> Option<u64> {
        if self.bandwidth.queueing() < MOST_QUEUE || self.bandwidth.limit(now).is_none() {
            return None;
        }
        let track = publication.track(MediaKind::Video)?;
        let sender = self.video_sender()?;
        let encoding = find(publication, sender.encoding()?)?;
        let had = (encoding, sender.cut.wanted());
        let rate = rate_of(had.0, had.1);
        let all = rate + self.beside(publication).bitrate;
        // Where all of it comes the queue is another's, whatever that has done to the estimate.
        let comes = self.bandwidth.carried() * 100 >= all * COMES;
        let is_too_much = rate > ALWAYS && all * 100 > self.bandwidth.estimate() * TOO_MUCH && !comes;
        (is_too_much && select::is_lowest(now, track, &sender.media, self.limit, had)).then_some(rate)
    }

    /// Whether the line is full and has less room than the picture takes, of which nothing smaller is left.
    pub(super) fn is_too_thin(&self, now: Instant, publication: &Publication) -> bool {
        let rate = self.rate(publication).unwrap_or_default();
        self.bandwidth.limit(now).is_some() && rate > ALWAYS && self.room(now, publication) < rate
    }

    /// How fast a cached group of pictures may leave.
    pub(super) fn pace(&self, now: Instant, publication: &Publication, encoding: &Encoding) -> Pace {
        // A rate that is not known yet is a low one.
        let usual = encoding.bitrate().max(LEAST_BITRATE) * u64::from(self.config.burst_factor);
        let mut fast = usual.min(self.config.burst_bitrate);
        if self.bandwidth.has_transport_feedback() {
            // An estimate may be low for want of anything sent, but it is not without meaning.
            fast = fast.min(2 * self.bandwidth.estimate().max(encoding.bitrate()));
        }
        let limit = self.limit_for_picture(now, publication, self.bandwidth.backlog(now));
        if limit.is_none()
            && let Some(brings) = self.bandwidth.brings()
            && let Some(pace) = Pace::of_keyframe(brings, encoding.bitrate())
        {
            return pace;
        }
        Pace {
            fast,
            limit,
            waits: limit.is_some(),
        }
    }
}
