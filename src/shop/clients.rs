//! The shop's clients and how each is reached: a peer's data channels, or an event stream over HTTP.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use overlay::{Channel, ClientId};
use rand::Rng;
use sfu::relay::RoomName;
use sfu::shard::PeerId;
use signaling::{ShopMessage, ShopStream};
use tokio::sync::mpsc;

use crate::media::service::MediaService;
use crate::telemetry::ShopMetrics;

/// Messages waiting for one event stream: 20 s of a busy show. A client that falls behind further is let go, and
/// resumes from where it was.
const STREAM_QUEUE: usize = 256;
/// Event streams of the process; each is a connection and up to [`STREAM_QUEUE`] shared messages.
const MAX_STREAMS: usize = 20_000;
/// Clients of event streams are numbered from here, peers below it.
const FIRST_STREAM: u64 = 1 << 63;

/// What a client is reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Data channels of a media session.
    Peer(PeerId),
    /// An event stream.
    Stream,
}

/// Everybody the shop can reach.
pub struct Clients {
    media: MediaService,
    metrics: ShopMetrics,
    streams: HashMap<ClientId, Stream>,
    by_secret: HashMap<u64, ClientId>,
    by_room: HashMap<RoomName, HashSet<ClientId>>,
    next: u64,
}

struct Stream {
    room: RoomName,
    secret: u64,
    messages: mpsc::Sender<ShopMessage>,
}

/// The shop's number of a peer.
pub fn of_peer(peer: PeerId) -> ClientId {
    ClientId(peer.0)
}

/// What a number stands for.
pub fn carrier(ClientId(number): ClientId) -> Carrier {
    if number < FIRST_STREAM {
        Carrier::Peer(PeerId(number))
    } else {
        Carrier::Stream
    }
}

/// The data channel's label, as in the shop's protocol.
fn label(channel: Channel) -> &'static str {
    match channel {
        Channel::Shop => "shop",
        Channel::Live => "live",
        Channel::Chat => "chat",
    }
}

impl Clients {
    /// No event streams yet.
    pub fn new(media: MediaService, metrics: ShopMetrics) -> Clients {
        Clients {
            media,
            metrics,
            streams: HashMap::new(),
            by_secret: HashMap::new(),
            by_room: HashMap::new(),
            next: FIRST_STREAM,
        }
    }

    /// Connects an event stream; `None` when there are too many.
    pub fn connect(&mut self, room: RoomName) -> Option<(ClientId, ShopStream)> {
        if self.streams.len() >= MAX_STREAMS {
            return None;
        }
        let client = ClientId(self.next);
        self.next += 1;
        let secret = rand::rng().next_u64();
        let (messages, receiver) = mpsc::channel(STREAM_QUEUE);
        self.by_secret.insert(secret, client);
        self.by_room.entry(room.clone()).or_default().insert(client);
        let stream = Stream {
            room,
            secret,
            messages,
        };
        self.streams.insert(client, stream);
        self.count_streams();
        let stream = ShopStream {
            client: secret,
            messages: receiver,
        };
        Some((client, stream))
    }

    /// The client that knows a stream's secret.
    pub fn by_secret(&self, secret: u64) -> Option<ClientId> {
        self.by_secret.get(&secret).copied()
    }

