//! Transport-wide feedback read where it lies, without a copy
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

/// Units of the reference time, in microseconds.
const REFERENCE_US: i64 = 64_000;
/// Units of an arrival delta, in microseconds.
const DELTA_US: i64 = 250;
/// RTCP header, sender and media SSRC, base number, status count, reference time and feedback count.
const FIXED_LEN: usize = 20;

/// One feedback packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TransportFeedback<'a> {
    /// The first number it speaks of.
    pub(super) base: u16,
    /// How many numbers it speaks of.
    pub(super) count: u16,
    reference_us: i64,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// Whether an RTCP packet is one: transport layer feedback (205) of format 15.
pub(crate) fn is_transport_feedback(packet: &[u8]) -> bool {
    matches!(packet, [first, 205, ..] if first & 0x1f == 15)
}

impl<'a> TransportFeedback<'a> {
    /// Reads one RTCP packet, header included; `None` when it is something else or cut short.
    pub(super) fn parse(packet: &'a [u8]) -> Option<TransportFeedback<'a>> {
        if !is_transport_feedback(packet) {
            return None;
        }
        let (fixed, rest) = packet.split_at_checked(FIXED_LEN)?;
        let &[b0, b1, c0, c1, r0, r1, r2, _] = fixed.get(12..)? else {
            return None;
        };
        let count = u16::from_be_bytes([c0, c1]);
        let (mut told, mut len) = (0, 0);
        while told < usize::from(count) {
            told += Chunk::read(rest.get(len..)?)?.len();
            len += 2;
        }
        let (chunks, deltas) = rest.split_at_checked(len)?;
        Some(TransportFeedback {
            base: u16::from_be_bytes([b0, b1]),
            count,
            // 24 bits, signed.
            reference_us: i64::from(i32::from_be_bytes([r0, r1, r2, 0]) >> 8) * REFERENCE_US,
            chunks,
            deltas,
        })
    }

    /// Each number's place after the base and its arrival in microseconds of the viewer's clock, `None` for one
    /// that has not come. Ends early where arrivals are missing.
    pub(super) fn statuses(&self) -> Statuses<'a> {
        Statuses {
            place: 0,
            count: self.count,
            clock: self.reference_us,
            chunk: Chunk::default(),
            chunks: self.chunks,
            deltas: self.deltas,
        }
    }
}

/// What two bytes say of the next numbers: a run of one symbol, or symbols side by side.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    symbols: u16,
    left: u16,
    /// Bits per symbol, 0 for a run.
    width: u8,
}

impl Chunk {
    fn read(bytes: &[u8]) -> Option<Chunk> {
        let word = u16::from_be_bytes(*bytes.first_chunk()?);
        Some(match word >> 14 {
            0 | 1 => Chunk {
                symbols: word >> 13 & 3,
                left: word & 0x1fff,
                width: 0,
            },
            2 => Chunk {
                symbols: word & 0x3fff,
                left: 14,
                width: 1,
            },
            _ => Chunk {
                symbols: word & 0x3fff,
                left: 7,
                width: 2,
            },
        })
    }

