//! Which encoding an SSRC belongs to (RFC 9143 §9.2, RFC 8852, RFC 4588).

use std::collections::HashMap;

use super::rtp_packet::RtpPacket;
use crate::negotiation::{Extension, Label, ReceivedMedia};
use crate::relay::EncodingId;

/// SSRCs remembered: three layers with repairs and sound are seven; the rest is room for restarts.
const MAX_SSRCS: usize = 64;

/// Where an SSRC's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) encoding: EncodingId,
    /// Its packets are retransmissions of the encoding's.
    pub(super) is_rtx: bool,
}

#[derive(Debug)]
pub(super) struct Streams {
    by_ssrc: HashMap<u32, Stream>,
}

impl Streams {
    /// With what the offer named by `a=ssrc`. With rids, those decide.
    pub(super) fn new(media: &[ReceivedMedia]) -> Streams {
        let mut by_ssrc = HashMap::new();
        for (section, media) in (0u8..).zip(media).filter(|(_, media)| media.rids.is_empty()) {
            for (layer, &(ssrc, rtx)) in (0u8..).zip(&media.ssrcs) {
                let encoding = EncodingId { section, layer };
                let stream = |is_rtx| Stream { encoding, is_rtx };
                by_ssrc.insert(ssrc, stream(false));
                by_ssrc.extend(rtx.map(|rtx| (rtx, stream(true))));
            }
        }
        Streams { by_ssrc }
    }

    /// The stream of a packet; what its extensions say is remembered.
    pub(super) fn find(&mut self, media: &[ReceivedMedia], packet: &RtpPacket<'_>) -> Option<Stream> {
        if let Some(&known) = self.by_ssrc.get(&packet.ssrc()) {
            return Some(known);
        }
        let stream = identify(media, packet)?;
        if self.by_ssrc.len() >= MAX_SSRCS {
            // A publisher that changes its SSRCs so often has not named these lately.
            self.by_ssrc.clear();
        }
        self.by_ssrc.insert(packet.ssrc(), stream);
        Some(stream)
    }

    pub(super) fn by_ssrc(&self, ssrc: u32) -> Option<Stream> {
        self.by_ssrc.get(&ssrc).copied()
    }
}

/// Whether a packet is of a layer, and does not say of which.
pub(super) fn is_unnamed(media: &[ReceivedMedia], packet: &RtpPacket<'_>) -> bool {
    let payload_type = packet.payload_type();
    let of = |media: &&ReceivedMedia| {
        let mut payloads = media.payloads.iter();
        payloads.any(|payload| payload.payload_type == payload_type)
    };
    media.iter().find(of).is_some_and(|media| !media.rids.is_empty())
}

/// The layer of an SSRC where the offer has one for each: without rids those of a group, and of Pion, whose applications
/// must write the rid into packets themselves, in the order of the rids.
fn announced(media: &ReceivedMedia, ssrc: u32) -> Option<usize> {
    let mut sources = media.ssrcs.iter();
    let layer = sources.position(|&(own, rtx)| own == ssrc || rtx == Some(ssrc));
    layer.filter(|_| media.ssrcs.len() == media.encodings())
}

fn identify(media: &[ReceivedMedia], packet: &RtpPacket<'_>) -> Option<Stream> {
    let payload_type = packet.payload_type();
    let label = |media: &ReceivedMedia, extension| {
        let id = media.extensions.id(extension)?;
        Label::new(packet.extension(id)?)
    };
    let by_mid = media
        .iter()
        .position(|media| label(media, Extension::Mid).is_some_and(|mid| mid == media.mid));
    let has = |media: &ReceivedMedia| {
        let mut payloads = media.payloads.iter();
        payloads.any(|payload| payload.payload_type == payload_type || payload.rtx == Some(payload_type))
    };
    let section = by_mid.or_else(|| {
        // Without a MID the payload type must be of one section only (RFC 9143 §9.2).
        let mut fitting = media.iter().enumerate().filter(|(_, media)| has(media));
        let only = fitting.next()?;
        fitting.next().is_none().then_some(only.0)
    })?;
    let media = media.get(section)?;
    let is_rtx = media
        .payloads
        .iter()
        .any(|payload| payload.rtx == Some(payload_type));
    let layer = if media.rids.is_empty() {
        announced(media, packet.ssrc()).unwrap_or_default()
    } else {
        let rid = label(media, Extension::RepairedRid).filter(|_| is_rtx);
        match rid.or_else(|| label(media, Extension::Rid)) {
            Some(rid) => media.rids.iter().position(|&known| known == rid)?,
            None => announced(media, packet.ssrc())?,
        }
    };
    Some(Stream {
        encoding: EncodingId {
            section: u8::try_from(section).ok()?,
            layer: u8::try_from(layer).ok()?,
        },
        is_rtx,
    })
}
