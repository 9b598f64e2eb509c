//! Media sessions as the HTTP door sees them: offers judged here, peers opened on a shard, answers written.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::Rng;
use sfu::negotiation::{IceCredentials, Label};
use sfu::playback::{self, LayerLimit};
use sfu::relay::ShardId;
use sfu::sdp::{AnswerParams, Direction, Fragment, Offer, OfferError};
use sfu::shard::{PeerId, ViewerStats};
use signaling::{
    Answer, Door, Layer, LayerReason, LayerWish, Media, MediaError, MediaSession, Patched, PlayerReport,
    RoomMedia, RoomViewers, ViewerReport,
};
use tokio::sync::{oneshot, watch};

use super::command::Command;
use super::credentials;
use super::news::News;
use super::service::MediaService;
use crate::directory::Part;

/// Seconds a client is asked to wait when a shard is full or busy.
const RETRY_AFTER: u32 = 5;
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
        spatial_layer_id: 0,
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

fn layer_limit(wish: &LayerWish) -> Result<LayerLimit, MediaError> {
    let rid = match wish.rid.as_deref().map(|rid| Label::new(rid.as_bytes())) {
        None => None,
        Some(Some(rid)) => Some(rid),
        Some(None) => return Err(MediaError::Unacceptable("no layer has such a rid".to_owned())),
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

fn unavailable() -> MediaError {
    MediaError::Unavailable {
        retry_after: RETRY_AFTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use sfu::negotiation::Fingerprint;
    use sfu::shard::OpenError;
    use tokio::sync::mpsc;

    use crate::directory::Directory;
    use crate::media::command::ShardReport;
    use crate::media::lanes::{ShardInbox, ShardLane, lanes};
    use crate::media::service::{ShardDoor, Told};
    use crate::net::interfaces::HostAddresses;

    const PUBLISH: &str = include_str!("../../sfu/tests/offers/ffmpeg.sdp");
    const PLAY: &str = include_str!("../../sfu/tests/offers/chromium-play.sdp");
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A service with one shard that does as `script` says, and what the shop hears.
    struct Stage {
        service: MediaService,
        directory: Arc<Directory>,
        news: mpsc::Receiver<News>,
    }

    fn stage(script: impl Fn(Command) + Send + 'static) -> Stage {
        let mut poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (lane, inbox): (ShardLane, ShardInbox) = lanes(waker);
        std::thread::spawn(move || {
            let mut events = mio::Events::with_capacity(1);
            while poll.poll(&mut events, Some(Duration::from_secs(5))).is_ok() && !events.is_empty() {
                while let Some(command) = inbox.command() {
                    script(command);
                }
            }
        });
        let directory = Arc::new(Directory::new(1));
        let (news_lane, news) = mpsc::channel(8);
        let door = ShardDoor {
            lane,
            udp_port: 7000,
            tcp_port: Some(7000),
        };
        let service = MediaService::new(
            vec![door],
            directory.clone(),
            HostAddresses::new(vec!["203.0.113.5".parse().unwrap()]),
            Fingerprint([1; 32]),
            16 << 10,
            Told::shop(news_lane),
        );
        Stage {
            service,
            directory,
            news,
        }
    }

    /// Takes everything.
    fn willing(command: Command) {
        match command {
            Command::OpenPublisher { reply, .. } | Command::OpenViewer { reply, .. } => {
                reply.send(Ok(())).unwrap();
            }
            Command::RestartIce { reply, .. } | Command::SetLimit { reply, .. } => reply.send(true).unwrap(),
            Command::Close { reply, .. } | Command::Shutdown { reply } => reply.send(()).unwrap(),
            Command::Viewers { reply, .. } => reply.send((Vec::new(), 0)).unwrap(),
            Command::Stats { reply } => assert!(reply.send(ShardReport::default()).is_ok()),
            Command::SendMessage { .. } | Command::Listen { .. } | Command::Broadcast { .. } => {}
        }
    }

    async fn open(stage: &Stage, door: Door, offer: &str) -> Result<Answer, MediaError> {
        stage.service.open(door, "demo", offer.to_owned(), HERE).await
    }

    fn fragment(ufrag: &str) -> String {
        format!(
            "a=ice-ufrag:{ufrag}\r\na=ice-pwd:00112233445566778899aabbccddeeff\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
        )
    }

    #[tokio::test]
    async fn a_session_opens_with_an_answer_and_closes_for_the_shop_too() {
        let mut stage = stage(willing);
        let answer = open(&stage, Door::Whip, PUBLISH).await.unwrap();
        let first = answer
            .sdp
            .lines()
            .find(|line| line.starts_with("a=candidate:"))
            .unwrap();
        assert!(
            first.contains(" udp ") && first.contains(" 127.0.0.1 7000 "),
            "{first}"
        );
        assert!(answer.sdp.contains(" 203.0.113.5 7000 typ host tcptype passive"));
        assert_eq!(stage.directory.presence("demo").publishers, 1);

        stage.service.close(answer.session).await;
        assert!(matches!(stage.news.recv().await, Some(News::Closed { .. })));
        assert_eq!(stage.directory.session_count(), 0);
        stage.service.close(answer.session).await;
    }

    #[tokio::test]
    async fn each_publication_outranks_the_one_before() {
        let (ranks, seen) = std::sync::mpsc::channel();
        let stage = stage(move |command| {
            if let Command::OpenPublisher { generation, .. } = &command {
                ranks.send(*generation).unwrap();
            }
            willing(command);
        });
        open(&stage, Door::Whip, PUBLISH).await.unwrap();
        open(&stage, Door::Whip, PUBLISH).await.unwrap();
        assert!(seen.recv().unwrap() < seen.recv().unwrap());
    }

    #[tokio::test]
    async fn a_full_shard_is_unavailable_and_leaves_no_ghost() {
        let stage = stage(|command| match command {
            Command::OpenViewer { reply, .. } => reply.send(Err(OpenError::Full)).unwrap(),
            other => willing(other),
        });
        let refused = open(&stage, Door::Whep, PLAY).await;
        assert!(matches!(refused, Err(MediaError::Unavailable { .. })));
        assert!(stage.directory.rooms().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_does_not_answer_is_unavailable_and_told_to_close() {
        let (closed, told) = std::sync::mpsc::channel();
        let kept = std::sync::Mutex::new(Vec::new());
        let stage = stage(move |command| match command {
            Command::Close { peer, .. } => closed.send(peer).unwrap(),
            other => kept.lock().unwrap().push(other),
        });
        let refused = open(&stage, Door::Whep, PLAY).await;
        assert!(matches!(refused, Err(MediaError::Unavailable { .. })));
        assert_eq!(stage.directory.session_count(), 0);
        assert_eq!(told.recv().unwrap(), PeerId(1));
    }

    #[tokio::test]
    async fn a_bad_offer_reaches_no_shard() {
        let stage = stage(|_| panic!("a command"));
        assert!(matches!(
            open(&stage, Door::Whip, "hello").await,
            Err(MediaError::Malformed(_))
        ));
        assert!(matches!(
            open(&stage, Door::Whip, PLAY).await,
            Err(MediaError::Unacceptable(_))
        ));
        stage.service.drain();
        assert!(matches!(
            open(&stage, Door::Whep, PLAY).await,
            Err(MediaError::Unavailable { .. })
        ));
    }

    #[tokio::test]
    async fn candidates_trickle_and_other_credentials_restart_if_allowed() {
        let stage = stage(willing);
        let session = open(&stage, Door::Whip, PUBLISH).await.unwrap().session;
        let patch = |ufrag, may_restart| stage.service.patch(session, fragment(ufrag), may_restart);
        assert_eq!(patch("1a2b3c4d", false).await, Ok(Patched::Trickled));
        assert_eq!(patch("other", false).await, Err(MediaError::RestartNotAllowed));
        let Ok(Patched::Restarted(answer)) = patch("other", true).await else {
            panic!("no restart");
        };
        assert!(answer.contains("a=candidate:") && answer.contains("a=ice-lite"));
        assert_eq!(
            patch("other", false).await,
            Ok(Patched::Trickled),
            "the new ones are known now"
        );
        assert!(matches!(
            stage.service.patch(session, "nonsense".to_owned(), true).await,
            Err(MediaError::Malformed(_))
        ));
        let unknown = MediaSession(999);
        assert_eq!(
            stage.service.patch(unknown, fragment("x123"), true).await,
            Err(MediaError::Gone)
        );
    }

    #[tokio::test]
    async fn only_viewers_choose_layers() {
        let stage = stage(willing);
        let wish = LayerWish {
            rid: Some("h".to_owned()),
            max_width: Some(640),
            max_height: Some(360),
            max_temporal_layer_id: Some(1),
            ..LayerWish::default()
        };
        let limit = layer_limit(&wish).unwrap();
        assert_eq!(
            (limit.max_side, limit.max_temporal, limit.temporal),
            (Some(640), Some(1), None)
        );
        let viewer = open(&stage, Door::Whep, PLAY).await.unwrap().session;
        assert_eq!(stage.service.limit(viewer, wish.clone()).await, Ok(()));
        let host = open(&stage, Door::Whip, PUBLISH).await.unwrap().session;
        assert!(matches!(
            stage.service.limit(host, wish).await,
            Err(MediaError::Unacceptable(_))
        ));
    }
}
