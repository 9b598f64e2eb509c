//! The packets of one encoding, kept once: the forwarding queue, the retransmission store and the cached group of
//! pictures of every viewer on the shard.

use std::collections::VecDeque;
use std::mem::size_of;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::negotiation::Codec;

/// What the payload's first bytes say, parsed once at ingest and used by every subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadInfo {
    /// Nothing to rewrite inside the payload (Opus, H.264, AV1).
    Opaque,
    /// VP8 (RFC 7741 §4.2). Offsets are into the payload; a field that is absent is `None`.
    Vp8 {
        /// Offset and width (7 or 15 bits) of the picture id, with its value.
        picture_id: Option<(u8, u8, u16)>,
        /// Offset and value of TL0PICIDX.
        tl0_pic_idx: Option<(u8, u8)>,
        /// Length of the payload descriptor in bytes.
        descriptor: u8,
    },
    /// VP9 (RFC 9628 §4.2).
    Vp9 {
        /// Offset and width (7 or 15 bits) of the picture id, with its value.
        picture_id: Option<(u8, u8, u16)>,
        /// Offset and value of TL0PICIDX.
        tl0_pic_idx: Option<(u8, u8)>,
        /// Spatial layer, 0 for none.
        spatial: u8,
        /// Whether an upper spatial layer may start here.
        switching_up: bool,
    },
}

/// One RTP packet of an encoding; a clone shares the bytes.
#[derive(Clone, Debug)]
pub struct StoredPacket {
    /// When it came; a retransmitted one keeps the time it finally came.
    pub arrival: Instant,
    /// Extended sequence number: the publisher's 16 bits unrolled.
    pub sequence: u64,
    /// RTP timestamp as sent.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// The codec it carries (a publisher may change payload type mid-stream).
    pub codec: Codec,
    /// First packet of a keyframe, a decoder can start here (with parameter sets, for H.264).
    pub keyframe_start: bool,
    /// First packet of a frame.
    pub frame_start: bool,
    /// Temporal layer, 0 is the base.
    pub temporal: u8,
    /// Whether the next lower temporal layers alone may be continued from here upward.
    pub temporal_sync: bool,
    /// Payload fields to rewrite.
    pub info: PayloadInfo,
    /// RTP header with extensions, as the publisher sent it (for extensions passed through), then the payload
    /// without padding.
    pub bytes: Bytes,
    /// Where the payload starts in `bytes`.
    pub payload_offset: u16,
}

impl StoredPacket {
    /// The RTP header and its extensions.
    pub fn header(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.payload_offset))
            .unwrap_or_default()
    }

    /// The payload without padding.
    pub fn payload(&self) -> &[u8] {
        self.bytes
            .get(usize::from(self.payload_offset)..)
            .unwrap_or_default()
    }
}

/// What a packet costs beside its bytes: its place in the ring (which may be half empty after growing) and two
/// slots of the sequence index. Counted, so that many small packets stay within the bound too.
const OVERHEAD: usize = 2 * size_of::<StoredPacket>() + 2 * size_of::<u64>();

/// Slots of the sequence index at first: a second of a middling stream.
const INITIAL_SLOTS: usize = 256;

/// A bounded ring of one encoding's packets. A *position* counts packets in the order they are to be forwarded
/// (arrival order); it never repeats, so a cursor that falls behind the ring is noticed.
#[derive(Debug)]
pub struct History {
    packets: VecDeque<StoredPacket>,
    /// The position of the front of `packets`.
    start: u64,
    /// Bytes held, with [`OVERHEAD`].
    bytes: usize,
    max_bytes: usize,
    max_time: Duration,
    /// Position and sequence of the newest keyframe's first packet, kept or not.
    keyframe: Option<(u64, u64)>,
    /// Bytes on the wire of everything since that keyframe.
    group_bytes: u64,
    /// Positions by sequence number modulo the length, a power of two. A slot may be stale: the packet tells.
    index: Vec<u64>,
}

impl History {
    /// An empty ring of at most `max_bytes` (bookkeeping included). Packets older than `max_time` go too, unless
    /// they belong to the current group of pictures: an encoder may send its next keyframe much later.
    pub fn new(max_bytes: usize, max_time: Duration) -> History {
        History {
            packets: VecDeque::new(),
            start: 0,
            bytes: 0,
            max_bytes,
            max_time,
            keyframe: None,
            group_bytes: 0,
            index: Vec::new(),
        }
    }

    /// Keeps a packet and lets go of what is over the bounds. Its position is what [`History::end`] was before.
    pub fn push(&mut self, packet: StoredPacket) {
        let position = self.end();
        // A first packet that was retransmitted may come after the next keyframe began: the newer one stays.
        if packet.keyframe_start && self.keyframe.is_none_or(|(_, newest)| packet.sequence > newest) {
            self.keyframe = Some((position, packet.sequence));
            self.group_bytes = 0;
        }
        self.group_bytes += packet.bytes.len() as u64;
        let now = packet.arrival;
        self.bytes += cost(&packet);
        let sequence = packet.sequence;
        self.packets.push_back(packet);
        self.remember(sequence, position);
        self.trim(now);
    }

    /// The position the next packet will get.
    pub fn end(&self) -> u64 {
        self.start + self.packets.len() as u64
    }

    /// The oldest position still kept.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The packet at a position.
    pub fn get(&self, position: u64) -> Option<&StoredPacket> {
        let offset = position.checked_sub(self.start)?;
        self.packets.get(usize::try_from(offset).ok()?)
    }

    /// The position of a sequence number, for retransmission. O(1).
    pub fn find(&self, sequence: u64) -> Option<u64> {
        let position = *self.index.get(slot(sequence, self.index.len()))?;
        (self.get(position)?.sequence == sequence).then_some(position)
    }

