//! Which of a peer's SCTP packets its association gets. The crate behind it bounds the bytes of messages that it keeps, not
//! what it keeps and does for each piece: for a stranger's sake that is done here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::sctp::MAX_STREAMS;
use super::sent::{COMMON_HEADER_LEN, DATA};
use crate::rate_limiter::{Rate, RateLimiter};

/// Pieces of messages: a page says a few short things a second, and the longest message has sixteen pieces.
const PIECES: Rate = Rate::new(200, 256);
/// Chunks that are neither data nor acknowledgements. Nearly all of them are answered, some by more than they are.
const ASKS: Rate = Rate::new(20, 64);
/// Closed streams: the association remembers each until the peer acknowledges its answer, which it need not.
const RESETS: Rate = Rate::every(Duration::from_secs(10), 32);
/// What may be kept for a peer whose messages are not whole or out of order: a full window of whole packets.
const MAX_KEPT: usize = 256 << 10;
/// What the association keeps for a piece beside its packet: itself in two queues.
const PIECE: usize = 512;

const SACK: u8 = 3;
const RECONFIG: u8 = 130;

/// What becomes of a packet.
pub(super) enum Taken {
    /// It is for the association.
    Packet(Bytes),
    /// It is malformed, or one too many: as if it had been lost.
    Nothing,
    /// The peer has more kept for it than anybody needs.
    TooMuch,
}

pub(super) struct Intake {
    pieces: RateLimiter,
    asks: RateLimiter,
    resets: RateLimiter,
    /// Bytes that are kept for the peer, as long as they are.
    kept: Arc<AtomicUsize>,
}

/// A packet with pieces of messages: each keeps all of it.
struct Kept {
    packet: Box<[u8]>,
    counts_for: usize,
    kept: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.packet
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.kept.fetch_sub(self.counts_for, Ordering::Relaxed);
    }
}

impl Intake {
    pub(super) fn new(now: Instant) -> Intake {
        Intake {
            pieces: RateLimiter::new(now),
            asks: RateLimiter::new(now),
            resets: RateLimiter::new(now),
            kept: Arc::default(),
        }
    }

    pub(super) fn take(&mut self, now: Instant, packet: &[u8]) -> Taken {
        let mut rest = packet.get(COMMON_HEADER_LEN..).unwrap_or_default();
        let (mut pieces, mut has_acknowledgement) = (0, false);
        while let Some((&[kind, _, l0, l1], value)) = rest.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes([l0, l1]));
            let Some(value) = len.checked_sub(4).and_then(|len| value.get(..len)) else {
                return Taken::Nothing;
            };
            let is_taken = match kind {
                DATA => {
                    pieces += 1;
                    is_piece(value) && self.pieces.take(now, PIECES)
                }
                SACK => !std::mem::replace(&mut has_acknowledgement, true) && is_ascending(value),
                RECONFIG => self.resets.take(now, RESETS),
                _ => self.asks.take(now, ASKS),
            };
            if !is_taken {
                return Taken::Nothing;
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        if pieces == 0 {
            return Taken::Packet(Bytes::copy_from_slice(packet));
        }
        let counts_for = packet.len() + pieces * PIECE;
        let before = self.kept.fetch_add(counts_for, Ordering::Relaxed);
        let kept = Kept {
            packet: packet.into(),
            counts_for,
            kept: Arc::clone(&self.kept),
        };
        if before + counts_for > MAX_KEPT {
            return Taken::TooMuch;
        }
        Taken::Packet(Bytes::from_owner(kept))
    }
}

/// Whether DATA (RFC 9260 §3.3.1) has user data, as it must, on a stream that was offered: what is empty takes nothing of
/// the window, and streams are made as they are named.
fn is_piece(value: &[u8]) -> bool {
    match value {
        [_, _, _, _, s0, s1, _, _, _, _, _, _, _, ..] => u16::from_be_bytes([*s0, *s1]) < MAX_STREAMS,
        _ => false,
    }
}

