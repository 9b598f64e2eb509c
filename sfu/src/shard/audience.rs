//! What a room's viewers get on this shard: counted every second for hosts and operators, told one by one when asked.

use std::time::Duration;
use std::time::Instant;

use smallvec::SmallVec;

use super::Shard;
use super::config::{Event, PeerId};
use super::peer::{Peer, Role};
use super::room::Room;
use crate::media::{Encoding, Publication};
use crate::negotiation::{Codec, Label, MediaKind};
use crate::playback::{LayerReason, Playback};
use crate::relay::EncodingId;
use crate::stats::PlaybackStats;

/// A room's viewers on one shard as of the last count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Viewers of each encoding of the picture that has any.
    pub layers: SmallVec<[(EncodingId, u32); 4]>,
    /// Viewers of the best layer on the air.
    pub best: u64,
    /// Viewers of a lower one.
    pub lower: u64,
    /// Viewers who get no picture.
    pub without: u64,
    /// Those of them who have no decoder for it.
    pub unplayable: u32,
    /// Their estimates added up, bits per second.
    pub estimates: u64,
    /// Their round trips added up.
    pub round_trips: Duration,
}

/// One viewer, for operators.
#[derive(Clone, Debug)]
pub struct ViewerStats {
    /// Its number.
    pub peer: PeerId,
    /// Since its opening.
    pub age: Duration,
    /// From its opening to keys; none while it connects.
    pub connected: Option<Duration>,
    /// From keys to the first packet of a picture.
    pub pictured: Option<Duration>,
    /// What it gets of the picture.
    pub layer: Option<ViewerLayer>,
    /// Why it is not the one above.
    pub reason: LayerReason,
    /// What its line is believed to carry, bits per second.
    pub estimate: u64,
    /// To the viewer and back.
    pub round_trip: Duration,
    /// Fraction of packets lost as last reported, in 256ths.
    pub lost: u8,
    /// Counted since it came.
    pub counts: PlaybackStats,
}

/// The layer a viewer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerLayer {
    /// Its rid, when simulcast.
    pub rid: Option<Label>,
    /// The highest spatial layer sent of it, 0 where there is one.
    pub spatial: u8,
    /// The highest temporal layer sent of it, where it has several.
    pub temporal: Option<u8>,
    /// Coded pixels, where known.
    pub size: Option<(u16, u16)>,
    /// Bits per second.
    pub bitrate: u64,
}

impl Audience {
    /// How many of all viewers may get an encoding: those who were counted with others do not.
    pub(super) fn at_most(&self, all: usize, encoding: EncodingId) -> usize {
        let others = self.layers.iter().filter(|(id, _)| *id != encoding);
        let others: u32 = others.map(|&(_, viewers)| viewers).sum();
        all.saturating_sub(others as usize)
    }

    fn add(&mut self, viewer: &Playback, best: Option<EncodingId>) {
        self.estimates += viewer.estimate();
        self.round_trips += viewer.round_trip();
        let Some(layer) = viewer.layer() else {
            self.without += 1;
            return;
        };
        *(if best == Some(layer) {
            &mut self.best
        } else {
            &mut self.lower
        }) += 1;
        match self.layers.iter_mut().find(|(known, _)| *known == layer) {
            Some((_, viewers)) => *viewers += 1,
            None => self.layers.push((layer, 1)),
        }
    }
}

