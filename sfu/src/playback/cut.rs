//! Which layers of one encoding a viewer gets. A viewer may want fewer than are sent: what is above is left out, from
//! picture to picture, and comes back where a decoder can begin with it (RFC 7741 §4.2 `Y`, RFC 9628 §4.2 `U` and
//! `P`, the dependency descriptor's switch indications, else a keyframe).
//!
//! Spatial layers below the one shown are sent with every picture, also where it is not predicted from them between
//! keyframes (`L3T3_KEY`): a viewer whose line narrows goes down to them at once, and nobody is asked for a keyframe.

use super::LayerLimit;
use crate::media::history::PayloadInfo;
use crate::media::{History, StoredPacket};

/// The highest spatial and temporal layer; an encoding without layers has 0 of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layers {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
}

impl Layers {
    /// Whatever there is.
    pub(super) const ALL: Layers = Layers {
        spatial: u8::MAX,
        temporal: u8::MAX,
    };

    /// What a viewer's own limit leaves.
    pub(super) fn within(limit: LayerLimit) -> Layers {
        let least =
            |pinned: Option<u8>, most: Option<u8>| pinned.unwrap_or(u8::MAX).min(most.unwrap_or(u8::MAX));
        Layers {
            spatial: least(limit.spatial, limit.max_spatial),
            temporal: least(limit.temporal, limit.max_temporal),
        }
    }

    pub(super) fn and(self, other: Layers) -> Layers {
        Layers {
            spatial: self.spatial.min(other.spatial),
            temporal: self.temporal.min(other.temporal),
        }
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    Through,
    LeftOut,
}

/// One viewer's part of the encoding it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    now: Layers,
    wanted: Layers,
    /// The highest there are, as seen.
    seen: Layers,
    /// Whether the encoder marks where a temporal layer may begin.
    marks: bool,
    /// The next sequence number of the encoding.
    next: u64,
    /// The next picture is left out if nothing is built upon it.
    lets_go: bool,
    /// Left out since the last packet that went through.
    packets: u64,
    pictures: u16,
}

impl Cut {
    pub(super) fn new() -> Cut {
        Cut {
            now: Layers::ALL,
            wanted: Layers::ALL,
            seen: Layers {
                spatial: 0,
                temporal: 0,
            },
            marks: false,
            next: 0,
            lets_go: false,
            packets: 0,
            pictures: 0,
        }
    }

    /// What the viewer gets from the next place on where that is possible.
    pub(super) fn want(&mut self, layers: Layers) {
        self.wanted = layers;
    }

    /// What was wanted last.
    pub(super) fn wanted(&self) -> Layers {
        self.wanted
    }

    /// Another encoding, or another place in it, begins with this number.
    pub(super) fn begin(&mut self, sequence: u64) {
        *self = Cut {
            now: self.wanted,
            wanted: self.wanted,
            next: sequence,
            ..Cut::new()
        };
    }

    /// The highest layers that are sent.
    pub(super) fn highest(&self) -> (u8, u8) {
        let highest = self.now.and(self.seen);
        (highest.spatial, highest.temporal)
    }

    /// Whether what the viewer wants can only begin at a keyframe.
    pub(super) fn wants_keyframe(&self) -> bool {
        let spatial = self.now.spatial < self.wanted.spatial.min(self.seen.spatial);
        let temporal = self.now.temporal < self.wanted.temporal.min(self.seen.temporal);
        spatial || (temporal && !self.marks)
    }

    /// Judges the next packet in the order of the history.
    pub(super) fn pass(&mut self, packet: &StoredPacket) -> Passage {
        self.seen.spatial = self.seen.spatial.max(packet.spatial);
        self.seen.temporal = self.seen.temporal.max(packet.temporal);
        self.marks |= packet.temporal_sync && packet.temporal > 0;
        self.marks |= !packet.keyframe_start && !packet.opens.is_empty();
        let is_new = packet.sequence >= self.next;
        if is_new {
            self.turn(packet);
            self.next = packet.sequence + 1;
        }
        if self.sends(packet) {
            if is_new {
                self.open(packet);
            }
            return Passage::Through;
        }
        if is_new {
            self.packets += 1;
            let begins = packet.frame_start && packet.spatial == 0;
            self.pictures += u16::from(begins);
        }
        Passage::LeftOut
    }

