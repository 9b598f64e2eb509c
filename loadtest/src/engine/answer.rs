//! Answers of any server, read for what a viewer needs and forgiving about the rest.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::ice::Credentials;
use crate::Error;
use crate::clip::keyframe::Codec;

/// Lines of an answer; more is no SDP.
const MAX_LINES: usize = 4096;
/// Candidates kept, the best first.
const MAX_CANDIDATES: usize = 16;
const TRANSPORT_WIDE: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// What a payload type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Sound; its clock rate.
    Sound(u32),
    /// A picture.
    Picture(Codec),
    /// Retransmissions of a picture.
    Repair,
}

/// The data channels' transport (RFC 8841).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    pub(super) port: u16,
    pub(super) max_message: u32,
}

/// What a server agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) credentials: Credentials,
    /// Where to check, the highest priority first.
    pub(super) candidates: Vec<SocketAddr>,
    /// SHA-256 of the certificate, in capitals.
    pub(super) fingerprint: String,
    /// Whether the server begins DTLS.
    pub(super) server_is_active: bool,
    pub(super) formats: BTreeMap<u8, Format>,
    /// The extension id of the transport-wide sequence number.
    pub(super) transport_id: Option<u8>,
    /// Generic NACK and PLI of the picture.
    pub(super) has_nack: bool,
    pub(super) has_pli: bool,
    /// RTCP may come alone, not only in compounds (RFC 5506).
    pub(super) has_reduced_size: bool,
    pub(super) channels: Option<Channels>,
}

#[derive(Default)]
struct Section {
    kind: String,
    formats: Vec<u8>,
    names: BTreeMap<u8, (String, u32)>,
    is_rejected: bool,
    port: Option<u16>,
    max_message: Option<u32>,
}

/// Reads an answer.
///
/// # Errors
/// What it lacks.
pub(super) fn parse(text: &str) -> Result<Answer, Error> {
    let mut found = Found::default();
    for line in text.lines().take(MAX_LINES) {
        let line = line.trim_end();
        match line.split_once('=') {
            Some(("m", media)) => found.media(media),
            Some(("a", attribute)) => found.attribute(attribute),
            _ => {}
        }
    }
    found.finish()
}

/// What was read so far. Transport attributes are the same in all sections of a bundle: the first counts.
#[derive(Default)]
struct Found {
    fragment: Option<String>,
    password: Option<String>,
    fingerprint: Option<String>,
    is_active: bool,
    candidates: Vec<(u32, SocketAddr)>,
    transport_id: Option<u8>,
    has_nack: bool,
    has_pli: bool,
    has_reduced_size: bool,
    sections: Vec<Section>,
}

impl Found {
    fn media(&mut self, media: &str) {
        let mut words = media.split_ascii_whitespace();
        let kind = words.next().unwrap_or_default().to_owned();
        let port = words.next().unwrap_or_default();
        // With bundle-only a port of 0 is not a refusal (RFC 8843 §6); an answer does not say bundle-only.
        let is_rejected = port == "0";
        let formats = words.skip(1).filter_map(|word| word.parse().ok()).collect();
        self.sections.push(Section {
            kind,
            formats,
            is_rejected,
            ..Section::default()
        });
    }

    fn attribute(&mut self, attribute: &str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let value = value.trim();
        let owned = || Some(value.to_owned());
        match name {
            "ice-ufrag" if self.fragment.is_none() => self.fragment = owned(),
            "ice-pwd" if self.password.is_none() => self.password = owned(),
            "setup" => self.is_active = value == "active",
            "fingerprint" => {
                if let Some((algorithm, digest)) = value.split_once(' ')
                    && algorithm.eq_ignore_ascii_case("sha-256")
                {
                    self.fingerprint.get_or_insert(digest.trim().to_ascii_uppercase());
                }
            }
            "rtcp-rsize" => self.has_reduced_size = true,
            "candidate" => self.candidate(value),
            "extmap" => {
                let (id, uri) = value.split_once(' ').unwrap_or_default();
                let id = id.split('/').next().unwrap_or_default();
                if uri.split_ascii_whitespace().next() == Some(TRANSPORT_WIDE) {
                    self.transport_id = self.transport_id.or(id.parse().ok());
                }
            }
            _ => self.of_section(name, value),
        }
    }

    fn of_section(&mut self, name: &str, value: &str) {
        let Some(section) = self.sections.last_mut() else {
            return;
        };
        match name {
            "rtpmap" => {
                let Some((number, encoding)) = value.split_once(' ') else {
                    return;
                };
                let mut parts = encoding.split('/');
                let name = parts.next().unwrap_or_default().to_owned();
                let rate = parts
                    .next()
                    .and_then(|rate| rate.trim().parse().ok())
                    .unwrap_or(90_000);
                if let Ok(number) = number.parse() {
                    section.names.insert(number, (name, rate));
                }
            }
            "rtcp-fb" if section.kind == "video" => {
                let feedback = value.split_once(' ').map_or("", |(_, feedback)| feedback.trim());
                self.has_nack |= feedback == "nack";
                self.has_pli |= feedback == "nack pli";
            }
            "sctp-port" => section.port = value.parse().ok(),
            // The older form (draft-ietf-mmusic-sctp-sdp-05), still written by some.
            "sctpmap" => {
                let port = value.split_ascii_whitespace().next();
                section.port = port.and_then(|port| port.parse().ok());
            }
            "max-message-size" => section.max_message = value.parse().ok(),
            "inactive" | "recvonly" if section.kind != "application" => section.is_rejected = true,
            _ => {}
        }
    }

