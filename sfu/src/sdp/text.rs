//! The lines of SDP (RFC 8866) as they lie in the text, within bounds. What attributes mean is read elsewhere.

use super::{OfferError, malformed};

/// Browsers' offers are 3 to 12 KB; ten times that leaves room for any codec list.
pub(super) const MAX_TEXT: usize = 64 << 10;
/// Audio, video and data channels, and as many again so that the refusal can say which one is too many.
const MAX_SECTIONS: usize = 8;
/// The longest section seen, Chromium's video with every codec, has under 200.
const MAX_LINES: usize = 512;
/// The lines that every description begins with, in this order (RFC 8866 §5).
const BEGINNING: [char; 3] = ['v', 'o', 's'];
/// The types of all other lines.
const TYPES: &str = "iuepcbtrzkam";
/// Lines of a section of Chromium's, so that the list seldom grows.
const USUAL_LINES: usize = 96;

/// A session description.
#[derive(Debug, Default)]
pub(super) struct Session<'a> {
    /// The origin's user, by which some implementations tell their name.
    pub(super) user: &'a str,
    pub(super) attributes: Vec<Attribute<'a>>,
    /// At least one.
    pub(super) sections: Vec<Section<'a>>,
}

/// An m-section.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) media: &'a str,
    pub(super) port: u16,
    pub(super) protocol: &'a str,
    pub(super) formats: Vec<&'a str>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// An `a=` line; one without a value has the empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// The text as lines and sections, within the bounds above.
pub(super) fn parse(text: &str) -> Result<Session<'_>, OfferError> {
    if text.len() > MAX_TEXT {
        return malformed(format!("longer than {MAX_TEXT} bytes"));
    }
    let mut session = Session::default();
    let (mut beginning, mut lines) = (BEGINNING.iter(), 0);
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let mut rest = line.chars();
        let (Some(kind), Some('=')) = (rest.next(), rest.next()) else {
            return malformed(format!("\"{}\" is not a line of SDP", excerpt(line)));
        };
        let value = rest.as_str();
        let is_in_place = match beginning.next() {
            Some(expected) => *expected == kind,
            None => TYPES.contains(kind),
        };
        if !is_in_place {
            return malformed(format!("\"{}\" is out of place", excerpt(line)));
        }
        lines += 1;
        match kind {
            'v' if value != "0" => return malformed("only version 0 is known (v=0)"),
            'o' => session.user = origin(value)?,
            'm' => {
                lines = 0;
                session.sections.push(section(value)?);
            }
            'a' => {
                let (key, value) = value.split_once(':').unwrap_or((value, ""));
                if key == "candidate" {
                    // An ICE-lite server sends no checks, and a machine with many bridges names hundreds.
                    lines -= 1;
                    continue;
                }
                let section = session.sections.last_mut();
                let attributes = section.map_or(&mut session.attributes, |section| &mut section.attributes);
                attributes.push(Attribute { key, value });
            }
            _ => {}
        }
        if session.sections.len() > MAX_SECTIONS {
            return malformed(format!("more than {MAX_SECTIONS} m-sections"));
        }
        if lines > MAX_LINES {
            return malformed(format!("more than {MAX_LINES} lines in one section"));
        }
    }
    if session.sections.is_empty() {
        return malformed("no m-section");
    }
    Ok(session)
}

/// `<username> <id> <version> IN <IP4 or IP6> <address>` (RFC 8866 §5.2); the name of the user.
fn origin(value: &str) -> Result<&str, OfferError> {
    let mut words = value.split_whitespace();
    let mut word = || words.next().unwrap_or_default();
    let user = word();
    let numbers = [word(), word()].map(|number| number.parse::<u64>().is_ok());
    let network = (word(), word());
    let is_known = numbers == [true, true] && matches!(network, ("IN", "IP4" | "IP6"));
    if is_known && !word().is_empty() && word().is_empty() {
        Ok(user)
    } else {
        malformed(format!("o={}", excerpt(value)))
    }
}