    /// Event streams whose receiver is gone.
    pub fn gone(&self) -> Vec<ClientId> {
        let gone = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.messages.is_closed());
        gone.map(|(client, _)| *client).collect()
    }

    /// Forgets an event stream, which ends it. False when it was not there.
    pub fn remove(&mut self, client: ClientId) -> bool {
        let Some(stream) = self.streams.remove(&client) else {
            return false;
        };
        self.by_secret.remove(&stream.secret);
        if let Some(room) = self.by_room.get_mut(&stream.room) {
            room.remove(&client);
            if room.is_empty() {
                self.by_room.remove(&stream.room);
            }
        }
        self.count_streams();
        true
    }

    /// Sends to one client. False when an event stream has fallen behind and must be let go.
    pub fn send(&self, client: ClientId, channel: Channel, message: Bytes) -> bool {
        match carrier(client) {
            Carrier::Peer(peer) => {
                if !self.media.send(peer, label(channel), message) {
                    self.metrics.refused.with_label_values(&["channel"]).inc();
                }
                true
            }
            Carrier::Stream => match self.streams.get(&client) {
                Some(stream) => self.push(stream, channel, message),
                None => true,
            },
        }
    }

    /// Sends to everybody in a room: once per shard and to each event stream. Returns the event streams that have
    /// fallen behind and must be let go.
    pub fn broadcast(&self, room: &RoomName, channel: Channel, message: &Bytes) -> Vec<ClientId> {
        let lossy = channel == Channel::Live;
        let refused = self.media.broadcast(room, label(channel), message, lossy);
        if refused > 0 {
            self.metrics
                .refused
                .with_label_values(&["channel"])
                .inc_by(refused as u64);
        }
        let listeners = self.by_room.get(room).into_iter().flatten();
        listeners
            .filter(|client| {
                let stream = self.streams.get(client);
                stream.is_some_and(|stream| !self.push(stream, channel, message.clone()))
            })
            .copied()
            .collect()
    }

    /// Queues for an event stream. `live` messages may be skipped, the latest wins; others must not be.
    fn push(&self, stream: &Stream, channel: Channel, message: ShopMessage) -> bool {
        match stream.messages.try_send(message) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.metrics.refused.with_label_values(&["stream"]).inc();
                channel == Channel::Live
            }
        }
    }

    fn count_streams(&self) {
        let streams = i64::try_from(self.streams.len()).unwrap_or(i64::MAX);
        self.metrics.clients.with_label_values(&["stream"]).set(streams);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::Directory;
    use crate::net::interfaces::HostAddresses;
    use crate::telemetry::Telemetry;
    use sfu::negotiation::Fingerprint;

    fn clients() -> Clients {
        let media = MediaService::new(
            Vec::new(),
            Arc::new(Directory::new(0)),
            HostAddresses::new(Vec::new()),
            Fingerprint([0; 32]),
            1024,
            mpsc::channel(1).0,
        );
        Clients::new(media, Telemetry::new().unwrap().shop)
    }

    #[tokio::test]
    async fn a_rooms_streams_get_its_broadcasts_and_nobody_elses() {
        let mut clients = clients();
        let (_, mut here) = clients.connect("demo".into()).unwrap();
        let (_, mut elsewhere) = clients.connect("other".into()).unwrap();
        assert!(
            clients
                .broadcast(&"demo".into(), Channel::Shop, &Bytes::from_static(b"{}"))
                .is_empty()
        );
        assert_eq!(here.messages.recv().await.unwrap(), "{}");
        assert!(elsewhere.messages.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_stream_that_falls_behind_misses_live_messages_and_then_is_let_go() {
        let mut clients = clients();
        let room: RoomName = "demo".into();
        let (client, _slow) = clients.connect(room.clone()).unwrap();
        let message = Bytes::from_static(b"{}");
        for _ in 0..STREAM_QUEUE + 10 {
            assert!(clients.broadcast(&room, Channel::Live, &message).is_empty());
        }
        assert_eq!(clients.broadcast(&room, Channel::Shop, &message), [client]);
        assert!(!clients.send(client, Channel::Chat, message));
    }

    #[tokio::test]
    async fn a_stream_ends_for_both_sides() {
        let mut clients = clients();
        let (client, mut stream) = clients.connect("demo".into()).unwrap();
        assert_eq!(clients.by_secret(stream.client), Some(client));
        assert_eq!(carrier(client), Carrier::Stream);
        assert!(clients.gone().is_empty());
        assert!(clients.remove(client) && !clients.remove(client));
        assert_eq!(clients.by_secret(stream.client), None);
        assert!(stream.messages.recv().await.is_none());

        let (client, stream) = clients.connect("demo".into()).unwrap();
        drop(stream);
        assert_eq!(clients.gone(), [client]);
        assert_eq!(carrier(of_peer(PeerId(7))), Carrier::Peer(PeerId(7)));
    }
}
