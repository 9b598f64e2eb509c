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
            let encoding = EncodingId { section, layer: 0 };
            for &(ssrc, rtx) in media.ssrcs.iter().take(1) {
                by_ssrc.insert(
                    ssrc,
                    Stream {
                        encoding,
                        is_rtx: false,
                    },
                );
                if let Some(rtx) = rtx {
                    by_ssrc.insert(
                        rtx,
                        Stream {
                            encoding,
                            is_rtx: true,
                        },
                    );
                }
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
        0
    } else {
        let rid = label(media, Extension::RepairedRid).filter(|_| is_rtx);
        let rid = rid.or_else(|| label(media, Extension::Rid))?;
        media.rids.iter().position(|&known| known == rid)?
    };
    Some(Stream {
        encoding: EncodingId {
            section: u8::try_from(section).ok()?,
            layer: u8::try_from(layer).ok()?,
        },
        is_rtx,
    })
}
