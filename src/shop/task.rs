//! The shop on its task: what clients say, what hosts ask over HTTP, what the ledger decided and the time go in;
//! messages, commands and replies come out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use overlay::ledger::{Answer, Decision, Refusal};
use overlay::message::{EncodingStatus, ShowState};
use overlay::{ClientId, Condition, Identities, List, Output, Shop};
use sfu::media::EncodingHealth;
use sfu::relay::RoomName;
use sfu::shard::PeerId;
use signaling::{HostRequest, RoomSummary, ShopList, ShopReply};
use tokio::sync::{mpsc, oneshot};

use super::clients::{Carrier, Clients, Pace, carrier, of_peer};
use super::clock::Clock;
use super::ledger_health::Watch;
use super::ledger_thread::LedgerLane;
use super::replies::Replies;
use super::service::Request;
use crate::directory::Directory;
use crate::media::advice::advice;
use crate::media::news::News;
use crate::media::service::MediaService;
use crate::telemetry::ShopMetrics;

/// Between two ticks.
const TICK: Duration = Duration::from_millis(100);
/// How long the ledger may take for the last answers when the server ends.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// Data channels that are the shop's (`overlay/PROTOCOL.md`).
const CHANNELS: [&str; 3] = ["shop", "live", "chat"];

/// The shop and everybody around it.
pub struct ShopTask {
    shop: Shop,
    clock: Clock,
    clients: Clients,
    identities: Box<dyn Identities>,
    ledger: LedgerLane,
    watch: Watch,
    media: MediaService,
    directory: Arc<Directory>,
    metrics: ShopMetrics,
    /// Peers that opened a channel of the shop's.
    peers: HashSet<PeerId>,
    /// The codecs that viewers cannot play, with channels or before them.
    unplayable: HashMap<PeerId, &'static str>,
    replies: Replies,
}

impl ShopTask {
    /// A shop over a running media side and ledger.
    pub fn new(
        shop: Shop,
        clock: Clock,
        identities: Box<dyn Identities>,
        ledger: LedgerLane,
        media: MediaService,
        directory: Arc<Directory>,
        metrics: ShopMetrics,
    ) -> ShopTask {
        ShopTask {
            shop,
            clock,
            clients: Clients::new(media.clone(), metrics.clone()),
            identities,
            watch: Watch::new(ledger.health().clone(), Instant::now()),
            ledger,
            media,
            directory,
            metrics,
            peers: HashSet::new(),
            unplayable: HashMap::new(),
            replies: Replies::default(),
        }
    }

