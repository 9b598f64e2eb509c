//! The shards as the rest of the process reaches them: questions and their replies, messages, reports, the end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sfu::backlog::Urgency;
use sfu::negotiation::Fingerprint;
use sfu::relay::{RoomName, ShardId};
use sfu::shard::PeerId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::bulletin::Bulletin;
use super::command::{Command, ShardReport};
use super::lanes::ShardLane;
use super::news::News;
use crate::directory::{Directory, Part};
use crate::net::interfaces::HostAddresses;
use crate::telemetry::PlayerMetrics;

/// The longest wait for a shard's reply; one that is alive replies in well under a millisecond.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two looks at how busy the shards are. A joiner's media flows within a second.
const WEIGHING: Duration = Duration::from_secs(2);

/// One shard as the service reaches it.
#[derive(Clone)]
pub struct ShardDoor {
    /// Its thread's lane.
    pub lane: ShardLane,
    /// Its UDP port.
    pub udp_port: u16,
    /// Its ICE-TCP port, where there is one.
    pub tcp_port: Option<u16>,
}

/// Who is told what happens to sessions.
pub struct Told {
    /// The shop.
    pub news: mpsc::Sender<News>,
    /// Those who follow a room.
    pub bulletin: Arc<Bulletin>,
    /// The operator.
    pub players: PlayerMetrics,
}

#[cfg(test)]
impl Told {
    /// The shop alone.
    pub(crate) fn shop(news: mpsc::Sender<News>) -> Told {
        let registry = prometheus::Registry::new();
        let players = PlayerMetrics::new(&registry);
        Told {
            news,
            bulletin: Arc::default(),
            players: players.unwrap_or_else(|error| panic!("{error}")),
        }
    }
}

/// The media side of the HTTP door. Cheap to clone.
#[derive(Clone)]
pub struct MediaService {
    pub(super) state: Arc<State>,
}

pub(super) struct State {
    pub(super) shards: Vec<ShardDoor>,
    pub(super) directory: Arc<Directory>,
    pub(super) addresses: HostAddresses,
    pub(super) fingerprint: Fingerprint,
    /// The longest data-channel message taken, bytes.
    pub(super) max_message: usize,
    pub(super) told: Told,
    stopping: AtomicBool,
}

impl MediaService {
    /// A service over running shards, in order of their numbers.
    pub fn new(
        shards: Vec<ShardDoor>,
        directory: Arc<Directory>,
        addresses: HostAddresses,
        fingerprint: Fingerprint,
        max_message: usize,
        told: Told,
    ) -> MediaService {
        MediaService {
            state: Arc::new(State {
                shards,
                directory,
                addresses,
                fingerprint,
                max_message,
                told,
                stopping: AtomicBool::new(false),
            }),
        }
    }

    /// Every shard's report, those that answer in time.
    pub async fn reports(&self) -> Vec<(ShardId, ShardReport)> {
        let mut reports = Vec::with_capacity(self.state.shards.len());
        for shard in self.shard_ids() {
            if let Some(report) = self.ask(shard, |reply| Command::Stats { reply }).await {
                reports.push((shard, report));
            }
        }
        reports
    }

    /// Tells the directory again and again how busy the shards are.
    pub async fn weigh(self) {
        let mut ticks = tokio::time::interval(WEIGHING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before: HashMap<ShardId, (Instant, u64)> = HashMap::new();
        loop {
            ticks.tick().await;
            for (shard, report) in self.reports().await {
                let now = Instant::now();
                let packets = report.shard.datagrams_in + report.shard.datagrams_out;
                if let Some((since, passed)) = before.insert(shard, (now, packets)) {
                    let time_ms = now.saturating_duration_since(since).as_millis() as u64;
                    let per_second = packets.saturating_sub(passed) * 1000 / time_ms.max(1);
                    self.state.directory.measured(shard, per_second);
                }
            }
        }
    }

    /// Whether new sessions are refused for good.
    pub fn is_stopping(&self) -> bool {
        self.state.stopping.load(Ordering::Relaxed)
    }

    /// Whether new sessions are welcome and every shard is at work.
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.state.directory.shard_count() == self.state.shards.len()
    }

