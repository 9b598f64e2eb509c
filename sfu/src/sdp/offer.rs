//! An offer as a whole: its sections read one by one, and what they must agree on.

use super::outline::{Outline, SectionKind, SectionOutline, Tag};
use super::sources::Ssrcs;
use super::{Direction, Offer, OfferError, bundle, malformed, section, text, unacceptable};
use crate::negotiation::{AgreedMedia, MediaKind, Payload, ReceivedMedia, SentMedia};

/// How the origin of Firefox's offers begins; its version follows.
const FIREFOX: &str = "mozilla";

/// Parses and judges an offer.
pub(super) fn parse(text: &str, direction: Direction, seed: u64) -> Result<Offer, OfferError> {
    let session = text::parse(text)?;
    let mids = bundle::mids(&session)?;
    let (tagged, bundled) = bundle::tagged_section(&session, &mids)?;

    let mut received: Vec<ReceivedMedia> = Vec::new();
    let mut sent: Vec<SentMedia> = Vec::new();
    let mut data_channels = None;
    let mut sections: Vec<SectionOutline> = Vec::with_capacity(mids.len());
    let mut ssrcs = Ssrcs::new(seed);
    for (section, &mid) in session.sections.iter().zip(&mids) {
        let kind = section::kind(section)?;
        if sections.iter().any(|known| known.kind == kind) {
            return unacceptable(format!(
                "two m={} sections; at most one each of audio, video and application is accepted",
                kind.name()
            ));
        }
        let mut outline = section::outline(&session, section, kind, mid)?;
        let media_kind = match kind {
            SectionKind::Audio => Some(MediaKind::Audio),
            SectionKind::Video => Some(MediaKind::Video),
            SectionKind::Data => None,
        };
        match media_kind {
            None => data_channels = Some(section::data_channels(section, mid)?),
            Some(media_kind) => {
                let media = section::media(&session, section, media_kind, mid, direction)?;
                match direction {
                    Direction::Publish => received.push(media.received(section, &mut outline)?),
                    Direction::Play => sent.push(media.sent(&mut ssrcs, &mut outline)),
                }
            }
        }
        sections.push(outline);
    }
    if received.is_empty() && sent.is_empty() {
        return unacceptable("neither audio nor video is offered");
    }
    distinct_payload_types(
        received
            .iter()
            .map(|media| media.payloads.as_slice())
            .chain(sent.iter().map(|media| media.payloads.as_slice())),
    )?;

    let (Some(tagged_section), Some(outline)) = (session.sections.get(tagged), sections.get(tagged)) else {
        return malformed("no m-section");
    };
    let tag = Tag {
        kind: outline.kind,
        mid: outline.mid,
    };
    let transport = bundle::transport(&session, tagged_section)?;
    Ok(Offer {
        ice: transport.ice,
        fingerprints: transport.fingerprints,
        role: transport.role,
        media: match direction {
            Direction::Publish => AgreedMedia::Publisher(received),
            Direction::Play => AgreedMedia::Viewer(sent),
        },
        data_channels,
        is_firefox: session.user.starts_with(FIREFOX),
        outline: Outline {
            tag,
            bundled,
            sections,
        },
    })
}

/// One number means one thing in all bundled sections (RFC 8843 §9.1).
fn distinct_payload_types<'a>(sections: impl Iterator<Item = &'a [Payload]>) -> Result<(), OfferError> {
    let mut seen = [false; 256];
    for payload in sections.flatten() {
        for number in [Some(payload.payload_type), payload.rtx].into_iter().flatten() {
            let Some(slot) = seen.get_mut(usize::from(number)) else {
                continue;
            };
            if std::mem::replace(slot, true) {
                return malformed(format!("payload type {number} means two things"));
            }
        }
    }
    Ok(())
}
