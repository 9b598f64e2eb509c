//! How payloads of pictures begin.

/// A sequence parameter set of 1280x720, Constrained Baseline.
const SPS: [u8; 10] = [0x67, 0x42, 0xe0, 0x1f, 0xda, 0x02, 0x80, 0xb7, 0x20, 0x00];

/// RFC 7741 §4.2 with a 15-bit picture id, TL0PICIDX left out, TID; and RFC 6386 §9.1 at a frame's start.
pub(crate) fn vp8(
    out: &mut Vec<u8>,
    keyframe: bool,
    start: bool,
    picture: u16,
    (temporal, sync): (u8, bool),
    (width, height): (u16, u16),
) {
    let [high, low] = picture.to_be_bytes();
    let first = if start { 0x90 } else { 0x80 };
    out.extend_from_slice(&[first, 0xa0, 0x80 | high, low, temporal << 6 | u8::from(sync) << 5]);
    if start {
        out.extend_from_slice(&[u8::from(!keyframe), 0, 0]);
        if keyframe {
            out.extend_from_slice(&[0x9d, 0x01, 0x2a]);
            out.extend_from_slice(&width.to_le_bytes());
            out.extend_from_slice(&height.to_le_bytes());
        }
    }
}

/// RFC 9628 §4.2 in flexible mode with a 15-bit picture id: what Chromium sends in mode `L3T3_KEY`. `back`: how many pictures
/// before the one it needs is, 0 for a keyframe. `(start, end)`: of the layer's frame.
pub(crate) fn vp9(
    out: &mut Vec<u8>,
    picture: u32,
    back: u32,
    (spatial, temporal): (u8, u8),
    (start, end): (bool, bool),
    sizes: Option<&[(u16, u16, u32)]>,
) {
    let is_keyframe = back == 0;
    let [high, low] = ((picture & 0x7fff) as u16).to_be_bytes();
    // I P L F B E V Z.
    let flags = [
        true,
        !is_keyframe,
        true,
        true,
        start,
        end,
        sizes.is_some(),
        !is_keyframe,
    ];
    let first = flags.iter().fold(0, |all, flag| all << 1 | u8::from(*flag));
    // TID U SID D.
    let layers = temporal << 5 | 0x10 | spatial << 1 | u8::from(is_keyframe && spatial > 0);
    out.extend_from_slice(&[first, 0x80 | high, low, layers]);
    if !is_keyframe {
        out.push((back << 1) as u8);
    }
    if let Some(sizes) = sizes {
        out.push((sizes.len() as u8 - 1) << 5 | 0x10);
        for (width, height, _) in sizes {
            out.extend_from_slice(&width.to_be_bytes());
            out.extend_from_slice(&height.to_be_bytes());
        }
    }
}

/// Whether such a frame is shown with the layer below only (D). In a packet that is sent again a number goes before.
pub(crate) fn needs_layer_below(payload_type: u8, payload: &[u8]) -> bool {
    match payload_type {
        98 => payload[3] & 1 != 0,
        99 => payload[5] & 1 != 0,
        _ => false,
    }
}

/// ITU-T H.264 §7.3.1: parameters and an IDR slice, a slice that others need, a slice that none does.
pub(crate) fn h264(is_keyframe: bool, part: usize, temporal: usize) -> &'static [u8] {
    match (is_keyframe, part, temporal) {
        (true, 0, _) => &SPS,
        (true, ..) => &[0x65, 0x88],
        (false, _, 0) => &[0x41, 0x9a],
        _ => &[0x01, 0x9a],
    }
}

/// The only header extension (RFC 8285 §4.2): a frame marking of temporal layers (RFC 9626 §3.1), S E I D B TID, LID, TL0PICIDX.
/// `sync`: it needs nothing but the base layer.
pub(crate) fn frame_marking(
    id: u8,
    (start, end): (bool, bool),
    is_keyframe: bool,
    (temporal, sync): (u8, bool),
) -> [u8; 8] {
    let flags = [start, end, is_keyframe, false, sync];
    let flags = flags.iter().fold(0, |all, flag| all << 1 | u8::from(*flag));
    [0xbe, 0xde, 0, 1, id << 4 | 2, flags << 3 | temporal, 0, 0]
}
