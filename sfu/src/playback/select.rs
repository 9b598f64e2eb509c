//! Which layer of a track a viewer should get.

use std::time::Instant;

use smallvec::SmallVec;

use super::LayerLimit;
use super::cut::Layers;
use crate::media::{Encoding, Track};
use crate::negotiation::{Codec, Extension, SentMedia};

/// Of an estimate, what everything together may take when a layer is chosen anew, in percent: a picture's rate
/// varies.
const SHARE_TO_ENTER: u64 = 95;
/// What it may take when the viewer has the layer already, so that two layers do not take turns.
const SHARE_TO_STAY: u64 = 100;
/// The same for a moment, for another's burst on the same line passes; and on a line that has not shown a limit: there an
/// estimate is only what was shown so far, and a keyframe or a livelier scene is no reason to leave.
const SHARE_TO_STAY_SHORTLY: u64 = 110;
const SHARE_TO_STAY_CALM: u64 = 130;

/// Of what a layer has just taken, in percent, what counts where that is more than usual: its encoder may want more from now
/// on, or it was one large picture.
const RISING: u64 = 80;

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

/// What a viewer's line has room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bits per second it is believed to carry.
    pub(super) estimate: u64,
    pub(super) beside: Beside,
    /// Nothing says that it is full.
    pub(super) is_calm: bool,
    /// It has shown that lately.
    pub(super) is_proven: bool,
    /// It has been less than the viewer's layer needs for a moment only.
    pub(super) is_short_lately: bool,
}

impl Room {
    /// Whether a layer of `bitrate` may stay. Losses of the moment do not count against it.
    pub(super) fn keeps(self, bitrate: u64) -> bool {
        let share = match self {
            Room { is_calm: true, .. } => SHARE_TO_STAY_CALM,
            Room {
                is_short_lately: true,
                ..
            } => SHARE_TO_STAY_SHORTLY,
            _ => SHARE_TO_STAY,
        };
        self.beside.bitrate + bitrate <= self.estimate * share / 100
    }

    /// Whether it is less than a layer of `bitrate` needs.
    pub(super) fn is_short(self, bitrate: u64) -> bool {
        !self.is_calm && self.beside.bitrate + bitrate > self.estimate
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

/// One step of the ladder: an encoding, or a part of its layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'p> {
    pub(super) encoding: &'p Encoding,
    pub(super) layers: Layers,
    pub(super) bitrate: u64,
    /// Over several groups of pictures.
    pub(super) usual: u64,
}

impl Step<'_> {
    /// What has to fit for it to be entered: what it usually takes, and most of what it takes just now.
    fn needs(&self) -> u64 {
        self.usual.max(self.bitrate * RISING / 100)
    }

    /// Whether a line of this rate has room for it.
    pub(super) fn fits(&self, beside: Beside, estimate: u64) -> bool {
        beside.with(self.needs()) <= estimate * SHARE_TO_ENTER / 100
    }

    fn is(&self, current: (&Encoding, Layers)) -> bool {
        self.encoding.id == current.0.id && self.layers == current.1
    }
}

/// Bits per second of some layers of an encoding.
pub(super) fn rate_of(encoding: &Encoding, layers: Layers) -> u64 {
    if layers == Layers::ALL {
        encoding.bitrate()
    } else {
        encoding.bitrate_up_to(layers.spatial, layers.temporal)
    }
}

/// The same over several groups of pictures.
pub(super) fn usual_rate_of(encoding: &Encoding, layers: Layers) -> u64 {
    if layers == Layers::ALL {
        encoding.usual_bitrate()
    } else {
        encoding.usual_bitrate_up_to(layers.spatial, layers.temporal)
    }
}

/// The encodings a viewer can play, from the lowest to the highest; those that stand still only where all do.
pub(super) fn playable<'p>(now: Instant, track: &'p Track, media: &SentMedia) -> SmallVec<[&'p Encoding; 4]> {
    let mut ladder = track.ladder(now);
    ladder.retain(|encoding| {
        encoding
            .codec()
            .is_some_and(|codec| media.payload_for(codec).is_some())
    });
    if ladder.iter().any(|encoding| !encoding.is_broken(now)) {
        ladder.retain(|encoding| !encoding.is_broken(now));
    }
    ladder
}

