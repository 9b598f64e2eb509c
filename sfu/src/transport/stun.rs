//! STUN binding messages (RFC 8489) as ICE uses them: parsed without copying, answered into the outbox.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::{constant_time, hmac};
use smallvec::SmallVec;

const HEADER_LEN: usize = 20;
const MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;

/// Attributes below this must be understood (RFC 8489 §14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;
const INTEGRITY_LEN: usize = 20;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// An answer names at most this many attributes it did not know; one is enough to debug a client.
const MAX_UNKNOWN_NAMED: usize = 4;

/// A whole STUN message, by what ICE-lite can do with it.
#[derive(Debug, PartialEq, Eq)]
pub enum Stun<'a> {
    /// A connectivity check.
    Request(BindingRequest<'a>),
    /// Anything else well formed: an indication that keeps a binding open, an answer to nobody's question.
    Other,
}

/// A binding request, not yet authenticated.
#[derive(Debug, PartialEq, Eq)]
pub struct BindingRequest<'a> {
    message: &'a [u8],
    username: Option<&'a str>,
    use_candidate: bool,
    controlled: bool,
    integrity_at: Option<usize>,
    unknown: SmallVec<[u16; MAX_UNKNOWN_NAMED]>,
}

/// Parses one datagram; `None` when it is no STUN, is malformed, or its FINGERPRINT does not fit.
pub fn parse_stun(datagram: &[u8]) -> Option<Stun<'_>> {
    let kind = be_u16(datagram, 0)?;
    let len = usize::from(be_u16(datagram, 2)?);
    if kind & 0xc000 != 0 || len % 4 != 0 || datagram.len() != HEADER_LEN + len {
        return None;
    }
    if datagram.get(4..8)? != MAGIC_COOKIE {
        return None;
    }
    let mut request = BindingRequest {
        message: datagram,
        username: None,
        use_candidate: false,
        controlled: false,
        integrity_at: None,
        unknown: SmallVec::new(),
    };
    let mut at = HEADER_LEN;
    while at < datagram.len() {
        let attribute = be_u16(datagram, at)?;
        let len = usize::from(be_u16(datagram, at + 2)?);
        let value = datagram.get(at + 4..at + 4 + len)?;
        let next = at + 4 + len.next_multiple_of(4);
        match attribute {
            // Must come last (RFC 8489 §14.7).
            FINGERPRINT => {
                let crc = crc32fast::hash(datagram.get(..at)?) ^ FINGERPRINT_XOR;
                if value != crc.to_be_bytes() || next != datagram.len() {
                    return None;
                }
            }
            // What follows MESSAGE-INTEGRITY is not protected and not read (RFC 8489 §14.5).
            _ if request.integrity_at.is_some() => {}
            MESSAGE_INTEGRITY if len == INTEGRITY_LEN => request.integrity_at = Some(at),
            MESSAGE_INTEGRITY => return None,
            USERNAME => request.username = Some(std::str::from_utf8(value).ok()?),
            USE_CANDIDATE => request.use_candidate = true,
            ICE_CONTROLLED => request.controlled = true,
            PRIORITY | REALM | NONCE | MESSAGE_INTEGRITY_SHA256 => {}
            other if other < COMPREHENSION_OPTIONAL && request.unknown.len() < MAX_UNKNOWN_NAMED => {
                request.unknown.push(other);
            }
            _ => {}
        }
        at = next;
    }
    Some(if kind == BINDING_REQUEST {
        Stun::Request(request)
    } else {
        Stun::Other
    })
}

/// The local ufrag a STUN binding request asks for (the part of USERNAME before the colon), unverified: good for
/// finding the peer, nothing more. `None` for anything that is not a STUN binding request.
pub fn stun_local_ufrag(datagram: &[u8]) -> Option<&str> {
    match parse_stun(datagram)? {
        Stun::Request(request) => Some(request.ufrags()?.0),
        Stun::Other => None,
    }
}

