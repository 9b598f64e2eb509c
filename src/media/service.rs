//! Media sessions as the HTTP door sees them: offers judged here, peers opened on a shard, answers written.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::Rng;
use sfu::negotiation::{Fingerprint, IceCredentials, Label};
use sfu::playback::LayerLimit;
use sfu::relay::{RoomName, ShardId};
use sfu::sdp::{AnswerParams, Direction, Fragment, Offer, OfferError};
use sfu::shard::PeerId;
use signaling::{Answer, Door, LayerWish, Media, MediaError, MediaSession, Patched};
use tokio::sync::{mpsc, oneshot};

use super::command::{Command, ShardReport};
use super::credentials;
use super::lanes::ShardLane;
use super::news::News;
use crate::directory::{Directory, Part};
use crate::net::interfaces::HostAddresses;

/// Seconds a client is asked to wait when a shard is full or busy.
const RETRY_AFTER: u32 = 5;
/// The longest wait for a shard's reply; one that is alive replies in well under a millisecond.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// `msid` stream and CNAME of what viewers get: sound and picture of one session belong together, and there is
/// nothing else in a session to tell them from.
const STREAM: &str = "vitrine";

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

/// The media side of the HTTP door. Cheap to clone.
#[derive(Clone)]
pub struct MediaService {
    state: Arc<State>,
}

