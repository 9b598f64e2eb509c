//! Which bytes of a stream have left: the SCTP crate tells only what is not acknowledged yet, so the packets it
//! makes are read on their way out.

/// Bytes of one channel written and sent.
#[derive(Debug, Default)]
pub(super) struct SentBytes {
    unsent: usize,
    /// Of them, what could not be sent when there was a chance.
    held_back: usize,
}

impl SentBytes {
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.unsent += bytes;
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.unsent = self.unsent.saturating_sub(bytes);
        self.held_back = self.held_back.saturating_sub(bytes);
    }

    /// All has been sent that the association may send now.
    pub(super) fn settle(&mut self) {
        self.held_back = self.unsent;
    }

    pub(super) fn is_held_back(&self) -> bool {
        self.held_back > 0
    }

    pub(super) fn unsent(&self) -> usize {
        self.unsent
    }
}

/// Bytes before the first chunk, and the type of chunks of data (RFC 9260 §3).
pub(super) const COMMON_HEADER_LEN: usize = 12;
pub(super) const DATA: u8 = 0;
const DATA_HEADER_LEN: usize = 16;

/// Calls `sent` with stream and length of each DATA chunk that goes out for the first time, by its TSN
/// (RFC 9260 §3.3.1): new ones only grow, in serial number arithmetic.
pub(super) fn for_each_new_data(packet: &[u8], last_tsn: &mut Option<u32>, mut sent: impl FnMut(u16, usize)) {
    let mut rest = packet.get(COMMON_HEADER_LEN..).unwrap_or_default();
    while let &[kind, _, l0, l1, ..] = rest {
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if let &[DATA, _, _, _, t0, t1, t2, t3, s0, s1, ..] = rest
            && kind == DATA
        {
            let tsn = u32::from_be_bytes([t0, t1, t2, t3]);
            let is_new = last_tsn.is_none_or(|last| (tsn.wrapping_sub(last) as i32) > 0);
            if is_new {
                *last_tsn = Some(tsn);
                sent(u16::from_be_bytes([s0, s1]), len.saturating_sub(DATA_HEADER_LEN));
            }
        }
        rest = rest.get(len.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(tsn: u32, stream: u16, len: u16) -> Vec<u8> {
        let mut chunk = vec![DATA, 3];
        chunk.extend((16 + len).to_be_bytes());
        chunk.extend(tsn.to_be_bytes());
        chunk.extend(stream.to_be_bytes());
        chunk.resize(usize::from(16 + len).next_multiple_of(4), 0);
        chunk
    }

    #[test]
    fn each_chunk_counts_once() {
        let sack = vec![3, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let packet = [
            vec![0; 12],
            sack,
            data(u32::MAX, 2, 5),
            data(0, 4, 7),
            data(u32::MAX, 2, 5),
        ]
        .concat();
        let mut last = None;
        let mut seen = Vec::new();
        for_each_new_data(&packet, &mut last, |stream, len| seen.push((stream, len)));
        for_each_new_data(&packet, &mut last, |stream, len| seen.push((stream, len)));
        assert_eq!(seen, [(2, 5), (4, 7)]);
        for_each_new_data(&packet[..20], &mut None, |_, _| panic!());
    }
}
