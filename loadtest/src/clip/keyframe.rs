//! Telling keyframes apart, in whole frames and in RTP payloads.

/// A video codec the harness can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// RFC 6386, payload RFC 7741.
    Vp8,
    /// Payload RFC 9628.
    Vp9,
    /// Payload: AV1 RTP specification (AOMedia).
    Av1,
    /// Payload RFC 6184.
    H264,
}

impl Codec {
    /// The encoding name of `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
            Self::H264 => "H264",
        }
    }

    /// The codec of a MIME type such as `video/VP8`, compared without case.
    pub fn from_mime(mime: &str) -> Option<Self> {
        let (_, name) = mime.split_once('/')?;
        [Self::Vp8, Self::Vp9, Self::Av1, Self::H264]
            .into_iter()
            .find(|c| c.name().eq_ignore_ascii_case(name))
    }
}

/// Whether a whole encoded frame (as a container holds it; H.264 with start codes) is a keyframe.
pub fn in_frame(codec: Codec, frame: &[u8]) -> bool {
    let Some(&first) = frame.first() else { return false };
    match codec {
        // RFC 6386 §9.1: the lowest bit of the frame tag is 0 in a key frame.
        Codec::Vp8 => first & 1 == 0,
        // VP9 §6.2: frame_marker 2, profile bits, show_existing_frame 0, frame_type 0.
        Codec::Vp9 => {
            let profile3 = first & 0x30 == 0x30;
            let bits = if profile3 { first & 0x06 } else { first & 0x0c };
            first >> 6 == 2 && bits == 0
        }
        // A temporal unit that starts a coded video sequence holds a sequence header (OBU type 1).
        Codec::Av1 => av1_has_sequence_header(frame),
        // ITU-T H.264 §7.4.1.2.4: an IDR picture has only slices of type 5.
        Codec::H264 => frame
            .windows(4)
            .any(|w| matches!(w, [0, 0, 1, nal] if nal & 0x1f == 5)),
    }
}

/// Whether an RTP payload is the first packet of a keyframe.
pub fn in_payload(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => vp8_payload(payload),
        // RFC 9628 §4.2: B set, P clear, and the layer ids (when there) zero.
        Codec::Vp9 => payload.first().is_some_and(|b| b & 0x08 != 0 && b & 0x40 == 0),
        // AV1 RTP §4.4: N marks the first packet of a coded video sequence.
        Codec::Av1 => payload.first().is_some_and(|b| b & 0x08 != 0),
        Codec::H264 => h264_payload(payload),
    }
}

fn vp8_payload(payload: &[u8]) -> bool {
    // S set and partition 0: the frame tag follows.
    let begins = payload.first().is_some_and(|first| first & 0x17 == 0x10);
    let tag = vp8_frame(payload).and_then(<[u8]>::first);
    begins && tag.is_some_and(|tag| tag & 1 == 0)
}

/// What stands behind the descriptor (RFC 7741 §4.2: X adds a byte of flags, I one or two, L one, T or K one).
pub(super) fn vp8_frame(payload: &[u8]) -> Option<&[u8]> {
    let first = *payload.first()?;
    let mut length = 1;
    if first & 0x80 != 0 {
        let flags = *payload.get(1)?;
        length += 1;
        if flags & 0x80 != 0 {
            length += if payload.get(length)? & 0x80 != 0 { 2 } else { 1 };
        }
        length += usize::from(flags & 0x40 != 0) + usize::from(flags & 0x30 != 0);
    }
    payload.get(length..)
}

fn h264_payload(payload: &[u8]) -> bool {
    let nal = |byte: &u8| matches!(byte & 0x1f, 5 | 7);
    match payload.first().map(|b| b & 0x1f) {
        // STAP-A: any of its units.
        Some(24) => {
            let mut rest = payload.get(1..).unwrap_or_default();
            while let [high, low, unit @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if unit.first().is_some_and(nal) {
                    return true;
                }
                rest = unit.get(length..).unwrap_or_default();
            }
            false
        }
        // FU-A: the fragment that starts the unit.
        Some(28) => payload.get(1).is_some_and(|b| b & 0x80 != 0 && nal(b)),
        _ => payload.first().is_some_and(nal),
    }
}

fn av1_has_sequence_header(mut unit: &[u8]) -> bool {
    while let Some((&header, mut rest)) = unit.split_first() {
        let kind = (header >> 3) & 0x0f;
        if kind == 1 {
            return true;
        }
        if header & 0x04 != 0 {
            rest = rest.get(1..).unwrap_or_default();
        }
        if header & 0x02 == 0 {
            return false;
        }
        let (mut length, mut bytes) = (0usize, 0);
        for (n, byte) in rest.iter().take(8).enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * n);
            bytes = n + 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        unit = rest.get(bytes.saturating_add(length)..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_are_told_apart() {
        assert!(in_frame(Codec::Vp8, &[0x10]) && !in_frame(Codec::Vp8, &[0x11]));
        assert!(in_frame(Codec::Vp9, &[0x82]) && !in_frame(Codec::Vp9, &[0x86]));
        assert!(
            in_frame(Codec::Av1, &[0x12, 0, 0x0a, 1, 0]) && !in_frame(Codec::Av1, &[0x12, 0, 0x32, 1, 0])
        );

        assert!(in_payload(Codec::Vp8, &[0x90, 0x80, 0x80, 1, 0x10]));
        assert!(
            !in_payload(Codec::Vp8, &[0x90, 0x80, 0x80, 1, 0x11]),
            "an inter frame"
        );
        assert!(
            !in_payload(Codec::Vp8, &[0x80, 0x80, 0x80, 1, 0x10]),
            "not the first packet"
        );
        assert!(in_payload(Codec::Vp8, &[0x10, 0x10]));
        assert!(!in_payload(Codec::Vp8, &[0x90, 0xf0]), "cut off");
        assert!(
            in_payload(Codec::H264, &[0x67])
                && in_payload(Codec::H264, &[0x65])
                && !in_payload(Codec::H264, &[0x41])
        );
        assert!(
            in_payload(Codec::H264, &[24, 0, 1, 9, 0, 1, 0x67]) && !in_payload(Codec::H264, &[24, 0, 1, 9])
        );
        assert!(in_payload(Codec::H264, &[0x7c, 0x85]) && !in_payload(Codec::H264, &[0x7c, 0x05]));
        for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264] {
            assert!(!in_payload(codec, &[]) && !in_frame(codec, &[]));
        }
    }
}
