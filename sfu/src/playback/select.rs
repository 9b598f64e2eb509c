//! Which layer of a track a viewer should get.

use std::time::Instant;

use super::LayerLimit;
use crate::media::{Encoding, Track};
use crate::negotiation::SentMedia;

/// Of an estimate, what a layer may take when it is chosen anew, in percent: the rest is for sound and repairs.
const SHARE_TO_ENTER: u64 = 85;
/// What it may take when the viewer has it already, so that two layers do not take turns.
const SHARE_TO_STAY: u64 = 105;

/// The layer for an estimate in bits per second; `None` when there is nothing the viewer can play.
pub(super) fn choose<'p>(
    now: Instant,
    track: &'p Track,
    media: &SentMedia,
    limit: LayerLimit,
    current: Option<&Encoding>,
    estimate: u64,
) -> Option<&'p Encoding> {
    let mut ladder = track.ladder(now);
    ladder.retain(|encoding| {
        encoding
            .codec()
            .is_some_and(|codec| media.payload_for(codec).is_some())
    });
    if let Some(rid) = limit.rid
        && let Some(pinned) = ladder.iter().find(|encoding| encoding.rid == Some(rid))
    {
        return Some(pinned);
    }
    let lowest = *ladder.first()?;
    let fits = |encoding: &&Encoding| {
        let is_current = current.is_some_and(|current| current.id == encoding.id);
        let share = if is_current { SHARE_TO_STAY } else { SHARE_TO_ENTER };
        let side = encoding.size().map_or(0, |(width, height)| width.max(height));
        encoding.bitrate() <= estimate * share / 100 && limit.max_side.is_none_or(|most| side <= most)
    };
    Some(ladder.iter().rev().copied().find(fits).unwrap_or(lowest))
}

/// The layer above `current` that the viewer's own limit allows, worth probing for.
pub(super) fn next_above<'p>(
    now: Instant,
    track: &'p Track,
    limit: LayerLimit,
    current: &Encoding,
) -> Option<&'p Encoding> {
    if limit.rid.is_some() {
        return None;
    }
    let ladder = track.ladder(now);
    let place = ladder.iter().position(|encoding| encoding.id == current.id)?;
    let next = *ladder.get(place + 1)?;
    let side = next.size().map_or(0, |(width, height)| width.max(height));
    limit.max_side.is_none_or(|most| side <= most).then_some(next)
}
