//! Asks the peer to acknowledge at once (RFC 7053). What leaves alone would be acknowledged after 200 ms only
//! (RFC 9260 §6.2), which is later than a lost packet should be sent again.

use bytes::{Bytes, BytesMut};

use super::sent::{COMMON_HEADER_LEN, DATA};

/// The I bit of a DATA chunk's flags (RFC 7053 §4).
const IMMEDIATELY: u8 = 0x08;
/// Where the checksum lies, least significant byte first (RFC 9260 appendix A).
const CHECKSUM: std::ops::Range<usize> = 8..12;

/// Sets the I bit of a packet's last DATA chunk; false where there is none.
pub(super) fn prompt(packet: &mut Bytes) -> bool {
    let Some(flags) = last_data(packet).map(|chunk| chunk + 1) else {
        return false;
    };
    // Nobody else holds it; if somebody did, it would be copied.
    let mut changed = BytesMut::from(std::mem::take(packet));
    if let Some(flags) = changed.get_mut(flags) {
        *flags |= IMMEDIATELY;
    }
    if let Some(checksum) = changed.get_mut(CHECKSUM) {
        checksum.fill(0);
    }
    let checksum = crc32c::crc32c(&changed);
    if let Some(place) = changed.get_mut(CHECKSUM) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    *packet = changed.freeze();
    true
}

/// Where the last DATA chunk begins.
fn last_data(packet: &[u8]) -> Option<usize> {
    let (mut at, mut last) = (COMMON_HEADER_LEN, None);
    while let Some(&[kind, _, l0, l1]) = packet.get(at..).and_then(<[u8]>::first_chunk) {
        if kind == DATA {
            last = Some(at);
        }
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        at += len.next_multiple_of(4).max(4);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of these chunks (type and length of the value), with its checksum.
    fn packet(chunks: &[(u8, u16)]) -> Bytes {
        let mut packet = vec![0x13, 0x88, 0x13, 0x88, 1, 2, 3, 4, 0, 0, 0, 0];
        for &(kind, len) in chunks {
            packet.extend([kind, 3]);
            packet.extend((4 + len).to_be_bytes());
            packet.resize((packet.len() + usize::from(len)).next_multiple_of(4), 9);
        }
        let checksum = crc32c::crc32c(&packet);
        packet[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        packet.into()
    }

    #[test]
    fn the_last_data_chunk_asks_and_the_checksum_holds() {
        let plain = packet(&[(3, 12), (DATA, 13), (DATA, 30), (192, 4)]);
        let mut prompted = plain.clone();
        assert!(prompt(&mut prompted));
        let differing: Vec<usize> = (0..plain.len()).filter(|&at| plain[at] != prompted[at]).collect();
        // Behind the header, a chunk of 16 bytes and one of 17 that is filled up to 20.
        let flags = 12 + 16 + 20 + 1;
        assert_eq!(
            differing
                .iter()
                .filter(|at| !CHECKSUM.contains(at))
                .collect::<Vec<_>>(),
            [&flags]
        );
        assert_eq!(prompted[flags], 3 | 8);
        let mut zeroed = prompted.to_vec();
        zeroed[CHECKSUM].fill(0);
        assert_eq!(prompted[CHECKSUM], crc32c::crc32c(&zeroed).to_le_bytes());
        assert_ne!(prompted[CHECKSUM], plain[CHECKSUM]);
    }

    #[test]
    fn what_carries_no_data_stays_as_it_is() {
        let acknowledgement = packet(&[(3, 12)]);
        for len in 0..=acknowledgement.len() {
            let plain = acknowledgement.slice(..len);
            let mut same = plain.clone();
            assert!(!prompt(&mut same));
            assert_eq!(same, plain);
        }
    }
}
