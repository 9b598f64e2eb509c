//! A clip made up: frames with true headers and filler behind them, at the sizes and rate asked for.
//!
//! Servers and viewers see keyframes, dimensions and boundaries as in real streams; there is no picture to decode.

use std::time::Duration;

use bytes::Bytes;

use super::keyframe::Codec;
use super::sound::Sound;
use super::video::{Frame, Video};
use super::{Clip, Rendition};
use crate::Error;

/// How many times larger a keyframe is than the frames between: as encoders for real-time video make it.
const KEYFRAME_WEIGHT: f64 = 6.0;
/// A loop holds whole groups of pictures and lasts at least this long.
const SHORTEST: Duration = Duration::from_secs(1);

/// What to make up.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The codec of the picture.
    pub codec: Codec,
    /// Height in pixels (16:9) and kilobits per second, smallest first.
    pub layers: Vec<(u16, u32)>,
    /// Pictures per second.
    pub fps: u32,
    /// From keyframe to keyframe.
    pub gop: Duration,
    /// Kilobits per second of the sound; 0 is without.
    pub audio_kbps: u32,
}

/// Makes the clip. RIDs are `l`, `m`, `h` as in [`Clip::from_files`].
///
/// # Errors
/// As [`Clip::new`].
pub fn clip(recipe: &Recipe) -> Result<Clip, Error> {
    let fps = recipe.fps.max(1);
    let in_group = ((recipe.gop.as_secs_f64() * f64::from(fps)).round() as usize).max(1);
    let groups = (SHORTEST.as_secs_f64() * f64::from(fps) / in_group as f64)
        .ceil()
        .max(1.0) as usize;
    let frames = in_group * groups;
    let video = |height: u16, kbps: u32| {
        let width = (u32::from(height) * 16 / 9)
            .next_multiple_of(2)
            .min(u32::from(u16::MAX)) as u16;
        let group_bytes = f64::from(kbps) * 125.0 * in_group as f64 / f64::from(fps);
        let each = group_bytes / (KEYFRAME_WEIGHT + (in_group - 1) as f64);
        let frame = |n: usize| {
            let is_key = n.is_multiple_of(in_group);
            let bytes = if is_key { each * KEYFRAME_WEIGHT } else { each };
            Frame {
                at: Duration::from_nanos(n as u64 * 1_000_000_000 / u64::from(fps)),
                data: fill(header(recipe.codec, is_key, width, height), bytes as usize),
            }
        };
        Video::new(recipe.codec, (width, height), (0..frames).map(frame).collect())
    };
    let rids = Clip::rids(recipe.layers.len());
    let renditions = recipe.layers.iter().zip(rids).map(|((height, kbps), rid)| {
        Ok(Rendition {
            rid: (*rid).to_owned(),
            video: video(*height, *kbps)?,
        })
    });
    let renditions = renditions.collect::<Result<_, Error>>()?;
    let seconds = frames as f64 / f64::from(fps);
    let sound = (recipe.audio_kbps > 0).then(|| sound(recipe.audio_kbps, seconds));
    Clip::new(renditions, sound.transpose()?)
}

/// Opus of 20 ms a packet (RFC 6716 §3.1: CELT, full band, stereo, one frame).
fn sound(kbps: u32, seconds: f64) -> Result<Sound, Error> {
    const TOC: u8 = (31 << 3) | 4;
    let packet = fill(vec![TOC], kbps as usize * 1000 / 8 / 50);
    Sound::new(2, std::iter::repeat_n(packet, (seconds * 50.0).ceil() as usize))
}

/// Lengthens a header with bytes that hold no start code.
fn fill(mut header: Vec<u8>, length: usize) -> Bytes {
    let length = length.max(header.len());
    header.extend((header.len()..length).map(|n| (n as u8).wrapping_mul(31) | 1));
    header.into()
}

fn header(codec: Codec, is_key: bool, width: u16, height: u16) -> Vec<u8> {
    match codec {
        Codec::Vp8 => vp8(is_key, width, height),
        Codec::Vp9 => vp9(is_key, width, height),
        Codec::H264 => h264(is_key, width, height),
        Codec::Av1 => av1(is_key, width, height),
    }
}

/// RFC 6386 §9.1: shown, and the whole frame one partition.
fn vp8(is_key: bool, width: u16, height: u16) -> Vec<u8> {
    let mut header = vec![0x10 | u8::from(!is_key), 0x20, 0x00];
    if is_key {
        header.extend([0x9d, 0x01, 0x2a]);
        header.extend((width & 0x3fff).to_le_bytes());
        header.extend((height & 0x3fff).to_le_bytes());
    }
    header
}

/// VP9 bitstream §6.2: profile 0, shown.
fn vp9(is_key: bool, width: u16, height: u16) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(2, 2);
    bits.put(0, 3);
    bits.put(u32::from(!is_key), 1);
    bits.put(0b10, 2);
    if is_key {
        bits.put(0x49_83_42, 24);
        bits.put(1 << 1, 4);
        bits.put(u32::from(width - 1), 16);
        bits.put(u32::from(height - 1), 16);
    }
    bits.end()
}