/// Whether the blocks of a SACK (RFC 9260 §3.3.4) follow each other, so that each packet is acknowledged once.
fn is_ascending(value: &[u8]) -> bool {
    let Some((&[_, _, _, _, _, _, _, _, n0, n1, _, _], rest)) = value.split_first_chunk() else {
        return false;
    };
    let blocks = rest.as_chunks::<4>().0;
    let Some(blocks) = blocks.get(..u16::from_be_bytes([n0, n1]).into()) else {
        return false;
    };
    let mut last = 0;
    blocks.iter().all(|&[s0, s1, e0, e1]| {
        let (start, end) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([e0, e1]));
        let follows = start > last && end >= start;
        last = end;
        follows
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: u8, value: &[u8]) -> Vec<u8> {
        let mut chunk = vec![kind, 3];
        chunk.extend((value.len() as u16 + 4).to_be_bytes());
        chunk.extend(value);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    fn data(stream: u16, bytes: &[u8]) -> Vec<u8> {
        let mut value = vec![0; 12];
        value[4..6].copy_from_slice(&stream.to_be_bytes());
        value.extend(bytes);
        chunk(DATA, &value)
    }

    fn sack(blocks: &[[u16; 2]]) -> Vec<u8> {
        let mut value = vec![0; 12];
        value[9] = blocks.len() as u8;
        value.extend(blocks.iter().flatten().flat_map(|number| number.to_be_bytes()));
        chunk(SACK, &value)
    }

    fn packet(chunks: &[Vec<u8>]) -> Vec<u8> {
        [vec![0; 12], chunks.concat()].concat()
    }

    fn passes(chunks: &[Vec<u8>]) -> bool {
        let now = crate::media::begin();
        matches!(Intake::new(now).take(now, &packet(chunks)), Taken::Packet(taken) if taken == packet(chunks))
    }

    #[test]
    fn what_a_browser_says_passes() {
        assert!(passes(&[data(0, b"hello")]));
        assert!(passes(&[sack(&[[1, 3], [5, 5]]), data(2, b"a"), data(4, b"b")]));
        assert!(passes(&[chunk(4, &[0, 1, 0, 4])]));
    }

    #[test]
    fn what_costs_more_than_it_says_does_not() {
        assert!(!passes(&[data(0, b"")]), "no user data");
        assert!(!passes(&[data(MAX_STREAMS, b"a")]), "a stream never offered");
        assert!(!passes(&[sack(&[]), sack(&[])]), "two acknowledgements");
        assert!(!passes(&[sack(&[[1, 9], [1, 9]])]), "the same twice");
        assert!(!passes(&[vec![DATA, 3, 0, 3]]), "shorter than its header");
        let mut cut = packet(&[data(0, b"hello")]);
        cut.truncate(24);
        let now = crate::media::begin();
        assert!(matches!(Intake::new(now).take(now, &cut), Taken::Nothing));
    }

    #[test]
    fn each_kind_has_its_pace() {
        let now = crate::media::begin();
        let taken = |chunk: Vec<u8>| {
            let mut intake = Intake::new(now);
            let packet = packet(&[chunk]);
            let take = |_: &u32| matches!(intake.take(now, &packet), Taken::Packet(_));
            (0..1000).filter(take).count()
        };
        assert_eq!(taken(data(0, b"a")), 256);
        assert_eq!(taken(chunk(4, &[])), 64);
        assert_eq!(taken(chunk(RECONFIG, &[])), 32);
        assert_eq!(taken(sack(&[])), 1000);
    }

    #[test]
    fn who_has_too_much_kept_is_told_from_who_has_it_read() {
        let mut now = crate::media::begin();
        let mut intake = Intake::new(now);
        let packet = packet(&[data(0, &[b'a'; 1000])]);
        let mut kept = Vec::new();
        for _ in 0..1000 {
            now += Duration::from_millis(10);
            match intake.take(now, &packet) {
                Taken::Packet(packet) => kept.push(packet),
                Taken::Nothing => panic!("paced"),
                Taken::TooMuch => break,
            }
        }
        // A window of the longest packets is not too much.
        assert!((128..200).contains(&kept.len()), "{}", kept.len());
        kept.clear();
        now += Duration::from_millis(10);
        assert!(matches!(intake.take(now, &packet), Taken::Packet(_)));
    }
}