impl Shard {
    /// Counts a room's viewers when that is due, and tells it.
    pub(super) fn count_audience(&mut self, now: Instant, key: usize) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let Some(stage) = &room.stage else {
            room.audience = Audience::default();
            return;
        };
        if room.next_audience.is_some_and(|at| now < at) {
            return;
        }
        room.next_audience = Some(now + self.config.health_interval);
        let best = best_layer(now, &stage.publication);
        let codecs = codecs_on_air(now, &stage.publication);
        let mut audience = Audience::default();
        for &viewer in &room.viewers {
            let Some(viewer) = self.peers.get_mut(viewer) else {
                continue;
            };
            if let Role::Viewer(playback) = &mut viewer.role {
                audience.add(playback, best);
                let (codec, is_news) = playback.note_codecs(&codecs);
                audience.unplayable += u32::from(codec.is_some());
                if is_news {
                    let peer = viewer.id;
                    self.events.push_back(Event::Unplayable { peer, codec });
                }
            }
        }
        let was_empty = room.audience == Audience::default();
        if !(room.viewers.is_empty() && was_empty) {
            self.events.push_back(Event::Audience {
                room: room.name.clone(),
                layers: audience.layers.clone(),
                unplayable: audience.unplayable,
            });
        }
        room.audience = audience;
    }

    /// At most `most` viewers of a room, in the order they came, and how many there are.
    pub fn viewers(&self, now: Instant, room: &str, most: usize) -> (Vec<ViewerStats>, usize) {
        let Some(room) = self.by_name.get(room).and_then(|&key| self.rooms.get(key)) else {
            return (Vec::new(), 0);
        };
        let viewers = room.viewers.iter().filter_map(|&viewer| self.peers.get(viewer));
        let viewers = viewers.filter_map(|viewer| tell(now, viewer, room)).take(most);
        (viewers.collect(), room.viewers.len())
    }
}

fn tell(now: Instant, viewer: &Peer, room: &Room) -> Option<ViewerStats> {
    let Role::Viewer(playback) = &viewer.role else {
        return None;
    };
    let publication = room.stage.as_ref().map(|stage| &stage.publication);
    let encoding = playback.layer().and_then(|id| publication?.encoding(id));
    let age = now.saturating_duration_since(viewer.opened_at);
    Some(ViewerStats {
        peer: viewer.id,
        age,
        connected: playback
            .connected_at()
            .map(|at| at.saturating_duration_since(viewer.opened_at)),
        pictured: playback.pictured(),
        layer: encoding.map(|encoding| layer(playback, encoding)),
        reason: playback.reason(),
        estimate: playback.estimate(),
        round_trip: playback.round_trip(),
        lost: playback.lost_fraction(),
        counts: *playback.stats(),
    })
}

fn layer(playback: &Playback, encoding: &Encoding) -> ViewerLayer {
    let (spatial, temporal) = playback.highest_layers();
    let has_layers = encoding.highest_layers() != (0, 0);
    ViewerLayer {
        rid: encoding.rid,
        spatial,
        temporal: (encoding.highest_layers().1 > 0).then_some(temporal),
        size: encoding.size_up_to(spatial),
        bitrate: if has_layers {
            encoding.bitrate_up_to(spatial, temporal)
        } else {
            encoding.bitrate()
        },
    }
}

fn best_layer(now: Instant, publication: &Publication) -> Option<EncodingId> {
    let track = publication.track(MediaKind::Video)?;
    track.ladder(now).last().map(|encoding: &&Encoding| encoding.id)
}

/// The codecs that the picture comes in now.
fn codecs_on_air(now: Instant, publication: &Publication) -> SmallVec<[Codec; 4]> {
    let track = publication.track(MediaKind::Video);
    let ladder = track.map(|track| track.ladder(now)).unwrap_or_default();
    ladder.iter().filter_map(|encoding| encoding.codec()).collect()
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    #[test]
    fn whoever_was_counted_with_a_layer_gets_no_other() {
        let [large, small, other] = [0, 1, 2].map(|layer| EncodingId { section: 0, layer });
        let audience = Audience {
            layers: smallvec![(large, 60), (small, 30)],
            ..Audience::default()
        };
        // Ten of a hundred have come since.
        assert_eq!(audience.at_most(100, large), 70);
        assert_eq!(audience.at_most(100, small), 40);
        assert_eq!(audience.at_most(100, other), 10);
        assert_eq!(audience.at_most(20, small), 0, "some have left since");
        assert_eq!(Audience::default().at_most(7, large), 7);
    }
}
