//! What happens on the shards, made known: sessions that end leave the directory, times and reasons are counted, and
//! what concerns the shop goes to it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sfu::media::EncodingHealth;
use sfu::playback::ClockMap;
use sfu::relay::{RoomName, ShardId};
use sfu::shard::{Event, PeerEnd, PeerId};
use sfu::transport::CloseReason;
use tokio::sync::mpsc;

use super::bulletin::Bulletin;
use super::unreached::Unreached;
use crate::directory::Directory;
use crate::telemetry::Telemetry;

/// News waiting for the shop. Behind it the shards' own lane fills, which drops and counts messages only.
pub const NEWS: usize = 4096;

/// What the shop hears of media sessions.
#[derive(Clone, Debug)]
pub enum News {
    /// A data channel opened.
    ChannelOpen {
        /// Whose.
        peer: PeerId,
        /// Its session's room.
        room: RoomName,
        /// Where the peer's request came from.
        from: IpAddr,
        /// The channel's label.
        channel: Arc<str>,
    },
    /// A message came.
    Message {
        /// Whose.
        peer: PeerId,
        /// The channel's label.
        channel: Arc<str>,
        /// Its bytes.
        data: Bytes,
    },
    /// A peer lost messages: its line is too slow.
    Behind {
        /// Whose.
        peer: PeerId,
    },
    /// A peer that was behind has taken everything.
    CaughtUp {
        /// Whose.
        peer: PeerId,
    },
    /// What a viewer's picture clock means.
    ClockMap {
        /// The viewer.
        peer: PeerId,
        /// A point of it.
        map: ClockMap,
    },
    /// A session ended, by whichever side.
    Closed {
        /// Whose.
        peer: PeerId,
        /// Its room.
        room: RoomName,
    },
    /// A room's media came or went.
    OnAir {
        /// The room.
        room: RoomName,
        /// Whether media flows.
        live: bool,
    },
    /// How a room's publisher does.
    Health {
        /// The room.
        room: RoomName,
        /// Its encodings.
        encodings: Vec<EncodingHealth>,
        /// How many viewers get each of them.
        viewers: Vec<u32>,
        /// How many have no decoder for any.
        unplayable: u32,
        /// Whether another publisher takes the room again and again, and is kept out.
        fought_over: bool,
    },
    /// A viewer has no decoder for the picture, or has one again.
    Unplayable {
        /// The viewer.
        peer: PeerId,
        /// The picture's codec.
        codec: Option<&'static str>,
    },
}

/// Reads the shards' events until every shard is gone.
pub async fn spread(
    mut events: mpsc::Receiver<(ShardId, Event)>,
    directory: Arc<Directory>,
    telemetry: Arc<Telemetry>,
    bulletin: Arc<Bulletin>,
    shop: mpsc::Sender<News>,
) {
    let mut unreached = Unreached::default();
    while let Some((shard, event)) = events.recv().await {
        if is_unreached(&event)
            && let Some(sessions) = unreached.note(Instant::now())
        {
            tracing::warn!(
                sessions,
                "sessions did not connect in time: do their clients reach the media ports (firewall, media_public_addresses)?"
            );
        }
        if let Some(news) = note(shard, event, &directory, &telemetry, &bulletin)
            && shop.send(news).await.is_err()
        {
            tracing::debug!("the shop is closed");
        }
    }
}

/// Whether a session ends that nobody came to.
fn is_unreached(event: &Event) -> bool {
    let reason = PeerEnd::Transport(CloseReason::ConnectTimeout);
    matches!(event, Event::Closed { reason: why, .. } if *why == reason)
}

