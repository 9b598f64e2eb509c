//! Cutting encoded frames into RTP payloads.

use bytes::{BufMut, Bytes, BytesMut};
use rtp::codec::{av1::Av1Payloader, vp9::Vp9Payloader};
use rtp::packetizer::Payloader;

use crate::Error;
use crate::clip::keyframe::Codec;

/// Leaves room below 1200 bytes for the RTP header, mid and rid, and the two bytes RTX adds.
pub(super) const MAX_PAYLOAD: usize = 1_150;
/// X, I, and a 15-bit picture id.
const VP8_DESCRIPTOR: usize = 4;

/// Cuts the frames of one stream; picture ids run on over loop seams.
pub(super) enum Packetizer {
    Vp8 {
        picture_id: u16,
    },
    Other(Box<dyn Payloader>),
    /// An Opus packet is a payload (RFC 7587 §4.2).
    Opus,
}

impl Packetizer {
    pub(super) fn new(codec: Codec, picture_id: u16) -> Result<Self, Error> {
        match codec {
            Codec::Vp8 => Ok(Self::Vp8 {
                picture_id: picture_id & 0x7fff,
            }),
            Codec::Vp9 => Ok(Self::Other(Box::new(Vp9Payloader::default()))),
            Codec::Av1 => Ok(Self::Other(Box::new(Av1Payloader::default()))),
            Codec::H264 => Err(Error::Clip("H.264 cannot be published from IVF".into())),
        }
    }

    /// The payloads of one frame, in order; the last carries the marker.
    pub(super) fn cut(&mut self, frame: &Bytes) -> Result<Vec<Bytes>, Error> {
        match self {
            Self::Vp8 { picture_id } => {
                let payloads = cut_vp8(frame, *picture_id);
                *picture_id = (*picture_id + 1) & 0x7fff;
                Ok(payloads)
            }
            Self::Other(payloader) => Ok(payloader.payload(MAX_PAYLOAD, frame)?),
            Self::Opus => Ok(vec![frame.clone()]),
        }
    }
}

/// Equal parts, as browsers cut them: a server can then send them in one run.
fn cut_vp8(frame: &Bytes, picture_id: u16) -> Vec<Bytes> {
    let room = MAX_PAYLOAD - VP8_DESCRIPTOR;
    let parts = frame.len().div_ceil(room).max(1);
    let size = frame.len().div_ceil(parts).max(1);
    frame
        .chunks(size)
        .enumerate()
        .map(|(n, part)| {
            let mut payload = BytesMut::with_capacity(VP8_DESCRIPTOR + part.len());
            // RFC 7741 §4.2: X; S on the first packet of partition 0.
            payload.put_u8(if n == 0 { 0x90 } else { 0x80 });
            payload.put_u8(0x80);
            payload.put_u16(0x8000 | picture_id);
            payload.put_slice(part);
            payload.freeze()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::keyframe;

    #[test]
    fn vp8_frames_are_cut_evenly_and_picture_ids_wrap() {
        let mut packetizer = Packetizer::new(Codec::Vp8, 0x7fff).unwrap();
        let frame = Bytes::from(vec![0x10; 3_000]);
        let payloads = packetizer.cut(&frame).unwrap();
        let sizes: Vec<_> = payloads.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [1_004, 1_004, 1_004]);
        assert!(keyframe::in_payload(Codec::Vp8, &payloads[0]));
        assert!(!keyframe::in_payload(Codec::Vp8, &payloads[1]));
        assert!(payloads.iter().all(|p| p[2..4] == [0xff, 0xff]));
        let whole: Vec<u8> = payloads.iter().flat_map(|p| p[4..].to_vec()).collect();
        assert_eq!(whole, frame);

        let next = packetizer.cut(&Bytes::from_static(&[0x11])).unwrap();
        assert_eq!(next[0][..], [0x90, 0x80, 0x80, 0x00, 0x11]);
    }
}
