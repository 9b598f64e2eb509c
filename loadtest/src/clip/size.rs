//! The size of a picture, read from the first packet of a keyframe.

use super::keyframe::{Codec, vp8_frame};

/// Width and height in pixels, where the packet tells.
pub(crate) fn of_keyframe(codec: Codec, payload: &[u8]) -> Option<(u16, u16)> {
    match codec {
        Codec::Vp8 => vp8(payload),
        Codec::Vp9 => vp9(payload),
        Codec::H264 => h264(payload),
        Codec::Av1 => av1(payload),
    }
}

/// RFC 6386 §9.1: three bytes of tag, three of start code, then 14 bits each.
fn vp8(payload: &[u8]) -> Option<(u16, u16)> {
    let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *vp8_frame(payload)?.get(..10)? else {
        return None;
    };
    let side = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    let (width, height) = (side(w0, w1), side(h0, h1));
    (tag & 1 == 0 && width > 0 && height > 0).then_some((width, height))
}

/// The frame header behind the descriptor (RFC 9628 §4.2; VP9 bitstream §6.2), profiles 0 and 2.
fn vp9(payload: &[u8]) -> Option<(u16, u16)> {
    let first = *payload.first()?;
    let mut at = 1;
    if first & 0x80 != 0 {
        at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    if first & 0x20 != 0 {
        // Non-flexible mode has a byte for TL0PICIDX behind the layer ids.
        at += if first & 0x10 != 0 { 1 } else { 2 };
    }
    if first & 0x02 != 0 {
        return vp9_structure(payload.get(at..)?);
    }
    let mut bits = Bits::new(payload.get(at..)?);
    let marker = bits.take(2)?;
    let profile = bits.take(1)? | bits.take(1)? << 1;
    if marker != 2 || profile & 1 != 0 || bits.take(1)? != 0 || bits.take(1)? != 0 {
        return None;
    }
    bits.take(2)?;
    if bits.take(24)? != 0x49_8342 {
        return None;
    }
    if profile >= 2 {
        bits.take(1)?;
    }
    // Colour space 7 (RGB) is not for these profiles; then the range.
    (bits.take(3)? != 7).then_some(())?;
    bits.take(1)?;
    Some((side(bits.take(16)?)?, side(bits.take(16)?)?))
}

/// The largest layer of a scalability structure (RFC 9628 §4.2.1).
fn vp9_structure(structure: &[u8]) -> Option<(u16, u16)> {
    let first = *structure.first()?;
    (first & 0x10 != 0).then_some(())?;
    let last = usize::from(first >> 5) * 4 + 1;
    let [w0, w1, h0, h1] = *structure.get(last..last + 4)? else {
        return None;
    };
    let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
    (width > 0 && height > 0).then_some((width, height))
}

/// The sequence parameter set, alone or in a STAP-A (RFC 6184 §5.7.1; H.264 §7.3.2.1.1).
fn h264(payload: &[u8]) -> Option<(u16, u16)> {
    let parameters = match payload.first()? & 0x1f {
        7 => payload,
        24 => {
            let mut rest = payload.get(1..)?;
            loop {
                let [high, low, units @ ..] = rest else {
                    return None;
                };
                let (unit, behind) = units.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
                if unit.first().is_some_and(|head| head & 0x1f == 7) {
                    break unit;
                }
                rest = behind;
            }
        }
        _ => return None,
    };
    let mut raw = Vec::with_capacity(parameters.len());
    for &byte in parameters.get(1..)? {
        // Emulation prevention (§7.4.1).
        if byte != 3 || !raw.ends_with(&[0, 0]) {
            raw.push(byte);
        }
    }
    sequence_parameters(&mut Bits::new(&raw))
}

fn sequence_parameters(bits: &mut Bits<'_>) -> Option<(u16, u16)> {
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.golomb()?;
    let mut chroma = 1;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128].contains(&profile) {
        chroma = bits.golomb()?;
        if chroma == 3 {
            bits.take(1)?;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.take(1)?;
        // Scaling matrices are not written by the encoders of this trade.
        (bits.take(1)? == 0).then_some(())?;
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => return None,
        _ => {}
    }
    bits.golomb()?;
    bits.take(1)?;
    let width = bits.golomb()?.checked_add(1)?.checked_mul(16)?;
    let units = bits.golomb()?.checked_add(1)?;
    let frames_only = bits.take(1)?;
    let height = units.checked_mul(16)?.checked_mul(2 - frames_only)?;
    if frames_only == 0 {
        bits.take(1)?;
    }
    bits.take(1)?;
    let (mut across, mut down) = (0, 0);
    if bits.take(1)? == 1 {
        across = bits.golomb()?.checked_add(bits.golomb()?)?;
        down = bits.golomb()?.checked_add(bits.golomb()?)?;
    }
    let (unit_x, unit_y) = match chroma {
        0 | 3 => (1, 2 - frames_only),
        2 => (2, 2 - frames_only),
        _ => (2, 2 * (2 - frames_only)),
    };
    let width = width.checked_sub(across.checked_mul(unit_x)?)?;
    Some((
        side_of(width)?,
        side_of(height.checked_sub(down.checked_mul(unit_y)?)?)?,
    ))
}

/// The sequence header of the first packet of a coded video sequence (AV1 §5.5.1), where nothing optional is before it.
fn av1(payload: &[u8]) -> Option<(u16, u16)> {
    let first = *payload.first()?;
    let mut rest = payload.get(1..)?;
    let mut elements = first >> 4 & 3;
    loop {
        // With W the last element has no length (AV1 RTP §4.4).
        let is_last = elements == 1;
        let element;
        if is_last {
            element = rest;
        } else {
            let (len, bytes) = leb128(rest)?;
            (element, rest) = rest.get(bytes..)?.split_at_checked(len)?;
        }
        let head = *element.first()?;
        if head >> 3 & 0x0f == 1 {
            let skip = 1 + usize::from(head & 0x04 != 0);
            return sequence_header(&mut Bits::new(element.get(skip..)?));
        }
        if is_last {
            return None;
        }
        elements = elements.saturating_sub(1);
    }
}

fn sequence_header(bits: &mut Bits<'_>) -> Option<(u16, u16)> {
    bits.take(3)?;
    bits.take(1)?;
    if bits.take(1)? == 1 {
        bits.take(5)?;
    } else {
        // Timing information is not written for live video.
        (bits.take(1)? == 0).then_some(())?;
        let has_delay = bits.take(1)?;
        for _ in 0..=bits.take(5)? {
            bits.take(12)?;
            if bits.take(5)? > 7 {
                bits.take(1)?;
            }
            if has_delay == 1 && bits.take(1)? == 1 {
                bits.take(4)?;
            }
        }
    }
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    Some((side(bits.take(width_bits)?)?, side(bits.take(height_bits)?)?))
}

fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, n + 1));
        }
    }
    None
}