    fn len(self) -> usize {
        usize::from(self.left)
    }

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        Some(match self.width {
            0 => self.symbols,
            1 => self.symbols >> self.left & 1,
            _ => self.symbols >> (2 * self.left) & 3,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Statuses<'a> {
    place: u16,
    count: u16,
    clock: i64,
    chunk: Chunk,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl Iterator for Statuses<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.place >= self.count {
            return None;
        }
        let symbol = loop {
            if let Some(symbol) = self.chunk.next() {
                break symbol;
            }
            self.chunk = Chunk::read(self.chunks)?;
            self.chunks = self.chunks.get(2..)?;
        };
        let delta = match symbol {
            1 => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(i64::from(delta))
            }
            2 => {
                let (&delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                Some(i64::from(i16::from_be_bytes(delta)))
            }
            // Not come, or come without a time.
            _ => None,
        };
        let arrival = delta.map(|delta| {
            self.clock += delta * DELTA_US;
            self.clock
        });
        let place = self.place;
        self.place += 1;
        Some((place, arrival))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::shared::marshal::Marshal;
    use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, StatusVectorChunk,
        SymbolSizeTypeTcc, SymbolTypeTcc, TransportLayerCc,
    };

    use super::*;

    fn delta(kind: SymbolTypeTcc, delta: i64) -> RecvDelta {
        RecvDelta {
            type_tcc_packet: kind,
            delta,
        }
    }

    #[test]
    fn another_implementations_feedback_is_read() {
        use SymbolTypeTcc::{PacketNotReceived, PacketReceivedLargeDelta, PacketReceivedSmallDelta};
        let vector = |symbol_size, symbol_list| {
            PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
                symbol_size,
                symbol_list,
            })
        };
        let feedback = TransportLayerCc {
            base_sequence_number: 65_530,
            packet_status_count: 13,
            reference_time: 3,
            packet_chunks: vec![
                PacketStatusChunk::RunLengthChunk(RunLengthChunk {
                    type_tcc: StatusChunkTypeTcc::RunLengthChunk,
                    packet_status_symbol: PacketReceivedSmallDelta,
                    run_length: 3,
                }),
                vector(
                    SymbolSizeTypeTcc::TwoBit,
                    vec![
                        PacketReceivedLargeDelta,
                        PacketNotReceived,
                        PacketReceivedSmallDelta,
                        PacketNotReceived,
                        PacketNotReceived,
                        PacketNotReceived,
                        PacketReceivedSmallDelta,
                    ],
                ),
                vector(
                    SymbolSizeTypeTcc::OneBit,
                    [
                        PacketReceivedSmallDelta,
                        PacketNotReceived,
                        PacketReceivedSmallDelta,
                    ]
                    .into_iter()
                    .chain(std::iter::repeat_n(PacketNotReceived, 11))
                    .collect(),
                ),
            ],
            recv_deltas: vec![
                delta(PacketReceivedSmallDelta, 1000),
                delta(PacketReceivedSmallDelta, 0),
                delta(PacketReceivedSmallDelta, 250),
                delta(PacketReceivedLargeDelta, -500),
                delta(PacketReceivedSmallDelta, 63_750),
                delta(PacketReceivedSmallDelta, 250),
                delta(PacketReceivedSmallDelta, 500),
                delta(PacketReceivedSmallDelta, 750),
            ],
            ..TransportLayerCc::default()
        };
        let bytes = feedback.marshal().unwrap();
        let read = TransportFeedback::parse(&bytes).unwrap();
        assert_eq!((read.base, read.count), (65_530, 13));
        let mut clock = 3 * REFERENCE_US;
        let mut came = |delta: i64| {
            clock += delta;
            Some(clock)
        };
        let expected = [
            came(1000),
            came(0),
            came(250),
            came(-500),
            None,
            came(63_750),
            None,
            None,
            None,
            came(250),
            came(500),
            None,
            came(750),
        ];
        let statuses: Vec<_> = read.statuses().collect();
        let expected: Vec<_> = (0..).zip(expected).collect();
        assert_eq!(statuses, expected);
    }

    #[test]
    fn what_is_cut_short_is_refused_or_ends_early() {
        let packet = [
            0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 3, 0, 0, 1, 0, 0x20, 0x03, 4, 5,
        ];
        let read = TransportFeedback::parse(&packet).unwrap();
        assert_eq!(read.statuses().count(), 2, "two of three arrivals are there");
        assert_eq!(TransportFeedback::parse(&packet[..20]), None);
        assert_eq!(TransportFeedback::parse(&packet[..21]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let [first, kind, ..] = &mut *bytes {
                (*first, *kind) = (0x8f, 205);
            }
            if let Some(read) = TransportFeedback::parse(&bytes) {
                prop_assert!(read.statuses().count() <= usize::from(read.count));
            }
        }
    }
}
