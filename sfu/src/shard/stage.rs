//! Who is on stage in a room: publishers taking over, here and across shards.
//!
//! Every shard with viewers tells all others `Watch`. The shard of the publisher on stage tells all others `Up`, and
//! relays its media to those that watch. The highest generation wins everywhere: a shard that hears of a higher one
//! lets its own publisher go, a shard that hears of a lower one answers with its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use super::Shard;
use super::config::{Event, PeerEnd};
use super::peer::{Peer, Role};
use super::room::{Room, Source, Stage};
use crate::media::Publication;
use crate::negotiation::ReceivedMedia;
use crate::relay::{Generation, Relay, RelayedMedia, ShardId};

/// A new publisher's media comes within this time: so long the show that it takes over stays on the air.
const SETTLING: Duration = Duration::from_secs(2);

impl Shard {
    /// A publisher has keys: it takes the stage, or goes when somebody newer has it.
    pub(super) fn enter_stage(&mut self, now: Instant, key: usize) {
        let Some(Peer {
            room: room_key,
            role: Role::Publisher { generation, media },
            ..
        }) = self.peers.get(key)
        else {
            return;
        };
        let (room_key, generation, media) = (*room_key, *generation, media.clone());
        let Some(room) = self.rooms.get(room_key) else {
            return;
        };
        let before = room.stage.as_ref();
        let on_air = before.is_some_and(|stage| stage.on_air);
        let before = before.map(|stage| (stage.generation, stage.source));
        if before.is_some_and(|(newest, _)| newest >= generation) {
            self.remove_peer(now, key, Some(PeerEnd::TakenOver));
            return;
        }
        let watched = !room.watchers.is_empty();
        let name = room.name.clone();
        let mut publication =
            Publication::new(media.clone(), self.config.media.clone(), self.rng.next_u64(), now);
        publication.set_relaying(watched);
        let stage = Stage {
            generation,
            source: Source::Peer(key),
            publication,
            on_air,
            settles_at: now + SETTLING,
            next_health: now + self.config.health_interval,
        };
        self.set_stage(now, room_key, Some(stage));
        if on_air {
            self.events.push_back(Event::OnAir {
                room: name.clone(),
                generation,
                live: true,
            });
        }
        self.relays.push_back((
            None,
            Relay::Up {
                room: name,
                generation,
                media,
            },
        ));
        if let Some((_, Source::Peer(older))) = before {
            self.remove_peer(now, older, Some(PeerEnd::TakenOver));
        }
    }