    /// Waits until a shard's thread drops its end of `thread`. When nobody told it to stop, the rest of the process
    /// goes on without it: its sessions end, and new ones go elsewhere.
    pub async fn outlive(&self, shard: ShardId, thread: oneshot::Receiver<Infallible>) {
        let Err(_) = thread.await;
        if self.is_stopping() {
            return;
        }
        tracing::error!(
            shard = shard.0,
            "a shard's thread ended; the server goes on without it"
        );
        let directory = &self.state.directory;
        for (peer, session) in directory.retire(shard) {
            let room = session.room;
            let closed = News::Closed {
                peer,
                room: room.clone(),
            };
            // The shop may have closed before.
            let _ = self.state.told.news.send(closed).await;
            if let Part::Publisher(generation) = session.part
                && directory.on_air(&room, generation, false)
            {
                self.state.told.bulletin.on_air(&room, false);
                let _ = self.state.told.news.send(News::OnAir { room, live: false }).await;
            }
        }
    }

    /// Refuses new sessions from now on.
    pub fn drain(&self) {
        self.state.stopping.store(true, Ordering::Relaxed);
    }

    /// Refuses new sessions and ends every shard, its peers with a goodbye. False when one did not end in time.
    pub async fn shut_down(&self) -> bool {
        self.drain();
        let mut all_stopped = true;
        for shard in self.shard_ids() {
            let stopped = self.ask(shard, |reply| Command::Shutdown { reply }).await;
            if stopped.is_none() {
                tracing::warn!(shard = shard.0, "a shard did not stop in time");
                all_stopped = false;
            }
        }
        all_stopped
    }

    /// Sends a message on one peer's channel; false when it went nowhere.
    pub fn send(&self, peer: PeerId, channel: &'static str, urgency: Urgency, data: bytes::Bytes) -> bool {
        self.tell(
            peer,
            Command::SendMessage {
                peer,
                channel,
                urgency,
                data,
            },
        )
    }

    /// Whether a peer gets what is broadcast; false when it could not be told.
    pub fn listen(&self, peer: PeerId, listens: bool) -> bool {
        self.tell(peer, Command::Listen { peer, listens })
    }

    fn tell(&self, peer: PeerId, command: Command) -> bool {
        let shard = self.state.directory.shard_of(peer);
        let lane = shard.and_then(|shard| self.lane(shard));
        lane.is_some_and(|lane| lane.command(command).is_ok())
    }

    /// Sends a message to everybody in a room: one command per shard. Returns how many shards refused.
    pub fn broadcast(
        &self,
        room: &RoomName,
        channel: &'static str,
        data: &bytes::Bytes,
        urgency: Urgency,
    ) -> usize {
        let refused = self.state.shards.iter().filter(|shard| {
            let command = Command::Broadcast {
                room: room.clone(),
                channel,
                data: data.clone(),
                urgency,
            };
            shard.lane.command(command).is_err()
        });
        refused.count()
    }

    pub(super) fn shard_ids(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..u16::try_from(self.state.shards.len()).unwrap_or(u16::MAX)).map(ShardId)
    }

    pub(super) fn lane(&self, shard: ShardId) -> Option<&ShardLane> {
        self.state
            .shards
            .get(usize::from(shard.0))
            .map(|shard| &shard.lane)
    }

    /// Asks a shard and waits for its reply; `None` when it does not take the question or does not answer.
    pub(super) async fn ask<T>(
        &self,
        shard: ShardId,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.lane(shard)?.command(command(reply)).ok()?;
        tokio::time::timeout(REPLY_TIMEOUT, answer).await.ok()?.ok()
    }
}
