//! When a publisher's packets came, for its own congestion control: transport-wide feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::{Duration, Instant};

use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc, SymbolTypeTcc,
    TransportLayerCc,
};

use super::sequence::unroll;

/// Between feedback packets: libwebrtc sends 50 to 250 ms apart.
const INTERVAL: Duration = Duration::from_millis(80);
/// Packets one feedback covers: all of them with the largest deltas stay below 1200 bytes.
const MAX_COVERED: u64 = 400;
/// Arrivals waiting; far above what comes within [`INTERVAL`], the oldest are dropped.
const MAX_WAITING: usize = 4096;
/// Units of the reference time, in microseconds.
const REFERENCE_US: u64 = 64_000;
/// Units of deltas, in microseconds.
const DELTA_US: i64 = 250;
/// Symbols of one two-bit status vector.
const SYMBOLS: usize = 7;

/// The log of one publisher.
#[derive(Debug)]
pub(super) struct Arrivals {
    epoch: Instant,
    highest: Option<u64>,
    /// Unrolled numbers and when they came.
    waiting: Vec<(u64, Instant)>,
    /// The next number to report.
    next: Option<u64>,
    next_feedback: Option<Instant>,
    count: u8,
}

impl Arrivals {
    pub(super) fn new(epoch: Instant) -> Arrivals {
        Arrivals {
            epoch,
            highest: None,
            waiting: Vec::new(),
            next: None,
            next_feedback: None,
            count: 0,
        }
    }

    pub(super) fn arrive(&mut self, now: Instant, number: u16) {
        let highest = self.highest.unwrap_or(1 << 16 | u64::from(number));
        let unrolled = unroll(highest, number);
        self.highest = Some(highest.max(unrolled));
        if self.waiting.len() < MAX_WAITING && self.next.is_none_or(|next| unrolled >= next) {
            self.waiting.push((unrolled, now));
            self.next_feedback.get_or_insert(now + INTERVAL);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_feedback
    }

    /// The next feedback packet when it is time.
    pub(super) fn feedback(
        &mut self,
        now: Instant,
        sender_ssrc: u32,
        media_ssrc: u32,
    ) -> Option<TransportLayerCc> {
        self.next_feedback.filter(|&at| at <= now)?;
        self.waiting.sort_unstable_by_key(|&(number, _)| number);
        self.waiting.dedup_by_key(|&mut (number, _)| number);
        let &(first, first_at) = self.waiting.first()?;
        let base = self
            .next
            .map_or(first, |next| next.max(first.saturating_sub(MAX_COVERED / 2)));
        let covered = self
            .waiting
            .iter()
            .take_while(|&&(number, _)| number < base + MAX_COVERED);
        let covered: Vec<(u64, Instant)> = covered.copied().collect();
        let last = covered.last().map_or(base, |&(number, _)| number);
        self.waiting.retain(|&(number, _)| number > last);
        self.next = Some(last + 1);
        // What is left goes with the next one, at once.
        self.next_feedback = (!self.waiting.is_empty()).then_some(now);

        let reference = self.micros(first_at) / REFERENCE_US;
        let mut before = (reference * REFERENCE_US) as i64;
        let mut arrivals = covered.into_iter().peekable();
        let (mut symbols, mut recv_deltas) = (Vec::new(), Vec::new());
        for number in base..=last {
            let Some((_, at)) = arrivals.next_if(|&(next, _)| next == number) else {
                symbols.push(SymbolTypeTcc::PacketNotReceived);
                continue;
            };
            let units = (self.micros(at) as i64 - before) / DELTA_US;
            // 16 bits hold eight seconds in both directions, far beyond one interval.
            let units = units.clamp(i16::MIN.into(), i16::MAX.into());
            before += units * DELTA_US;
            let symbol = match units {
                0..=255 => SymbolTypeTcc::PacketReceivedSmallDelta,
                _ => SymbolTypeTcc::PacketReceivedLargeDelta,
            };
            symbols.push(symbol);
            recv_deltas.push(RecvDelta {
                type_tcc_packet: symbol,
                delta: units * DELTA_US,
            });
        }
        self.count = self.count.wrapping_add(1);
        Some(TransportLayerCc {
            sender_ssrc,
            media_ssrc,
            base_sequence_number: base as u16,
            packet_status_count: (last - base + 1) as u16,
            reference_time: (reference & 0x00ff_ffff) as u32,
            fb_pkt_count: self.count.wrapping_sub(1),
            packet_chunks: symbols.chunks(SYMBOLS).map(vector).collect(),
            recv_deltas,
        })
    }

    fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_micros() as u64
    }
}

fn vector(symbols: &[SymbolTypeTcc]) -> PacketStatusChunk {
    let mut symbol_list = symbols.to_vec();
    symbol_list.resize(SYMBOLS, SymbolTypeTcc::PacketNotReceived);
    PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
        type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
        symbol_size: SymbolSizeTypeTcc::TwoBit,
        symbol_list,
    })
}

#[cfg(test)]
mod tests {
    use super::super::begin;
    use super::*;

    #[test]
    fn feedback_names_every_number_once_with_its_time() {
        let begin = begin();
        let mut arrivals = Arrivals::new(begin);
        for (number, ms) in [(65_534u16, 100u64), (65_535, 101), (1, 220), (0, 221), (4, 300)] {
            arrivals.arrive(begin + Duration::from_millis(ms), number);
        }
        assert!(
            arrivals
                .feedback(begin + Duration::from_millis(170), 1, 2)
                .is_none()
        );
        let feedback = arrivals
            .feedback(begin + Duration::from_millis(180), 1, 2)
            .unwrap();
        assert_eq!(
            (feedback.base_sequence_number, feedback.packet_status_count),
            (65_534, 7)
        );
        let deltas: Vec<i64> = feedback
            .recv_deltas
            .iter()
            .map(|delta| delta.delta / 1000)
            .collect();
        assert_eq!(deltas, [36, 1, 120, -1, 80], "since 64 ms, in order of numbers");
        arrivals.arrive(begin + Duration::from_millis(310), 65_535);
        arrivals.arrive(begin + Duration::from_millis(320), 6);
        let feedback = arrivals
            .feedback(begin + Duration::from_millis(400), 1, 2)
            .unwrap();
        assert_eq!(
            (feedback.base_sequence_number, feedback.packet_status_count),
            (5, 2)
        );
        assert_eq!((feedback.fb_pkt_count, arrivals.deadline()), (1, None));
    }
}