/// `<media> <port>[/<ports>] <protocol> <format> ...` (RFC 8866 §5.14).
fn section(value: &str) -> Result<Section<'_>, OfferError> {
    let mut words = value.split_whitespace();
    let (media, port, protocol) = (words.next(), words.next(), words.next());
    let port = port.map(|port| port.split_once('/').map_or(port, |(first, _)| first));
    let port = port.and_then(|port| port.parse().ok());
    let (Some(media), Some(port), Some(protocol)) = (media, port, protocol) else {
        return malformed(format!("m={}", excerpt(value)));
    };
    Ok(Section {
        media,
        port,
        protocol,
        formats: words.collect(),
        attributes: Vec::with_capacity(USUAL_LINES),
    })
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
pub(super) fn values<'a>(attributes: &[Attribute<'a>], key: &str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.key == key)
        .map(|attribute| attribute.value.trim())
}

/// Whether an attribute is there.
pub(super) fn has(attributes: &[Attribute<'_>], key: &str) -> bool {
    attributes.iter().any(|attribute| attribute.key == key)
}

/// An attribute's first value in a section, or else at session level.
pub(super) fn inherited<'a>(session: &Session<'a>, section: &Section<'a>, key: &str) -> Option<&'a str> {
    let own = values(&section.attributes, key).next();
    own.or_else(|| values(&session.attributes, key).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn lines_fall_to_the_session_or_their_section() {
        let text = format!(
            "{BEGIN}a=group:BUNDLE 0 1\r\nm=audio 9/2 UDP/TLS 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
             m=video 0 X \na=rtcp-mux\na=fmtp:96 a:b\n"
        );
        let session = parse(&text).unwrap();
        let of = |key, value| Attribute { key, value };
        assert_eq!(session.attributes, [of("group", "BUNDLE 0 1")]);
        let [audio, video] = &session.sections[..] else {
            panic!()
        };
        assert_eq!((audio.media, audio.port, audio.protocol), ("audio", 9, "UDP/TLS"));
        assert_eq!(
            (&audio.formats[..], &audio.attributes[..]),
            (&["111", "0"][..], &[of("mid", "0")][..])
        );
        assert_eq!(video.attributes, [of("rtcp-mux", ""), of("fmtp", "96 a:b")]);
        assert!(video.formats.is_empty() && video.port == 0);
    }

    #[test]
    fn what_is_no_description_is_refused() {
        assert!(refusal("").contains("no m-section"));
        assert!(refusal(BEGIN).contains("no m-section"));
        assert!(refusal("hello").contains("\"hello\" is not a line"));
        assert!(refusal("o=- 1 2 IN IP4 x\r\nv=0\r\ns=-\r\n").contains("out of place"));
        assert!(refusal("v=1\r\n").contains("v=0"));
        for origin in [
            "- 1 2 IN IP4",
            "- x 2 IN IP4 a",
            "- 1 2 IN IP5 a",
            "- 1 2 IN IP4 a b",
        ] {
            assert!(refusal(&format!("v=0\r\no={origin}\r\ns=-\r\n")).contains(origin));
        }
        for line in ["q=1", "v=0", "é=1", "a"] {
            assert!(refusal(&format!("{BEGIN}{line}\r\n")).contains(line));
        }
        for line in [
            "m=",
            "m=audio",
            "m=audio 9",
            "m=audio x RTP 0",
            "m=audio 65536 RTP 0",
        ] {
            assert!(refusal(&format!("{BEGIN}{line}\r\n")).contains(line));
        }
    }

    #[test]
    fn every_bound_is_kept() {
        let repeated = |line: &str, times| format!("{BEGIN}m=audio 9 RTP 0\r\n{}", line.repeat(times));
        assert!(parse(&repeated("a=x\r\n", MAX_LINES)).is_ok());
        assert!(refusal(&repeated("b=x\r\n", MAX_LINES + 1)).contains("more than 512 lines"));
        let candidates = repeated("a=candidate:1\r\n", 2 * MAX_LINES);
        assert!(parse(&format!("{candidates}a=end-of-candidates\r\n")).is_ok());
        assert!(refusal(&repeated("m=audio 9 RTP 0\r\n", MAX_SECTIONS)).contains("more than 8 m-sections"));
        assert!(refusal(&repeated("a", MAX_TEXT)).contains("longer than"));
    }
}
