//! The little of an RTP packet (RFC 3550 §5.1) that can be read without a key.

/// What the header of one packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// Bytes up to the payload: fixed part, CSRCs and extensions.
    pub(super) len: usize,
    pub(super) has_padding: bool,
    /// The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
    pub(super) transport_sequence: Option<u16>,
}

/// Whether a datagram is RTP, as RFC 7983 §7 and RFC 5761 §4 tell it apart.
pub(super) fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second))
}

/// Profile numbers of header extensions with one and with two bytes in front of each (RFC 8285 §4.2, §4.3).
const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;

impl Head {
    /// Reads a header; `transport_id` is the extension id of the transport-wide sequence number, when one was agreed.
    pub(super) fn parse(packet: &[u8], transport_id: Option<u8>) -> Option<Head> {
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *packet else {
            return None;
        };
        if first >> 6 != 2 {
            return None;
        }
        let mut len = 12 + 4 * usize::from(first & 0x0f);
        let mut transport_sequence = None;
        if first & 0x10 != 0 {
            let [p0, p1, l0, l1] = *packet.get(len..len + 4)? else {
                return None;
            };
            let begin = len + 4;
            len = begin + 4 * usize::from(u16::from_be_bytes([l0, l1]));
            let extensions = packet.get(begin..len)?;
            if let Some(id) = transport_id {
                transport_sequence = find(u16::from_be_bytes([p0, p1]), extensions, id);
            }
        }
        (len <= packet.len()).then_some(Head {
            payload_type: second & 0x7f,
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            len,
            has_padding: first & 0x20 != 0,
            transport_sequence,
        })
    }
}

/// A two-byte extension by its id.
fn find(profile: u16, mut rest: &[u8], id: u8) -> Option<u16> {
    loop {
        let (found, len, value) = match (profile, rest) {
            (_, []) => return None,
            (_, [0, tail @ ..]) => {
                rest = tail;
                continue;
            }
            (ONE_BYTE, [head, tail @ ..]) => (head >> 4, usize::from(head & 0x0f) + 1, tail),
            (other, [found, len, tail @ ..]) if other & 0xfff0 == TWO_BYTE => {
                (*found, usize::from(*len), tail)
            }
            _ => return None,
        };
        if found == id && len >= 2 {
            return Some(u16::from_be_bytes([*value.first()?, *value.get(1)?]));
        }
        rest = value.get(len..)?;
    }
}

/// A decrypted payload without its padding (RFC 3550 §5.1); `None` when the padding is longer than the payload.
pub(super) fn without_padding(payload: &[u8], has_padding: bool) -> Option<&[u8]> {
    if !has_padding {
        return Some(payload);
    }
    let padding = usize::from(*payload.last()?);
    payload.get(..payload.len().checked_sub(padding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(extension: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, 0xe0, 0x12, 0x34, 0, 0, 0, 9, 0, 0, 0, 7];
        packet.extend_from_slice(extension);
        packet.extend_from_slice(b"payload");
        packet
    }

    #[test]
    fn the_transport_number_is_found_in_both_forms() {
        let one = packet(&[0xbe, 0xde, 0, 2, 0x10, 0xff, 0, 0x31, 0x01, 0x02, 0, 0]);
        let head = Head::parse(&one, Some(3)).unwrap();
        assert_eq!(head.transport_sequence, Some(0x0102));
        assert_eq!(
            (head.payload_type, head.marker, head.sequence),
            (0x60, true, 0x1234)
        );
        assert_eq!(
            (head.timestamp, head.ssrc, &one[head.len..]),
            (9, 7, &b"payload"[..])
        );
        assert_eq!(Head::parse(&one, Some(4)).unwrap().transport_sequence, None);
        let two = packet(&[0x10, 0x00, 0, 2, 20, 0, 3, 2, 0x01, 0x02, 0, 0]);
        assert_eq!(
            Head::parse(&two, Some(3)).unwrap().transport_sequence,
            Some(0x0102)
        );
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = packet(&[0xbe, 0xde, 0, 1, 0x31, 1, 2, 0]);
        for len in 0..whole.len() - 7 {
            assert_eq!(Head::parse(&whole[..len], Some(3)), None, "{len}");
        }
        // An extension that claims more than there is.
        assert_eq!(
            Head::parse(&packet(&[0xbe, 0xde, 0, 1, 0x3f, 1, 2, 0]), Some(4))
                .unwrap()
                .transport_sequence,
            None
        );
    }

    #[test]
    fn padding_is_taken_off() {
        assert_eq!(without_padding(b"abc\0\x02", true), Some(&b"abc"[..]));
        assert_eq!(without_padding(b"abc\0\x02", false), Some(&b"abc\0\x02"[..]));
        assert_eq!(without_padding(b"a\x03", true), None);
        assert_eq!(without_padding(b"", true), None);
    }
}
