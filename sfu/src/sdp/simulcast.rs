//! Simulcast by rid: what a publisher's `a=rid` and `a=simulcast` lines offer (RFC 8851, RFC 8853).

use super::text::{Attribute, excerpt, values};
use super::{OfferError, malformed};
use crate::negotiation::Label;

/// OBS and browsers send at most three layers. An offer of more keeps its first three: an answer may leave streams
/// out (RFC 8853 §5.3.2), and the rest would be encoded and uploaded for nobody.
const MAX_RIDS: usize = 3;

/// The rids of the streams a publisher will send, in its order; empty without `a=simulcast:send`.
pub(super) fn rids(attributes: &[Attribute<'_>]) -> Result<Vec<Label>, OfferError> {
    let Some(streams) = values(attributes, "simulcast").find_map(send_streams) else {
        return Ok(Vec::new());
    };
    let mut declared = Vec::new();
    for value in values(attributes, "rid") {
        let mut words = value.split_whitespace();
        if let (Some(rid), Some("send")) = (words.next(), words.next()) {
            declared.push(rid);
        }
    }
    let mut rids = Vec::new();
    for stream in streams.split(';') {
        // Alternatives are in order of preference; `~` starts a stream paused, which it may leave at any time.
        let rid = stream
            .split(',')
            .next()
            .unwrap_or_default()
            .trim_start_matches('~');
        let Some(label) = Label::new(rid.as_bytes()).filter(|_| rid.bytes().all(is_rid_character)) else {
            return malformed(format!("a=simulcast has the rid \"{}\"", excerpt(rid)));
        };
        // RFC 8853 §5.2: what no a=rid line declares is left out.
        if rids.len() < MAX_RIDS && declared.contains(&rid) && !rids.contains(&label) {
            rids.push(label);
        }
    }
    if rids.is_empty() {
        return malformed("a=simulcast:send names no rid that an a=rid line declares for sending");
    }
    Ok(rids)
}

/// RFC 8851 §10: letters and digits; `-` and `_` as its erratum 7132 has them.
fn is_rid_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The streams behind `send` in `send 1;2 recv 3` or `recv 3 send 1;2`.
fn send_streams(value: &str) -> Option<&str> {
    let mut words = value.split_whitespace();
    words.by_ref().find(|&word| word == "send")?;
    words.next()
}
