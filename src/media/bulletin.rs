//! What is known of each room's media, put together from what its shards tell: for its host, and for viewers who
//! follow it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sfu::media::{EncodingHealth, SpatialLayer};
use sfu::relay::{EncodingId, RoomName, ShardId};
use signaling::{Layer, RoomMedia};
use tokio::sync::watch;

/// A shard counts its viewers every second; what it said is over when it has been silent for so long.
const COUNT_LIFE: Duration = Duration::from_millis(2500);

/// A shard's viewers by encoding, and those without a decoder for any.
type Count = (Vec<(EncodingId, u32)>, u32);

/// The rooms on the air, and those that somebody follows.
#[derive(Default)]
pub struct Bulletin {
    rooms: Mutex<HashMap<RoomName, Entry>>,
}

#[derive(Default)]
struct Entry {
    /// At most one for each shard.
    counts: HashMap<ShardId, (Instant, Count)>,
    media: watch::Sender<RoomMedia>,
}

impl Entry {
    fn is_idle(&self) -> bool {
        !self.media.borrow().live && self.media.receiver_count() == 0
    }

    fn change(&self, change: impl FnOnce(&mut RoomMedia)) {
        self.media.send_if_modified(|media| {
            let before = media.clone();
            change(media);
            *media != before
        });
    }
}

impl Bulletin {
    /// A room's media from now on.
    pub fn follow(&self, room: &RoomName, now: RoomMedia) -> watch::Receiver<RoomMedia> {
        let mut rooms = self.lock();
        rooms.retain(|_, entry| !entry.is_idle());
        let entry = rooms.entry(room.clone()).or_default();
        entry.change(|media| (media.live, media.viewers) = (now.live, now.viewers));
        entry.media.subscribe()
    }

    /// A room went on the air or off it.
    pub fn on_air(&self, room: &RoomName, live: bool) {
        let mut rooms = self.lock();
        if live {
            rooms
                .entry(room.clone())
                .or_default()
                .change(|media| media.live = true);
        } else if let Some(entry) = rooms.get(room) {
            entry.change(|media| {
                *media = RoomMedia {
                    viewers: media.viewers,
                    ..RoomMedia::default()
                }
            });
            if entry.is_idle() {
                rooms.remove(room);
            }
        }
    }

    /// The rids of a room's picture, none for a layer without; empty while nothing is known of a picture there.
    pub fn rids(&self, room: &RoomName) -> Vec<Option<String>> {
        let rooms = self.lock();
        let layers = rooms.get(room).map(|entry| entry.media.borrow().layers.clone());
        let mut rids: Vec<_> = layers.into_iter().flatten().map(|layer| layer.rid).collect();
        rids.dedup();
        rids
    }

    /// A room has so many viewers.
    pub fn viewers(&self, room: &RoomName, viewers: u64) {
        if let Some(entry) = self.lock().get(room) {
            entry.change(|media| media.viewers = viewers);
        }
    }

    /// A shard counted its viewers of a room.
    pub fn counted(&self, now: Instant, room: &RoomName, shard: ShardId, count: Count) {
        if let Some(entry) = self.lock().get_mut(room) {
            entry.counts.insert(shard, (now, count));
        }
    }