/// Why a check that is authentic is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckError {
    /// 420: attributes that must be understood and are not.
    UnknownAttribute,
    /// 487: the peer believes to be controlled, as ICE-lite always is (RFC 8445 §7.3.1.1).
    RoleConflict,
}

impl<'a> BindingRequest<'a> {
    /// USERNAME: the ufrag of the one asked, the ufrag of the one asking (RFC 8445 §7.2.2).
    pub fn ufrags(&self) -> Option<(&'a str, &'a str)> {
        self.username?.split_once(':')
    }

    /// Whether the peer nominates this pair.
    pub fn use_candidate(&self) -> bool {
        self.use_candidate
    }

    /// Whether MESSAGE-INTEGRITY is there and made with this password.
    pub(super) fn is_authentic(&self, password: &str) -> bool {
        let Some(at) = self.integrity_at else {
            return false;
        };
        let (Some(covered), Some(mac)) = (
            self.message.get(..at),
            self.message.get(at + 4..at + 4 + INTEGRITY_LEN),
        ) else {
            return false;
        };
        let expected = integrity(covered, password);
        constant_time::verify_slices_are_equal(expected.as_ref(), mac).is_ok()
    }

    /// The reason to refuse it, if any.
    pub(super) fn error(&self) -> Option<CheckError> {
        if !self.unknown.is_empty() {
            Some(CheckError::UnknownAttribute)
        } else if self.controlled {
            Some(CheckError::RoleConflict)
        } else {
            None
        }
    }

    /// Appends the success response: where the request came from, signed.
    pub(super) fn accept(&self, from: SocketAddr, password: &str, out: &mut Vec<u8>) {
        let start = self.begin(BINDING_SUCCESS, out);
        let [c0, c1, c2, c3] = MAGIC_COOKIE;
        let port = from.port() ^ u16::from_be_bytes([c0, c1]);
        let [p0, p1] = port.to_be_bytes();
        let mut value: SmallVec<[u8; 20]> = SmallVec::new();
        let mask = [c0, c1, c2, c3]
            .into_iter()
            .chain(self.transaction().iter().copied());
        match from.ip() {
            IpAddr::V4(ip) => {
                value.extend([0, 1, p0, p1]);
                value.extend(ip.octets().into_iter().zip(mask).map(|(byte, mask)| byte ^ mask));
            }
            IpAddr::V6(ip) => {
                value.extend([0, 2, p0, p1]);
                value.extend(ip.octets().into_iter().zip(mask).map(|(byte, mask)| byte ^ mask));
            }
        }
        attribute(XOR_MAPPED_ADDRESS, &value, out);
        finish(password, out, start);
    }

    /// Appends the error response, signed: unsigned ones would let anybody answer for us, and us answer anybody.
    pub(super) fn refuse(&self, error: CheckError, password: &str, out: &mut Vec<u8>) {
        let start = self.begin(BINDING_ERROR, out);
        match error {
            CheckError::UnknownAttribute => {
                attribute(ERROR_CODE, b"\0\0\x04\x14Unknown Attribute", out);
                let unknown: SmallVec<[u8; 2 * MAX_UNKNOWN_NAMED]> =
                    self.unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
                attribute(UNKNOWN_ATTRIBUTES, &unknown, out);
            }
            CheckError::RoleConflict => attribute(ERROR_CODE, b"\0\0\x04\x57Role Conflict", out),
        }
        finish(password, out, start);
    }

    fn transaction(&self) -> &'a [u8] {
        self.message.get(8..HEADER_LEN).unwrap_or_default()
    }

    fn begin(&self, kind: u16, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(self.transaction());
        start
    }
}

/// HMAC-SHA1 over the message up to MESSAGE-INTEGRITY, its length field counting that attribute in (RFC 8489 §14.5).
fn integrity(covered: &[u8], password: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    let len = covered.len().saturating_sub(HEADER_LEN) + 4 + INTEGRITY_LEN;
    context.update(covered.get(..2).unwrap_or_default());
    context.update(&(len as u16).to_be_bytes());
    context.update(covered.get(4..).unwrap_or_default());
    context.sign()
}

