//! The shop's clients and how each is reached: a peer's data channels, or an event stream over HTTP.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use overlay::{Channel, ClientId, Priority};
use rand::Rng;
use sfu::backlog::{Backlog, Urgency};
use sfu::relay::RoomName;
use sfu::shard::PeerId;
use signaling::{ShopMessage, ShopStream};
use tokio::sync::mpsc;

use crate::media::service::MediaService;
use crate::telemetry::ShopMetrics;

/// Messages handed to one event stream's connection and not yet written. Few, so that what is urgent can overtake.
const STREAM_QUEUE: usize = 8;
/// Bytes waiting for one event stream, most of them shared with others: the whole of a large show, or a minute of a
/// busy one. A client that falls behind further loses what waits and is told everything anew.
const STREAM_BACKLOG: usize = 256 << 10;
/// Event streams of the process; each is a connection and up to [`STREAM_BACKLOG`] bytes.
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
    backlog: Backlog<ShopMessage>,
    /// Whether it gets what everybody is told.
    listens: bool,
    /// Whether it lost something and has not taken the rest yet.
    is_behind: bool,
}

/// How far an event stream keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// What waited did not fit any more and is lost.
    Behind(ClientId),
    /// It lost something, and has taken all that came since.
    CaughtUp(ClientId),
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
            backlog: Backlog::new(STREAM_BACKLOG),
            listens: false,
            is_behind: false,
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

    /// Hands the connections of event streams what waits and fits; those that fell behind and those that caught up.
    pub fn pump(&mut self) -> Vec<Pace> {
        let paces = self.streams.iter_mut().filter_map(|(client, stream)| {
            stream.pump();
            let has_caught_up = stream.is_behind && stream.backlog.is_empty();
            has_caught_up.then(|| {
                stream.is_behind = false;
                Pace::CaughtUp(*client)
            })
        });
        paces.collect()
    }

    /// Whether a client gets what everybody is told.
    pub fn listen(&mut self, client: ClientId, listens: bool) {
        match carrier(client) {
            Carrier::Peer(peer) => {
                if !self.media.listen(peer, listens) {
                    self.metrics.refused.with_label_values(&["channel"]).inc();
                }
            }
            Carrier::Stream => {
                if let Some(stream) = self.streams.get_mut(&client) {
                    stream.listens = listens;
                }
            }
        }
    }

    /// Sends to one client; what became of an event stream that cannot take it.
    pub fn send(
        &mut self,
        client: ClientId,
        channel: Channel,
        priority: Priority,
        message: Bytes,
    ) -> Option<Pace> {
        match carrier(client) {
            Carrier::Peer(peer) => {
                if !self.media.send(peer, label(channel), urgency(priority), message) {
                    self.metrics.refused.with_label_values(&["channel"]).inc();
                }
                None
            }
            Carrier::Stream => {
                let stream = self.streams.get_mut(&client)?;
                if stream.push(priority, message) {
                    return None;
                }
                self.metrics.refused.with_label_values(&["stream"]).inc();
                Some(Pace::Behind(client))
            }
        }
    }

    /// Sends to everybody in a room who listens: once per shard and to each event stream. Returns the event streams
    /// that fell behind.
    pub fn broadcast(&mut self, room: &RoomName, channel: Channel, message: &Bytes) -> Vec<Pace> {
        let priority = Priority::of(channel);
        let refused = self
            .media
            .broadcast(room, label(channel), message, urgency(priority));
        if refused > 0 {
            self.metrics
                .refused
                .with_label_values(&["channel"])
                .inc_by(refused as u64);
        }
        let mut behind = Vec::new();
        for client in self.by_room.get(room).into_iter().flatten() {
            if let Some(stream) = self.streams.get_mut(client)
                && stream.listens
                && !stream.push(priority, message.clone())
            {
                self.metrics.refused.with_label_values(&["stream"]).inc();
                behind.push(Pace::Behind(*client));
            }
        }
        behind
    }

    fn count_streams(&self) {
        let streams = i64::try_from(self.streams.len()).unwrap_or(i64::MAX);
        self.metrics.clients.with_label_values(&["stream"]).set(streams);
    }
}

impl Stream {
    /// Hands over what waits and fits.
    fn pump(&mut self) {
        while !self.backlog.is_empty()
            && let Ok(room) = self.messages.try_reserve()
            && let Some(message) = self.backlog.pop()
        {
            room.send(message);
        }
    }