/// Enters an event into directory and metrics; what the shop should hear of it.
fn note(
    shard: ShardId,
    event: Event,
    directory: &Directory,
    telemetry: &Telemetry,
    bulletin: &Bulletin,
) -> Option<News> {
    match event {
        Event::Connected { peer, took } => {
            telemetry.joined(took);
            if let Some(session) = directory.session(peer) {
                bulletin.viewers(&session.room, directory.presence(&session.room).viewers);
            }
            tracing::debug!(peer = peer.0, ?took, "connected");
            None
        }
        Event::ChannelOpen { peer, channel } => {
            let session = directory.session(peer)?;
            Some(News::ChannelOpen {
                peer,
                room: session.room,
                from: session.from,
                channel,
            })
        }
        Event::Message { peer, message } => Some(News::Message {
            peer,
            channel: message.channel,
            data: message.data,
        }),
        Event::Behind { peer } => Some(News::Behind { peer }),
        Event::CaughtUp { peer } => Some(News::CaughtUp { peer }),
        Event::ClockMap { peer, map } => Some(News::ClockMap { peer, map }),
        Event::Closed { peer, reason } => {
            telemetry.ended(reason);
            tracing::debug!(peer = peer.0, ?reason, "session ended");
            let session = directory.remove(peer)?;
            if reason == PeerEnd::TakenOver && directory.taken_over(&session.room, Instant::now()) {
                tracing::warn!(
                    room = &*session.room,
                    "two publishers take this room from one another; the one on the air is left there for a minute"
                );
            }
            bulletin.viewers(&session.room, directory.presence(&session.room).viewers);
            Some(News::Closed {
                peer,
                room: session.room,
            })
        }
        Event::OnAir {
            room,
            generation,
            live,
        } => {
            let changed = directory.on_air(&room, generation, live);
            if changed {
                bulletin.on_air(&room, live);
                let state = if live { "on" } else { "off" };
                tracing::info!(%room, "{state} the air");
            }
            changed.then_some(News::OnAir { room, live })
        }
        Event::Audience {
            room,
            layers,
            unplayable,
        } => {
            let count = (layers.into_vec(), unplayable);
            bulletin.counted(Instant::now(), &room, shard, count);
            None
        }
        Event::Unplayable { peer, codec } => Some(News::Unplayable { peer, codec }),
        Event::Health { room, encodings, .. } => {
            let now = Instant::now();
            let (viewers, unplayable) = bulletin.health(now, &room, &encodings);
            let fought_over = directory.presence(&room).is_fought_over(now);
            Some(News::Health {
                room,
                encodings,
                viewers,
                unplayable,
                fought_over,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Part;
    use sfu::relay::Generation;
    use sfu::sdp::{Direction, Offer};

    const OFFER: &str = include_str!("../../sfu/tests/offers/chromium-play.sdp");

    #[tokio::test]
    async fn a_lost_session_leaves_the_directory_and_the_shop_hears_of_it_once() {
        let directory = Arc::new(Directory::new(1));
        let telemetry = Arc::new(Telemetry::new(&[]).unwrap());
        let offer = Offer::parse(OFFER, Direction::Play, 1).unwrap();
        let from = IpAddr::from([192, 0, 2, 1]);
        let room = directory.room_name("demo");
        let (peer, shard) = directory.admit(room.clone(), Part::Viewer, from, offer.ice.clone(), offer.tag());

        let (event_lane, events) = mpsc::channel(8);
        let (shop, mut news) = mpsc::channel(8);
        let closed = Event::Closed {
            peer,
            reason: PeerEnd::Transport(CloseReason::ConsentLost),
        };
        let on_air = Event::OnAir {
            room,
            generation: Generation(1),
            live: true,
        };
        for event in [closed.clone(), closed, on_air] {
            event_lane.send((shard, event)).await.unwrap();
        }
        drop(event_lane);
        spread(events, directory.clone(), telemetry, Arc::default(), shop).await;

        assert!(matches!(news.recv().await, Some(News::Closed { peer: gone, .. }) if gone == peer));
        assert!(matches!(news.recv().await, Some(News::OnAir { live: true, .. })));
        assert!(news.recv().await.is_none());
        assert_eq!(directory.session_count(), 0);
    }
}
