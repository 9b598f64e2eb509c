//! Media sessions as the HTTP door sees them: offers judged here, peers opened on a shard, answers written.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::Rng;
use sfu::negotiation::{IceCredentials, Label};
use sfu::playback::{self, LayerLimit};
use sfu::relay::ShardId;
use sfu::sdp::{AnswerParams, Direction, Fragment, Offer, OfferError};
use sfu::shard::{OpenError, PeerId, ViewerStats};
use signaling::{
    Answer, Door, Layer, LayerReason, LayerWish, Media, MediaError, MediaSession, Patched, PlayerReport,
    RoomMedia, RoomViewers, ViewerReport,
};
use tokio::sync::{oneshot, watch};

use super::command::Command;
use super::credentials;
use super::news::News;
use super::service::MediaService;
use crate::contest;
use crate::directory::Part;

/// Seconds a client is asked to wait when a shard is full or busy.
const RETRY_AFTER: u32 = 5;
/// What the one hears who is kept out.
const FOUGHT_OVER: &str = "two encoders take this room from one another: end one of them. The one on the air is left there for a minute";
/// Of a thread that has more to do than answer, or has ended.
const UNANSWERED: &str = "the server did not answer in time, or is stopping";
/// `msid` stream and CNAME of what viewers get: sound and picture of one session belong together, and there is
/// nothing else in a session to tell them from.
const STREAM: &str = "vitrine";

impl MediaService {
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
            let _ = self.state.told.news.send(News::Closed { peer, room }).await;
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
        if door == Door::Whip && !directory.challenge(&room, Instant::now()) {
            return Err(MediaError::Taken {
                why: FOUGHT_OVER,
                retry_after: contest::RETRY_AFTER,
            });
        }
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
                video: video_section(&sdp),
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
                Err(full(opened.and_then(Result::err)))
            }
        }
    }
}

