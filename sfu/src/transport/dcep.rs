//! The Data Channel Establishment Protocol (RFC 8832).

/// The longest label or protocol name taken. RFC 8832 allows 65,535; ours have five letters.
const MAX_NAME: usize = 255;

const ACK: u8 = 0x02;
const OPEN: u8 = 0x03;
const OPEN_LEN: usize = 12;
const UNORDERED: u8 = 0x80;

/// DATA_CHANNEL_ACK (RFC 8832 §5.2).
pub(super) const DCEP_ACK: [u8; 1] = [ACK];

/// How hard a channel tries (RFC 8832 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// Until it arrives.
    Reliable,
    /// At most this many retransmissions.
    Retransmits(u32),
    /// For at most this many milliseconds.
    LifetimeMs(u32),
}

/// A message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dcep<'a> {
    /// DATA_CHANNEL_OPEN (RFC 8832 §5.1). The priority is not kept: ours is the only stream of data.
    Open {
        /// Whether messages may overtake each other.
        unordered: bool,
        /// What is tried before a message is given up.
        reliability: Reliability,
        /// UTF-8, at most 255 bytes; may be empty.
        label: &'a str,
        /// The subprotocol; the same bounds.
        protocol: &'a str,
    },
    /// DATA_CHANNEL_ACK.
    Ack,
}

/// Parses one message of PPID 50; `None` when malformed, unknown or out of bounds.
pub fn parse_dcep(message: &[u8]) -> Option<Dcep<'_>> {
    match *message.first()? {
        ACK => Some(Dcep::Ack),
        OPEN => {
            let (fixed, names) = message.split_at_checked(OPEN_LEN)?;
            let &[_, kind, _, _, r0, r1, r2, r3, l0, l1, p0, p1] = fixed else {
                return None;
            };
            let value = u32::from_be_bytes([r0, r1, r2, r3]);
            let reliability = match kind & !UNORDERED {
                0x00 => Reliability::Reliable,
                0x01 => Reliability::Retransmits(value),
                0x02 => Reliability::LifetimeMs(value),
                _ => return None,
            };
            let (label, rest) = names.split_at_checked(u16::from_be_bytes([l0, l1]).into())?;
            let protocol = rest.get(..u16::from_be_bytes([p0, p1]).into())?;
            if label.len() > MAX_NAME || protocol.len() > MAX_NAME {
                return None;
            }
            Some(Dcep::Open {
                unordered: kind & UNORDERED != 0,
                reliability,
                label: std::str::from_utf8(label).ok()?,
                protocol: std::str::from_utf8(protocol).ok()?,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(kind: u8, value: u32, label: &[u8]) -> Vec<u8> {
        let mut message = vec![OPEN, kind, 1, 0];
        message.extend(value.to_be_bytes());
        message.extend((label.len() as u16).to_be_bytes());
        message.extend([0, 1]);
        message.extend(label);
        message.push(b'p');
        message
    }

    #[test]
    fn an_open_tells_how_to_send() {
        assert_eq!(
            parse_dcep(&open(0x81, 0, b"live")),
            Some(Dcep::Open {
                unordered: true,
                reliability: Reliability::Retransmits(0),
                label: "live",
                protocol: "p",
            })
        );
        assert_eq!(parse_dcep(&DCEP_ACK), Some(Dcep::Ack));
    }

    #[test]
    fn what_is_cut_off_unknown_or_too_long_is_refused() {
        let whole = open(0, 0, b"shop");
        for len in 0..whole.len() {
            assert_eq!(parse_dcep(&whole[..len]), None, "{len}");
        }
        assert_eq!(parse_dcep(&open(3, 0, b"shop")), None);
        assert_eq!(parse_dcep(&open(0, 0, &[b'a'; 256])), None);
        assert_eq!(parse_dcep(&open(0, 0, &[0xff])), None);
        assert_eq!(parse_dcep(&[9]), None);
    }
}
