//! How a publication arrives, told to its host.

use std::time::{Duration, Instant};

use super::checkup::Faults;
use super::encoding::Encoding;
use super::feedback::takes_requests;
use super::publication::Publication;
use crate::negotiation::{Codec, Label, MediaKind, ReceivedMedia};
use crate::relay::EncodingId;

/// One encoding as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingHealth {
    /// Its number in the publication.
    pub id: EncodingId,
    /// Its rid, when simulcast.
    pub rid: Option<Label>,
    /// The codec's name as in SDP, lower case; empty before the first packet.
    pub codec: &'static str,
    /// Bits per second.
    pub bitrate: u64,
    /// Coded pixels, where known.
    pub size: Option<(u16, u16)>,
    /// Pixels and bits per second up to each spatial layer, the lowest first; none where there is only one.
    pub spatial: Vec<SpatialLayer>,
    /// Whether packets come.
    pub active: bool,
    /// Of a thousand packets since the last report, those lost on the way; most come again.
    pub lost_permille: u16,
    /// How unevenly packets come (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// What its encoder does wrong.
    pub faults: Faults,
}

/// A picture up to one of its encoding's spatial layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpatialLayer {
    /// Coded pixels, where known.
    pub size: Option<(u16, u16)>,
    /// Bits per second with the layers below.
    pub bitrate: u64,
}

impl Publication {
    /// Each encoding's health, in the order of the m-sections. Losses count from the last call.
    pub fn health(&mut self, now: Instant) -> Vec<EncodingHealth> {
        let (media, unnamed) = (self.media().clone(), self.has_unnamed(now));
        self.tracks_mut()
            .iter_mut()
            .zip(media.iter())
            .flat_map(|(track, media)| {
                let encodings = track.encodings.iter_mut();
                encodings.map(move |encoding| health(now, encoding, media, unnamed))
            })
            .collect()
    }
}

fn health(now: Instant, encoding: &mut Encoding, media: &ReceivedMedia, unnamed: bool) -> EncodingHealth {
    let ticks = encoding.reception.jitter();
    let rate = encoding.codec().map_or(1, Codec::clock_rate);
    EncodingHealth {
        id: encoding.id,
        rid: encoding.rid,
        codec: encoding.codec().map_or("", Codec::name),
        bitrate: encoding.bitrate(),
        size: encoding.size(),
        spatial: spatial(encoding),
        active: encoding.is_arriving(now),
        lost_permille: encoding.reception.look_at_losses(&encoding.sequence),
        jitter: Duration::from_micros(ticks * 1_000_000 / u64::from(rate)),
        faults: match media.kind {
            MediaKind::Audio => Faults::default(),
            MediaKind::Video => Faults {
                unrepaired: encoding.sequence.is_never_repaired(),
                unnamed: unnamed && !media.rids.is_empty(),
                ..encoding.checkup.faults(now, takes_requests(media))
            },
        },
    }
}

fn spatial(encoding: &Encoding) -> Vec<SpatialLayer> {
    let (highest, _) = encoding.highest_layers();
    let layers = (0..=highest).filter(|_| highest > 0);
    layers
        .map(|layer| SpatialLayer {
            size: encoding.size_up_to(layer),
            bitrate: encoding.bitrate_up_to(layer, u8::MAX),
        })
        .collect()
}

impl Codec {
    /// Its name as in SDP, lower case.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Codec::Opus | Codec::RedundantOpus => "opus",
            Codec::Vp8 => "vp8",
            Codec::Vp9 { .. } => "vp9",
            Codec::H264 { .. } => "h264",
            Codec::Av1 { .. } => "av1",
        }
    }
}
