//! Sealing what we send.

use super::replay::nearest_index;
use super::{Transform, be_u16, be_u32, rtp_header_len};
use crate::transport::RtpParts;

/// SSRCs we send with per peer: media and RTX of one audio and one video for a viewer, one for RTCP feedback to a
/// publisher, times two codec changes. More is a bug of ours: refused.
const MAX_SSRCS: usize = 16;
/// The most one tag and index word add.
const MAX_TRAILER_LEN: usize = 20;
/// After 2^48 packets, or 2^31 of RTCP, a key must not be used again (RFC 3711 §9.2).
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;

/// Seals RTP and RTCP toward one peer.
pub(in crate::transport) struct Sender {
    rtp: Transform,
    rtcp: Transform,
    /// The highest packet index of each SSRC: its upper bits are the rollover counter.
    highest: Vec<(u32, u64)>,
    rtcp_index: u32,
}

impl Sender {
    pub(super) fn new(rtp: Transform, rtcp: Transform) -> Sender {
        Sender {
            rtp,
            rtcp,
            highest: Vec::new(),
            rtcp_index: 0,
        }
    }

    /// Appends one sealed packet. False, and nothing appended, when the header is none.
    pub(in crate::transport) fn seal_rtp(&mut self, packet: RtpParts<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let sealed = self.try_seal_rtp(packet, out, start).is_some();
        if !sealed {
            out.truncate(start);
        }
        sealed
    }

    fn try_seal_rtp(&mut self, packet: RtpParts<'_>, out: &mut Vec<u8>, start: usize) -> Option<()> {
        let RtpParts {
            header,
            lead,
            body,
            padding,
        } = packet;
        if rtp_header_len(header)? != header.len() {
            return None;
        }
        let ssrc = be_u32(header, 8)?;
        let index = self.next_index(ssrc, be_u16(header, 2)?)?;
        let payload = lead.len() + body.len() + usize::from(padding);
        out.reserve(header.len() + payload + MAX_TRAILER_LEN);
        out.extend_from_slice(header);
        out.extend_from_slice(lead);
        out.extend_from_slice(body);
        if let Some(zeros) = padding.checked_sub(1) {
            out.resize(out.len() + usize::from(zeros), 0);
            out.push(padding);
        }
        self.rtp.seal_rtp(ssrc, index, out, start, header.len())
    }

    /// The index of a sequence number; retransmissions may go back, nothing may go past the end of the key.
    fn next_index(&mut self, ssrc: u32, sequence: u16) -> Option<u64> {
        if let Some((_, highest)) = self.highest.iter_mut().find(|(known, _)| *known == ssrc) {
            let index = nearest_index(*highest, sequence);
            *highest = index.max(*highest);
            return (index <= MAX_RTP_INDEX).then_some(index);
        }
        if self.highest.len() >= MAX_SSRCS {
            return None;
        }
        self.highest.push((ssrc, sequence.into()));
        Some(sequence.into())
    }

    #[cfg(test)]
    pub(super) fn forget(&mut self) {
        self.highest.clear();
    }

    /// Appends one sealed compound packet. One index for all SSRCs: each still sees it grow.
    pub(in crate::transport) fn seal_rtcp(&mut self, compound: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let Some(ssrc) = be_u32(compound, 4) else {
            return false;
        };
        if self.rtcp_index >= MAX_RTCP_INDEX {
            return false;
        }
        self.rtcp_index += 1;
        out.reserve(compound.len() + MAX_TRAILER_LEN);
        out.extend_from_slice(compound);
        let sealed = self.rtcp.seal_rtcp(ssrc, self.rtcp_index, out, start).is_some();
        if !sealed {
            out.truncate(start);
        }
        sealed
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::transport::srtp::{SrtpKeys, SrtpProfile};

    pub(in crate::transport::srtp) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|d| (d[0] << 4 | d[1]) as u8).collect()
    }

    pub(in crate::transport::srtp) fn pair(profile: SrtpProfile) -> (SrtpKeys, SrtpKeys) {
        let len = match profile {
            SrtpProfile::AeadAes256Gcm => 88,
            SrtpProfile::AeadAes128Gcm => 56,
            SrtpProfile::Aes128CmSha1 => 60,
        };
        let exported: Vec<u8> = (0..len).collect();
        let keyed = |client| SrtpKeys::from_exported(profile, &exported, client).unwrap();
        (keyed(true), keyed(false))
    }

    pub(in crate::transport::srtp) fn header(ssrc: u32, sequence: u16) -> Vec<u8> {
        let mut header = vec![0x80, 96];
        header.extend(sequence.to_be_bytes());
        header.extend([0, 0, 0, 1]);
        header.extend(ssrc.to_be_bytes());
        header
    }

    #[test]
    fn parts_and_padding_arrive_as_one_packet() {
        let (mut ours, mut theirs) = pair(SrtpProfile::AeadAes128Gcm);
        let mut header = header(5, 9);
        header[0] |= 0x20;
        let parts = RtpParts {
            header: &header,
            lead: b"osn",
            body: b"frame",
            padding: 4,
        };
        let mut out = b"before".to_vec();
        assert!(ours.sender.seal_rtp(parts, &mut out));
        let packet = &mut out[6..];
        let len = theirs.receiver.open_rtp(packet).unwrap();
        assert_eq!(packet[..12], header);
        assert_eq!(&packet[12..len], b"osnframe\0\0\0\x04");
    }

    #[test]
    fn a_broken_header_appends_nothing() {
        let (mut ours, _) = pair(SrtpProfile::Aes128CmSha1);
        let mut out = Vec::new();
        let parts = |header| RtpParts {
            header,
            lead: &[],
            body: &[],
            padding: 0,
        };
        assert!(!ours.sender.seal_rtp(parts(&[0x80; 11]), &mut out));
        assert!(!ours.sender.seal_rtp(parts(&[0x90; 12]), &mut out));
        assert!(!ours.sender.seal_rtcp(&[0x80; 7], &mut out));
        assert!(out.is_empty());
    }
}