    /// A room's publisher is as its shard says. Returns how many viewers on all shards get each encoding, in the same
    /// order, and how many have no decoder for any.
    pub fn health(&self, now: Instant, room: &RoomName, encodings: &[EncodingHealth]) -> (Vec<u32>, u32) {
        let mut rooms = self.lock();
        let Some(entry) = rooms.get_mut(room) else {
            return (vec![0; encodings.len()], 0);
        };
        entry.change(|media| {
            let now = layers(encodings);
            if is_news(&media.layers, &now) {
                media.layers = now;
            }
        });
        entry
            .counts
            .retain(|_, (at, _)| now.saturating_duration_since(*at) < COUNT_LIFE);
        let of = |id| {
            let counts = entry.counts.values().flat_map(|(_, (count, _))| count);
            counts
                .filter(|(known, _)| *known == id)
                .map(|(_, viewers)| viewers)
                .sum()
        };
        let unplayable = entry.counts.values().map(|(_, (_, unplayable))| unplayable).sum();
        (
            encodings.iter().map(|encoding| of(encoding.id)).collect(),
            unplayable,
        )
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Entry>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In bits per second: rates are told in steps of this, up to the next one.
const STEP: u64 = 50_000;
/// Of a rate that was told, by how many percent the layer's must differ before it is told anew: an encoder's rate sways by a
/// fifth around what it was set to.
const SWAY: u64 = 25;

/// Whether followers learn something from layers other than those they know.
fn is_news(told: &[Layer], now: &[Layer]) -> bool {
    let is_other = |told: Option<u64>, now: Option<u64>| match (told, now) {
        (Some(told), Some(now)) => told.abs_diff(now) > STEP.max(told * SWAY / 100),
        (told, now) => told != now,
    };
    let mut rates = told.iter().zip(now);
    let without_rate = |layer: &Layer| Layer {
        bitrate: None,
        ..layer.clone()
    };
    !told.iter().map(without_rate).eq(now.iter().map(without_rate))
        || rates.any(|(told, now)| is_other(told.bitrate, now.bitrate))
}

/// The layers of the picture.
fn layers(encodings: &[EncodingHealth]) -> Vec<Layer> {
    let step = |bitrate: u64| bitrate.div_ceil(STEP).max(1) * STEP;
    let layer = |encoding: &EncodingHealth, place: u8, picture: SpatialLayer| Layer {
        rid: encoding.rid.map(|rid| rid.as_str().to_owned()),
        spatial_layer_id: place,
        temporal_layer_id: None,
        bitrate: encoding.active.then(|| step(picture.bitrate)),
        width: picture.size.map(|(width, _)| width),
        height: picture.size.map(|(_, height)| height),
    };
    let mut told = Vec::new();
    for encoding in encodings.iter().filter(|encoding| encoding.codec != "opus") {
        let whole = SpatialLayer {
            size: encoding.size,
            bitrate: encoding.bitrate,
        };
        if encoding.spatial.is_empty() {
            told.push(layer(encoding, 0, whole));
        }
        let places = (0..).zip(&encoding.spatial);
        told.extend(places.map(|(place, picture)| layer(encoding, place, *picture)));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu::media::Faults;

    fn encoding(layer: u8, codec: &'static str, active: bool) -> EncodingHealth {
        EncodingHealth {
            id: EncodingId { section: 1, layer },
            rid: None,
            codec,
            bitrate: 123_456,
            size: Some((640, 360)),
            spatial: Vec::new(),
            active,
            lost_permille: 0,
            jitter: Duration::ZERO,
            faults: Faults::default(),
        }
    }

    #[test]
    fn viewers_of_all_shards_are_added_up_while_they_are_told() {
        let (bulletin, room, now) = (Bulletin::default(), RoomName::from("demo"), Instant::now());
        let encodings = [encoding(0, "vp8", true), encoding(1, "vp8", false)];
        let layer = |layer| EncodingId { section: 1, layer };
        let none = (vec![0, 0], 0);
        assert_eq!(bulletin.health(now, &room, &encodings), none, "an unknown room");
        bulletin.on_air(&room, true);
        bulletin.counted(now, &room, ShardId(0), (vec![(layer(0), 2), (layer(1), 1)], 5));
        bulletin.counted(now, &room, ShardId(0), (vec![(layer(0), 3)], 1));
        bulletin.counted(now, &room, ShardId(1), (vec![(layer(0), 4)], 2));
        assert_eq!(bulletin.health(now, &room, &encodings), (vec![7, 0], 3));
        assert_eq!(bulletin.health(now + COUNT_LIFE, &room, &encodings), none);
    }

    #[test]
    fn rates_that_sway_are_no_news() {
        let (bulletin, room, now) = (Bulletin::default(), RoomName::from("demo"), Instant::now());
        bulletin.on_air(&room, true);
        let mut follower = bulletin.follow(&room, RoomMedia::default());
        let mut hears = |bitrate, active, width| {
            let high = EncodingHealth {
                bitrate,
                size: Some((width, 720)),
                ..encoding(1, "vp8", active)
            };
            bulletin.health(now, &room, &[encoding(0, "vp8", true), high]);
            let heard = follower.has_changed().unwrap();
            follower.mark_unchanged();
            heard
        };
        assert!(hears(1_000_000, true, 1280), "the first");
        for bitrate in [1_200_000, 800_000, 1_249_000, 760_000] {
            assert!(!hears(bitrate, true, 1280), "{bitrate}");
        }
        assert!(hears(700_000, true, 1280), "much less");
        assert!(!hears(760_000, true, 1280), "that is known now");
        assert!(hears(760_000, false, 1280), "away");
        assert!(hears(760_000, true, 1280), "back");
        assert!(hears(760_000, true, 960), "another size");
    }

    #[test]
    fn spatial_layers_are_told_one_by_one() {
        let layer = |height, bitrate| SpatialLayer {
            size: Some((2 * height, height)),
            bitrate,
        };
        let encoding = EncodingHealth {
            spatial: vec![layer(180, 90_000), layer(360, 123_456)],
            ..encoding(0, "vp9", true)
        };
        let told: Vec<_> = layers(&[encoding])
            .iter()
            .map(|layer| (layer.spatial_layer_id, layer.height, layer.bitrate))
            .collect();
        assert_eq!(
            told,
            [(0, Some(180), Some(100_000)), (1, Some(360), Some(150_000))]
        );
    }

    #[test]
    fn followers_hear_of_what_changes() {
        let (bulletin, room, now) = (Bulletin::default(), RoomName::from("demo"), Instant::now());
        let mut follower = bulletin.follow(&room, RoomMedia::default());
        follower.mark_unchanged();
        bulletin.on_air(&room, true);
        assert!(follower.has_changed().unwrap() && follower.borrow_and_update().live);
        let encodings = [
            encoding(0, "opus", true),
            encoding(1, "vp8", true),
            encoding(2, "vp8", false),
        ];
        bulletin.health(now, &room, &encodings);
        let rates: Vec<_> = follower
            .borrow_and_update()
            .layers
            .iter()
            .map(|layer| layer.bitrate)
            .collect();
        assert_eq!(rates, [Some(150_000), None], "the inactive one has none");
        bulletin.health(now, &room, &encodings);
        assert!(!follower.has_changed().unwrap(), "nothing new");
        bulletin.viewers(&room, 12);
        assert_eq!(follower.borrow_and_update().viewers, 12);
        bulletin.on_air(&room, false);
        assert_eq!(
            *follower.borrow_and_update(),
            RoomMedia {
                viewers: 12,
                ..RoomMedia::default()
            }
        );
        drop(follower);
        bulletin.follow(&RoomName::from("other"), RoomMedia::default());
        bulletin.follow(&RoomName::from("third"), RoomMedia::default());
        assert_eq!(bulletin.lock().len(), 1, "nobody follows the others");
    }
}
