//! Opus in Ogg (RFC 3533, RFC 7845): one logical stream, as ffmpeg and opusenc write it.

use bytes::{Buf, Bytes, BytesMut};

use super::sound::{MAX_PACKETS, Sound};
use crate::Error;

/// `OpusTags` may hold a cover picture; past this it is not a clip.
const MAX_HEADER_BYTES: usize = 1 << 20;

/// Reads a whole file. Page checksums are not verified: it comes from a disk, not from a wire.
///
/// # Errors
/// [`Error::Clip`] naming what is wrong: not Ogg, not Opus, cut off, several streams, packets too many or too long.
pub fn parse(file: Bytes) -> Result<Sound, Error> {
    let bad = |why: &str| Error::Clip(format!("Ogg: {why}"));
    let mut raw = raw_packets(file)?.into_iter();
    let head = raw.next().ok_or_else(|| bad("no packets"))?;
    let (true, Some(&channels)) = (head.starts_with(b"OpusHead"), head.get(9)) else {
        return Err(bad("the stream is not Opus"));
    };
    if !raw.next().is_some_and(|tags| tags.starts_with(b"OpusTags")) {
        return Err(bad("the OpusTags header is missing"));
    }
    Sound::new(channels, raw)
}

/// Undoes the paging (RFC 3533 §6): segments of 255 bytes continue a packet, a shorter one ends it.
fn raw_packets(mut file: Bytes) -> Result<Vec<Bytes>, Error> {
    let bad = |why: &str| Error::Clip(format!("Ogg: {why}"));
    let mut packets: Vec<Bytes> = Vec::new();
    let mut open = BytesMut::new();
    let mut serial = None;
    while !file.is_empty() {
        if file.len() < 27 || !file.starts_with(b"OggS\0") {
            return Err(bad("a page does not begin with OggS"));
        }
        file.advance(14);
        let this = file.get_u32_le();
        if *serial.get_or_insert(this) != this {
            return Err(bad("several streams in one file"));
        }
        file.advance(8);
        let segments = usize::from(file.get_u8());
        if file.len() < segments {
            return Err(bad("a page is cut off"));
        }
        for length in file.split_to(segments) {
            if file.len() < usize::from(length) {
                return Err(bad("a page is cut off"));
            }
            open.extend_from_slice(&file.split_to(usize::from(length)));
            if open.len() > MAX_HEADER_BYTES {
                return Err(bad("a packet is too long"));
            }
            if length < 255 {
                if packets.len() == MAX_PACKETS {
                    return Err(bad("too many packets"));
                }
                packets.push(open.split().freeze());
            }
        }
    }
    if !open.is_empty() {
        return Err(bad("the last packet is cut off"));
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clip::sound::packet_duration;

    /// Writes pages of up to `per_page` whole packets.
    fn write(packets: &[&[u8]], per_page: usize) -> Vec<u8> {
        let mut file = Vec::new();
        for (n, group) in packets.chunks(per_page).enumerate() {
            let (mut lacing, mut body) = (Vec::new(), Vec::new());
            for packet in group {
                lacing.extend(std::iter::repeat_n(255u8, packet.len() / 255));
                lacing.push((packet.len() % 255) as u8);
                body.extend_from_slice(packet);
            }
            file.extend_from_slice(b"OggS\0\0");
            file.extend_from_slice(&[0; 8]);
            file.extend_from_slice(&7u32.to_le_bytes());
            file.extend_from_slice(&(n as u32).to_le_bytes());
            file.extend_from_slice(&[0; 4]);
            file.push(lacing.len() as u8);
            file.extend(lacing);
            file.extend(body);
        }
        file
    }

    const HEAD: &[u8] = b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0";

    #[test]
    fn packets_come_back_with_their_times() {
        let long = [&[0xfc][..], &[7; 700]].concat();
        let file = write(&[HEAD, b"OpusTags....", &long, &[0xf8, 1], &[0xfb, 2, 9]], 2);
        let opus = parse(file.into()).unwrap();
        assert_eq!(opus.channels(), 2);
        let times: Vec<_> = opus.packets().iter().map(|p| p.at.as_millis()).collect();
        assert_eq!(times, [0, 20, 40]);
        assert_eq!(opus.packets()[0].data, long);
        assert_eq!(opus.duration(), Duration::from_millis(80));
    }

    #[test]
    fn damage_is_named() {
        let good = write(&[HEAD, b"OpusTags", &[0xfc, 1, 2, 3]], 1);
        let parse = |bytes: &[u8]| parse(Bytes::copy_from_slice(bytes)).unwrap_err().to_string();
        assert!(parse(b"").contains("no packets"));
        assert!(parse(b"RIFF").contains("OggS"));
        assert!(parse(&good[..good.len() - 1]).contains("cut off"));
        assert!(parse(&write(&[b"vorbis", b"x"], 1)).contains("not Opus"));
        assert!(parse(&write(&[HEAD, b"no tags"], 1)).contains("OpusTags"));
        assert!(parse(&write(&[HEAD, b"OpusTags"], 1)).contains("no sound"));
        assert!(parse(&write(&[HEAD, b"OpusTags", &[0xff, 0]], 1)).contains("damaged"));
        let two = [
            good.clone(),
            good.iter().map(|b| if *b == 7 { 8 } else { *b }).collect(),
        ]
        .concat();
        assert!(parse(&two).contains("several streams"));
    }

    #[test]
    fn durations_follow_the_configuration() {
        let ms = |packet: &[u8]| packet_duration(packet).map(|d| d.as_micros());
        assert_eq!(ms(&[3 << 3]), Some(60_000));
        assert_eq!(ms(&[13 << 3]), Some(20_000));
        assert_eq!(ms(&[16 << 3]), Some(2_500));
        assert_eq!(ms(&[(31 << 3) | 1]), Some(40_000));
        assert_eq!(ms(&[(31 << 3) | 3, 7]), None);
        assert_eq!(ms(&[]), None);
    }
}
