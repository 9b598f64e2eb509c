//! H.264 payloads (RFC 6184 §5): what NAL units a packet brings, as far as joining and sizes need it.
//! Interleaved mode (STAP-B, MTAP, FU-B) is not supported: no browser offers it.

use super::Disposable;
use super::bits::Bits;

/// NAL unit types (ITU-T H.264 table 7-1, RFC 6184 table 1).
const SLICE: u8 = 1;
const PARTITION_C: u8 = 4;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// The longest SPS read; real ones have 10 to 60 bytes.
const MAX_SPS: usize = 256;

/// What one packet brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct H264Units {
    /// A sequence parameter set: an IDR picture of the same timestamp follows, or is here too.
    pub parameters: bool,
    /// The first byte of an IDR slice.
    pub idr_start: bool,
    /// Coded width and height in pixels after cropping, from the parameter set.
    pub size: Option<(u16, u16)>,
    /// `profile_idc` of the parameter set (ITU-T H.264 §7.4.2.1.1).
    pub profile: Option<u8>,
    /// A B slice begins here: browsers will stutter.
    pub bidirectional: bool,
    /// Whether anything here is of use to other pictures than its own (ITU-T H.264 §7.4.1, nal_ref_idc).
    pub disposable: Disposable,
}

impl H264Units {
    /// Looks at a payload; `None` when it is too short to say anything. Behind a wrong length nothing more is read.
    pub fn parse(payload: &[u8]) -> Option<H264Units> {
        let mut units = H264Units {
            disposable: Disposable::Beside,
            ..H264Units::default()
        };
        let (&first, rest) = payload.split_first()?;
        match first & 0x1f {
            STAP_A => {
                let mut rest = rest;
                while let Some((len, tail)) = rest.split_first_chunk::<2>()
                    && let Some((unit, tail)) = tail.split_at_checked(usize::from(u16::from_be_bytes(*len)))
                {
                    units.unit(unit);
                    rest = tail;
                }
                if !rest.is_empty() {
                    units.disposable = Disposable::No;
                }
            }
            FU_A => {
                let (&head, fragment) = rest.split_first()?;
                units.weigh(first & 0x60 | head & 0x1f);
                // S: the unit starts here; its header is made of both bytes.
                if head & 0x80 != 0 {
                    units.body(head & 0x1f, fragment);
                }
            }
            _ => units.unit(payload),
        }
        Some(units)
    }

    fn unit(&mut self, unit: &[u8]) {
        if let Some((&head, body)) = unit.split_first() {
            self.weigh(head);
            self.body(head & 0x1f, body);
        }
    }

    /// What a unit with this header means for who would leave it out.
    fn weigh(&mut self, head: u8) {
        let is_reference = head & 0x60 != 0;
        self.disposable = match (head & 0x1f, self.disposable) {
            (_, Disposable::No) => Disposable::No,
            (SEI | DELIMITER | FILLER, before) => before,
            // Slices and their partitions.
            (SLICE..=PARTITION_C, _) if !is_reference => Disposable::Picture,
            _ => Disposable::No,
        };
    }

    fn body(&mut self, kind: u8, body: &[u8]) {
        match kind {
            SPS => {
                self.parameters = true;
                self.profile = body.first().copied().or(self.profile);
                self.size = picture_size(body).or(self.size);
            }
            IDR => self.idr_start = true,
            SLICE => self.bidirectional |= is_b_slice(body),
            _ => {}
        }
    }
}

/// ITU-T H.264 §7.3.3: first_mb_in_slice, then slice_type, 1 or 6 for B. No emulation prevention can stand before it
/// in a picture of browser size.
fn is_b_slice(body: &[u8]) -> bool {
    let mut bits = Bits::new(body);
    bits.golomb().is_some() && matches!(bits.golomb(), Some(1 | 6))
}

