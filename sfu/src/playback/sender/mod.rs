//! One stream toward a viewer: where it is in which encoding, and how packets leave.

mod forward;
mod keyframe;
mod line;
mod redundancy;
mod rtx;
mod standstill;
mod times;
mod writing;

use std::time::Instant;

use super::burst::{Appetite, Burst};
use super::completion::Completion;
use super::cut::Cut;
use super::descriptor::Pictures;
use super::pace::Pace;
use super::repair::Repairs;
use super::segments::Segments;
use crate::media::{Encoding, Publication};
use crate::negotiation::{Codec, Payload, SentMedia};
use crate::relay::EncodingId;
pub(super) use keyframe::KeyframeAtHand;
pub(super) use line::{Line, Progress};
use standstill::Standstill;
use times::Times;

/// Where a stream is in an encoding's history.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    encoding: EncodingId,
    position: u64,
    /// The next packet begins a new segment.
    is_fresh: bool,
}

/// One stream toward a viewer.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) media: SentMedia,
    segments: Segments,
    cursor: Option<Cursor>,
    burst: Option<Burst>,
    standstill: Standstill,
    pub(super) cut: Cut,
    pictures: Pictures,
    times: Times,
    pub(super) repairs: Repairs,
    /// What is missing of pictures that others of several spatial layers are built upon.
    completion: Completion,
    rtx_sequence: u16,
    /// The viewer has our SSRC by now: no need to name its m-section.
    is_known: bool,
    /// The same for repairs, by themselves: Firefox drops an SSRC that never named its m-section when another one did.
    are_repairs_known: bool,
    /// What is agreed for the codec on the air.
    payload: Option<(Codec, Payload)>,
    /// Sound with redundancy is left as it is.
    wants_redundancy: bool,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl Sender {
    pub(super) fn new(media: SentMedia, seed: u64, now: Instant) -> Sender {
        Sender {
            media,
            // Below 2^15: whoever loses the first packets must not take those behind a rollover for those before it, for no
            // packet could be opened then (RFC 3711 §3.3.1).
            segments: Segments::new(seed as u16 >> 1),
            cursor: None,
            burst: None,
            standstill: Standstill::default(),
            cut: Cut::new(),
            pictures: Pictures::default(),
            times: Times::new((seed >> 16) as u32),
            repairs: Repairs::new(now),
            completion: Completion::new(now),
            rtx_sequence: (seed >> 49) as u16,
            is_known: false,
            are_repairs_known: false,
            payload: None,
            wants_redundancy: false,
            packets: 0,
            octets: 0,
        }
    }

    /// The encoding it is in.
    pub(super) fn encoding(&self) -> Option<EncodingId> {
        self.cursor.map(|cursor| cursor.encoding)
    }

    /// The publication is gone; numbers and times go on with the next one.
    pub(super) fn detach(&mut self) {
        self.cursor = None;
        self.burst = None;
        self.completion.forget();
        self.segments.forget();
    }

    /// Goes on at the live edge of an encoding.
    pub(super) fn enter_live(&mut self, encoding: &Encoding) {
        self.enter(encoding, encoding.history.end());
        self.burst = None;
    }

    /// Goes on at the cached keyframe of an encoding, as far and as fast as it may. Nothing where there is none.
    pub(super) fn enter_cached(&mut self, now: Instant, encoding: &Encoding, pace: Pace, appetite: Appetite) {
        let history = &encoding.history;
        if let Some(position) = history.keyframe()
            && let Some(keyframe) = history.get(position)
        {
            // What is missing of the pictures before is not needed any more.
            self.repairs.forget();
            self.completion.forget();
            self.enter(encoding, position);
            // A stream that has only begun has no rate to pace by, and little to catch up with: who waited for it goes with
            // it as it comes. Paced by a guess he would fall behind a large first keyframe, and stand still until the next.
            let group = history.group_bytes(self.cut.wanted().spatial);
            let burst = || Burst::new(now, pace, appetite, keyframe.timestamp, group);
            self.burst = (encoding.bitrate() > 0).then(burst);
        }
    }

    fn enter(&mut self, encoding: &Encoding, position: u64) {
        self.standstill.forget_waiting();
        self.cursor = Some(Cursor {
            encoding: encoding.id,
            position,
            is_fresh: true,
        });
    }

    /// When a viewer that is behind wants more.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let burst = self.burst.as_ref().and_then(Burst::next);
        [burst, self.completion.deadline()].into_iter().flatten().min()
    }

    /// The viewer reports on what comes under an SSRC; false when that is none of this stream.
    pub(super) fn confirm(&mut self, ssrc: u32) -> bool {
        let (is_media, is_repair) = (ssrc == self.media.ssrc, ssrc == self.media.rtx_ssrc);
        self.is_known |= is_media;
        self.are_repairs_known |= is_repair;
        is_media || is_repair
    }

    fn payload_for(&mut self, codec: Codec) -> Option<Payload> {
        if let Some((known, payload)) = self.payload
            && known == codec
        {
            return Some(payload);
        }
        let payload = *self.media.payload_for(self.sound_as(codec))?;
        self.payload = Some((codec, payload));
        Some(payload)
    }
}

/// An encoding of a publication.
pub(super) fn find(publication: &Publication, id: EncodingId) -> Option<&Encoding> {
    publication.encoding(id)
}