    /// Goes up or down where this packet allows it.
    fn turn(&mut self, packet: &StoredPacket) {
        if packet.keyframe_start {
            self.now = self.wanted;
        }
        if packet.frame_start && packet.spatial == 0 {
            self.now.spatial = self.now.spatial.min(self.wanted.spatial);
            if std::mem::take(&mut self.lets_go) && packet.temporal > 0 {
                self.now.temporal = 0;
                return;
            }
            self.now.temporal = self.now.temporal.min(self.wanted.temporal);
            let is_above = packet.temporal > self.now.temporal && packet.temporal <= self.wanted.temporal;
            if packet.temporal_sync && is_above {
                self.now.temporal = packet.temporal;
            }
        }
        let begins_above = matches!(
            packet.info,
            PayloadInfo::Vp9 {
                switching_up: true,
                ..
            }
        );
        if begins_above && packet.spatial > self.now.spatial && packet.spatial <= self.wanted.spatial {
            self.now.spatial = packet.spatial;
        }
    }

    /// Whether the packet is of the layers that are sent now.
    pub(super) fn sends(&self, packet: &StoredPacket) -> bool {
        packet.spatial <= self.now.spatial && packet.temporal <= self.now.temporal
    }

    /// Goes up behind a frame that is decoded, where it says that this may be done.
    fn open(&mut self, packet: &StoredPacket) {
        let (top, wanted) = (self.now.and(self.seen), self.wanted.and(self.seen));
        let opens = |spatial, temporal| packet.opens.contains(spatial, temporal);
        if wanted.temporal > top.temporal && opens(top.spatial, wanted.temporal) {
            self.now.temporal = self.wanted.temporal;
        }
        if wanted.spatial > top.spatial && opens(wanted.spatial, self.now.and(self.seen).temporal) {
            self.now.spatial = self.wanted.spatial;
        }
    }

    /// Whether the encoding has several spatial layers, as seen.
    pub(super) fn is_layered(&self) -> bool {
        self.seen.spatial > 0
    }

    /// From the next picture on those that nothing is built upon are left out, until one comes that says it may follow.
    pub(super) fn let_go(&mut self) {
        if self.marks {
            self.lets_go = true;
        }
    }

    /// Packets and pictures left out since the last time that something was asked for here.
    pub(super) fn take_left_out(&mut self) -> Option<(u64, u16)> {
        let packets = std::mem::take(&mut self.packets);
        let pictures = std::mem::take(&mut self.pictures);
        (packets > 0).then_some((packets, pictures))
    }

    /// Whether the picture ends with this packet: with the highest layer sent, which needs the marker then
    /// (RFC 9628 §4.1; AV1 RTP §4.2). An encoder that drops a layer's frame does not always mark the one below: then the
    /// packet after it tells, for browsers wait for the marker until they ask for a keyframe.
    pub(super) fn ends_picture(&self, packet: &StoredPacket, history: &History) -> bool {
        let is_last = || {
            let after = history.after(packet);
            after.is_some_and(|after| after.timestamp != packet.timestamp)
        };
        packet.marker || (packet.layer_end && (packet.spatial == self.now.spatial || is_last()))
    }