/// A side as written: one less.
fn side(written: u32) -> Option<u16> {
    side_of(written.checked_add(1)?)
}

fn side_of(pixels: u32) -> Option<u16> {
    u16::try_from(pixels).ok().filter(|pixels| *pixels > 0)
}

/// Bits, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn new(bytes: &[u8]) -> Bits<'_> {
        Bits { bytes, at: 0 }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// Unsigned Exp-Golomb (H.264 §9.1).
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 16 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vp8_tells_its_size() {
        let payload = [
            0x90, 0x80, 0x81, 2, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x02, 0x68, 0x41,
        ];
        assert_eq!(of_keyframe(Codec::Vp8, &payload), Some((640, 360)));
        for len in 0..payload.len() {
            assert_eq!(of_keyframe(Codec::Vp8, &payload[..len]), None);
        }
    }

    #[test]
    fn the_clip_that_ships_tells_the_sizes_of_its_layers() {
        let files: [&[u8]; 3] = [
            include_bytes!("../../demo/low.ivf"),
            include_bytes!("../../demo/mid.ivf"),
            include_bytes!("../../demo/high.ivf"),
        ];
        for file in files {
            let header = (
                u16::from_le_bytes([file[12], file[13]]),
                u16::from_le_bytes([file[14], file[15]]),
            );
            let mut payload = vec![0x10];
            payload.extend_from_slice(&file[44..100]);
            assert_eq!(of_keyframe(Codec::Vp8, &payload), Some(header));
        }
    }

    #[test]
    fn h264_tells_its_size_also_in_a_bundle_and_cropped() {
        // Written by x264 for 1920x1080 (68 rows of 16, cropped by 8), high profile.
        let set = [
            0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03,
            0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58,
        ];
        assert_eq!(of_keyframe(Codec::H264, &set), Some((1920, 1080)));
        let mut bundle = vec![24, 0, 2, 9, 0x10, 0, set.len() as u8];
        bundle.extend_from_slice(&set);
        assert_eq!(of_keyframe(Codec::H264, &bundle), Some((1920, 1080)));
        assert_eq!(of_keyframe(Codec::H264, &[0x65, 1, 2, 3]), None);
        for len in 0..8 {
            assert_eq!(of_keyframe(Codec::H264, &set[..len]), None);
        }
    }

    #[test]
    fn vp9_and_av1_tell_their_sizes() {
        // Descriptor with a 15-bit picture id and B; then marker, profile 0, key frame, shown, sync code, colours, sizes.
        let mut bits = String::from("10000010");
        bits += &format!("{:024b}", 0x498342);
        bits += &format!("0010{:016b}{:016b}", 1279, 719);
        assert_eq!(
            of_keyframe(Codec::Vp9, &packed(&[0x88, 0x81, 0x23], &bits)),
            Some((1280, 720))
        );
        // With a structure of two layers instead.
        let structure = [0x8a, 0x81, 0x23, 0x30, 1, 64, 0, 180, 2, 128, 1, 104];
        assert_eq!(of_keyframe(Codec::Vp9, &structure), Some((640, 360)));
        // One element: profile 0, not still, full header, no timing, no delays, one point (level 5), sizes in 11 and 10 bits.
        let mut header = String::from("000") + "0" + "0" + "0" + "0" + "00000" + "000000000000" + "00101";
        header += "1010";
        header += "1001";
        header += &format!("{:011b}{:010b}", 1279, 719);
        assert_eq!(
            of_keyframe(Codec::Av1, &packed(&[0x18, 0x08], &header)),
            Some((1280, 720))
        );
    }

    fn packed(front: &[u8], bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().map(|bit| bit - b'0').collect();
        let bytes = bits.chunks(8).map(|byte| {
            byte.iter()
                .enumerate()
                .fold(0, |value, (n, bit)| value | bit << (7 - n))
        });
        front.iter().copied().chain(bytes).collect()
    }
}
