//! The packets of one encoding, kept once: the forwarding queue, the retransmission store and the cached group of
//! pictures of every viewer on the shard.

use std::collections::VecDeque;
use std::mem::size_of;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::payload::dependency::LayerSet;
use super::payload::red::RedHeader;
use crate::negotiation::Codec;

/// What the payload's first bytes say, parsed once at ingest and used by every subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadInfo {
    /// Nothing to rewrite inside the payload (Opus, H.264, AV1).
    Opaque,
    /// Sound with redundancy (RFC 2198).
    Red(RedHeader),
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
        /// Whether the layer's part of the picture ends here.
        layer_end: bool,
    },
}

/// How often an encoding's publisher began anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// With other sequence numbers, and a clock of their own.
    pub numbers: u16,
    /// With another clock.
    pub clock: u16,
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
    /// Which beginning of its encoding's numbers and clock it is of.
    pub epoch: Epoch,
    /// Marker bit.
    pub marker: bool,
    /// The codec it carries (a publisher may change payload type mid-stream).
    pub codec: Codec,
    /// First packet of a keyframe, a decoder can start here (with parameter sets, for H.264).
    pub keyframe_start: bool,
    /// First packet of a frame.
    pub frame_start: bool,
    /// Spatial layer, 0 is the lowest.
    pub spatial: u8,
    /// Whether its picture has the layer below its own, too; of what is missing it is believed ([`History::push`]).
    pub has_below: bool,
    /// Last packet of its layer's part of the picture.
    pub layer_end: bool,
    /// Temporal layer, 0 is the base.
    pub temporal: u8,
    /// Whether the next lower temporal layers alone may be continued from here upward.
    pub temporal_sync: bool,
    /// The layers that may be gone to from here by who can decode this packet's frame.
    pub opens: LayerSet,
    /// Where in `bytes` its dependency descriptor stands, and its length; 0 for none.
    pub dependency: (u16, u8),
    /// Payload fields to rewrite.
    pub info: PayloadInfo,
    /// RTP header with extensions, as the publisher sent it (for extensions passed through), then the payload
    /// without padding.
    pub bytes: Bytes,
    /// Where the payload starts in `bytes`.
    pub payload_offset: u16,
    /// Whether the header carries extensions that a viewer may be given; most packets of a picture do not.
    pub passes_extensions: bool,
    /// Bytes of RTP padding that make it as long as its frame's other packets ([`History::release`]).
    pub padding: u8,
}

impl StoredPacket {
    /// The RTP header and its extensions.
    pub fn header(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.payload_offset))
            .unwrap_or_default()
    }

    /// Its dependency descriptor; empty for none.
    pub fn dependency(&self) -> &[u8] {
        let (at, len) = self.dependency;
        let descriptor = self.bytes.get(usize::from(at)..).unwrap_or_default();
        descriptor.get(..usize::from(len)).unwrap_or_default()
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

/// Padding that a packet may get to be as long as its neighbours. libwebrtc cuts a frame into packets that differ by a
/// byte, the longer ones last; what differs by more (a frame's last packet) ends its run anyway.
const MAX_PADDING: usize = 4;

/// Spatial layers whose bytes are counted apart; those above count as the highest.
const SPATIAL_LAYERS: usize = 4;

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
    /// Bytes on the wire of everything since that keyframe, by spatial layer.
    group_bytes: [u64; SPATIAL_LAYERS],
    /// Positions by sequence number modulo the length, a power of two. A slot may be stale: the packet tells.
    index: Vec<u64>,
    /// Packets before this position may leave; everything until the first [`History::release`].
    released: u64,
    /// Behind the newest frame that is whole, or as whole as it will be.
    frames_end: u64,
    /// Sequence number and timestamp of the newest packet.
    newest: Option<(u64, u32)>,
}

/// Publishers that do not pace send a frame at once: within a quarter of a millisecond a browser on a wide line was seen
/// to. So what has come without a pause so long is waited for beyond the packets that are allowed: to send the first of
/// them would take longer than the others take to come, and all of them would leave in two runs.
const GAP: Duration = Duration::from_micros(500);
/// But no longer than this: a frame that comes for longer is sent while it comes.
const BURST: Duration = Duration::from_millis(2);

/// What may be held of an encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// For how long after the first packet of a frame.
    pub longest: Duration,
    /// With how many they leave, whole or not, unless more of them are just coming: one less is held.
    pub packets: usize,
}