/// Constrained Baseline 3.1: parameter sets and an IDR slice, or a P slice, with start codes (H.264 §7.3, annex B).
fn h264(is_key: bool, width: u16, height: u16) -> Vec<u8> {
    const START: [u8; 4] = [0, 0, 0, 1];
    if !is_key {
        // First macroblock 0, slice type 5 (P), parameter set 0.
        return [&START[..], &[0x41, 0x9a, 0x3f]].concat();
    }
    let (mbs_wide, mbs_high) = (u32::from(width).div_ceil(16), u32::from(height).div_ceil(16));
    let crop_right = (mbs_wide * 16 - u32::from(width)) / 2;
    let crop_bottom = (mbs_high * 16 - u32::from(height)) / 2;
    let mut sps = Bits::default();
    sps.put(0x42_e0_1f, 24);
    for value in [0, 0, 2, 1] {
        sps.exp_golomb(value);
    }
    sps.put(0, 1);
    sps.exp_golomb(mbs_wide - 1);
    sps.exp_golomb(mbs_high - 1);
    sps.put(0b11, 2);
    let is_cropped = crop_right + crop_bottom > 0;
    sps.put(u32::from(is_cropped), 1);
    if is_cropped {
        for value in [0, crop_right, 0, crop_bottom] {
            sps.exp_golomb(value);
        }
    }
    sps.put(0b01, 2);
    // §7.4.1: three bytes of 0, 0 and 3 or less need an escape in between.
    let mut escaped = vec![0x67];
    for byte in sps.end() {
        if byte <= 3 && escaped.ends_with(&[0, 0]) {
            escaped.push(3);
        }
        escaped.push(byte);
    }
    const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];
    const IDR: [u8; 3] = [0x65, 0x88, 0x84];
    [&START[..], &escaped, &START, &PPS, &START, &IDR].concat()
}

/// A temporal unit: delimiter, on keyframes a sequence header (AV1 §5.5), and a frame to the end.
fn av1(is_key: bool, width: u16, height: u16) -> Vec<u8> {
    let mut unit = vec![0x12, 0x00];
    if is_key {
        let mut sequence = Bits::default();
        // Profile 0, no timing, one operating point, level 8.
        sequence.put(0, 3 + 1 + 1 + 1 + 1 + 5);
        sequence.put(0, 12);
        sequence.put(8, 5);
        sequence.put(0, 1);
        sequence.put(15, 4);
        sequence.put(15, 4);
        sequence.put(u32::from(width - 1), 16);
        sequence.put(u32::from(height - 1), 16);
        // No tools; screen content and integer motion vectors chosen per frame.
        sequence.put(0, 1 + 3 + 5);
        sequence.put(0b11, 2);
        sequence.put(0, 3);
        // 8 bits, colour not described, 4:2:0; no film grain.
        sequence.put(0, 3 + 1 + 2 + 1 + 1);
        sequence.put(1, 1);
        let sequence = sequence.end();
        unit.extend([0x0a, sequence.len() as u8]);
        unit.extend(sequence);
    }
    // OBU_FRAME without a size: to the end of the unit. Shown; a key or an inter frame.
    unit.extend([0x30, if is_key { 0x10 } else { 0x30 }]);
    unit
}

/// Bits from the highest down.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u8,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for n in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let bit = value.checked_shr(n).unwrap_or(0) & 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= (bit as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// H.264 §9.1.
    fn exp_golomb(&mut self, value: u32) {
        let code = value + 1;
        let length = code.ilog2();
        self.put(0, length);
        self.put(code, length + 1);
    }

    fn end(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::keyframe;

    fn recipe(codec: Codec) -> Recipe {
        Recipe {
            codec,
            layers: vec![(180, 150), (720, 1_200)],
            fps: 30,
            gop: Duration::from_secs(2),
            audio_kbps: 48,
        }
    }

    #[test]
    fn rates_sizes_and_keyframes_are_those_asked_for() {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            let clip = clip(&recipe(codec)).unwrap();
            assert_eq!(clip.period(), Duration::from_secs(2));
            assert_eq!(clip.keyframes(), [Duration::ZERO], "{codec:?}");
            for (rendition, kbps) in clip.renditions().iter().zip([150.0, 1_200.0]) {
                let bytes: usize = rendition
                    .video
                    .frames()
                    .iter()
                    .map(|frame| frame.data.len())
                    .sum();
                let rate = bytes as f64 * 8.0 / 1000.0 / clip.period().as_secs_f64();
                assert!((rate / kbps - 1.0).abs() < 0.02, "{codec:?}: {rate}");
                let keys = rendition
                    .video
                    .frames()
                    .iter()
                    .filter(|f| keyframe::in_frame(codec, &f.data));
                assert_eq!(keys.count(), 1, "{codec:?}");
            }
            let sound: usize = clip.audio().unwrap().packets().iter().map(|p| p.data.len()).sum();
            assert!((sound as f64 * 8.0 / 2_000.0 - 48.0).abs() < 1.0);
        }
        let short = clip(&Recipe {
            gop: Duration::from_millis(100),
            ..recipe(Codec::Vp8)
        })
        .unwrap();
        assert_eq!(
            (short.period(), short.keyframes().len()),
            (Duration::from_secs(1), 10)
        );
    }

    #[test]
    fn filler_holds_no_start_code() {
        let frame = fill(h264(true, 1280, 720), 20_000);
        let codes = frame.windows(3).filter(|bytes| *bytes == [0, 0, 1]).count();
        assert_eq!(codes, 3);
    }
}
