//! Transport-wide feedback unpacked.

use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, SymbolTypeTcc, TransportLayerCc,
};

/// Units of the reference time, in microseconds.
const REFERENCE_US: i64 = 64_000;

/// Calls `each` with every packet's place after the base number and its arrival in microseconds of the viewer's
/// clock; `None` for one that has not come.
pub(super) fn for_each_status(feedback: &TransportLayerCc, mut each: impl FnMut(u16, Option<i64>)) {
    let mut deltas = feedback.recv_deltas.iter();
    let mut clock = i64::from(feedback.reference_time) * REFERENCE_US;
    let mut place = 0;
    let mut status = |symbol: SymbolTypeTcc, deltas: &mut std::slice::Iter<'_, RecvDelta>| {
        // A run may claim thousands more.
        if place >= feedback.packet_status_count {
            return false;
        }
        let arrival = match symbol {
            SymbolTypeTcc::PacketReceivedSmallDelta | SymbolTypeTcc::PacketReceivedLargeDelta => {
                deltas.next().map(|delta| {
                    clock += delta.delta;
                    clock
                })
            }
            SymbolTypeTcc::PacketNotReceived | SymbolTypeTcc::PacketReceivedWithoutDelta => None,
        };
        each(place, arrival);
        place += 1;
        true
    };
    for chunk in &feedback.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(run) => {
                let _ = (0..run.run_length).all(|_| status(run.packet_status_symbol, &mut deltas));
            }
            PacketStatusChunk::StatusVectorChunk(vector) => {
                let _ = vector
                    .symbol_list
                    .iter()
                    .all(|&symbol| status(symbol, &mut deltas));
            }
        }
    }
}