/// All steps from the lowest to the highest. Of the smallest picture every temporal layer is a step; of the others only
/// the highest may be missing: half the pictures are worth more than a smaller one, a quarter is not.
fn steps<'p>(
    now: Instant,
    track: &'p Track,
    media: &SentMedia,
    limit: LayerLimit,
) -> SmallVec<[Step<'p>; 12]> {
    let most = Layers::within(limit);
    let mut steps = SmallVec::new();
    for encoding in playable(now, track, media) {
        let (spatial, temporal) = encoding.highest_layers();
        let playable = if can_tell_layers(media, encoding) {
            spatial
        } else {
            0
        };
        let (top_spatial, top_temporal) = (playable.min(most.spatial), temporal.min(most.temporal));
        let lowest_spatial = limit.spatial.map_or(0, |pinned| pinned.min(top_spatial));
        for s in lowest_spatial..=top_spatial {
            let lowest = if steps.is_empty() {
                0
            } else {
                top_temporal.saturating_sub(1)
            };
            let lowest = limit.temporal.map_or(lowest, |pinned| pinned.min(top_temporal));
            for t in lowest..=top_temporal {
                // The highest is not named by its number: more may come.
                let layers = Layers {
                    spatial: if s == spatial { u8::MAX } else { s },
                    temporal: if t == temporal { u8::MAX } else { t },
                };
                steps.push(Step {
                    encoding,
                    layers: layers.and(most),
                    bitrate: rate_of(encoding, layers),
                    usual: usual_rate_of(encoding, layers),
                });
            }
        }
    }
    steps
}

/// The smallest picture of an encoding, where its viewer has not named a layer.
pub(super) fn lowest_of(encoding: &Encoding, limit: LayerLimit) -> Layers {
    let has_smaller = limit.spatial.is_none() && encoding.highest_layers().0 > 0;
    Layers::within(limit).and(Layers {
        spatial: if has_smaller { 0 } else { u8::MAX },
        ..Layers::ALL
    })
}

/// AV1 says in its dependency descriptor only which of a picture's bytes are which spatial layer's. Without it browsers
/// decode the lowest alone.
fn can_tell_layers(media: &SentMedia, encoding: &Encoding) -> bool {
    !matches!(encoding.codec(), Some(Codec::Av1 { .. }))
        || media.extensions.id(Extension::DependencyDescriptor).is_some()
}

fn is_within(limit: LayerLimit, step: &Step<'_>) -> bool {
    let size = step.encoding.size_up_to(step.layers.spatial);
    let side = size.map_or(0, |(width, height)| width.max(height));
    limit.max_side.is_none_or(|most| side <= most)
}

/// Whether a viewer can get nothing smaller than it has.
pub(super) fn is_lowest(
    now: Instant,
    track: &Track,
    media: &SentMedia,
    limit: LayerLimit,
    current: (&Encoding, Layers),
) -> bool {
    let ladder = steps(now, track, media, limit);
    let is_other = |step: &&Step<'_>| limit.rid.is_none() || step.encoding.id == current.0.id;
    ladder
        .iter()
        .find(is_other)
        .is_none_or(|lowest| lowest.is(current))
}

/// The step for an estimate in bits per second; `None` when there is nothing the viewer can play.
pub(super) fn choose<'p>(
    now: Instant,
    track: &'p Track,
    media: &SentMedia,
    limit: LayerLimit,
    current: Option<(&Encoding, Layers)>,
    room: Room,
) -> Option<Step<'p>> {
    let Room { estimate, beside, .. } = room;
    let mut ladder = steps(now, track, media, limit);
    if let Some(rid) = limit.rid
        && ladder.iter().any(|step| step.encoding.rid == Some(rid))
    {
        ladder.retain(|step| step.encoding.rid == Some(rid));
    }
    let lowest = *ladder.first()?;
    let fits = |step: &&Step<'_>| {
        let is_current = current.is_some_and(|current| step.is(current));
        let fits = if is_current {
            // One large picture is no reason to leave.
            room.keeps(step.bitrate.min(step.usual))
        } else {
            // A rate that is not known yet may be any.
            step.bitrate > 0 && step.fits(beside, estimate)
        };
        is_within(limit, step) && fits
    };
    Some(ladder.iter().rev().find(fits).copied().unwrap_or(lowest))
}