/// What [`History::release`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Whether packets may leave now that might not before.
    pub has_more: bool,
    /// When the packets that are held may leave at the latest; `None` when there are none.
    pub next: Option<Instant>,
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
            group_bytes: [0; SPATIAL_LAYERS],
            index: Vec::new(),
            released: u64::MAX,
            frames_end: 0,
            newest: None,
        }
    }

    /// Keeps a packet and lets go of what is over the bounds. Its position is what [`History::end`] was before.
    pub fn push(&mut self, mut packet: StoredPacket) {
        packet.has_below = self.has_below(&packet);
        let position = self.end();
        // A first packet that was retransmitted may come after the next keyframe began: the newer one stays.
        if packet.keyframe_start && self.keyframe.is_none_or(|(_, newest)| packet.sequence > newest) {
            self.keyframe = Some((position, packet.sequence));
            self.group_bytes = [0; SPATIAL_LAYERS];
        }
        let layer = usize::from(packet.spatial).min(SPATIAL_LAYERS - 1);
        if let Some(layer) = self.group_bytes.get_mut(layer) {
            *layer += packet.bytes.len() as u64;
        }
        self.note_frame(position, &packet);
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

    /// The packet that its publisher sent right after this one.
    pub fn after(&self, packet: &StoredPacket) -> Option<&StoredPacket> {
        self.get(self.find(packet.sequence + 1)?)
    }

    /// Whether the picture of an upper layer's packet has the layer below that one, by what its publisher sent before it.
    fn has_below(&self, packet: &StoredPacket) -> bool {
        let before = packet
            .sequence
            .checked_sub(1)
            .and_then(|sequence| self.find(sequence));
        match before.and_then(|position| self.get(position)) {
            _ if packet.spatial == 0 => false,
            None => true,
            Some(before) if before.timestamp != packet.timestamp => false,
            Some(before) if before.spatial == packet.spatial => before.has_below,
            Some(before) => before.spatial + 1 == packet.spatial,
        }
    }

    /// Whether nothing that its publisher sent after it has come.
    pub fn is_newest(&self, packet: &StoredPacket) -> bool {
        self.newest
            .is_none_or(|(sequence, _)| sequence <= packet.sequence)
    }

    /// Where the newest complete-enough group of pictures starts: the position of the last `keyframe_start` whose
    /// packets are all still kept.
    pub fn keyframe(&self) -> Option<u64> {
        self.keyframe
            .map(|(position, _)| position)
            .filter(|&position| position >= self.start)
    }

    /// The number of the newest keyframe's first packet, kept or not.
    pub fn keyframe_sequence(&self) -> Option<u64> {
        self.keyframe.map(|(_, sequence)| sequence)
    }

    /// Bytes of the packets since the newest keyframe, its own included, up to a spatial layer.
    pub fn group_bytes(&self, spatial: u8) -> u64 {
        let layers = usize::from(spatial).min(SPATIAL_LAYERS - 1);
        self.group_bytes.iter().take(layers + 1).sum()
    }

    /// Bytes of the newest keyframe's own packets up to a spatial layer, as far as they have come.
    pub fn keyframe_bytes(&self, spatial: u8) -> u64 {
        let packets = self.keyframe().into_iter().flat_map(|start| start..self.end());
        let mut packets = packets.filter_map(|position| self.get(position)).peekable();
        let timestamp = packets.peek().map(|first| first.timestamp);
        let picture = packets.take_while(|packet| Some(packet.timestamp) == timestamp);
        let picture = picture.filter(|packet| packet.spatial <= spatial);
        picture.map(|packet| packet.bytes.len() as u64).sum()
    }

    /// Whether all packets of the newest keyframe have come, as far as a later one or a marker tells.
    pub fn has_whole_keyframe(&self) -> bool {
        let packets = self.keyframe().into_iter().flat_map(|start| start..self.end());
        let mut packets = packets.filter_map(|position| self.get(position)).peekable();
        let timestamp = packets.peek().map(|first| first.timestamp);
        packets.any(|packet| packet.marker || Some(packet.timestamp) != timestamp)
    }

    /// Bytes held, bookkeeping included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The packet at a position, unless it is held.
    pub fn ready(&self, position: u64) -> Option<&StoredPacket> {
        if position < self.released {
            self.get(position)
        } else {
            None
        }
    }

    /// Decides which packets may leave. Packets of a frame that is not whole yet are held as far as is allowed, so that
    /// a viewer gets the frame in one run; packets that leave together are made equally long.
    pub fn release(&mut self, now: Instant, allowed: Allowance) -> Release {
        let end = self.end();
        // Until now nothing was held.
        let before = if self.released == u64::MAX {
            self.start
        } else {
            self.released
        };
        let whole = before.max(self.frames_end).min(end);
        let until = self.get(whole).map(|first| {
            let longest = first.arrival + allowed.longest;
            if end - whole < allowed.packets as u64 {
                return longest;
            }
            let newest = self.get(end - 1).unwrap_or(first).arrival;
            longest.min(newest + GAP).min(first.arrival + BURST)
        });
        let (released, next) = match until {
            Some(until) if until > now => (whole, Some(until)),
            _ => (end, None),
        };
        self.pad(before, released);
        self.released = released;
        Release {
            has_more: released > before,
            next,
        }
    }

    /// Makes neighbours of one frame equally long where little is missing.
    fn pad(&mut self, from: u64, to: u64) {
        let mut frame = from.max(self.start);
        while frame < to {
            let Some(timestamp) = self.get(frame).map(|packet| packet.timestamp) else {
                return;
            };
            let (mut end, mut longest) = (frame, 0);
            while end < to
                && let Some(packet) = self.get(end)
                && packet.timestamp == timestamp
            {
                longest = longest.max(packet.payload().len());
                end += 1;
            }
            for position in frame..end {
                let place = usize::try_from(position - self.start).ok();
                if let Some(packet) = place.and_then(|place| self.packets.get_mut(place)) {
                    let len = packet.payload().len();
                    let missing = longest - len;
                    packet.padding = if missing <= MAX_PADDING && len > 0 {
                        missing as u8
                    } else {
                        0
                    };
                }
            }
            frame = end;
        }
    }

    fn note_frame(&mut self, position: u64, packet: &StoredPacket) {
        let (newest, timestamp) = self.newest.unwrap_or((packet.sequence, packet.timestamp));
        if packet.marker || packet.sequence < newest {
            // The end of a frame, or one that was missing and is waited for.
            self.frames_end = position + 1;
        } else if packet.timestamp != timestamp {
            self.frames_end = position;
        }
        if packet.sequence >= newest {
            self.newest = Some((packet.sequence, packet.timestamp));
        }
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
mod tests;
