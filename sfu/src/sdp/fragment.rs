//! `application/trickle-ice-sdpfrag`: what a PATCH carries and what answers a restart (RFC 8840 §4.4).

use super::lines::Lines;
use super::outline::{SectionKind, Tag};
use super::text::{MAX_TEXT, excerpt};
use super::{AnswerParams, OfferError, bundle, malformed};
use crate::negotiation::IceCredentials;

/// A client sends what it gathered since its last PATCH: a handful of lines. Beyond this it is not a fragment.
const MAX_LINES: usize = 512;
/// The room candidates have in a fragment of ours; a hundred of them fit.
const CANDIDATES_ROOM: usize = 7_000;

/// A parsed `application/trickle-ice-sdpfrag` (RFC 8840 §4.4). Candidates are checked for form and not kept: an
/// ICE-lite server never sends checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The credentials it names; other than the session's means an ICE restart (RFC 9725 §4.3.3).
    pub ice: Option<IceCredentials>,
    /// Candidates read.
    pub candidates: usize,
    /// `a=end-of-candidates` seen.
    pub end_of_candidates: bool,
}

impl Fragment {
    /// Parses a fragment.
    ///
    /// # Errors
    /// [`OfferError::Malformed`]
    pub fn parse(text: &str) -> Result<Fragment, OfferError> {
        if text.len() > MAX_TEXT {
            return malformed(format!("longer than {MAX_TEXT} bytes"));
        }
        let (mut ufrag, mut pwd) = (None, None);
        let (mut candidates, mut end_of_candidates, mut lines) = (0, false, 0);
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            lines += 1;
            if lines > MAX_LINES {
                return malformed(format!("more than {MAX_LINES} lines"));
            }
            let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
                return malformed(format!("\"{}\" is not a line of SDP", excerpt(line)));
            };
            if kind != "a" {
                continue;
            }
            match value.split_once(':').unwrap_or((value, "")) {
                ("ice-ufrag", name) => agree(&mut ufrag, name, "a=ice-ufrag")?,
                ("ice-pwd", secret) => agree(&mut pwd, secret, "a=ice-pwd")?,
                ("candidate", candidate) => {
                    if !is_candidate(candidate) {
                        return malformed(format!("a=candidate:{}", excerpt(candidate)));
                    }
                    candidates += 1;
                }
                ("end-of-candidates", _) => end_of_candidates = true,
                _ => {}
            }
        }
        let ice = match (ufrag, pwd) {
            (Some(ufrag), Some(pwd)) => Some(bundle::credentials(ufrag, pwd)?),
            (None, None) => None,
            _ => return malformed("a=ice-ufrag and a=ice-pwd belong together"),
        };
        if ice.is_none() && candidates == 0 && !end_of_candidates {
            return malformed("a fragment needs credentials, a candidate or a=end-of-candidates");
        }
        Ok(Fragment {
            ice,
            candidates,
            end_of_candidates,
        })
    }

    /// The fragment that answers an ICE restart: new credentials and all candidates again, for the section that
    /// carries the transport ([`super::Offer::tag`]).
    pub fn restarted(tag: Tag, params: &AnswerParams<'_>) -> String {
        let mut out = Lines::default();
        out.line(format_args!("a=ice-lite"));
        let (protocol, format) = match tag.kind {
            SectionKind::Data => ("UDP/DTLS/SCTP", "webrtc-datachannel"),
            SectionKind::Audio | SectionKind::Video => ("UDP/TLS/RTP/SAVPF", "0"),
        };
        out.line(format_args!("m={} 9 {protocol} {format}", tag.kind.name()));
        out.line(format_args!("a=mid:{}", tag.mid));
        out.ice(params);
        out.candidates(params, CANDIDATES_ROOM);
        out.into_text()
    }
}

/// All sections of a fragment share one transport, and so one value.
fn agree<'a>(known: &mut Option<&'a str>, value: &'a str, name: &str) -> Result<(), OfferError> {
    match *known {
        Some(earlier) if earlier != value => malformed(format!("two different {name}")),
        _ => {
            *known = Some(value);
            Ok(())
        }
    }
}

/// Foundation, component, transport, priority, address, port, `typ`, type (RFC 8839 §5.1). Whether the address
/// means anything here (mDNS names do not) plays no part.
fn is_candidate(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let mut word = || words.next().unwrap_or_default();
    let foundation = word();
    let component = word().parse::<u16>().is_ok();
    let transport = word();
    let priority = word().parse::<u32>().is_ok();
    let address = word();
    let port = word().parse::<u16>().is_ok();
    let typed = word() == "typ" && !word().is_empty();
    !foundation.is_empty()
        && !transport.is_empty()
        && !address.is_empty()
        && component
        && priority
        && port
        && typed
}
