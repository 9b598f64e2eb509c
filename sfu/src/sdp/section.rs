//! One m-section: what it is, which way its media flows, and whether it can be answered.

use super::codecs::{self, Codecs};
use super::extensions::{self, Extensions};
use super::outline::{SectionKind, SectionOutline};
use super::sources::Ssrcs;
use super::text::{Section, Session, excerpt, has, values};
use super::{Direction, OfferError, malformed, simulcast, sources, unacceptable};
use crate::negotiation::{DataChannels, Extension, Label, MediaKind, ReceivedMedia, SentMedia};

/// Where SCTP listens when nothing is said (RFC 8841 §5.1 leaves it open; every browser says 5000).
const DEFAULT_SCTP_PORT: u16 = 5000;
/// RFC 8841 §6.1: what a peer takes that does not say.
const DEFAULT_MAX_MESSAGE: u32 = 64 << 10;

/// An audio or video section with what was agreed on.
pub(super) struct MediaSection {
    kind: MediaKind,
    mid: Label,
    codecs: Codecs,
    extensions: Extensions,
}

/// What the section is for, if it is anything the server takes part in.
pub(super) fn kind(section: &Section<'_>) -> Result<SectionKind, OfferError> {
    match section.media {
        "audio" => Ok(SectionKind::Audio),
        "video" => Ok(SectionKind::Video),
        "application" => Ok(SectionKind::Data),
        other => unacceptable(format!(
            "m={} is not accepted; audio, video and webrtc-datachannel are",
            excerpt(other)
        )),
    }
}

/// Reads the shape of a section that is in use.
pub(super) fn outline(
    session: &Session<'_>,
    section: &Section<'_>,
    kind: SectionKind,
    mid: Label,
) -> Result<SectionOutline, OfferError> {
    // A bundle-only section has port 0 too (RFC 8843 §6).
    if section.port == 0 && !has(&section.attributes, "bundle-only") {
        return unacceptable(format!(
            "m-section {mid} has port 0; a rejected section must not be offered"
        ));
    }
    let protocols: &[&str] = match kind {
        SectionKind::Data => &["UDP/DTLS/SCTP", "TCP/DTLS/SCTP"],
        // RFC 8829 §5.1.2: older names of the same thing must be understood.
        SectionKind::Audio | SectionKind::Video => &[
            "UDP/TLS/RTP/SAVPF",
            "UDP/TLS/RTP/SAVP",
            "TCP/DTLS/RTP/SAVPF",
            "TCP/TLS/RTP/SAVPF",
            "RTP/SAVPF",
        ],
    };
    let Some(protocol) = protocols.iter().copied().find(|known| *known == section.protocol) else {
        return unacceptable(format!(
            "m-section {mid} uses {}; accepted is {}",
            excerpt(section.protocol),
            protocols.first().copied().unwrap_or_default()
        ));
    };
    Ok(SectionOutline {
        kind,
        mid,
        protocol,
        reduced_size_rtcp: has(&section.attributes, "rtcp-rsize"),
        mixed_extensions: [&session.attributes, &section.attributes]
            .into_iter()
            .any(|attributes| has(attributes, "extmap-allow-mixed")),
        formats: Vec::new(),
        extensions: Vec::new(),
    })
}

/// Reads an audio or video section and judges whether its media can flow that way.
pub(super) fn media(
    session: &Session<'_>,
    section: &Section<'_>,
    kind: MediaKind,
    mid: Label,
    direction: Direction,
) -> Result<MediaSection, OfferError> {
    if !has(&section.attributes, "rtcp-mux") && !has(&section.attributes, "rtcp-mux-only") {
        return unacceptable(format!("m-section {mid} has no a=rtcp-mux; it is required"));
    }
    let way = way(session, section);
    match (direction, way) {
        (Direction::Publish, "sendonly" | "sendrecv") | (Direction::Play, "recvonly" | "sendrecv") => {}
        (Direction::Publish, _) => {
            return unacceptable(format!(
                "m-section {mid} is {way}; a publisher's must be sendonly or sendrecv"
            ));
        }
        (Direction::Play, _) => {
            return unacceptable(format!(
                "m-section {mid} is {way}; a viewer's must be recvonly or sendrecv"
            ));
        }
    }
    Ok(MediaSection {
        kind,
        mid,
        codecs: codecs::parse(section, kind, direction)?,
        extensions: extensions::parse(&section.attributes, direction)?,
    })
}

/// The direction attribute, `sendrecv` when there is none (RFC 8866 §6.7).
fn way(session: &Session<'_>, section: &Section<'_>) -> &'static str {
    let named = |attributes| {
        ["sendonly", "recvonly", "sendrecv", "inactive"]
            .into_iter()
            .find(|&way| has(attributes, way))
    };
    let own = named(&section.attributes);
    own.or_else(|| named(&session.attributes)).unwrap_or("sendrecv")
}

impl MediaSection {
    /// As media the peer sends; what the answer needs goes to the outline.
    pub(super) fn received(
        self,
        section: &Section<'_>,
        outline: &mut SectionOutline,
    ) -> Result<ReceivedMedia, OfferError> {
        outline.formats = self.codecs.formats;
        outline.extensions = self.extensions.answer;
        // Without the extension nothing tells the layers apart (RFC 8853 §5.5): one is agreed, which any publisher can send.
        let has_rids = self.kind == MediaKind::Video && self.extensions.map.id(Extension::Rid).is_some();
        let rids = match has_rids {
            false => Vec::new(),
            true => simulcast::rids(&section.attributes)?,
        };
        Ok(ReceivedMedia {
            kind: self.kind,
            mid: self.mid,
            payloads: self.codecs.payloads,
            extensions: self.extensions.map,
            ssrcs: sources::announced(&section.attributes, !rids.is_empty())?,
            rids,
        })
    }

    /// As media the peer receives.
    pub(super) fn sent(self, ssrcs: &mut Ssrcs, outline: &mut SectionOutline) -> SentMedia {
        outline.formats = self.codecs.formats;
        outline.extensions = self.extensions.answer;
        SentMedia {
            kind: self.kind,
            mid: self.mid,
            payloads: self.codecs.payloads,
            extensions: self.extensions.map,
            ssrc: ssrcs.next(),
            rtx_ssrc: ssrcs.next(),
        }
    }
}

/// Reads the data-channel section (RFC 8841 §5, §6).
pub(super) fn data_channels(section: &Section<'_>, mid: Label) -> Result<DataChannels, OfferError> {
    if !section.formats.contains(&"webrtc-datachannel") {
        return unacceptable("m=application must be webrtc-datachannel");
    }
    let value = |key| values(&section.attributes, key).next();
    let sctp_port = match value("sctp-port") {
        None => DEFAULT_SCTP_PORT,
        Some(text) => match text.parse() {
            Ok(port) if port != 0 => port,
            _ => return malformed(format!("a=sctp-port:{}", excerpt(text))),
        },
    };
    let max_message_size = match value("max-message-size") {
        None => DEFAULT_MAX_MESSAGE,
        Some(text) => match text.parse::<u64>() {
            Ok(0) => u32::MAX,
            Ok(size) => u32::try_from(size).unwrap_or(u32::MAX),
            Err(_) => return malformed(format!("a=max-message-size:{}", excerpt(text))),
        },
    };
    Ok(DataChannels {
        mid,
        sctp_port,
        max_message_size,
    })
}
