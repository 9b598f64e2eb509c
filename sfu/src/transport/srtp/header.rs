//! The little of an RTP header that SRTP must know: where it ends.

use super::be_u16;

/// Bytes of an RTP header with its CSRCs and extension (RFC 3550 §5.1, §5.3.1); `None` for anything that is not a
/// whole RTP version 2 header.
pub fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut len = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        len += 4 + 4 * usize::from(be_u16(packet, len + 2)?);
    }
    (len <= packet.len()).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_ends_after_csrcs_and_extension() {
        let mut packet = vec![0x92, 96];
        packet.resize(12 + 8, 0);
        packet.extend([0xbe, 0xde, 0, 1, 0, 0, 0, 0]);
        assert_eq!(rtp_header_len(&packet), Some(28));
        assert_eq!(rtp_header_len(&packet[..27]), None);
        assert_eq!(rtp_header_len(&[]), None);
    }
}
