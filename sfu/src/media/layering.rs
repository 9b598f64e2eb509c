//! Which layer of its encoding a packet is of: by its dependency descriptor, its payload, or its frame marking.

use super::history::PayloadInfo;
use super::payload::dependency::{DependencyDescriptor, LayerSet, Templates};
use super::payload::frame_marking::FrameMarking;
use super::payload::{Disposable, LayerSizes, PayloadFacts};
use super::rtp_packet::RtpPacket;
use crate::negotiation::{Extension, ReceivedMedia};

/// What was told of an encoding's layers so far.
#[derive(Debug, Default)]
pub(super) struct Layering {
    templates: Templates,
    /// There are pictures that nothing is predicted from (H.264).
    has_disposable: bool,
}

/// A packet's place; see `StoredPacket`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) frame_start: bool,
    pub(super) layer_end: bool,
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    pub(super) temporal_sync: bool,
    pub(super) opens: LayerSet,
    pub(super) dependency: (u16, u8),
    /// Sizes of the spatial layers, where they came with the packet.
    pub(super) sizes: Option<LayerSizes>,
}

impl Layering {
    /// Reads a packet with these facts. `is_new_picture`: its timestamp is not that of the packets before it.
    pub(super) fn place(
        &mut self,
        media: &ReceivedMedia,
        packet: &RtpPacket<'_>,
        facts: &PayloadFacts,
        is_new_picture: bool,
    ) -> Place {
        let (spatial, layer_end) = match facts.info {
            PayloadInfo::Vp9 {
                spatial, layer_end, ..
            } => (spatial, layer_end),
            _ => (0, packet.marker()),
        };
        let place = Place {
            frame_start: facts.frame_start.unwrap_or(is_new_picture),
            layer_end,
            spatial,
            temporal: facts.temporal,
            temporal_sync: facts.temporal_sync,
            opens: facts.opens,
            dependency: (0, 0),
            sizes: None,
        };
        let described = self.described(media, packet, place);
        described.unwrap_or_else(|| self.marked(media, packet, facts.disposable, place))
    }

    /// By the dependency descriptor.
    fn described(&mut self, media: &ReceivedMedia, packet: &RtpPacket<'_>, place: Place) -> Option<Place> {
        let id = media.extensions.id(Extension::DependencyDescriptor)?;
        let range = packet.extension_place(id)?;
        let value = packet.bytes().get(range.clone())?;
        let descriptor = DependencyDescriptor::parse(value, &mut self.templates)?;
        let sizes = descriptor.structure.then(|| {
            let mut sizes = LayerSizes::default();
            for (size, told) in sizes.iter_mut().zip(&self.templates.sizes) {
                *size = *told;
            }
            sizes
        });
        Some(Place {
            frame_start: descriptor.frame_start,
            layer_end: descriptor.frame_end,
            spatial: descriptor.spatial,
            temporal: descriptor.temporal,
            opens: descriptor.opens,
            dependency: (u16::try_from(range.start).ok()?, u8::try_from(value.len()).ok()?),
            sizes,
            ..place
        })
    }

    /// By the frame marking, or by what the pictures are to each other: one that no other needs is as good as one of a
    /// temporal layer above. What stands beside the pictures is of use to none of them (H.264).
    fn marked(
        &mut self,
        media: &ReceivedMedia,
        packet: &RtpPacket<'_>,
        disposable: Disposable,
        place: Place,
    ) -> Place {
        let id = media.extensions.id(Extension::FrameMarking);
        if let Some(marking) = id
            .and_then(|id| packet.extension(id))
            .and_then(FrameMarking::parse)
            && place.temporal == 0
        {
            return Place {
                temporal: marking.temporal,
                temporal_sync: marking.temporal_sync,
                ..place
            };
        }
        self.has_disposable |= disposable == Disposable::Picture;
        if disposable == Disposable::No || !self.has_disposable {
            return place;
        }
        Place {
            temporal: 1,
            temporal_sync: true,
            ..place
        }
    }
}
