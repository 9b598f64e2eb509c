//! RTP headers toward a viewer (RFC 3550 §5.1) with its extension ids (RFC 8285).

use arrayvec::ArrayVec;

use crate::media::{RtpPacket, StoredPacket};
use crate::negotiation::ExtensionMap;

/// Extensions that pass through: one of each kind.
const MOST_PASSED: usize = 5;
/// With them those of the publisher's that are written anew: dependency descriptor and playout delay.
const MOST_EXTENSIONS: usize = MOST_PASSED + 2;
/// Those of the viewer's line: the m-section, and a number or time.
const MOST_OWN: usize = 2;
/// The longest value that passes through: a colour space with HDR metadata has 28 bytes.
const LONGEST_PASSED: usize = 32;
/// The longest there is (RFC 8285 §4.3); only a dependency descriptor's structure may be as long.
const LONGEST: usize = 255;
/// Room for the fixed part, the extensions' own header, all of them with an id and a length each, and padding.
const MOST_BYTES: usize = 12 + 4 + (MOST_EXTENSIONS + MOST_OWN - 1) * (2 + LONGEST_PASSED) + 2 + LONGEST + 3;

/// One packet's header.
pub(super) type HeaderBytes = ArrayVec<u8, MOST_BYTES>;

/// Extension values of one packet, with the viewer's ids.
pub(super) type Extensions<'a> = ArrayVec<(u8, &'a [u8]), MOST_EXTENSIONS>;
pub(super) type OwnExtensions<'a> = ArrayVec<(u8, &'a [u8]), MOST_OWN>;

/// The fixed fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    /// Bytes of padding behind the payload, 0 for none.
    pub(super) padding: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
}

/// Writes a whole header with these extensions into `out`, which is empty. False where they are too long for one.
pub(super) fn write(
    out: &mut HeaderBytes,
    fields: Fields,
    passed: &[(u8, &[u8])],
    own: &OwnExtensions<'_>,
) -> bool {
    let has_extensions = !(passed.is_empty() && own.is_empty());
    let first = 0x80 | u8::from(fields.padding > 0) << 5 | u8::from(has_extensions) << 4;
    let second = u8::from(fields.marker) << 7 | fields.payload_type;
    let [n0, n1] = fields.sequence.to_be_bytes();
    let [t0, t1, t2, t3] = fields.timestamp.to_be_bytes();
    let [s0, s1, s2, s3] = fields.ssrc.to_be_bytes();
    let fixed = [first, second, n0, n1, t0, t1, t2, t3, s0, s1, s2, s3];
    // Nearly every packet has the transport-wide number and nothing else.
    if let ([], &[(id @ ..=14, &[high, low])]) = (passed, own.as_slice()) {
        let extension = [0xbe, 0xde, 0, 1, id << 4 | 1, high, low, 0];
        return out.try_extend_from_slice(&fixed).is_ok() && out.try_extend_from_slice(&extension).is_ok();
    }
    out.try_extend_from_slice(&fixed).is_ok()
        && (!has_extensions || write_extensions(out, passed.iter().chain(own)).is_some())
}

fn write_extensions<'a>(
    out: &mut HeaderBytes,
    extensions: impl Iterator<Item = &'a (u8, &'a [u8])> + Clone,
) -> Option<()> {
    // RFC 8285 §4.2: one byte holds ids to 14 and 1 to 16 bytes of value.
    let fits = |&(id, value): &(u8, &[u8])| id <= 14 && (1..=16).contains(&value.len());
    let is_short = extensions.clone().all(fits);
    let head = if is_short { 1 } else { 2 };
    let bytes: usize = extensions.clone().map(|(_, value)| head + value.len()).sum();
    let words = u8::try_from(bytes.div_ceil(4)).ok()?;
    let profile = if is_short { 0xbede_u16 } else { 0x1000 };
    out.try_extend_from_slice(&profile.to_be_bytes()).ok()?;
    out.try_extend_from_slice(&[0, words]).ok()?;
    for &(id, value) in extensions {
        let len = u8::try_from(value.len()).ok()?;
        if is_short {
            out.try_push(id << 4 | len.wrapping_sub(1) & 0x0f).ok()?;
        } else {
            out.try_extend_from_slice(&[id, len]).ok()?;
        }
        out.try_extend_from_slice(value).ok()?;
    }
    for _ in bytes..4 * usize::from(words) {
        out.try_push(0).ok()?;
    }
    Some(())
}

/// Extensions that mean the same to the viewer as they did to the server, with the viewer's ids.
pub(super) fn passed_through<'a>(
    packet: &'a StoredPacket,
    publisher: &ExtensionMap,
    viewer: &ExtensionMap,
    out: &mut Extensions<'a>,
) {
    if !packet.passes_extensions {
        return;
    }
    let Some(view) = RtpPacket::parse(&packet.bytes) else {
        return;
    };
    for (id, value) in view.extensions() {
        let viewers = publisher
            .extension(id)
            .filter(|extension| extension.is_end_to_end())
            .and_then(|extension| viewer.id(extension));
        if let Some(id) = viewers
            && value.len() <= LONGEST_PASSED
            && out.len() < MOST_PASSED
        {
            out.push((id, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::rtp_header_len;

    fn read_back(passed: &[(u8, &[u8])], own: &[(u8, &[u8])]) -> Vec<(u8, Vec<u8>)> {
        let fields = Fields {
            payload_type: 96,
            marker: true,
            padding: 0,
            sequence: 0x0102,
            timestamp: 0x0304_0506,
            ssrc: 0x0708_090a,
        };
        let mut out = HeaderBytes::new();
        assert!(write(&mut out, fields, passed, &own.iter().copied().collect()));
        let len = out.len();
        assert_eq!(rtp_header_len(&out), Some(len));
        let mut packet = out.to_vec();
        packet.push(7);
        let packet = RtpPacket::parse(&packet).unwrap();
        assert_eq!((packet.payload_type(), packet.marker()), (96, true));
        assert_eq!((packet.sequence(), packet.timestamp()), (0x0102, 0x0304_0506));
        assert_eq!((packet.ssrc(), packet.payload()), (0x0708_090a, &[7][..]));
        let extensions = packet.extensions();
        extensions.map(|(id, value)| (id, value.to_vec())).collect()
    }

    #[test]
    fn extensions_are_read_back_whatever_their_ids_and_lengths() {
        let structure = [9; LONGEST];
        let long = [3; LONGEST_PASSED];
        let all: [(u8, &[u8]); 7] = [
            (1, &[1]),
            (2, &[2; 16]),
            (14, &[5, 6, 7]),
            (3, &[]),
            (15, &[8]),
            (4, &long),
            (5, &structure),
        ];
        let number: &[(u8, &[u8])] = &[(6, &[0xab, 0xcd])];
        let two: &[(u8, &[u8])] = &[(7, b"video"), (200, &[0xab, 0xcd])];
        for own in [&[], number, two, &two[1..]] {
            for count in 0..=all.len() {
                let passed = &all[..count];
                let given = passed.iter().chain(own);
                let given: Vec<(u8, Vec<u8>)> = given.map(|&(id, value)| (id, value.to_vec())).collect();
                assert_eq!(read_back(passed, own), given);
            }
        }
        let full: Vec<(u8, &[u8])> = std::iter::repeat_n((4, &long[..]), MOST_EXTENSIONS - 1)
            .chain([(5, &structure[..])])
            .collect();
        assert_eq!(
            read_back(&full, &[(7, &long), (8, &long)]).len(),
            MOST_EXTENSIONS + MOST_OWN
        );
    }
}
