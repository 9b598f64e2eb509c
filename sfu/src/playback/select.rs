//! Which layer of a track a viewer should get.

use std::time::Instant;

use smallvec::SmallVec;

use super::LayerLimit;
use crate::media::{Encoding, Track};
use crate::negotiation::SentMedia;

/// Of an estimate, what everything together may take when a layer is chosen anew, in percent: a picture's rate
/// varies.
const SHARE_TO_ENTER: u64 = 95;
/// What it may take when the viewer has the layer already, so that two layers do not take turns.
const SHARE_TO_STAY: u64 = 100;

/// What goes to a viewer besides the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Beside {
    /// Sound and messages, bits per second.
    pub(super) bitrate: u64,
    /// The part of packets that is lost and sent again.
    pub(super) loss: f32,
}

impl Beside {
    /// Bits per second of everything when the picture has `bitrate`.
    pub(super) fn with(self, bitrate: u64) -> u64 {
        let repaired = bitrate as f32 * (1.0 + self.loss.clamp(0.0, 1.0));
        self.bitrate + repaired as u64
    }
}

/// Why a viewer gets the layer it gets, and not the one above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayerReason {
    /// It has none yet.
    #[default]
    Joining,
    /// It wants this one.
    Pinned,
    /// It wants nothing larger.
    Limited,
    /// Its line has not shown room for more.
    Line,
    /// There is nothing above.
    Best,
}

/// The reason for `current`.
pub(super) fn reason(
    now: Instant,
    track: &Track,
    media: &SentMedia,
    limit: LayerLimit,
    current: &Encoding,
) -> LayerReason {
    let ladder = playable(now, track, media);
    let place = ladder.iter().position(|encoding| encoding.id == current.id);
    let above = place.and_then(|place| ladder.get(place + 1));
    match above {
        _ if limit.rid.is_some() && limit.rid == current.rid => LayerReason::Pinned,
        None => LayerReason::Best,
        Some(next) if !is_within(limit, next) => LayerReason::Limited,
        Some(_) => LayerReason::Line,
    }
}

/// The encodings a viewer can play, from the lowest to the highest.
pub(super) fn playable<'p>(now: Instant, track: &'p Track, media: &SentMedia) -> SmallVec<[&'p Encoding; 4]> {
    let mut ladder = track.ladder(now);
    ladder.retain(|encoding| {
        encoding
            .codec()
            .is_some_and(|codec| media.payload_for(codec).is_some())
    });
    ladder
}

fn is_within(limit: LayerLimit, encoding: &Encoding) -> bool {
    let side = encoding.size().map_or(0, |(width, height)| width.max(height));
    limit.max_side.is_none_or(|most| side <= most)
}

/// The layer for an estimate in bits per second; `None` when there is nothing the viewer can play.
pub(super) fn choose<'p>(
    now: Instant,
    track: &'p Track,
    media: &SentMedia,
    limit: LayerLimit,
    current: Option<&Encoding>,
    (estimate, beside): (u64, Beside),
) -> Option<&'p Encoding> {
    let ladder = playable(now, track, media);
    if let Some(rid) = limit.rid
        && let Some(pinned) = ladder.iter().find(|encoding| encoding.rid == Some(rid))
    {
        return Some(pinned);
    }
    let lowest = *ladder.first()?;
    let fits = |encoding: &&Encoding| {
        let bitrate = encoding.bitrate();
        // Losses of the moment do not count against a layer that is there.
        let is_current = current.is_some_and(|current| current.id == encoding.id);
        let fits = if is_current {
            beside.bitrate + bitrate <= estimate * SHARE_TO_STAY / 100
        } else {
            // A rate that is not known yet may be any.
            bitrate > 0 && beside.with(bitrate) <= estimate * SHARE_TO_ENTER / 100
        };
        is_within(limit, encoding) && fits
    };
    Some(ladder.iter().rev().copied().find(fits).unwrap_or(lowest))
}

/// The estimate that the layer above `current` needs, where the viewer's own limit allows it.
pub(super) fn wanted_above(
    now: Instant,
    track: &Track,
    media: &SentMedia,
    limit: LayerLimit,
    current: &Encoding,
    beside: Beside,
) -> Option<u64> {
    if limit.rid.is_some() {
        return None;
    }
    let ladder = playable(now, track, media);
    let place = ladder.iter().position(|encoding| encoding.id == current.id)?;
    let next = ladder.get(place + 1).filter(|next| is_within(limit, next))?;
    Some(beside.with(next.bitrate()) * 100 / SHARE_TO_ENTER)
}
