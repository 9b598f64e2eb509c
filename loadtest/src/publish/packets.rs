//! Cutting encoded frames into RTP payloads.

use bytes::{BufMut, Bytes, BytesMut};
use rtp::codec::{av1::Av1Payloader, h264::H264Payloader};
use rtp::packetizer::Payloader;

use crate::Error;
use crate::clip::keyframe::{self, Codec};

/// Leaves room below 1200 bytes for the RTP header, mid and rid, and the two bytes RTX adds.
pub(super) const MAX_PAYLOAD: usize = 1_150;
/// VP8: X, I, and a 15-bit picture id; VP9 has no X and needs one less.
const DESCRIPTOR: usize = 4;

/// RFC 6184 §5.7.1: an aggregate of units, each behind its length.
const STAP_A: u8 = 24;
const UNIT_LENGTH: usize = 2;

/// Cuts the frames of one stream; picture ids run on over loop seams.
pub(super) struct Packetizer {
    scheme: Scheme,
    /// Bytes of a payload at most.
    room: usize,
    /// Bytes that somebody else adds to each payload.
    spare: usize,
}

enum Scheme {
    Vp8 {
        picture_id: u16,
    },
    /// The crate's own payloader marks no frame as predicted.
    Vp9 {
        picture_id: u16,
    },
    H264(H264Payloader),
    Av1(Av1Payloader),
    /// An Opus packet is a payload (RFC 7587 §4.2).
    Opus,
}

impl Packetizer {
    /// For a picture; `spare` bytes of each payload are left free.
    pub(super) fn new(codec: Codec, picture_id: u16, spare: usize) -> Self {
        let scheme = match codec {
            Codec::Vp8 => Scheme::Vp8 {
                picture_id: picture_id & 0x7fff,
            },
            Codec::Vp9 => Scheme::Vp9 {
                picture_id: picture_id & 0x7fff,
            },
            Codec::Av1 => Scheme::Av1(Av1Payloader::default()),
            Codec::H264 => Scheme::H264(H264Payloader::default()),
        };
        Self {
            scheme,
            room: MAX_PAYLOAD.saturating_sub(spare),
            spare,
        }
    }

    /// For sound.
    pub(super) fn opus() -> Self {
        Self {
            scheme: Scheme::Opus,
            room: MAX_PAYLOAD,
            spare: 0,
        }
    }

    /// The payloads of one frame, in order; the last carries the marker.
    pub(super) fn cut(&mut self, frame: &Bytes) -> Result<Vec<Bytes>, Error> {
        match &mut self.scheme {
            Scheme::Vp8 { picture_id } => {
                let payloads = cut_evenly(frame, self.room, |n, _| vp8_descriptor(n == 0, *picture_id));
                *picture_id = (*picture_id + 1) & 0x7fff;
                Ok(payloads)
            }
            Scheme::Vp9 { picture_id } => {
                let is_key = keyframe::in_frame(Codec::Vp9, frame);
                let descriptor = |n, last| vp9_descriptor(is_key, n == 0, n == last, *picture_id);
                let payloads = cut_evenly(frame, self.room, descriptor);
                *picture_id = (*picture_id + 1) & 0x7fff;
                Ok(payloads)
            }
            Scheme::H264(payloader) => {
                let room = self.room.saturating_sub(UNIT_LENGTH);
                let payloads = payloader.payload(room, frame)?.into_iter();
                Ok(payloads.map(|payload| make_room(payload, self.spare)).collect())
            }
            Scheme::Av1(payloader) => Ok(payloader.payload(self.room, frame)?),
            Scheme::Opus => Ok(vec![frame.clone()]),
        }
    }
}

/// What is added to an aggregate is one more unit of it: without its length the aggregate would be malformed.
fn make_room(payload: Bytes, spare: usize) -> Bytes {
    let is_aggregate = payload.first().is_some_and(|head| head & 0x1f == STAP_A);
    match u16::try_from(spare) {
        Ok(spare @ 1..) if is_aggregate => [&payload[..], &spare.to_be_bytes()].concat().into(),
        _ => payload,
    }
}

/// Equal parts, as browsers cut them: a server can then send them in one run. The descriptor is asked for by the place of
/// a part and that of the last.
fn cut_evenly<const N: usize>(
    frame: &Bytes,
    room: usize,
    descriptor: impl Fn(usize, usize) -> [u8; N],
) -> Vec<Bytes> {
    let parts = frame.len().div_ceil(room - DESCRIPTOR).max(1);
    let size = frame.len().div_ceil(parts).max(1);
    let cut = frame.chunks(size).enumerate().map(|(n, part)| {
        let mut payload = BytesMut::with_capacity(N + part.len());
        payload.put_slice(&descriptor(n, parts - 1));
        payload.put_slice(part);
        payload.freeze()
    });
    cut.collect()
}