/// Where to go down to first: the highest step up to `chosen` whose first picture has no more than `soon` bytes. Large
/// pictures of still scenes have keyframes of many times their usual size.
pub(super) fn soonest<'p>(
    now: Instant,
    track: &'p Track,
    media: &SentMedia,
    limit: LayerLimit,
    chosen: Step<'p>,
    soon: u64,
) -> Step<'p> {
    let ladder = steps(now, track, media, limit);
    let is_soon = |step: &&Step<'_>| {
        let bytes = step.encoding.history.keyframe_bytes(step.layers.spatial);
        bytes > 0 && bytes <= soon
    };
    let place = ladder
        .iter()
        .position(|step| step.is((chosen.encoding, chosen.layers)));
    let reachable = ladder.get(..=place.unwrap_or_default()).unwrap_or_default();
    let lowest = reachable.first().copied().unwrap_or(chosen);
    reachable.iter().rev().find(is_soon).copied().unwrap_or(lowest)
}

/// The highest step below `current`, of another encoding, that is as asked.
pub(super) fn below<'p>(
    now: Instant,
    track: &'p Track,
    media: &SentMedia,
    limit: LayerLimit,
    current: (&Encoding, Layers),
    is_so: impl Fn(&Step<'_>) -> bool,
) -> Option<Step<'p>> {
    let ladder = steps(now, track, media, limit);
    let place = ladder.iter().position(|step| step.is(current))?;
    let below = ladder.get(..place)?.iter().rev();
    let mut others = below.filter(|step| step.encoding.id != current.0.id);
    others.find(|step| is_so(step)).copied()
}

/// Why a viewer has `current`, and the estimate that the next step above needs for which the line has not shown the room
/// lately, where the viewer's own limit allows it.
pub(super) fn above(
    now: Instant,
    track: &Track,
    media: &SentMedia,
    limit: LayerLimit,
    current: (&Encoding, Layers),
    room: Room,
) -> (LayerReason, Option<u64>) {
    let pinned = limit.rid.is_some() && limit.rid == current.0.rid;
    let mut ladder = steps(now, track, media, limit);
    if pinned {
        ladder.retain(|step| step.encoding.id == current.0.id);
    }
    let place = ladder.iter().position(|step| step.is(current));
    let above = place
        .and_then(|place| ladder.get(place + 1..))
        .unwrap_or_default();
    match above.first() {
        None if pinned => (LayerReason::Pinned, None),
        None if Layers::within(limit) != Layers::ALL => (LayerReason::Limited, None),
        None => (LayerReason::Best, None),
        Some(next) if !is_within(limit, next) => (LayerReason::Limited, None),
        Some(_) => {
            let within = above.iter().filter(|step| is_within(limit, step));
            let mut wanted = within.map(|step| room.beside.with(step.needs()) * 100 / SHARE_TO_ENTER);
            (
                LayerReason::Line,
                wanted.find(|wanted| *wanted > room.estimate || !room.is_proven),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_stays_where_nothing_says_that_the_line_is_full_and_for_a_moment_where_little_is_missing() {
        let room = |is_calm, is_short_lately| Room {
            estimate: 1_000_000,
            beside: Beside {
                bitrate: 100_000,
                loss: 0.1,
            },
            is_calm,
            is_proven: true,
            is_short_lately,
        };
        for (is_calm, is_short_lately, most) in [
            (true, false, 1_200_000),
            (false, true, 1_000_000),
            (false, false, 900_000),
        ] {
            let room = room(is_calm, is_short_lately);
            assert!(room.keeps(most) && !room.keeps(most + 1), "{room:?}");
        }
        assert!(room(false, false).is_short(900_001) && !room(false, false).is_short(900_000));
        assert!(!room(true, false).is_short(2_000_000));
    }
}