    /// Runs until `stop` resolves; then the ledger's lane is dropped.
    pub async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut news: mpsc::Receiver<News>,
        mut answers: mpsc::Receiver<Answer>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = self.shop.poll_due().map(|due| {
                let ms = u64::try_from(due.0 - self.clock.now().0).unwrap_or(0);
                // What is far off is looked at by the next tick.
                tokio::time::Instant::now() + Duration::from_millis(ms).min(TICK)
            });
            tokio::select! {
                // What is decided is told before more is asked.
                biased;
                _ = &mut stop => break,
                Some(answer) = answers.recv() => self.take_answer(answer),
                _ = ticks.tick() => self.tick(),
                () = at(due) => self.shop.handle_due(self.clock.now()),
                Some(news) = news.recv() => self.take_news(news),
                Some(request) = requests.recv() => self.take_request(request),
            }
            self.carry_out();
        }
        // What was asked before the end is taken, and what was taken is decided and told, as long as somebody listens.
        while let Ok(request) = requests.try_recv() {
            self.take_request(request);
        }
        self.carry_out();
        let end = tokio::time::Instant::now() + LAST_ANSWERS;
        while self.shop.awaits_ledger()
            && let Ok(Some(answer)) = tokio::time::timeout_at(end, answers.recv()).await
        {
            self.take_answer(answer);
            self.carry_out();
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        if let Ok(Decision::Receipt(receipt)) = &answer.decision {
            self.metrics
                .buys
                .with_label_values(&[receipt.outcome.name()])
                .inc();
        }
        self.shop.handle_answer(self.clock.now(), answer);
    }

    fn tick(&mut self) {
        self.watch.look(Instant::now());
        for gone in self.clients.gone() {
            self.clients.remove(gone);
            self.shop.disconnect(gone);
        }
        for pace in self.clients.pump() {
            self.take_pace(pace);
        }
        self.shop.handle_time(self.clock.now());
    }

    fn take_news(&mut self, news: News) {
        let now = self.clock.now();
        match news {
            News::ChannelOpen {
                peer,
                room,
                channel,
                from,
            } => {
                if CHANNELS.contains(&&*channel) && self.peers.insert(peer) {
                    self.shop.connect(now, of_peer(peer), &room, from);
                    let unplayable = self.unplayable.get(&peer).copied();
                    self.shop.set_unplayable(now, of_peer(peer), unplayable);
                    self.count_peers();
                }
            }
            News::Message { peer, channel, data } => {
                if CHANNELS.contains(&&*channel) {
                    self.shop
                        .handle_message(now, of_peer(peer), &data, &*self.identities);
                }
            }
            News::Behind { peer } => self.shop.handle_behind(now, of_peer(peer)),
            News::CaughtUp { peer } => self.shop.handle_caught_up(now, of_peer(peer)),
            News::ClockMap { peer, map } => {
                let since = i64::try_from(map.at.elapsed().as_millis()).unwrap_or(0);
                self.shop
                    .tell_clock(now, of_peer(peer), map.rtp, map.rate, now.0 - since);
            }
            News::Unplayable { peer, codec } => {
                match codec {
                    Some(codec) => self.unplayable.insert(peer, codec),
                    None => self.unplayable.remove(&peer),
                };
                self.shop.set_unplayable(now, of_peer(peer), codec);
            }
            News::Closed { peer, .. } => {
                self.unplayable.remove(&peer);
                if self.peers.remove(&peer) {
                    self.shop.disconnect(of_peer(peer));
                    self.count_peers();
                }
            }
            News::OnAir { room, live } => self.shop.set_on_air(now, &room, live),
            News::Health {
                room,
                encodings,
                viewers,
                unplayable,
                fought_over,
            } => {
                let warnings = advice(&encodings, unplayable, fought_over);
                let encodings = encodings.iter().zip(viewers);
                let encodings: Vec<EncodingStatus> = encodings
                    .map(|(health, viewers)| status(health, viewers))
                    .collect();
                self.shop.tell_health(now, &room, &encodings, warnings);
            }
        }
    }

    fn count_peers(&self) {
        let peers = i64::try_from(self.peers.len()).unwrap_or(i64::MAX);
        self.metrics.clients.with_label_values(&["channel"]).set(peers);
    }

    fn take_request(&mut self, request: Request) {
        let now = self.clock.now();
        match request {
            // Whoever asked may have gone meanwhile; then nobody needs the reply.
            Request::Rooms { reply } => drop(reply.send(self.rooms())),
            Request::Room { room, reply } => drop(reply.send(self.room(&room))),
            Request::Connect {
                room,
                hello,
                from,
                reply,
            } => {
                let room: RoomName = room.into();
                let Some((client, stream)) = self.clients.connect(room.clone()) else {
                    drop(reply.send(Err(ShopReply::Unavailable)));
                    return;
                };
                self.shop.connect(now, client, &room, from);
                self.shop.handle_message(now, client, &hello, &*self.identities);
                drop(reply.send(Ok(stream)));
            }
            Request::Message {
                client,
                message,
                reply,
            } => {
                let Some(client) = self.clients.by_secret(client) else {
                    let text = "there is no such event stream: open one first".to_owned();
                    drop(reply.send(ShopReply::NotFound(text)));
                    return;
                };
                self.shop.handle_message(now, client, &message, &*self.identities);
                drop(reply.send(ShopReply::Done));
            }
            Request::Buy {
                room,
                token,
                buy,
                from,
                reply,
            } => {
                if let Some(request) = self.replies.expect(reply) {
                    let origin = (&room.into(), from);
                    self.shop
                        .request_buy(now, request, origin, token.as_deref(), &buy, &*self.identities);
                }
            }
            Request::Command { room, request, reply } => {
                if let Some(number) = self.replies.expect(reply) {
                    let HostRequest {
                        command,
                        key,
                        if_version,
                    } = request;
                    let condition = Condition { key, if_version };
                    self.shop
                        .request_command(now, number, &room.into(), condition, &command);
                }
            }
            Request::List { room, list, reply } => {
                if let Some(request) = self.replies.expect(reply) {
                    self.shop.request_list(request, &room.into(), list_of(list));
                }
            }
        }
    }

    /// Does what the shop asks for.
    fn carry_out(&mut self) {
        while let Some(output) = self.shop.poll_output() {
            match output {
                Output::Send {
                    client,
                    channel,
                    priority,
                    message,
                } => {
                    if let Some(pace) = self.clients.send(client, channel, priority, message) {
                        self.take_pace(pace);
                    }
                }
                Output::Listen { client, listens } => self.clients.listen(client, listens),
                Output::Broadcast {
                    room,
                    channel,
                    message,
                } => {
                    for pace in self.clients.broadcast(&room, channel, &message) {
                        self.take_pace(pace);
                    }
                }
                Output::Disconnect { client } => self.let_go(client),
                Output::Reply { request, reply } => self.replies.give(request, reply),
                Output::Ledger(command) => {
                    if let Err(command) = self.ledger.send(command) {
                        let refused = Answer::refusing(command.ticket, command.show, Refusal::Failed);
                        self.shop.handle_answer(self.clock.now(), refused);
                    }
                }
            }
        }
    }

    fn take_pace(&mut self, pace: Pace) {
        match pace {
            Pace::Behind(client) => self.shop.handle_behind(self.clock.now(), client),
            Pace::CaughtUp(client) => self.shop.handle_caught_up(self.clock.now(), client),
        }
    }

    /// Ends what a client is reached by.
    fn let_go(&mut self, client: ClientId) {
        self.shop.disconnect(client);
        match carrier(client) {
            Carrier::Stream => {
                self.clients.remove(client);
            }
            Carrier::Peer(peer) => {
                let media = self.media.clone();
                tokio::spawn(async move {
                    signaling::Media::close(&media, signaling::MediaSession(peer.0)).await;
                });
            }
        }
    }

    fn rooms(&self) -> Vec<RoomSummary> {
        let mut names: HashSet<RoomName> = self.directory.rooms().into_iter().map(|(room, _)| room).collect();
        names.extend(self.shop.rooms().into_iter().map(|state| state.room));
        let mut rooms: Vec<RoomSummary> = names.iter().map(|room| self.room(room)).collect();
        rooms.sort_by(|a, b| a.room.cmp(&b.room));
        rooms
    }

    /// Media sessions and shop clients are mostly the same people: the larger count is right.
    fn room(&self, room: &str) -> RoomSummary {
        let presence = self.directory.presence(room);
        let state = self.shop.room(room);
        RoomSummary {
            room: room.to_owned(),
            live: presence.live.is_some(),
            stand_in: presence.live.is_some() && presence.stand_in,
            host: presence.publishers > 0 && !presence.stand_in,
            viewers: presence
                .viewers
                .max(state.as_ref().map_or(0, |state| state.viewers)),
            state: state
                .as_ref()
                .map_or(ShowState::default(), |state| state.state)
                .name(),
            starts_at: state.as_ref().and_then(|state| state.starts_at),
            image: state.as_ref().and_then(|state| state.image.clone()),
            title: state.map(|state| state.title).unwrap_or_default(),
        }
    }
}

/// Resolves at a time; never without one.
async fn at(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn list_of(list: ShopList) -> List {
    match list {
        ShopList::Orders => List::Orders,
        ShopList::Stock => List::Stock,
        ShopList::Promos => List::Promos,
        ShopList::Products => List::Products,
    }
}

fn status(encoding: &EncodingHealth, viewers: u32) -> EncodingStatus {
    EncodingStatus {
        rid: encoding.rid.map(|rid| rid.as_str().to_owned()),
        codec: encoding.codec.to_owned(),
        bitrate: encoding.bitrate,
        width: encoding.size.map(|(width, _)| width),
        height: encoding.size.map(|(_, height)| height),
        active: encoding.active,
        lost_permille: encoding.lost_permille,
        viewers,
        jitter_ms: u32::try_from(encoding.jitter.as_millis()).unwrap_or(u32::MAX),
    }
}