/// RFC 7741 §4.2: X; S on the first packet of partition 0; a picture id.
fn vp8_descriptor(is_first: bool, picture_id: u16) -> [u8; 4] {
    let [high, low] = picture_id.to_be_bytes();
    [if is_first { 0x90 } else { 0x80 }, 0x80, 0x80 | high, low]
}

/// RFC 9628 §4.2: I; P on predicted frames; B and E on the first and the last packet; a picture id.
fn vp9_descriptor(is_key: bool, is_first: bool, is_last: bool, picture_id: u16) -> [u8; 3] {
    let flags = [(!is_key, 0x40), (is_first, 0x08), (is_last, 0x04)];
    let flags = flags
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .fold(0x80, |all, (_, flag)| all | flag);
    let [high, low] = picture_id.to_be_bytes();
    [flags, 0x80 | high, low]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clip::synthetic::{self, Recipe};
    use crate::publish::stamp;

    #[test]
    fn made_up_frames_of_every_codec_are_keyframes_in_their_first_packet() {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            let recipe = Recipe {
                codec,
                layers: vec![(720, 2_000)],
                fps: 25,
                gop: Duration::from_secs(1),
                audio_kbps: 0,
            };
            let clip = synthetic::clip(&recipe).unwrap();
            let mut packetizer = Packetizer::new(codec, 0, stamp::LENGTH);
            for (n, frame) in clip.renditions()[0].video.frames().iter().enumerate() {
                let payloads = packetizer.cut(&frame.data).unwrap();
                let keys: Vec<_> = payloads.iter().map(|p| keyframe::in_payload(codec, p)).collect();
                assert_eq!(keys[0], n == 0, "{codec:?}, frame {n}");
                assert!(payloads.iter().all(|p| p.len() <= MAX_PAYLOAD - stamp::LENGTH));
                let whole: usize = payloads.iter().map(Bytes::len).sum();
                assert!(
                    whole >= frame.data.len() * 9 / 10,
                    "{codec:?}, frame {n}: {whole} of {}",
                    frame.data.len()
                );
            }
        }
    }

    #[test]
    fn a_stamp_behind_parameter_sets_is_a_unit_of_their_aggregate() {
        let frame = b"\0\0\0\x01\x67\x42\xe0\x1f\0\0\0\x01\x68\xce\0\0\0\x01\x65\x88";
        let frame = Bytes::from_static(frame);
        let stamped = |spare: usize| {
            let mut payloads = Packetizer::new(Codec::H264, 0, spare).cut(&frame).unwrap();
            assert_eq!(payloads.len(), 2, "parameter sets, and the slice");
            [&payloads.swap_remove(0)[..], &vec![b'V'; spare]].concat()
        };
        for spare in [0, stamp::LENGTH] {
            let payload = stamped(spare);
            let (mut rest, mut units) = (&payload[1..], Vec::new());
            while let Some((length, tail)) = rest.split_first_chunk::<2>() {
                let (unit, tail) = tail.split_at(u16::from_be_bytes(*length).into());
                units.push(unit);
                rest = tail;
            }
            assert!(rest.is_empty());
            assert_eq!(units.len(), if spare == 0 { 2 } else { 3 });
        }
    }

    #[test]
    fn vp8_frames_are_cut_evenly_and_picture_ids_wrap() {
        let mut packetizer = Packetizer::new(Codec::Vp8, 0x7fff, 0);
        let frame = Bytes::from(vec![0x10; 3_000]);
        let payloads = packetizer.cut(&frame).unwrap();
        let sizes: Vec<_> = payloads.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [1_004, 1_004, 1_004]);
        assert!(keyframe::in_payload(Codec::Vp8, &payloads[0]));
        assert!(!keyframe::in_payload(Codec::Vp8, &payloads[1]));
        assert!(payloads.iter().all(|p| p[2..4] == [0xff, 0xff]));
        let whole: Vec<u8> = payloads.iter().flat_map(|p| p[4..].to_vec()).collect();
        assert_eq!(whole, frame);

        let stamped = Packetizer::new(Codec::Vp8, 0, 24)
            .cut(&Bytes::from(vec![0x10; 20_000]))
            .unwrap();
        assert!(stamped.iter().all(|payload| payload.len() <= MAX_PAYLOAD - 24));

        let next = packetizer.cut(&Bytes::from_static(&[0x11])).unwrap();
        assert_eq!(next[0][..], [0x90, 0x80, 0x80, 0x00, 0x11]);
    }
}