/// Width and height of a sequence parameter set without its NAL header (ITU-T H.264 §7.3.2.1.1).
pub fn picture_size(sps: &[u8]) -> Option<(u16, u16)> {
    let plain = without_emulation_prevention(sps.get(..sps.len().min(MAX_SPS))?);
    let mut bits = Bits::new(&plain);
    let profile = bits.take(8)?;
    bits.skip(16);
    bits.golomb()?;
    let (mut chroma, mut separate_planes) = (1, false);
    // The profiles with a chroma format, from the same section.
    if matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        chroma = bits.golomb()?;
        if chroma == 3 {
            separate_planes = bits.flag()?;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.flag()?;
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.flag()?;
            bits.golomb()?;
            bits.golomb()?;
            let cycle = bits.golomb()?;
            if cycle > 255 {
                return None;
            }
            for _ in 0..cycle {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.flag()?;
    let width_in_blocks = bits.golomb()?.checked_add(1)?;
    let height_in_units = bits.golomb()?.checked_add(1)?;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.flag()?;
    }
    bits.flag()?;
    let mut crop = [0; 4];
    if bits.flag()? {
        for side in &mut crop {
            *side = bits.golomb()?;
        }
    }
    let [left, right, top, bottom] = crop;
    let fields = if frames_only { 1 } else { 2 };
    // Table 6-1 and equations 7-19 to 7-22: crop units depend on the chroma sampling.
    let (unit_x, unit_y) = match (chroma, separate_planes) {
        (1, _) => (2, 2 * fields),
        (2, _) => (2, fields),
        _ => (1, fields),
    };
    let width = width_in_blocks
        .checked_mul(16)?
        .checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
    let height = height_in_units
        .checked_mul(16 * fields)?
        .checked_sub(top.checked_add(bottom)?.checked_mul(unit_y)?)?;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

/// ITU-T H.264 §7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed_golomb()?.clamp(-256, 256)).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// ITU-T H.264 §7.4.1: a 3 behind two zeros is not part of the data.
fn without_emulation_prevention(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A sequence parameter set of 1280x720, Constrained Baseline 3.1, no cropping.
    fn sps() -> Vec<u8> {
        // sps_id 0 (1), log2_max_frame_num 0 (1), poc type 2 (011), 1 reference (010), no gaps (0), 79 + 1 blocks
        // (0000001010000), 44 + 1 units (00000101101), frames only (1), direct 8x8 (1), no crop (0), no VUI (0), stop.
        let bits = "1 1 011 010 0 0000001010000 00000101101 1 1 0 0 1";
        assemble(&[0x67, 0x42, 0xe0, 0x1f], bits)
    }

    #[test]
    fn a_size_from_the_baseline_profile() {
        assert_eq!(picture_size(&sps()[1..]), Some((1280, 720)));
    }

    #[test]
    fn a_cropped_size_from_the_high_profile() {
        // 4:2:0 (010), 8 bits twice (1 1), no bypass, no scaling; 120 x 68 blocks, crop 4 rows of two at the bottom.
        let bits = "1 010 1 1 0 0 1 1 1 010 0 0000001111000 0000001000100 1 1 1 1 1 1 00101 0 1";
        let unit = assemble(&[0x67, 0x64, 0x00, 0x28], bits);
        assert_eq!(picture_size(&unit[1..]), Some((1920, 1080)));
    }

    #[test]
    fn units_alone_aggregated_and_in_fragments() {
        let alone = H264Units::parse(&sps()).unwrap();
        assert!(alone.parameters && !alone.idr_start);
        assert_eq!((alone.size, alone.profile), (Some((1280, 720)), Some(66)));

        let mut stap = vec![0x78, 0, 9];
        stap.extend(sps());
        stap.extend([0, 2, 0x68, 0xce, 0, 3, 0x65, 0x88, 0x84]);
        let together = H264Units::parse(&stap).unwrap();
        assert!(together.parameters && together.idr_start);
        assert_eq!(together.size, Some((1280, 720)));

        let start = H264Units::parse(&[0x7c, 0x85, 0x88]).unwrap();
        assert!(start.idr_start && !start.parameters);
        assert_eq!(H264Units::parse(&[0x7c, 0x05, 0x88]), Some(H264Units::default()));
        assert_eq!(H264Units::parse(&[0x78, 0, 9, 0x65]), Some(H264Units::default()));
        let spoilt = [&stap[..], &[0, 9, 0x65]].concat();
        assert_eq!(H264Units::parse(&spoilt), Some(together));
        assert_eq!(H264Units::parse(&[]), None);
    }

    #[test]
    fn b_slices_are_seen() {
        // first_mb 0 (1), slice_type 6 (00111), or 5 (00110).
        assert!(H264Units::parse(&[0x01, 0b1001_1100]).unwrap().bidirectional);
        assert!(!H264Units::parse(&[0x41, 0b1001_1000]).unwrap().bidirectional);
        assert!(
            H264Units::parse(&[0x1c, 0x81, 0b1010_0000])
                .unwrap()
                .bidirectional,
            "slice_type 1"
        );
    }

    #[test]
    fn what_nothing_is_predicted_from_may_be_left_out() {
        let weigh = |payload: &[u8]| H264Units::parse(payload).unwrap().disposable;
        assert_eq!(weigh(&[0x01, 0x9a]), Disposable::Picture);
        assert_eq!(weigh(&[0x41, 0x9a]), Disposable::No, "a reference");
        assert_eq!(weigh(&[0x05, 0x88]), Disposable::No, "a keyframe");
        assert_eq!(weigh(&sps()), Disposable::No);
        assert_eq!(
            weigh(&[0x08, 0xce]),
            Disposable::No,
            "parameters, whatever they say"
        );
        assert_eq!([weigh(&[0x09, 0xf0]), weigh(&[0x06, 5])], [Disposable::Beside; 2]);
        // A delimiter and a slice together; fragments by their second byte.
        assert_eq!(
            weigh(&[0x18, 0, 2, 0x09, 0xf0, 0, 2, 0x01, 0x9a]),
            Disposable::Picture
        );
        assert_eq!(weigh(&[0x78, 0, 2, 0x09, 0xf0, 0, 2, 0x61, 0x9a]), Disposable::No);
        assert_eq!(weigh(&[0x1c, 0x41, 0x9a]), Disposable::Picture);
        assert_eq!(weigh(&[0x3c, 0x41, 0x9a]), Disposable::No);
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        assert_eq!(
            without_emulation_prevention(&[0, 0, 3, 1, 0, 0, 3]),
            [0, 0, 1, 0, 0]
        );
        assert_eq!(
            without_emulation_prevention(&[0, 3, 0, 0, 3, 0, 0, 3]),
            [0, 3, 0, 0, 0, 0]
        );
    }

    fn assemble(head: &[u8], bits: &str) -> Vec<u8> {
        let mut bits: Vec<u8> = bits.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
        bits.resize(bits.len().div_ceil(8) * 8, 0);
        let mut unit = head.to_vec();
        unit.extend(
            bits.chunks(8)
                .map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)),
        );
        unit
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
            let _ = H264Units::parse(&bytes);
            let _ = picture_size(&bytes);
        }
    }
}
