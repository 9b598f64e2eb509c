//! A keyframe that gives way: where it would stop the picture for long, a smaller layer's of the same moment goes on in its place.
//! The way up is the ordinary one.

use std::time::{Duration, Instant};

use super::Playback;
use super::burst::Appetite;
use super::pace::Pace;
use super::select::{self, Step};
use super::sender::{KeyframeAtHand, find};
use crate::media::{Publication, Track};

/// A keyframe that takes longer gives way: somewhat less than half a second, for the line is told of a little late.
const PATIENCE: Duration = Duration::from_millis(475);
/// The same of one that a viewer goes up or down with: what it goes on with has waited, and a rise is not soon repeated.
const PATIENCE_ENTERING: Duration = Duration::from_millis(550);
/// Of what is left of it, the part that the smaller layer's group of pictures may have at most.
const MOST_PART: u64 = 2;
/// Bits per second of a line that is believed to carry nothing.
const LEAST: u64 = 10_000;

/// What is known of a keyframe that comes next or is on its way.
#[derive(Clone, Copy, Debug)]
struct Forecast {
    /// From its begin until all of it has come, as far as it is there.
    takes: Duration,
    /// Bits per second that the line brings, where it is late with the keyframe.
    brought: Option<u64>,
}

impl Playback {
    /// Goes to a smaller layer's keyframe where the one that comes next, or has begun to leave, would stop the picture for long.
    /// Whether it did.
    pub(super) fn gives_way(&mut self, now: Instant, publication: &Publication, track: &Track) -> bool {
        // Nothing is asked where there is nowhere to go: this is for each packet of each viewer.
        if track.encodings.len() < 2 || self.limit.rid.is_some() {
            return false;
        }
        let Some((smaller, is_live, forecast)) = self.sooner(now, publication, track) else {
            return false;
        };
        if !is_live {
            // Of a layer that it goes up to nothing was seen yet.
            self.climb.withdraw();
        }
        let encoding = smaller.encoding;
        let pace = match forecast.brought {
            // What has left stands before it.
            Some(brought) => {
                self.bandwidth.has_narrowed(now, brought);
                let beside = self.beside(publication).bitrate;
                Pace::of_full_line(brought.saturating_sub(beside).max(LEAST))
            }
            None => self.pace(now, publication, encoding),
        };
        self.entering = smaller.layers;
        self.enter_at(now, publication, encoding, Appetite::Whole, pace);
        true
    }

    /// The smaller layer that is there sooner than a keyframe that takes too long, and whether that one came to a viewer at the live edge.
    fn sooner<'p>(
        &self,
        now: Instant,
        publication: &Publication,
        track: &'p Track,
    ) -> Option<(Step<'p>, bool, Forecast)> {
        let sender = self.video_sender()?;
        let current = find(publication, sender.encoding()?)?;
        let keyframe = sender.keyframe_at_hand(now, &current.history)?;
        let forecast = self.forecast(now, publication, keyframe)?;
        let patience = if keyframe.is_live {
            PATIENCE
        } else {
            PATIENCE_ENTERING
        };
        if forecast.takes <= patience {
            return None;
        }
        let had = (current, sender.cut.wanted());
        let is_soon = |step: &Step<'_>| {
            let history = &step.encoding.history;
            let is_there = step.encoding.serves(now) && history.has_whole_keyframe();
            is_there && history.group_bytes(step.layers.spatial) * MOST_PART < keyframe.left
        };
        let smaller = select::below(now, track, &sender.media, self.limit, had, is_soon)?;
        Some((smaller, keyframe.is_live, forecast))
    }

    /// `None` where nothing tells.
    fn forecast(
        &self,
        now: Instant,
        publication: &Publication,
        keyframe: KeyframeAtHand,
    ) -> Option<Forecast> {
        if !self.bandwidth.has_transport_feedback() {
            return None;
        }
        let brings = self.bandwidth.brings()?.min(self.bandwidth.estimate());
        let beside = self.beside(publication).bitrate;
        let takes = |bytes: u64, rate: u64| {
            let room = rate.saturating_sub(beside).max(LEAST);
            Duration::from_micros(bytes * 8_000_000 / room)
        };
        let Some(since) = self.bandwidth.late_since(keyframe.began) else {
            let stood = now.saturating_duration_since(keyframe.began);
            return Some(Forecast {
                takes: stood + takes(keyframe.left, brings),
                brought: None,
            });
        };
        // As what has come of it did, all that has not come will.
        let in_flight = self.bandwidth.in_flight();
        let came = keyframe.sent.saturating_sub(in_flight);
        let brought = came * 8_000_000 / (since.as_micros() as u64).max(1);
        let brought = brought.max(self.bandwidth.carries());
        Some(Forecast {
            takes: since + takes(in_flight + keyframe.left, brought),
            brought: Some(brought),
        })
    }
}
