//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): when each packet came.

use std::time::Instant;

/// Arrivals kept for the next feedback: a tenth of a second of a burst at 25 Mbit/s. Beyond, the feedback leaves early.
const MAX_ARRIVALS: usize = 256;
/// Room for so many is kept between feedbacks.
const KEPT: usize = 32;
/// Of one feedback: 16 bits count them; larger steps are another beginning.
const MAX_STATUSES: u16 = 2048;
/// A tick, the unit of a delta.
const TICK_US: u128 = 250;
/// Ticks of the reference time's unit, 64 ms.
const REFERENCE: u32 = 256;

/// Arrival times of one peer since the last feedback.
#[derive(Debug)]
pub(super) struct Arrivals {
    begin: Instant,
    /// Number and arrival in ticks since `begin`.
    since: Vec<(u16, u32)>,
    /// The number after the last one reported.
    next: Option<u16>,
    count: u8,
}

impl Arrivals {
    pub(super) fn new(begin: Instant) -> Arrivals {
        Arrivals {
            begin,
            since: Vec::new(),
            next: None,
            count: 0,
        }
    }

    /// Notes a packet; true when the feedback should leave now.
    pub(super) fn note(&mut self, sequence: u16, at: Instant) -> bool {
        let at = (at.saturating_duration_since(self.begin).as_micros() / TICK_US) as u32;
        if self.since.len() < MAX_ARRIVALS {
            self.since.push((sequence, at));
        }
        self.since.len() >= MAX_ARRIVALS
    }

    /// Reads what the next packet, or the feedback, needs.
    pub(super) fn glance(&self) -> u64 {
        let (first, last) = (self.since.first(), self.since.last());
        [first, last]
            .into_iter()
            .flatten()
            .map(|(_, at)| u64::from(*at))
            .sum()
    }

    /// Appends one RTCP packet about everything noted.
    pub(super) fn write(&mut self, sender: u32, media: u32, out: &mut Vec<u8>) {
        let Some(&(anchor, _)) = self.since.first() else {
            return;
        };
        // Ordered by distance from one of them: numbers wrap.
        self.since
            .sort_unstable_by_key(|(sequence, at)| (sequence.wrapping_sub(anchor) as i16, *at));
        self.since.dedup_by_key(|(sequence, _)| *sequence);
        let Some(&(lowest, _)) = self.since.first() else {
            return;
        };
        let base = match self.next {
            // What is missing since the last feedback is reported as such.
            Some(next) if lowest.wrapping_sub(next) < MAX_STATUSES / 2 => next,
            _ => lowest,
        };
        self.since
            .retain(|(sequence, _)| sequence.wrapping_sub(base) < MAX_STATUSES);
        let earliest = self.since.iter().map(|(_, at)| *at).min().unwrap_or(0);
        let reference = earliest / REFERENCE;
        let start = out.len();
        out.extend_from_slice(&[0x8f, 205, 0, 0]);
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
        out.extend_from_slice(&base.to_be_bytes());
        let last = self.since.last().map_or(base, |(sequence, _)| *sequence);
        let statuses = last.wrapping_sub(base).wrapping_add(1);
        out.extend_from_slice(&statuses.to_be_bytes());
        let [_, r0, r1, r2] = reference.to_be_bytes();
        out.extend_from_slice(&[r0, r1, r2, self.count]);
        self.count = self.count.wrapping_add(1);
        self.chunks(base, statuses, reference * REFERENCE, out);
        self.deltas(reference * REFERENCE, out);
        finish(out, start);
        self.next = Some(last.wrapping_add(1));
        self.since.clear();
        self.since.shrink_to(KEPT);
    }

    /// Status vectors of seven two-bit symbols, or a run where nothing or everything came (§3.1.3, §3.1.4).
    fn chunks(&self, base: u16, statuses: u16, reference: u32, out: &mut Vec<u8>) {
        let mut arrivals = self.since.iter().peekable();
        let mut previous = reference;
        let mut symbol_of = |number: u16| match arrivals.peek() {
            Some(&&(sequence, at)) if sequence == number => {
                arrivals.next();
                let delta = delta(&mut previous, at);
                if (0..=255).contains(&delta) { 1 } else { 2 }
            }
            _ => 0_u16,
        };
        let mut run: (u16, u16) = (0, 0);
        let mut vector: (u16, u16) = (0, 0);
        for offset in 0..statuses {
            let symbol = symbol_of(base.wrapping_add(offset));
            if vector.1 == 0 && (run.1 == 0 || run.0 == symbol) {
                run = (symbol, run.1 + 1);
                continue;
            }
            if vector.1 == 0 {
                if run.1 >= 7 {
                    out.extend_from_slice(&(run.0 << 13 | run.1).to_be_bytes());
                    run = (symbol, 1);
                    continue;
                }
                // Too short for a run: its symbols begin a vector.
                for _ in 0..run.1 {
                    vector = (vector.0 << 2 | run.0, vector.1 + 1);
                }
                run = (0, 0);
            }
            vector = (vector.0 << 2 | symbol, vector.1 + 1);
            if vector.1 == 7 {
                out.extend_from_slice(&(0xc000 | vector.0).to_be_bytes());
                vector = (0, 0);
            }
        }
        if run.1 > 0 {
            out.extend_from_slice(&(run.0 << 13 | run.1).to_be_bytes());
        }
        if vector.1 > 0 {
            out.extend_from_slice(&(0xc000 | vector.0 << (2 * (7 - vector.1))).to_be_bytes());
        }
    }

