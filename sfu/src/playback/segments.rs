//! A viewer's own numbers: which packet of which encoding went out under which sequence number and timestamp. A
//! packet can be found again for retransmission without anything being kept per packet.

use std::collections::VecDeque;

use super::descriptor::PictureOffsets;
use crate::media::history::Epoch;
use crate::relay::EncodingId;

/// Segments remembered for retransmission. Where layers are left out each gap begins one: two seconds of them.
const MAX_SEGMENTS: usize = 64;
/// Frames whose timestamps are not the plain ones: a burst of ten seconds at 50 frames a second.
const MAX_STAMPS: usize = 512;

/// A stretch of one encoding, from a switch to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) encoding: EncodingId,
    /// Which beginning of that encoding's numbers and clock.
    pub(super) epoch: Epoch,
    /// Sequence number of its first packet, unrolled, as the publisher and as the viewer know it.
    pub(super) in_first: u64,
    pub(super) out_first: u64,
    /// What to add to the publisher's timestamps.
    pub(super) timestamp_offset: u32,
    pub(super) pictures: PictureOffsets,
}

impl Segment {
    pub(super) fn out_sequence(&self, sequence: u64) -> Option<u64> {
        Some(self.out_first + sequence.checked_sub(self.in_first)?)
    }
}

#[derive(Clone, Copy, Debug)]
struct Stamp {
    out_first: u64,
    timestamp: u32,
    out: u32,
}

/// The segments of one stream toward a viewer.
#[derive(Debug)]
pub(super) struct Segments {
    list: VecDeque<Segment>,
    /// The next sequence number never used.
    next_out: u64,
    stamps: VecDeque<Stamp>,
}

impl Segments {
    /// Numbers begin at `first`, well above zero so that late ones stay positive.
    pub(super) fn new(first: u16) -> Segments {
        Segments {
            list: VecDeque::new(),
            next_out: (1 << 16) + u64::from(first),
            stamps: VecDeque::new(),
        }
    }

    /// The segment in use.
    pub(super) fn current(&self) -> Option<&Segment> {
        self.list.back()
    }

    /// Begins a segment right behind the last number used.
    pub(super) fn begin(
        &mut self,
        (encoding, epoch): (EncodingId, Epoch),
        in_first: u64,
        timestamp_offset: u32,
        pictures: PictureOffsets,
    ) {
        self.push(Segment {
            encoding,
            epoch,
            in_first,
            out_first: self.next_out,
            timestamp_offset,
            pictures,
        });
    }

    /// The segment in use goes on with a packet before which some were left out: they get no numbers.
    pub(super) fn leave_out(&mut self, sequence: u64, packets: u64, pictures: PictureOffsets) {
        let Some(current) = self.list.back() else { return };
        let Some(out) = current.out_sequence(sequence) else {
            return;
        };
        let next = Segment {
            in_first: sequence,
            out_first: out.saturating_sub(packets),
            pictures,
            ..*current
        };
        self.push(next);
    }

    /// From this number on the segment in use is of another clock.
    pub(super) fn change_clock(&mut self, sequence: u64, epoch: Epoch, timestamp_offset: u32) {
        let Some(current) = self.list.back() else { return };
        let Some(out_first) = current.out_sequence(sequence) else {
            return;
        };
        let next = Segment {
            epoch,
            in_first: sequence,
            out_first,
            timestamp_offset,
            ..*current
        };
        self.push(next);
    }

    fn push(&mut self, segment: Segment) {
        if self.list.len() >= MAX_SEGMENTS {
            self.list.pop_front();
        }
        self.list.push_back(segment);
    }

    /// The segment that a packet of an encoding belongs to, one that comes late to an earlier one.
    pub(super) fn of(&self, encoding: EncodingId, sequence: u64) -> Option<&Segment> {
        let mut newest_first = self.list.iter().rev();
        newest_first.find(|segment| segment.encoding == encoding && segment.in_first <= sequence)
    }

    /// Forgets what can no longer be sent again; numbers go on.
    pub(super) fn forget(&mut self) {
        self.list.clear();
        self.stamps.clear();
    }

    /// A number was used.
    pub(super) fn used(&mut self, out: u64) {
        self.next_out = self.next_out.max(out + 1);
    }

    /// The timestamp a frame of the current segment goes out with.
    pub(super) fn stamp(&self, segment: &Segment, timestamp: u32) -> u32 {
        let stamped = self
            .stamps
            .iter()
            .rev()
            .find(|stamp| stamp.timestamp == timestamp && stamp.out_first == segment.out_first);
        stamped.map_or(timestamp.wrapping_add(segment.timestamp_offset), |stamp| {
            stamp.out
        })
    }

    /// Gives a frame of the current segment another timestamp than the plain one.
    pub(super) fn set_stamp(&mut self, segment: &Segment, timestamp: u32, out: u32) {
        if self.stamps.len() >= MAX_STAMPS {
            self.stamps.pop_front();
        }
        self.stamps.push_back(Stamp {
            out_first: segment.out_first,
            timestamp,
            out,
        });
    }

    /// What went out under a number lately: its segment, and the publisher's number.
    pub(super) fn find(&self, out: u16) -> Option<(&Segment, u64)> {
        let last = self.next_out.checked_sub(1)?;
        let behind = u64::from((last as u16).wrapping_sub(out));
        let out = last.checked_sub(behind)?;
        let segment = self.list.iter().rev().find(|segment| segment.out_first <= out)?;
        Some((segment, segment.in_first + (out - segment.out_first)))
    }

    /// The same of what went out right behind a number; none when that was the last.
    pub(super) fn find_behind(&self, out: u16) -> Option<(&Segment, u64)> {
        let last = self.next_out.checked_sub(1)?;
        if last as u16 == out {
            return None;
        }
        self.find(out.wrapping_add(1))
    }
}
