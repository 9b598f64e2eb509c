//! RTCP (RFC 3550 §6, RFC 4585): what a viewer says, and the little it must hear.

/// A number missing and the next sixteen as bits (RFC 4585 §6.2.1): pairs of one NACK. More losses than that at once
/// are for a keyframe to mend.
const MAX_PAIRS: usize = 32;

/// Reception of one stream since the last report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReportBlock {
    pub(super) ssrc: u32,
    /// Lost since the last report, of 256.
    pub(super) fraction_lost: u8,
    pub(super) total_lost: u32,
    /// The highest number with its cycles.
    pub(super) highest: u32,
    /// In the stream's own clock.
    pub(super) jitter: u32,
    /// Middle bits of the last sender report's time; 0 when there was none.
    pub(super) last_report: u32,
    /// Since it came, in 1/65536 s.
    pub(super) delay: u32,
}

/// Appends a receiver report with the source description that must follow it (RFC 3550 §6.1).
pub(super) fn receiver_report(sender: u32, blocks: &[ReportBlock], out: &mut Vec<u8>) {
    let words = 1 + 6 * blocks.len() as u16;
    out.extend_from_slice(&[0x80 | blocks.len() as u8, 201]);
    out.extend_from_slice(&words.to_be_bytes());
    out.extend_from_slice(&sender.to_be_bytes());
    for block in blocks {
        out.extend_from_slice(&block.ssrc.to_be_bytes());
        let lost = block.total_lost.min(0x7f_ffff) | u32::from(block.fraction_lost) << 24;
        for word in [lost, block.highest, block.jitter, block.last_report, block.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    // One chunk: CNAME of four characters, ended by zeros to a whole word.
    out.extend_from_slice(&[0x81, 202, 0, 3]);
    out.extend_from_slice(&sender.to_be_bytes());
    out.extend_from_slice(&[1, 4, b'v', b'i', b'e', b'w', 0, 0]);
}

/// Appends a generic NACK (RFC 4585 §6.2.1) for ascending numbers.
pub(super) fn nack(sender: u32, media: u32, missing: &[u16], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0x81, 205, 0, 0]);
    out.extend_from_slice(&sender.to_be_bytes());
    out.extend_from_slice(&media.to_be_bytes());
    let mut missing = missing.iter().copied().peekable();
    let mut pairs = 0_u16;
    while let Some(first) = missing.next() {
        let mut bits = 0_u16;
        while let Some(next) = missing.next_if(|next| (1..=16).contains(&next.wrapping_sub(first))) {
            bits |= 1 << (next.wrapping_sub(first) - 1);
        }
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&bits.to_be_bytes());
        pairs += 1;
        if usize::from(pairs) == MAX_PAIRS {
            break;
        }
    }
    if let Some(length) = out.get_mut(start + 2..start + 4) {
        length.copy_from_slice(&(2 + pairs).to_be_bytes());
    }
}

/// Appends a picture loss indication (RFC 4585 §6.3.1).
pub(super) fn pli(sender: u32, media: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x81, 206, 0, 2]);
    out.extend_from_slice(&sender.to_be_bytes());
    out.extend_from_slice(&media.to_be_bytes());
}

/// What a viewer takes from a sender report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SenderReport {
    pub(super) ssrc: u32,
    /// Middle 32 bits of its NTP time.
    pub(super) time: u32,
}

/// Walks a decrypted compound packet, telling its sender reports; stops at the first part that is malformed.
pub(super) fn read(mut compound: &[u8], mut tell: impl FnMut(SenderReport)) {
    while let [first, kind, l0, l1, ..] = *compound {
        let len = 4 * (usize::from(u16::from_be_bytes([l0, l1])) + 1);
        let Some((packet, rest)) = compound.split_at_checked(len).filter(|_| first >> 6 == 2) else {
            return;
        };
        let word = |at: usize| {
            let bytes = packet.get(at..at + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        if kind == 200
            && let (Some(ssrc), Some(high), Some(low)) = (word(4), word(8), word(12))
        {
            let time = high << 16 | low >> 16;
            tell(SenderReport { ssrc, time });
        }
        compound = rest;
    }
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::goodbye::Goodbye;
    use rtc::rtcp::packet::{Packet, unmarshal};
    use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
    use rtc::rtcp::receiver_report::ReceiverReport;
    use rtc::rtcp::sender_report;
    use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
    use rtc::shared::marshal::Marshal;

    use super::*;

    fn parts(mut compound: &[u8]) -> Vec<Box<dyn Packet>> {
        unmarshal(&mut compound).unwrap()
    }

    #[test]
    fn another_implementation_reads_our_reports() {
        let block = ReportBlock {
            ssrc: 7,
            fraction_lost: 12,
            total_lost: 345,
            highest: 0x1_0002,
            jitter: 67,
            last_report: 89,
            delay: 65_536,
        };
        let mut out = Vec::new();
        receiver_report(1, &[block, block], &mut out);
        nack(1, 7, &[5, 6, 21, 22, 65_535, 0], &mut out);
        pli(1, 7, &mut out);
        let parts = parts(&out);
        assert_eq!(parts.len(), 4, "a report, a description, two wishes");
        let report = parts[0].as_any().downcast_ref::<ReceiverReport>().unwrap();
        let read = &report.reports[1];
        assert_eq!((read.ssrc, read.fraction_lost, read.total_lost), (7, 12, 345));
        assert_eq!(
            (
                read.last_sequence_number,
                read.jitter,
                read.last_sender_report,
                read.delay
            ),
            (0x1_0002, 67, 89, 65_536)
        );
        let asked = parts[2].as_any().downcast_ref::<TransportLayerNack>().unwrap();
        let numbers: Vec<u16> = asked.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
        assert_eq!(numbers, [5, 6, 21, 22, 65_535, 0]);
        assert!(parts[3].as_any().is::<PictureLossIndication>());
    }

    #[test]
    fn reports_of_another_implementation_are_read() {
        let report = |ssrc| sender_report::SenderReport {
            ssrc,
            ntp_time: 0x0001_0203_0405_0607,
            rtp_time: 5,
            packet_count: 77,
            octet_count: 8,
            ..Default::default()
        };
        let bye = Goodbye {
            sources: vec![9, 10],
            reason: "over".into(),
        };
        let parts = [report(9).marshal(), bye.marshal(), report(10).marshal()];
        let compound: Vec<u8> = parts
            .into_iter()
            .flat_map(|part| part.unwrap().to_vec())
            .collect();
        let mut told = Vec::new();
        read(&compound, |report| told.push(report));
        let time = 0x0203_0405;
        assert_eq!(
            told,
            [SenderReport { ssrc: 9, time }, SenderReport { ssrc: 10, time }]
        );
        for len in 0..compound.len() {
            read(&compound[..len], |_| {});
        }
    }
}