struct State {
    shards: Vec<ShardDoor>,
    directory: Arc<Directory>,
    addresses: HostAddresses,
    fingerprint: Fingerprint,
    /// The longest data-channel message taken, bytes.
    max_message: usize,
    news: mpsc::Sender<News>,
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
        news: mpsc::Sender<News>,
    ) -> MediaService {
        MediaService {
            state: Arc::new(State {
                shards,
                directory,
                addresses,
                fingerprint,
                max_message,
                news,
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

    /// Whether new sessions are refused for good.
    pub fn is_stopping(&self) -> bool {
        self.state.stopping.load(Ordering::Relaxed)
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
    pub fn send(&self, peer: PeerId, channel: &'static str, data: bytes::Bytes) -> bool {
        let shard = self.state.directory.shard_of(peer);
        let lane = shard.and_then(|shard| self.lane(shard));
        lane.is_some_and(|lane| lane.command(Command::SendMessage { peer, channel, data }).is_ok())
    }

    /// Sends a message to everybody in a room: one command per shard. Returns how many shards refused.
    pub fn broadcast(
        &self,
        room: &RoomName,
        channel: &'static str,
        data: &bytes::Bytes,
        lossy: bool,
    ) -> usize {
        let refused = self.state.shards.iter().filter(|shard| {
            let command = Command::Broadcast {
                room: room.clone(),
                channel,
                data: data.clone(),
                lossy,
            };
            shard.lane.command(command).is_err()
        });
        refused.count()
    }

    fn shard_ids(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..u16::try_from(self.state.shards.len()).unwrap_or(u16::MAX)).map(ShardId)
    }

    fn lane(&self, shard: ShardId) -> Option<&ShardLane> {
        self.state
            .shards
            .get(usize::from(shard.0))
            .map(|shard| &shard.lane)
    }

    /// Asks a shard and waits for its reply; `None` when it does not take the question or does not answer.
    async fn ask<T>(&self, shard: ShardId, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.lane(shard)?.command(command(reply)).ok()?;
        tokio::time::timeout(REPLY_TIMEOUT, answer).await.ok()?.ok()
    }

    /// What an answer or a restart fragment says of a shard, built for the client at `from`.
    fn describe<T>(
        &self,
        shard: ShardId,
        ice: &IceCredentials,
        from: IpAddr,
        write: impl FnOnce(&AnswerParams<'_>) -> T,
    ) -> Option<T> {
        let door = self.state.shards.get(usize::from(shard.0))?;
        let addresses = self.state.addresses.toward(from);
        let at = |port: u16| {
            addresses
                .iter()
                .map(move |&address| SocketAddr::new(address, port))
        };
        let udp: Vec<SocketAddr> = at(door.udp_port).collect();
        let tcp: Vec<SocketAddr> = door.tcp_port.map(at).into_iter().flatten().collect();
        Some(write(&AnswerParams {
            ice,
            fingerprint: self.state.fingerprint,
            udp: &udp,
            tcp: &tcp,
            stream: STREAM,
            max_message: self.state.max_message,
        }))
    }

    async fn close_peer(&self, peer: PeerId) {
        if let Some(session) = self.state.directory.remove(peer) {
            self.ask(session.shard, |reply| Command::Close { peer, reply })
                .await;
            let room = session.room;
            // The shop may have closed before.
            let _ = self.state.news.send(News::Closed { peer, room }).await;
        }
    }

    async fn open_on_shard(
        &self,
        door: Door,
        room: &str,
        offer: Offer,
        from: IpAddr,
    ) -> Result<Answer, MediaError> {
        let directory = &self.state.directory;
        let room = directory.room_name(room);
        let part = match door {
            Door::Whip => Part::Publisher(directory.next_generation()),
            Door::Whep => Part::Viewer,
        };
        let ice = credentials::ice();
        let (peer, shard) = directory.admit(room.clone(), part, from, offer.ice.clone(), offer.tag());
        let sdp = self.describe(shard, &ice, from, |params| offer.answer(params));
        let offer = Box::new(offer);
        let opened = self.ask(shard, |reply| match part {
            Part::Publisher(generation) => Command::OpenPublisher {
                peer,
                room,
                generation,
                offer,
                ice,
                reply,
            },
            Part::Viewer => Command::OpenViewer {
                peer,
                room,
                offer,
                ice,
                reply,
            },
        });
        match (opened.await, sdp) {
            (Some(Ok(())), Some(sdp)) => Ok(Answer {
                session: MediaSession(peer.0),
                sdp,
            }),
            (opened, _) => {
                directory.remove(peer);
                if opened.is_none() {
                    // It may have been opened after all, too late.
                    let (reply, _) = oneshot::channel();
                    let _ = self
                        .lane(shard)
                        .map(|lane| lane.command(Command::Close { peer, reply }));
                }
                Err(unavailable())
            }
        }
    }
}

impl Media for MediaService {
    async fn open(&self, door: Door, room: &str, offer: String, from: IpAddr) -> Result<Answer, MediaError> {
        if self.is_stopping() {
            return Err(unavailable());
        }
        let direction = match door {
            Door::Whip => Direction::Publish,
            Door::Whep => Direction::Play,
        };
        let offer = Offer::parse(&offer, direction, rand::rng().next_u64()).map_err(refused)?;
        self.open_on_shard(door, room, offer, from).await
    }

    async fn patch(
        &self,
        session: MediaSession,
        fragment: String,
        may_restart: bool,
    ) -> Result<Patched, MediaError> {
        let fragment = Fragment::parse(&fragment).map_err(refused)?;
        let peer = PeerId(session.0);
        let session = self.state.directory.session(peer).ok_or(MediaError::Gone)?;
        let Some(remote) = fragment.ice.filter(|ice| *ice != session.remote_ice) else {
            return Ok(Patched::Trickled);
        };
        if !may_restart {
            return Err(MediaError::RestartNotAllowed);
        }
        let local = credentials::ice();
        let text = self
            .describe(session.shard, &local, session.from, |params| {
                Fragment::restarted(session.tag, params)
            })
            .ok_or(MediaError::Gone)?;
        let noted = remote.clone();
        let restarted = self.ask(session.shard, |reply| Command::RestartIce {
            peer,
            local,
            remote,
            reply,
        });
        match restarted.await {
            Some(true) => {
                self.state.directory.restarted(peer, noted);
                Ok(Patched::Restarted(text))
            }
            Some(false) => Err(MediaError::Gone),
            None => Err(unavailable()),
        }
    }

    async fn limit(&self, session: MediaSession, wish: LayerWish) -> Result<(), MediaError> {
        let peer = PeerId(session.0);
        let limit = layer_limit(&wish)?;
        let session = self.state.directory.session(peer).ok_or(MediaError::Gone)?;
        if session.part != Part::Viewer {
            return Err(MediaError::Unacceptable(
                "only a viewer has a layer to choose".to_owned(),
            ));
        }
        match self
            .ask(session.shard, |reply| Command::SetLimit { peer, limit, reply })
            .await
        {
            Some(true) => Ok(()),
            Some(false) => Err(MediaError::Gone),
            None => Err(unavailable()),
        }
    }

    async fn close(&self, session: MediaSession) {
        // Carried through also when the request is given up meanwhile.
        let service = self.clone();
        let closing = tokio::spawn(async move { service.close_peer(PeerId(session.0)).await });
        if let Err(error) = closing.await {
            tracing::error!(%error, "closing a session failed");
        }
    }
}

fn layer_limit(wish: &LayerWish) -> Result<LayerLimit, MediaError> {
    let rid = match wish.rid.as_deref().map(|rid| Label::new(rid.as_bytes())) {
        None => None,
        Some(Some(rid)) => Some(rid),
        Some(None) => return Err(MediaError::Unacceptable("no layer has such a rid".to_owned())),
    };
    let longest = wish.max_width.max(wish.max_height);
    Ok(LayerLimit {
        rid,
        max_side: longest.map(|side| u16::try_from(side).unwrap_or(u16::MAX)),
    })
}

fn refused(error: OfferError) -> MediaError {
    match error {
        OfferError::Malformed(_) => MediaError::Malformed(error.to_string()),
        OfferError::Unacceptable(_) => MediaError::Unacceptable(error.to_string()),
    }
}

fn unavailable() -> MediaError {
    MediaError::Unavailable {
        retry_after: RETRY_AFTER,
    }
}