    /// Where the newest complete-enough group of pictures starts: the position of the last `keyframe_start` whose
    /// packets are all still kept.
    pub fn keyframe(&self) -> Option<u64> {
        self.keyframe
            .map(|(position, _)| position)
            .filter(|&position| position >= self.start)
    }

    /// Bytes of the packets since the newest keyframe, its own included.
    pub fn group_bytes(&self) -> u64 {
        self.group_bytes
    }

    /// Bytes held, bookkeeping included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn trim(&mut self, now: Instant) {
        let group = self.keyframe().unwrap_or(u64::MAX);
        while let Some(oldest) = self.packets.front() {
            let old = now.saturating_duration_since(oldest.arrival) > self.max_time && self.start < group;
            if !old && self.bytes <= self.max_bytes {
                return;
            }
            self.bytes -= cost(oldest);
            self.packets.pop_front();
            self.start += 1;
        }
    }

    fn remember(&mut self, sequence: u64, position: u64) {
        if self.packets.len() > self.index.len() {
            // At least as many slots as packets: consecutive numbers never share one. After a jump two may; then the
            // older packet cannot be retransmitted any more.
            let slots = self.packets.len().next_power_of_two().max(INITIAL_SLOTS);
            self.index = vec![u64::MAX; slots];
            for (position, packet) in (self.start..).zip(&self.packets) {
                set(&mut self.index, packet.sequence, position);
            }
        } else {
            set(&mut self.index, sequence, position);
        }
    }
}

fn cost(packet: &StoredPacket) -> usize {
    packet.bytes.len() + OVERHEAD
}

fn slot(sequence: u64, slots: usize) -> usize {
    sequence as usize & slots.wrapping_sub(1)
}

fn set(index: &mut [u64], sequence: u64, position: u64) {
    let slot = slot(sequence, index.len());
    if let Some(entry) = index.get_mut(slot) {
        *entry = position;
    }
}

#[cfg(test)]
mod tests {
    use super::super::begin;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn packet(at: Instant, sequence: u64, keyframe_start: bool) -> StoredPacket {
        StoredPacket {
            arrival: at,
            sequence,
            timestamp: 0,
            marker: false,
            codec: Codec::Vp8,
            keyframe_start,
            frame_start: true,
            temporal: 0,
            temporal_sync: false,
            info: PayloadInfo::Opaque,
            bytes: Bytes::from(vec![0; 1000]),
            payload_offset: 12,
        }
    }

    #[test]
    fn positions_follow_arrival_and_sequences_are_found() {
        let now = begin();
        let mut history = History::new(1 << 20, SECOND);
        for sequence in [100, 102, 101, 103] {
            history.push(packet(now, sequence, false));
        }
        assert_eq!((history.start(), history.end()), (0, 4));
        assert_eq!(history.find(101), Some(2));
        assert_eq!(history.get(2).unwrap().sequence, 101);
        assert_eq!(history.find(99), None);
        assert_eq!(history.find(100 + INITIAL_SLOTS as u64), None);
        assert_eq!(history.get(4).map(|p| p.sequence), None);
    }

    #[test]
    fn the_bytes_are_bounded_and_positions_go_on() {
        let now = begin();
        let mut history = History::new(1 << 20, SECOND);
        for sequence in 0..5000 {
            history.push(packet(now, sequence, sequence == 0));
            assert!(history.bytes() <= 1 << 20);
        }
        assert_eq!(history.end(), 5000);
        assert!(history.start() > 4000);
        assert_eq!(history.get(history.start() - 1).map(|p| p.sequence), None);
        assert_eq!(history.keyframe(), None, "its start is gone");
        for position in history.start()..history.end() {
            assert_eq!(history.find(position), Some(position));
        }
    }

    #[test]
    fn the_current_group_of_pictures_outlives_the_time_bound() {
        let begin = begin();
        let mut history = History::new(1 << 20, SECOND);
        for i in 0..100u32 {
            let at = begin + SECOND / 10 * i;
            history.push(packet(at, u64::from(i), i == 0 || i == 50));
            match i {
                0..50 => assert_eq!((history.start(), history.keyframe()), (0, Some(0))),
                50..60 => assert_eq!(history.keyframe(), Some(50)),
                _ => assert_eq!((history.start(), history.keyframe()), (50, Some(50))),
            }
        }
    }

    #[test]
    fn an_old_keyframe_that_comes_late_is_not_the_newest() {
        let now = begin();
        let mut history = History::new(1 << 20, SECOND);
        for (sequence, key) in [(10, true), (21, false), (30, true), (20, true)] {
            history.push(packet(now, sequence, key));
        }
        assert_eq!((history.keyframe(), history.group_bytes()), (Some(2), 2000));
    }

    #[test]
    fn a_jump_of_the_numbers_never_returns_a_wrong_packet() {
        let now = begin();
        let mut history = History::new(1 << 20, SECOND);
        for sequence in (0..200).chain(1 << 40..(1 << 40) + 200) {
            history.push(packet(now, sequence, false));
        }
        for sequence in (0..200).chain(1 << 40..(1 << 40) + 200) {
            if let Some(position) = history.find(sequence) {
                assert_eq!(history.get(position).unwrap().sequence, sequence);
            }
        }
        assert!(history.find((1 << 40) + 199).is_some());
    }

    #[test]
    fn a_packet_over_the_bound_leaves_an_empty_ring() {
        let mut history = History::new(100, SECOND);
        history.push(packet(begin(), 7, true));
        assert_eq!((history.start(), history.end(), history.bytes()), (1, 1, 0));
        assert_eq!((history.keyframe(), history.find(7)), (None, None));
    }
}