    /// The local publisher on stage is gone.
    pub(super) fn leave_stage(&mut self, now: Instant, room_key: usize) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let Some(stage) = &room.stage else { return };
        let (generation, on_air, name) = (stage.generation, stage.on_air, room.name.clone());
        if on_air {
            self.events.push_back(Event::OnAir {
                room: name.clone(),
                generation,
                live: false,
            });
        }
        self.relays.push_back((
            None,
            Relay::Down {
                room: name,
                generation,
            },
        ));
        self.set_stage(now, room_key, None);
    }

    /// Puts a publication on stage, or none, and turns every viewer to it.
    pub(super) fn set_stage(&mut self, now: Instant, room_key: usize, stage: Option<Stage>) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        if let Some(old) = std::mem::replace(&mut room.stage, stage) {
            self.gone.media.add(old.publication.stats());
        }
        let source = room.stage.as_ref();
        for &viewer in &room.viewers {
            if let Some(Peer {
                role: Role::Viewer(playback),
                ..
            }) = self.peers.get_mut(viewer)
            {
                playback.attach(now, source.map(|stage| (stage.generation, &stage.publication)));
            }
        }
        room.has_media = true;
        self.touch_room(room_key);
    }

    pub(super) fn relayed(&mut self, now: Instant, from: ShardId, message: Relay) {
        match message {
            Relay::Watch { room } => self.watched(from, &room),
            Relay::Unwatch { room } => self.unwatched(from, &room),
            Relay::Up {
                room,
                generation,
                media,
            } => self.up_elsewhere(now, from, &room, generation, media),
            Relay::Down { room, generation } => {
                if let Some(&key) = self.by_name.get(&room)
                    && self.replica(key, from, generation).is_some()
                {
                    self.set_stage(now, key, None);
                    self.forget_room_if_empty(key);
                }
            }
            Relay::Media {
                room,
                generation,
                item,
            } => self.relayed_media(from, &room, generation, [item]),
            Relay::Group {
                room,
                generation,
                items,
            } => self.relayed_media(from, &room, generation, items),
            Relay::Keyframe {
                room,
                generation,
                encoding,
            } => {
                if let Some(&key) = self.by_name.get(&room)
                    && let Some(stage) = self.rooms.get_mut(key).and_then(|room| room.stage.as_mut())
                    && stage.generation == generation
                    && matches!(stage.source, Source::Peer(_))
                {
                    stage.publication.request_keyframe(now, encoding);
                    self.touch_room(key);
                }
            }
        }
    }

    fn relayed_media(
        &mut self,
        from: ShardId,
        room: &Arc<str>,
        generation: Generation,
        items: impl IntoIterator<Item = RelayedMedia>,
    ) {
        let Some(&key) = self.by_name.get(room) else {
            return;
        };
        if let Some(stage) = self.replica(key, from, generation) {
            for item in items {
                stage.publication.handle_relayed(item);
            }
            self.touch_media(key);
        }
    }

    /// The stage when it is fed by that shard with that publication.
    fn replica(&mut self, room: usize, from: ShardId, generation: Generation) -> Option<&mut Stage> {
        let stage = self.rooms.get_mut(room)?.stage.as_mut()?;
        (stage.source == Source::Shard(from) && stage.generation == generation).then_some(stage)
    }

    fn watched(&mut self, from: ShardId, name: &Arc<str>) {
        let key = self.room_named(name);
        // What waits for the other watchers is in the cache, too.
        self.relay_media(key);
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        if !room.watchers.contains(&from) {
            room.watchers.push(from);
        }
        let Some(stage) = &mut room.stage else { return };
        if !matches!(stage.source, Source::Peer(_)) {
            return;
        }
        let media = stage.publication.media().clone();
        let generation = stage.generation;
        let room = name.clone();
        self.relays.push_back((
            Some(from),
            Relay::Up {
                room: room.clone(),
                generation,
                media,
            },
        ));
        let group = Relay::Group {
            room,
            generation,
            items: stage.publication.cached(),
        };
        self.relays.push_back((Some(from), group));
        stage.publication.set_relaying(true);
    }

    /// What the local publication took in, to every shard that watches.
    pub(super) fn relay_media(&mut self, key: usize) {
        let Some(Room {
            name,
            stage: Some(stage),
            watchers,
            ..
        }) = self.rooms.get_mut(key)
        else {
            return;
        };
        while let Some(item) = stage.publication.poll_relayed() {
            for &watcher in watchers.iter() {
                let media = Relay::Media {
                    room: name.clone(),
                    generation: stage.generation,
                    item: item.clone(),
                };
                self.relays.push_back((Some(watcher), media));
            }
        }
    }

    fn unwatched(&mut self, from: ShardId, name: &Arc<str>) {
        let Some(&key) = self.by_name.get(name) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        room.watchers.retain(|&watcher| watcher != from);
        if let Some(stage) = &mut room.stage
            && room.watchers.is_empty()
        {
            stage.publication.set_relaying(false);
        }
        self.forget_room_if_empty(key);
    }

    fn up_elsewhere(
        &mut self,
        now: Instant,
        from: ShardId,
        name: &Arc<str>,
        generation: Generation,
        media: Arc<Vec<ReceivedMedia>>,
    ) {
        let Some(&key) = self.by_name.get(name) else {
            return;
        };
        let Some(room) = self.rooms.get(key) else { return };
        let here = room.stage.as_ref();
        if let Some(stage) = here
            && stage.generation >= generation
        {
            if matches!(stage.source, Source::Peer(_)) && stage.generation > generation {
                let media = stage.publication.media().clone();
                let (room, generation) = (name.clone(), stage.generation);
                self.relays.push_back((
                    Some(from),
                    Relay::Up {
                        room,
                        generation,
                        media,
                    },
                ));
            }
            return;
        }
        let older = here.and_then(|stage| match stage.source {
            Source::Peer(peer) => Some(peer),
            Source::Shard(_) => None,
        });
        if let Some(stage) = here.filter(|stage| stage.on_air) {
            self.events.push_back(Event::OnAir {
                room: name.clone(),
                generation: stage.generation,
                live: false,
            });
        }
        if !room.viewers.is_empty() {
            let publication = Publication::replica(media, self.config.media.clone(), now);
            let stage = Stage {
                generation,
                source: Source::Shard(from),
                publication,
                on_air: false,
                settles_at: now,
                next_health: now,
            };
            self.set_stage(now, key, Some(stage));
        } else if older.is_some() {
            self.set_stage(now, key, None);
        }
        if let Some(older) = older {
            self.remove_peer(now, older, Some(PeerEnd::TakenOver));
        }
    }
}