fn attribute(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len() + value.len().next_multiple_of(4) - value.len(), 0);
}

/// Appends MESSAGE-INTEGRITY and FINGERPRINT to the message that starts at `start`.
fn finish(password: &str, out: &mut Vec<u8>, start: usize) {
    let mac = integrity(out.get(start..).unwrap_or_default(), password);
    attribute(MESSAGE_INTEGRITY, mac.as_ref(), out);
    let len = out.len() - start - HEADER_LEN + 8;
    if let Some(field) = out.get_mut(start + 2..start + 4) {
        field.copy_from_slice(&(len as u16).to_be_bytes());
    }
    let crc = crc32fast::hash(out.get(start..).unwrap_or_default()) ^ FINGERPRINT_XOR;
    attribute(FINGERPRINT, &crc.to_be_bytes(), out);
}

fn be_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// A controlling agent's check.
#[cfg(test)]
pub(super) fn check(username: &str, password: &str, use_candidate: bool) -> Vec<u8> {
    let mut message = [
        &BINDING_REQUEST.to_be_bytes()[..],
        &[0, 0],
        &MAGIC_COOKIE,
        &[7; 12],
    ]
    .concat();
    attribute(USERNAME, username.as_bytes(), &mut message);
    if use_candidate {
        attribute(USE_CANDIDATE, &[], &mut message);
    }
    finish(password, &mut message, 0);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample request of RFC 5769 §2.1.
    const SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
        002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5\
        b2d3f249c1b571a280280004e57a3bcf";
    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

    fn sample() -> Vec<u8> {
        let digits: Vec<u32> = SAMPLE.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|d| (d[0] << 4 | d[1]) as u8).collect()
    }

    fn request(message: &[u8]) -> BindingRequest<'_> {
        match parse_stun(message) {
            Some(Stun::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_sample_request_of_rfc_5769_is_authentic() {
        let message = sample();
        let request = request(&message);
        assert_eq!(request.ufrags(), Some(("evtj", "h6vY")));
        assert_eq!(stun_local_ufrag(&message), Some("evtj"));
        assert!(request.is_authentic(PASSWORD));
        assert!(!request.is_authentic("VOkJxbRl1RmTxUk/WvJxBT"));
        assert_eq!(request.error(), Some(CheckError::RoleConflict));
    }

    #[test]
    fn one_changed_bit_is_noticed() {
        // The type of the last attribute aside: with another one it is no FINGERPRINT, and whatever else follows
        // MESSAGE-INTEGRITY is ignored (RFC 8489 §14.5).
        let fingerprint = sample().len() - 8;
        for at in (0..sample().len() * 8).filter(|at| !(fingerprint..fingerprint + 2).contains(&(at / 8))) {
            let mut message = sample();
            message[at / 8] ^= 1 << (at % 8);
            if let Some(Stun::Request(request)) = parse_stun(&message) {
                panic!("bit {at}: {request:?}");
            }
        }
    }

    #[test]
    fn without_a_fingerprint_integrity_still_holds() {
        let mut message = sample();
        message.truncate(message.len() - 8);
        message[3] -= 8;
        assert!(request(&message).is_authentic(PASSWORD));
        message.truncate(message.len() - 24);
        message[3] -= 24;
        assert!(!request(&message).is_authentic(PASSWORD));
    }

    #[test]
    fn unknown_attributes_that_matter_are_named() {
        let mut message = sample()[..HEADER_LEN].to_vec();
        attribute(0x0033, b"?", &mut message);
        attribute(0xc057, b"network", &mut message);
        finish(PASSWORD, &mut message, 0);
        let request = request(&message);
        assert!(request.is_authentic(PASSWORD));
        assert_eq!(request.error(), Some(CheckError::UnknownAttribute));
        let mut answer = Vec::new();
        request.refuse(CheckError::UnknownAttribute, PASSWORD, &mut answer);
        assert_eq!(answer[..2], BINDING_ERROR.to_be_bytes());
        assert!(answer.windows(6).any(|w| w == [0, 10, 0, 2, 0, 0x33]));
    }
}
