//! Secure RTP and RTCP (RFC 3711, RFC 7714), keyed by DTLS (RFC 5764). Nothing here allocates per packet.

mod cm;
mod gcm;
mod header;
mod keys;
mod receiver;
mod replay;
mod sender;

pub use header::rtp_header_len;
pub use keys::{SrtpKeys, SrtpProfile};
pub(super) use receiver::{Receiver, Refused};
pub(super) use sender::Sender;

use cm::CmHmac;
use gcm::Gcm;

/// What a SRTCP packet carries after its ciphertext: the E bit and the 31-bit index (RFC 3711 §3.4).
const SRTCP_INDEX_LEN: usize = 4;
/// The E bit of that word: the packet is encrypted. WebRTC knows no other kind (RFC 8827 §6.5).
const SRTCP_ENCRYPTED: u32 = 1 << 31;
/// The fixed part of an RTCP packet that stays readable: header and sender SSRC.
const RTCP_CLEAR_LEN: usize = 8;

/// One direction's transform for either RTP or RTCP: session keys and how they are used.
enum Transform {
    Gcm(Box<Gcm>),
    CmHmac(Box<CmHmac>),
}

impl Transform {
    /// Encrypts the packet that starts at `start` in `out`, whose first `clear` bytes stay readable, and appends
    /// its tag. `index` is the 48-bit packet index (RFC 3711 §3.3.1).
    fn seal_rtp(&self, ssrc: u32, index: u64, out: &mut Vec<u8>, start: usize, clear: usize) -> Option<()> {
        match self {
            Transform::Gcm(gcm) => gcm.seal_rtp(ssrc, index, out, start, clear),
            Transform::CmHmac(cm) => cm.seal_rtp(ssrc, index, out, start, clear),
        }
    }

    /// Checks and decrypts in place; the length of the plain packet.
    fn open_rtp(&self, ssrc: u32, index: u64, packet: &mut [u8], clear: usize) -> Option<usize> {
        match self {
            Transform::Gcm(gcm) => gcm.open_rtp(ssrc, index, packet, clear),
            Transform::CmHmac(cm) => cm.open_rtp(ssrc, index, packet, clear),
        }
    }

    /// Like [`Transform::seal_rtp`]; appends index word and tag in the transform's order.
    fn seal_rtcp(&self, ssrc: u32, index: u32, out: &mut Vec<u8>, start: usize) -> Option<()> {
        match self {
            Transform::Gcm(gcm) => gcm.seal_rtcp(ssrc, index, out, start),
            Transform::CmHmac(cm) => cm.seal_rtcp(ssrc, index, out, start),
        }
    }

    /// Where the index word is; it is read before the packet is authenticated.
    fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let end = match self {
            Transform::Gcm(_) => packet.len(),
            Transform::CmHmac(_) => packet.len().checked_sub(cm::TAG_LEN)?,
        };
        let word = packet.get(end.checked_sub(SRTCP_INDEX_LEN)?..end)?;
        Some(u32::from_be_bytes(word.try_into().ok()?))
    }

    /// Checks and decrypts in place; the length of the plain packet. `index` without the E bit.
    fn open_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) -> Option<usize> {
        match self {
            Transform::Gcm(gcm) => gcm.open_rtcp(ssrc, index, packet),
            Transform::CmHmac(cm) => cm.open_rtcp(ssrc, index, packet),
        }
    }
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn be_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