    /// Takes a message; false when it fell behind by it, and what waited is lost but for answers.
    fn push(&mut self, priority: Priority, message: ShopMessage) -> bool {
        if self.is_behind && priority != Priority::Receipt {
            // It is told everything anew when it has caught up.
            return true;
        }
        let bytes = message.len();
        if self.backlog.push(urgency(priority), bytes, message) {
            self.pump();
            return true;
        }
        self.backlog.keep_answers();
        self.is_behind = true;
        false
    }
}

/// What of the shop's overtakes what, as the media side calls it.
fn urgency(priority: Priority) -> Urgency {
    match priority {
        Priority::Receipt => Urgency::Answer,
        Priority::State => Urgency::State,
        Priority::Live => Urgency::Passing,
        Priority::Chat => Urgency::Talk,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::Directory;
    use crate::media::service::Told;
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
            Told::shop(mpsc::channel(1).0),
        );
        Clients::new(media, Telemetry::new(&[]).unwrap().shop)
    }

    #[tokio::test]
    async fn a_rooms_streams_get_its_broadcasts_and_nobody_elses() {
        let mut clients = clients();
        let (client, mut here) = clients.connect("demo".into()).unwrap();
        let (other, mut elsewhere) = clients.connect("other".into()).unwrap();
        let (_, mut deaf) = clients.connect("demo".into()).unwrap();
        clients.listen(client, true);
        clients.listen(other, true);
        assert!(
            clients
                .broadcast(&"demo".into(), Channel::Shop, &Bytes::from_static(b"{}"))
                .is_empty()
        );
        assert_eq!(here.messages.recv().await.unwrap(), "{}");
        assert!(elsewhere.messages.try_recv().is_err() && deaf.messages.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_stream_that_falls_behind_loses_what_waits_but_for_answers_and_catches_up() {
        let mut clients = clients();
        let room: RoomName = "demo".into();
        let (client, mut slow) = clients.connect(room.clone()).unwrap();
        clients.listen(client, true);
        let long = Bytes::from(vec![b' '; 10 << 10]);
        let until_behind = (0..).find(|_| !clients.broadcast(&room, Channel::Chat, &long).is_empty());
        assert_eq!(
            until_behind,
            Some(STREAM_QUEUE + (STREAM_BACKLOG - (32 << 10)) / long.len())
        );
        let answer = Bytes::from_static(b"receipt");
        assert_eq!(
            clients.send(client, Channel::Shop, Priority::Receipt, answer.clone()),
            None
        );
        assert_eq!(
            clients.send(client, Channel::Shop, Priority::State, long.clone()),
            None
        );
        assert!(clients.pump().is_empty(), "it has taken nothing yet");
        for _ in 0..STREAM_QUEUE {
            assert_eq!(slow.messages.recv().await.unwrap(), long);
        }
        assert_eq!(clients.pump(), [Pace::CaughtUp(client)]);
        assert_eq!(slow.messages.recv().await.unwrap(), answer);
        assert!(slow.messages.try_recv().is_err() && clients.pump().is_empty());
    }

    #[tokio::test]
    async fn a_receipt_overtakes_the_chat_that_waits() {
        let mut clients = clients();
        let room: RoomName = "demo".into();
        let (client, mut stream) = clients.connect(room.clone()).unwrap();
        clients.listen(client, true);
        let line = Bytes::from_static(b"chat");
        for _ in 0..100 {
            clients.broadcast(&room, Channel::Chat, &line);
        }
        clients.send(
            client,
            Channel::Shop,
            Priority::Receipt,
            Bytes::from_static(b"receipt"),
        );
        for _ in 0..STREAM_QUEUE {
            assert_eq!(stream.messages.recv().await.unwrap(), line);
        }
        clients.pump();
        assert_eq!(stream.messages.recv().await.unwrap(), "receipt");
    }

    #[tokio::test]
    async fn so_many_streams_and_no_more() {
        let mut clients = clients();
        let streams: Vec<_> = (0..MAX_STREAMS).map(|_| clients.connect("demo".into())).collect();
        assert!(streams.iter().all(Option::is_some));
        assert!(clients.connect("other".into()).is_none());
        let (first, _) = streams.into_iter().next().flatten().unwrap();
        clients.remove(first);
        assert!(clients.connect("other".into()).is_some() && clients.connect("other".into()).is_none());
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
