//! RTP headers toward a viewer (RFC 3550 §5.1) with its extension ids (RFC 8285).

use smallvec::SmallVec;

use crate::media::{RtpPacket, StoredPacket};
use crate::negotiation::ExtensionMap;

/// Room for a header with all common extensions; longer ones (a dependency descriptor's structure) allocate.
pub(super) type HeaderBytes = SmallVec<[u8; 96]>;

/// Extension values of one packet.
pub(super) type Extensions<'a> = SmallVec<[(u8, &'a [u8]); 6]>;

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

/// Writes a whole header over what was in `out`.
pub(super) fn write(out: &mut HeaderBytes, fields: Fields, extensions: &Extensions<'_>) {
    out.clear();
    let has_extensions = !extensions.is_empty();
    let first = 0x80 | u8::from(fields.padding > 0) << 5 | u8::from(has_extensions) << 4;
    let second = u8::from(fields.marker) << 7 | fields.payload_type;
    let [n0, n1] = fields.sequence.to_be_bytes();
    let [t0, t1, t2, t3] = fields.timestamp.to_be_bytes();
    let [s0, s1, s2, s3] = fields.ssrc.to_be_bytes();
    out.extend_from_slice(&[first, second, n0, n1, t0, t1, t2, t3, s0, s1, s2, s3]);
    if !has_extensions {
        return;
    }
    // RFC 8285 §4.2: one byte holds ids to 14 and 1 to 16 bytes of value.
    let fits = |&(id, value): &(u8, &[u8])| id <= 14 && (1..=16).contains(&value.len());
    let is_short = extensions.iter().all(fits);
    out.extend_from_slice(if is_short {
        &[0xbe, 0xde, 0, 0]
    } else {
        &[0x10, 0x00, 0, 0]
    });
    let begin = out.len();
    for &(id, value) in extensions {
        if is_short {
            out.push(id << 4 | (value.len() as u8).wrapping_sub(1) & 0x0f);
        } else {
            out.push(id);
            out.push(value.len() as u8);
        }
        out.extend_from_slice(value);
    }
    out.resize(begin + (out.len() - begin).next_multiple_of(4), 0);
    let words = (out.len() - begin) / 4;
    if let Some(len) = out.get_mut(begin - 1) {
        *len = words as u8;
    }
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
        if let Some(id) = viewers {
            out.push((id, value));
        }
    }
}
