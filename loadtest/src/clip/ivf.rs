//! IVF: the simple container of VP8, VP9 and AV1 that ffmpeg and libvpx write.
//!
//! A 32-byte header (`DKIF`, version, header length, fourcc, width, height, rate, scale, frame count) and then frames,
//! each with a 4-byte length and an 8-byte timestamp; all little-endian.

use std::time::Duration;

use bytes::{Buf, Bytes};

use super::keyframe::Codec;
use super::video::{Frame, MAX_FRAMES, Video};
use crate::Error;

/// Reads a whole file.
///
/// # Errors
/// [`Error::Clip`] naming what is wrong: not IVF, unknown codec, no rate, a frame cut off, or what [`Video::new`] refuses.
pub fn parse(mut file: Bytes) -> Result<Video, Error> {
    let bad = |why: &str| Error::Clip(format!("IVF: {why}"));
    if file.len() < 32 || !file.starts_with(b"DKIF") {
        return Err(bad("no DKIF header"));
    }
    file.advance(6);
    let header_bytes = usize::from(file.get_u16_le());
    let mut fourcc = [0; 4];
    file.copy_to_slice(&mut fourcc);
    let (width, height) = (file.get_u16_le(), file.get_u16_le());
    let (rate, scale) = (file.get_u32_le(), file.get_u32_le());
    file.advance(8);
    let codec = match &fourcc {
        b"VP80" => Codec::Vp8,
        b"VP90" => Codec::Vp9,
        b"AV01" => Codec::Av1,
        _ => return Err(bad("the codec is none of VP8, VP9, AV1")),
    };
    if rate == 0 || scale == 0 {
        return Err(bad("the frame rate is zero"));
    }
    if header_bytes < 32 || header_bytes - 32 > file.len() {
        return Err(bad("the header length is wrong"));
    }
    file.advance(header_bytes - 32);

    let mut frames = Vec::new();
    while !file.is_empty() {
        if file.len() < 12 {
            return Err(bad("the last frame header is cut off"));
        }
        let bytes = file.get_u32_le() as usize;
        let stamp = file.get_u64_le();
        if bytes == 0 || bytes > file.len() {
            return Err(bad("a frame is empty or cut off"));
        }
        if frames.len() == MAX_FRAMES {
            return Err(bad("too many frames"));
        }
        frames.push(Frame {
            at: ticks(stamp, scale, rate).ok_or_else(|| bad("a timestamp is out of range"))?,
            data: file.split_to(bytes),
        });
    }
    Video::new(codec, (width, height), frames)
}

/// `n` ticks of `scale / rate` seconds, to the nanosecond.
fn ticks(n: u64, scale: u32, rate: u32) -> Option<Duration> {
    let nanos = u128::from(n) * u128::from(scale) * 1_000_000_000 / u128::from(rate);
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// Writes a file: what the tests feed the reader.
#[cfg(test)]
pub(crate) fn write(fourcc: &[u8; 4], width: u16, height: u16, fps: u32, frames: &[(u64, &[u8])]) -> Bytes {
    let mut file = b"DKIF\0\0\x20\0".to_vec();
    file.extend_from_slice(fourcc);
    file.extend_from_slice(&width.to_le_bytes());
    file.extend_from_slice(&height.to_le_bytes());
    for word in [fps, 1, frames.len() as u32, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (at, data) in frames {
        file.extend_from_slice(&(data.len() as u32).to_le_bytes());
        file.extend_from_slice(&at.to_le_bytes());
        file.extend_from_slice(data);
    }
    file.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_with_their_times() {
        let ivf = parse(write(
            b"VP80",
            180,
            320,
            25,
            &[(3, b"abc"), (4, b"d"), (6, b"ef")],
        ))
        .unwrap();
        assert_eq!((ivf.codec(), ivf.size()), (Codec::Vp8, (180, 320)));
        let times: Vec<_> = ivf.frames().iter().map(|f| f.at.as_millis()).collect();
        assert_eq!(times, [0, 40, 120]);
        assert_eq!(&ivf.frames()[2].data[..], b"ef");
        assert_eq!(ivf.duration(), Duration::from_millis(200));
    }

    #[test]
    fn damage_is_named() {
        let good = write(b"VP80", 16, 16, 25, &[(0, b"abc"), (1, b"def")]);
        let parse = |bytes: Vec<u8>| parse(bytes.into()).unwrap_err().to_string();
        for cut in [0, 10, 31] {
            assert!(parse(good[..cut].to_vec()).contains("DKIF"));
        }
        assert!(parse(good[..32].to_vec()).contains("no frames"));
        assert!(parse(good[..40].to_vec()).contains("cut off"));
        assert!(parse(good[..good.len() - 1].to_vec()).contains("cut off"));
        let with = |at: usize, value: u8| {
            let mut bytes = good.to_vec();
            bytes[at] = value;
            parse(bytes)
        };
        assert!(with(8, b'X').contains("codec"));
        assert!(with(16, 0).contains("rate"));
        assert!(with(6, 31).contains("header length"));
        assert!(with(7, 0xff).contains("header length"));
        assert!(with(32, 0).contains("empty"));
        assert!(with(51, 0).contains("rise"));
    }
}