impl Media for MediaService {
    async fn open(&self, door: Door, room: &str, offer: String, from: IpAddr) -> Result<Answer, MediaError> {
        if self.is_stopping() {
            return Err(unavailable("the server is stopping"));
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
            None => Err(unavailable(UNANSWERED)),
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
        if let Some(rid) = &wish.rid {
            check_rid(rid, &self.state.told.bulletin.rids(&session.room))?;
        }
        match self
            .ask(session.shard, |reply| Command::SetLimit { peer, limit, reply })
            .await
        {
            Some(true) => Ok(()),
            Some(false) => Err(MediaError::Gone),
            None => Err(unavailable(UNANSWERED)),
        }
    }

    fn report(&self, session: MediaSession, report: PlayerReport) {
        let told = self.state.directory.reported(PeerId(session.0), report);
        if let Some((before, now)) = told {
            self.state.told.players.reported(&before, &now);
        }
    }

    fn follow(&self, room: &str) -> watch::Receiver<RoomMedia> {
        let name = self.state.directory.room_name(room);
        let presence = self.state.directory.presence(room);
        let now = RoomMedia {
            live: presence.live.is_some(),
            viewers: presence.viewers,
            ..RoomMedia::default()
        };
        self.state.told.bulletin.follow(&name, now)
    }

    async fn viewers(&self, room: &str, most: usize) -> RoomViewers {
        let name = self.state.directory.room_name(room);
        let mut found = RoomViewers::default();
        for shard in self.shard_ids() {
            let (room, most) = (name.clone(), most.saturating_sub(found.viewers.len()));
            let asked = self.ask(shard, |reply| Command::Viewers { room, most, reply });
            let Some((viewers, count)) = asked.await else {
                continue;
            };
            found.count += count;
            found.viewers.extend(viewers.iter().map(|viewer| {
                let session = self.state.directory.session(viewer.peer);
                viewer_report(shard, viewer, session.map(|session| session.player))
            }));
        }
        found
    }

    fn is_open(&self, session: MediaSession) -> bool {
        self.state.directory.shard_of(PeerId(session.0)).is_some()
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

/// The place of the first video among the m-lines.
fn video_section(sdp: &str) -> Option<usize> {
    let mut sections = sdp.lines().filter(|line| line.starts_with("m="));
    sections.position(|line| line.starts_with("m=video"))
}

fn viewer_report(shard: ShardId, viewer: &ViewerStats, player: Option<PlayerReport>) -> ViewerReport {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let layer = viewer.layer.map(|layer| Layer {
        rid: layer.rid.map(|rid| rid.as_str().to_owned()),
        spatial_layer_id: layer.spatial,
        temporal_layer_id: layer.temporal,
        bitrate: Some(layer.bitrate),
        width: layer.size.map(|(width, _)| width),
        height: layer.size.map(|(_, height)| height),
    });
    ViewerReport {
        viewer: viewer.peer.0,
        shard: shard.0,
        age_ms: ms(viewer.age),
        connect_ms: viewer.connected.map(ms),
        picture_ms: viewer.pictured.map(ms),
        layer,
        reason: layer_reason(viewer.reason),
        estimate: viewer.estimate,
        round_trip_ms: ms(viewer.round_trip),
        lost_percent: f32::from(viewer.lost) * 100.0 / 256.0,
        lost: viewer.counts.lost,
        switches: viewer.counts.layer_switches,
        stills: viewer.counts.stills,
        retransmitted: viewer.counts.retransmitted,
        keyframe_requests: viewer.counts.keyframe_requests_received,
        player: player.unwrap_or_default(),
    }
}

fn layer_reason(reason: playback::LayerReason) -> LayerReason {
    match reason {
        playback::LayerReason::Joining => LayerReason::Joining,
        playback::LayerReason::Pinned => LayerReason::Pinned,
        playback::LayerReason::Limited => LayerReason::Limited,
        playback::LayerReason::Line => LayerReason::Line,
        playback::LayerReason::Best => LayerReason::Best,
    }
}

/// Whether a layer that is known now has this rid. While there is none, whatever comes may have it.
fn check_rid(wanted: &str, known: &[Option<String>]) -> Result<(), MediaError> {
    if known.is_empty() || known.iter().flatten().any(|rid| rid == wanted) {
        return Ok(());
    }
    let named: Vec<_> = known.iter().flatten().map(|rid| format!("{rid:?}")).collect();
    let accepted = if named.is_empty() {
        "the picture has no rids, leave it out".to_owned()
    } else {
        format!("there are {}", named.join(", "))
    };
    Err(MediaError::Unacceptable(format!(
        "no layer has the rid {wanted:?}: {accepted}"
    )))
}

fn layer_limit(wish: &LayerWish) -> Result<LayerLimit, MediaError> {
    let rid = match wish.rid.as_deref().map(|rid| Label::new(rid.as_bytes())) {
        None => None,
        Some(Some(rid)) => Some(rid),
        Some(None) => {
            return Err(MediaError::Unacceptable(format!(
                "a rid has 1 to {} printable characters",
                Label::MAX_LEN
            )));
        }
    };
    let longest = wish.max_width.max(wish.max_height);
    Ok(LayerLimit {
        rid,
        spatial: wish.spatial_layer_id,
        temporal: wish.temporal_layer_id,
        max_spatial: wish.max_spatial_layer_id,
        max_temporal: wish.max_temporal_layer_id,
        max_side: longest.map(|side| u16::try_from(side).unwrap_or(u16::MAX)),
    })
}

fn refused(error: OfferError) -> MediaError {
    match error {
        OfferError::Malformed(_) => MediaError::Malformed(error.to_string()),
        OfferError::Unacceptable(_) => MediaError::Unacceptable(error.to_string()),
    }
}

fn unavailable(why: &'static str) -> MediaError {
    let retry_after = RETRY_AFTER;
    MediaError::Unavailable { why, retry_after }
}

/// Why a thread took nobody more, in the words of the configuration; `None` when it did not answer.
fn full(error: Option<OpenError>) -> MediaError {
    unavailable(match error {
        Some(OpenError::Busy) => "the media threads are as busy as they may be (media_load_max_percent)",
        Some(OpenError::Full) => "there are as many publishers and viewers as there may be (media_max_peers)",
        Some(OpenError::WrongDirection) | None => UNANSWERED,
    })
}

#[cfg(test)]
mod tests;
