//! RTCP compounds in and out (RFC 3550 §6.1). The packet types are `rtc-rtcp`'s; this is the one place that cuts and
//! joins them.

use rtc_rtcp::header::HEADER_LENGTH;
use rtc_rtcp::packet::{self, Packet};

/// Packets looked at in one compound: a browser sends fewer than ten, and each costs an allocation.
const MAX_PACKETS: usize = 32;

/// The bytes of each packet of a compound, with its header.
pub fn split(compound: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = compound;
    let packets = std::iter::from_fn(move || {
        let &[_, _, high, low] = rest.first_chunk::<HEADER_LENGTH>()?;
        let words = usize::from(u16::from_be_bytes([high, low])) + 1;
        let (one, tail) = rest.split_at_checked(4 * words)?;
        rest = tail;
        Some(one)
    });
    packets.take(MAX_PACKETS)
}

/// One packet of a compound; nothing when it is malformed or unknown.
pub fn read(one: &[u8]) -> Vec<Box<dyn Packet>> {
    let is_version_2 = one.first().is_some_and(|first| first >> 6 == 2);
    let read = is_version_2.then(|| packet::unmarshal(&mut &*one).ok());
    read.flatten().unwrap_or_default()
}

/// The packets of a compound, each read by itself: what is malformed or unknown is passed over, the rest counts.
pub fn parse(compound: &[u8]) -> Vec<Box<dyn Packet>> {
    split(compound).flat_map(read).collect()
}

/// One packet of a type, if it is that.
pub fn as_type<P: Packet + 'static>(packet: &dyn Packet) -> Option<&P> {
    packet.as_any().downcast_ref::<P>()
}

/// Appends packets to a compound; false, with nothing appended, when they cannot be written.
pub fn append(out: &mut Vec<u8>, packets: &[Box<dyn Packet>]) -> bool {
    match packet::marshal(packets) {
        Ok(bytes) => {
            let begin = out.len();
            out.extend_from_slice(&bytes);
            end_chunks(out.get_mut(begin..).unwrap_or_default());
            true
        }
        Err(error) => {
            tracing::debug!(%error, "RTCP not written");
            false
        }
    }
}

/// Packet type of a source description (RFC 3550 §6.5).
const SOURCE_DESCRIPTION: u8 = 202;

/// Chunks of a source description end with zeros (RFC 3550 §6.5). `rtc-rtcp` fills them up as RTP is padded, with a count at the
/// end, and strict readers throw the compound away, the sender reports with it.
fn end_chunks(mut compound: &mut [u8]) {
    while let Some(&[first, kind, high, low]) = compound.first_chunk::<HEADER_LENGTH>() {
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let Some((packet, rest)) = compound.split_at_mut_checked(length) else {
            return;
        };
        if kind == SOURCE_DESCRIPTION {
            let mut at = HEADER_LENGTH;
            for _ in 0..first & 0x1f {
                // Behind the source, items of a type, a length and a text.
                at += 4;
                while let Some(&[item, text]) = packet.get(at..).and_then(<[u8]>::first_chunk)
                    && item != 0
                {
                    at += 2 + usize::from(text);
                }
                let end = (at / 4 + 1) * 4;
                packet.get_mut(at..end).unwrap_or_default().fill(0);
                at = end;
            }
        }
        compound = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
    use rtc_rtcp::receiver_report::ReceiverReport;
    use rtc_rtcp::source_description::{
        SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
    };

    #[test]
    fn what_is_malformed_does_not_hide_what_follows() {
        let pli = PictureLossIndication {
            sender_ssrc: 1,
            media_ssrc: 2,
        };
        let mut compound = Vec::new();
        assert!(append(&mut compound, &[Box::new(ReceiverReport::default())]));
        // A sender report of one word.
        compound.extend_from_slice(&[0x80, 200, 0, 0]);
        assert!(append(&mut compound, &[Box::new(pli.clone())]));
        compound.extend_from_slice(&[0x80, 200, 0, 9]);
        let packets = parse(&compound);
        let read: Vec<_> = packets
            .iter()
            .filter_map(|p| as_type::<PictureLossIndication>(&**p))
            .collect();
        assert_eq!(read, [&pli]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(
            kind in 200u8..=207, count in 0u8..32, words in 0u8..20, body in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut compound = vec![0x80 | count, kind, 0, words];
            compound.extend_from_slice(&body);
            let _ = parse(&compound);
        }
    }

    #[test]
    fn chunks_of_a_source_description_end_with_zeros() {
        for text in ["", "x", "of", "six", "four", "vitrine"] {
            let chunk = |source| SourceDescriptionChunk {
                source,
                items: vec![SourceDescriptionItem {
                    sdes_type: SdesType::SdesCname,
                    text: bytes::Bytes::from_static(text.as_bytes()),
                }],
            };
            let chunks = vec![chunk(7), chunk(0x0900_0000)];
            let mut out = vec![1, 2, 3];
            assert!(append(
                &mut out,
                &[
                    Box::new(PictureLossIndication::default()),
                    Box::new(SourceDescription { chunks }),
                ],
            ));
            let ends = (3 + text.len()).next_multiple_of(4);
            let mut chunk = vec![1, text.len() as u8];
            chunk.extend_from_slice(text.as_bytes());
            chunk.resize(ends, 0);
            let both = [&[0, 0, 0, 7], &chunk[..], &[9, 0, 0, 0], &chunk[..]].concat();
            assert_eq!(out[3 + 12 + 4..], both, "{text}");
        }
    }
}
