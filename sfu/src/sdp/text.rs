//! The grammar of SDP (RFC 8866), read by `rtc-sdp` after a look at the text's size: that crate reads in one linear
//! pass and returns errors, but it keeps everything it reads and echoes input in its errors.

use std::io::Cursor;

use rtc_sdp::description::common::Attribute;
use rtc_sdp::{MediaDescription, SessionDescription};

use super::{OfferError, malformed};

/// Browsers' offers are 3 to 12 KB; ten times that leaves room for any codec list.
pub(super) const MAX_TEXT: usize = 64 << 10;
/// Audio, video and data channels, and as many again so that the refusal can say which one is too many.
const MAX_SECTIONS: usize = 8;
/// The longest section seen, Chromium's video with every codec, has under 200.
const MAX_ATTRIBUTES: usize = 512;
/// A host with a dozen interfaces, two families and two protocols gathers fewer.
const MAX_CANDIDATES: usize = 128;

/// The text as lines and sections, within the bounds above.
pub(super) fn parse(text: &str) -> Result<SessionDescription, OfferError> {
    if text.len() > MAX_TEXT {
        return malformed(format!("longer than {MAX_TEXT} bytes"));
    }
    measure(text)?;
    match SessionDescription::unmarshal(&mut Cursor::new(text.as_bytes())) {
        Ok(session) if session.media_descriptions.is_empty() => malformed("no m-section"),
        Ok(session) => Ok(session),
        Err(error) => malformed(excerpt(&error.to_string())),
    }
}

/// Holds the text to the bounds before anything is kept of it.
fn measure(text: &str) -> Result<(), OfferError> {
    let (mut sections, mut attributes, mut candidates) = (0, 0, 0);
    for line in text.lines() {
        if line.starts_with("m=") {
            (sections, attributes) = (sections + 1, 0);
        } else if !line.is_empty() {
            attributes += 1;
        }
        candidates += usize::from(line.starts_with("a=candidate:"));
        if sections > MAX_SECTIONS {
            return malformed(format!("more than {MAX_SECTIONS} m-sections"));
        }
        if attributes > MAX_ATTRIBUTES {
            return malformed(format!("more than {MAX_ATTRIBUTES} lines in one section"));
        }
        if candidates > MAX_CANDIDATES {
            return malformed(format!("more than {MAX_CANDIDATES} candidates"));
        }
    }
    Ok(())
}

/// The start of a peer's text, fit for an error message.
pub(super) fn excerpt(text: &str) -> String {
    /// Enough to recognise a line by.
    const MAX_EXCERPT: usize = 100;
    let mut short: String = text.escape_debug().take(MAX_EXCERPT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The values of all attributes of a name; an attribute without a value has the empty one.
pub(super) fn values<'a>(attributes: &'a [Attribute], key: &'a str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.key == key)
        .map(|attribute| attribute.value.as_deref().unwrap_or_default().trim())
}

/// Whether an attribute is there.
pub(super) fn has(attributes: &[Attribute], key: &str) -> bool {
    attributes.iter().any(|attribute| attribute.key == key)
}

/// An attribute's first value in a section, or else at session level.
pub(super) fn inherited<'a>(
    session: &'a SessionDescription,
    section: &'a MediaDescription,
    key: &'a str,
) -> Option<&'a str> {
    let own = values(&section.attributes, key).next();
    own.or_else(|| values(&session.attributes, key).next())
}
