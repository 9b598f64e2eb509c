//! Header extensions: which of an offer's `a=extmap` lines are kept (RFC 8285).

use super::text::{Attribute, excerpt, values};
use super::{Direction, OfferError, malformed};
use crate::negotiation::{Extension, ExtensionMap};

/// Every extension with its URI.
const URIS: [(Extension, &str); 15] = [
    (Extension::Mid, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (Extension::Rid, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    (
        Extension::RepairedRid,
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    ),
    (
        Extension::TransportSequence,
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    ),
    (
        Extension::AbsSendTime,
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    ),
    (
        Extension::TransmissionOffset,
        "urn:ietf:params:rtp-hdrext:toffset",
    ),
    (Extension::VideoOrientation, "urn:3gpp:video-orientation"),
    (
        Extension::PlayoutDelay,
        "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    ),
    (
        Extension::AudioLevel,
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    ),
    (
        Extension::DependencyDescriptor,
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    ),
    (Extension::FrameMarking, "urn:ietf:params:rtp-hdrext:framemarking"),
    (
        Extension::AbsCaptureTime,
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    ),
    (
        Extension::ColorSpace,
        "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    ),
    (
        Extension::VideoContentType,
        "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    ),
    (
        Extension::VideoTiming,
        "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    ),
];

/// Ids of the one-byte form. The two-byte one has more, and is taken where `a=extmap-allow-mixed` is offered; but every
/// browser's ids are these, and an extension with another is not agreed.
const ONE_BYTE_IDS: std::ops::RangeInclusive<u16> = 1..=14;

/// The URI an extension is negotiated by.
pub(super) fn uri(extension: Extension) -> &'static str {
    let known = URIS.iter().find(|&&(known, _)| known == extension);
    known.map_or("", |&(_, uri)| uri)
}

/// The extensions kept, and each with the suffix of its answer.
pub(super) struct Extensions {
    pub(super) map: ExtensionMap,
    pub(super) answer: Vec<(u8, Extension, &'static str)>,
}

/// Reads `a=extmap:<id>[/<direction>] <uri>` (RFC 8285 §8); unknown ones are left out of the answer.
pub(super) fn parse(attributes: &[Attribute<'_>], direction: Direction) -> Result<Extensions, OfferError> {
    let mut kept = Extensions {
        map: ExtensionMap::default(),
        answer: Vec::new(),
    };
    for value in values(attributes, "extmap") {
        let mut words = value.split_whitespace();
        let (Some(first), Some(uri)) = (words.next(), words.next()) else {
            return malformed(format!("a=extmap:{}", excerpt(value)));
        };
        let (id, offered_way) = first.split_once('/').unwrap_or((first, "sendrecv"));
        let Ok(id) = id.parse::<u16>() else {
            return malformed(format!("a=extmap:{}", excerpt(value)));
        };
        let Some(&(extension, _)) = URIS.iter().find(|&&(_, known)| known == uri) else {
            continue;
        };
        if extension == Extension::FrameMarking && direction == Direction::Play {
            // Nothing is left out behind the server.
            continue;
        }
        let suffix = match (offered_way, direction) {
            ("sendrecv", _) => "",
            ("sendonly", Direction::Publish) => "/recvonly",
            ("recvonly", Direction::Play) => "/sendonly",
            _ => continue,
        };
        let Some(id) = u8::try_from(id).ok().filter(|_| ONE_BYTE_IDS.contains(&id)) else {
            continue;
        };
        if kept.map.extension(id).is_some() {
            return malformed(format!("two a=extmap lines have the id {id}"));
        }
        if kept.map.id(extension).is_none() {
            kept.map.insert(id, extension);
            kept.answer.push((id, extension, suffix));
        }
    }
    Ok(kept)
}