    /// Whether what comes after this packet has to tell whether it ends the picture. Nothing is late for that: the picture
    /// is shown with its highest layer.
    pub(super) fn awaits_layer(&self, packet: &StoredPacket) -> bool {
        let highest = self.now.spatial.min(self.seen.spatial);
        packet.layer_end && !packet.marker && packet.spatial < highest
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::media::begin;
    use crate::media::history::Epoch;
    use crate::media::payload::dependency::LayerSet;
    use crate::negotiation::Codec;

    /// The only packet of a layer's frame, of a picture for every ten numbers.
    fn packet(sequence: u64, spatial: u8, temporal: u8) -> StoredPacket {
        StoredPacket {
            arrival: begin(),
            sequence,
            timestamp: (sequence / 10) as u32,
            epoch: Epoch::default(),
            marker: false,
            codec: Codec::Vp9 { profile: 0 },
            keyframe_start: false,
            frame_start: true,
            spatial,
            has_below: spatial > 0,
            layer_end: true,
            temporal,
            temporal_sync: false,
            opens: LayerSet::NONE,
            dependency: (0, 0),
            info: PayloadInfo::Opaque,
            bytes: Bytes::from(vec![0; 100]),
            payload_offset: 12,
            passes_extensions: false,
            padding: 0,
        }
    }

    fn switching_up(packet: StoredPacket) -> StoredPacket {
        let info = PayloadInfo::Vp9 {
            picture_id: None,
            tl0_pic_idx: None,
            spatial: packet.spatial,
            switching_up: true,
            layer_end: true,
        };
        StoredPacket { info, ..packet }
    }

    fn keyframe(sequence: u64) -> StoredPacket {
        StoredPacket {
            keyframe_start: true,
            ..packet(sequence, 0, 0)
        }
    }

    const LOWEST: Layers = Layers {
        spatial: 0,
        temporal: 0,
    };

    /// A viewer that has been shown so many layers of each kind.
    fn watching(layers: Layers) -> Cut {
        let mut cut = Cut::new();
        cut.want(layers);
        cut.begin(0);
        cut.pass(&keyframe(0));
        for (spatial, temporal) in [(1, 0), (2, 0), (0, 1), (0, 2)] {
            cut.pass(&packet(1 + u64::from(spatial + 3 * temporal), spatial, temporal));
        }
        cut.take_left_out();
        cut
    }

    #[test]
    fn a_viewer_goes_down_between_pictures_and_what_is_above_is_counted() {
        let mut cut = watching(Layers::ALL);
        assert_eq!((cut.highest(), cut.take_left_out()), ((2, 2), None));
        cut.want(LOWEST);
        assert_eq!(
            cut.pass(&packet(10, 2, 0)),
            Passage::Through,
            "the rest of a picture that has begun"
        );
        assert_eq!(cut.pass(&packet(20, 0, 0)), Passage::Through);
        assert_eq!(cut.pass(&packet(21, 1, 0)), Passage::LeftOut);
        assert_eq!(cut.pass(&packet(30, 0, 1)), Passage::LeftOut);
        assert_eq!(cut.highest(), (0, 0));
        assert_eq!(cut.take_left_out(), Some((2, 1)), "one was a picture of its own");
        assert_eq!(cut.take_left_out(), None);
        assert_eq!(
            cut.pass(&packet(15, 1, 0)),
            Passage::LeftOut,
            "what comes late is judged alike"
        );
        assert_eq!(cut.take_left_out(), None, "and not counted again");
    }

    #[test]
    fn a_viewer_goes_up_where_a_decoder_can_begin() {
        let mut cut = watching(LOWEST);
        cut.want(Layers::ALL);
        assert_eq!(
            cut.pass(&packet(10, 0, 1)),
            Passage::LeftOut,
            "it needs one left out"
        );
        assert!(cut.wants_keyframe());
        let sync = StoredPacket {
            temporal_sync: true,
            ..packet(20, 0, 1)
        };
        assert_eq!(cut.pass(&sync), Passage::Through);
        assert_eq!(
            (cut.highest(), cut.pass(&packet(21, 1, 1))),
            ((0, 1), Passage::LeftOut)
        );
        assert_eq!(cut.pass(&switching_up(packet(31, 1, 0))), Passage::Through);
        assert_eq!(cut.pass(&packet(32, 2, 0)), Passage::LeftOut, "one at a time");
        assert_eq!(cut.highest(), (1, 1));
        cut.pass(&keyframe(40));
        assert_eq!(cut.highest(), (2, 2));
        assert!(!cut.wants_keyframe());
    }

    #[test]
    fn what_is_late_is_let_go_where_nothing_is_built_upon_it_until_a_picture_says_that_it_may_follow() {
        let sync = |sequence| StoredPacket {
            temporal_sync: true,
            ..packet(sequence, 0, 1)
        };
        let mut cut = watching(Layers::ALL);
        cut.let_go();
        assert_eq!(
            cut.pass(&packet(10, 0, 1)),
            Passage::Through,
            "without marks it would need a keyframe"
        );
        cut.pass(&sync(20));
        cut.let_go();
        assert_eq!(
            cut.pass(&packet(21, 1, 1)),
            Passage::Through,
            "the rest of a picture that has begun"
        );
        assert_eq!(
            (cut.pass(&sync(30)), cut.pass(&packet(31, 1, 1))),
            (Passage::LeftOut, Passage::LeftOut)
        );
        assert_eq!(cut.pass(&packet(40, 0, 2)), Passage::LeftOut);
        cut.let_go();
        assert_eq!(cut.pass(&packet(50, 0, 0)), Passage::Through);
        assert_eq!(
            (cut.pass(&sync(60)), cut.pass(&packet(61, 1, 1))),
            (Passage::Through, Passage::Through)
        );
        assert!(!cut.wants_keyframe());
    }

    #[test]
    fn a_descriptor_says_behind_which_frame_more_may_follow() {
        let mut cut = watching(Layers {
            spatial: 1,
            temporal: 0,
        });
        cut.want(Layers::ALL);
        let opening = |sequence, spatial| StoredPacket {
            opens: LayerSet::temporal_of(spatial),
            ..packet(sequence, 1, 0)
        };
        cut.pass(&opening(11, 0));
        assert_eq!(cut.highest(), (1, 0), "of another layer");
        cut.pass(&opening(21, 1));
        assert_eq!(cut.highest(), (1, 2));
        cut.pass(&opening(31, 2));
        assert_eq!(cut.highest(), (2, 2));
    }

    #[test]
    fn an_encoder_whose_descriptors_say_where_more_may_follow_needs_no_keyframe_for_it() {
        let mut cut = watching(LOWEST);
        cut.want(Layers {
            spatial: 0,
            ..Layers::ALL
        });
        cut.pass(&packet(10, 0, 0));
        assert!(cut.wants_keyframe());
        let opening = StoredPacket {
            opens: LayerSet::temporal_of(1),
            ..packet(21, 1, 0)
        };
        cut.pass(&opening);
        assert!(!cut.wants_keyframe());
    }

    #[test]
    fn a_picture_ends_with_the_highest_layer_that_is_sent() {
        let cut = watching(Layers {
            spatial: 1,
            temporal: 2,
        });
        let history = History::new(1 << 20, std::time::Duration::from_secs(1));
        let marked = StoredPacket {
            marker: true,
            ..packet(10, 0, 0)
        };
        assert!(cut.ends_picture(&marked, &history) && cut.ends_picture(&packet(11, 1, 0), &history));
        assert!(!cut.ends_picture(&packet(10, 0, 0), &history));
        assert!(cut.awaits_layer(&packet(10, 0, 0)) && !cut.awaits_layer(&packet(11, 1, 0)));
        let mut history = history;
        history.push(packet(10, 0, 0));
        history.push(StoredPacket {
            timestamp: 2,
            ..packet(11, 0, 0)
        });
        assert!(
            cut.ends_picture(&packet(10, 0, 0), &history),
            "the next one is of another picture"
        );
    }
}