    /// UDP candidates of the first component with an address (RFC 8839 §5.1); others are no use to us.
    fn candidate(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace().skip(1);
        let (component, transport) = (words.next(), words.next());
        let priority = words.next().and_then(|word| word.parse::<u32>().ok());
        let ip = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        let port = words.next().and_then(|word| word.parse::<u16>().ok());
        let is_udp = transport.is_some_and(|transport| transport.eq_ignore_ascii_case("udp"));
        if let (Some("1"), true, Some(priority), Some(ip), Some(port)) =
            (component, is_udp, priority, ip, port)
        {
            let candidate = (priority, SocketAddr::new(ip, port));
            if port != 0 && !self.candidates.contains(&candidate) {
                self.candidates.push(candidate);
            }
        }
    }

    fn finish(mut self) -> Result<Answer, Error> {
        let lacks = |what: &str| Error::Protocol(format!("the answer has no {what}"));
        self.candidates
            .sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        self.candidates.truncate(MAX_CANDIDATES);
        let mut formats = BTreeMap::new();
        let accepted = self.sections.iter().filter(|section| !section.is_rejected);
        for section in accepted.clone() {
            for number in &section.formats {
                let format = match (&*section.kind, section.names.get(number)) {
                    ("audio", Some((_, rate))) => Format::Sound(*rate),
                    ("audio", None) => Format::Sound(8_000),
                    ("video", Some((name, _))) if name.eq_ignore_ascii_case("rtx") => Format::Repair,
                    ("video", Some((name, _))) => match Codec::from_mime(&format!("video/{name}")) {
                        Some(codec) => Format::Picture(codec),
                        None => continue,
                    },
                    _ => continue,
                };
                formats.insert(*number, format);
            }
        }
        if formats.is_empty() {
            return Err(lacks("media that a viewer can take"));
        }
        let channels = accepted.clone().find(|section| section.kind == "application");
        let channels = channels.map(|section| Channels {
            port: section.port.unwrap_or(5000),
            // RFC 8841 §6.1: 64 KiB when it is not said, 0 for no limit.
            max_message: section.max_message.unwrap_or(65_536),
        });
        Ok(Answer {
            credentials: Credentials {
                fragment: self.fragment.ok_or_else(|| lacks("ice-ufrag"))?,
                password: self.password.ok_or_else(|| lacks("ice-pwd"))?,
            },
            candidates: self.candidates.into_iter().map(|(_, address)| address).collect(),
            fingerprint: self.fingerprint.ok_or_else(|| lacks("SHA-256 fingerprint"))?,
            server_is_active: self.is_active,
            formats,
            transport_id: self.transport_id,
            has_nack: self.has_nack,
            has_pli: self.has_pli,
            has_reduced_size: self.has_reduced_size,
            channels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As servers built on other stacks write it: transport at session level, candidates of several kinds.
    const TEXT: &str = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE 0 1 2\na=ice-lite\n\
        a=ice-ufrag:abcd\na=ice-pwd:secretsecretsecretsecret\na=fingerprint:SHA-256 ab:cd\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 0\na=mid:0\na=rtpmap:111 opus/48000/2\na=sendonly\na=setup:passive\n\
        a=candidate:1 1 UDP 100 10.0.0.1 5000 typ host\na=candidate:2 1 udp 200 127.0.0.1 5001 typ host\n\
        a=candidate:3 1 tcp 300 127.0.0.1 5002 typ host tcptype passive\na=candidate:4 2 udp 400 127.0.0.1 5003 typ host\n\
        a=candidate:5 1 udp 500 name.local 5004 typ host\na=candidate:6 1 udp 60 fe80::1 5005 typ host\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 120\na=mid:1\na=rtpmap:96 vp8/90000\na=rtpmap:97 rtx/90000\n\
        a=rtpmap:120 H265/90000\na=fmtp:97 apt=96\na=rtcp-fb:96 nack\na=rtcp-fb:* nack pli\n\
        a=extmap:5/sendonly http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\na=sendonly\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:2\na=sctp-port:6000\n";

    #[test]
    fn what_a_viewer_needs_is_found() {
        let answer = parse(TEXT).unwrap();
        assert_eq!(answer.credentials.fragment, "abcd");
        assert_eq!(answer.fingerprint, "AB:CD");
        let candidates: Vec<String> = answer.candidates.iter().map(SocketAddr::to_string).collect();
        assert_eq!(candidates, ["127.0.0.1:5001", "10.0.0.1:5000", "[fe80::1]:5005"]);
        let formats: Vec<_> = answer.formats.into_iter().collect();
        assert_eq!(
            formats,
            [
                (0, Format::Sound(8_000)),
                (96, Format::Picture(Codec::Vp8)),
                (97, Format::Repair),
                (111, Format::Sound(48_000)),
            ]
        );
        assert_eq!(answer.transport_id, Some(5));
        assert!(answer.has_nack && answer.has_pli && !answer.server_is_active);
        assert_eq!(
            answer.channels,
            Some(Channels {
                port: 6000,
                max_message: 65_536
            })
        );
    }

    #[test]
    fn refused_sections_do_not_count_and_what_lacks_is_named() {
        let refused = TEXT
            .replace("m=audio 9", "m=audio 0")
            .replace("m=application 9", "m=application 0");
        let answer = parse(&refused).unwrap();
        assert!(!answer.formats.contains_key(&111) && answer.channels.is_none());
        for (line, named) in [
            ("a=ice-pwd:secretsecretsecretsecret\n", "ice-pwd"),
            ("a=fingerprint:SHA-256 ab:cd\n", "fingerprint"),
        ] {
            let error = parse(&TEXT.replace(line, "")).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        assert!(parse("").is_err());
    }
}