    fn deltas(&self, reference: u32, out: &mut Vec<u8>) {
        let mut previous = reference;
        for (_, at) in &self.since {
            let delta = delta(&mut previous, *at);
            match u8::try_from(delta) {
                Ok(small) => out.push(small),
                Err(_) => out.extend_from_slice(&(delta as i16).to_be_bytes()),
            }
        }
    }
}

/// Ticks since the one before, which moves on by as much as can be said.
fn delta(previous: &mut u32, at: u32) -> i32 {
    let delta = (at.wrapping_sub(*previous) as i32).clamp(i16::MIN.into(), i16::MAX.into());
    *previous = previous.wrapping_add_signed(delta);
    delta
}

/// Pads to whole words and writes the length (RFC 3550 §6.4.1).
fn finish(out: &mut Vec<u8>, start: usize) {
    let len = out.len() - start;
    let padding = len.next_multiple_of(4) - len;
    if padding > 0 {
        out.resize(out.len() + padding - 1, 0);
        out.push(padding as u8);
        if let Some(first) = out.get_mut(start) {
            *first |= 0x20;
        }
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    if let Some(field) = out.get_mut(start + 2..start + 4) {
        field.copy_from_slice(&words.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, TransportLayerCc};
    use rtc::shared::marshal::Unmarshal;

    use super::*;

    /// What another implementation reads: numbers and arrival times in microseconds; -1 for what did not come.
    fn read(feedback: &[u8]) -> Vec<(u16, i64)> {
        let packet = TransportLayerCc::unmarshal(&mut &*feedback).unwrap();
        let symbols = packet.packet_chunks.iter().flat_map(|chunk| match chunk {
            PacketStatusChunk::RunLengthChunk(run) => {
                vec![run.packet_status_symbol; usize::from(run.run_length)]
            }
            PacketStatusChunk::StatusVectorChunk(vector) => vector.symbol_list.clone(),
        });
        let mut deltas = packet.recv_deltas.iter();
        let mut at = i64::from(packet.reference_time) * 64_000;
        let numbers = (0..packet.packet_status_count).map(|n| packet.base_sequence_number.wrapping_add(n));
        let read = numbers.zip(symbols).map(|(number, symbol)| {
            if symbol as u16 == 0 {
                return (number, -1);
            }
            at += deltas.next().unwrap().delta;
            (number, at)
        });
        read.collect()
    }

    fn feedback(arrivals: &mut Arrivals, noted: &[(u16, u64)]) -> Vec<(u16, i64)> {
        for (sequence, ms) in noted {
            arrivals.note(*sequence, arrivals.begin + Duration::from_millis(*ms));
        }
        let mut out = b"before".to_vec();
        arrivals.write(1, 2, &mut out);
        read(&out[6..])
    }

    #[test]
    fn another_implementation_reads_what_came_and_what_did_not() {
        let mut arrivals = Arrivals::new(Instant::now());
        let read = feedback(
            &mut arrivals,
            &[(65_534, 100), (65_535, 101), (2, 180), (1, 190), (3, 500)],
        );
        assert_eq!(
            read,
            [
                (65_534, 100_000),
                (65_535, 101_000),
                (0, -1),
                (1, 190_000),
                (2, 180_000),
                (3, 500_000)
            ]
        );
        let read = feedback(&mut arrivals, &[(6, 501)]);
        assert_eq!(
            read,
            [(4, -1), (5, -1), (6, 501_000)],
            "also what the last one did not say"
        );
    }

    #[test]
    fn long_runs_and_short_ones_are_read_alike() {
        use rand::{RngExt, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(3);
        for keep in [0.02, 0.5, 0.9, 1.0] {
            let mut arrivals = Arrivals::new(Instant::now());
            let mut number = 65_000_u16;
            let mut ms = 0;
            for _ in 0..50 {
                let mut noted = Vec::new();
                for _ in 0..100 {
                    ms += random.random_range(0..3);
                    if random.random_bool(keep) {
                        noted.push((number, ms));
                    }
                    number = number.wrapping_add(1);
                }
                if noted.is_empty() {
                    continue;
                }
                let read = feedback(&mut arrivals, &noted);
                let came: Vec<_> = read.iter().filter(|(_, at)| *at >= 0).copied().collect();
                let expected: Vec<_> = noted.iter().map(|(n, ms)| (*n, *ms as i64 * 1000)).collect();
                assert_eq!(came, expected);
            }
        }
    }
}
