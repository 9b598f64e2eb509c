//! Sessions against shards that follow a script.

use super::*;
use std::sync::Arc;

use sfu::media::{EncodingHealth, Faults};
use sfu::negotiation::Fingerprint;
use sfu::relay::{EncodingId, RoomName};
use sfu::shard::OpenError;
use tokio::sync::mpsc;

use crate::directory::Directory;
use crate::media::command::ShardReport;
use crate::media::lanes::{ShardInbox, ShardLane, lanes};
use crate::media::service::{ShardDoor, Told};
use crate::net::interfaces::HostAddresses;

const PUBLISH: &str = include_str!("../../../sfu/tests/offers/ffmpeg.sdp");
const PLAY: &str = include_str!("../../../sfu/tests/offers/chromium-play.sdp");
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A service with shards that do as `script` says, and what the shop hears.
struct Stage {
    service: MediaService,
    directory: Arc<Directory>,
    news: mpsc::Receiver<News>,
}

fn stage(script: impl Fn(Command) + Send + Sync + 'static) -> Stage {
    stage_of(1, script)
}

fn stage_of(shards: u16, script: impl Fn(Command) + Send + Sync + 'static) -> Stage {
    let (directory, script) = (Arc::new(Directory::new(shards)), Arc::new(script));
    let (news_lane, news) = mpsc::channel(8);
    let doors = (0..shards).map(|n| ShardDoor {
        lane: scripted(script.clone()),
        udp_port: 7000 + n,
        tcp_port: Some(7000 + n),
    });
    let service = MediaService::new(
        doors.collect(),
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

/// The lane to a shard on a thread of its own.
fn scripted(script: Arc<impl Fn(Command) + Send + Sync + 'static>) -> ShardLane {
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
    lane
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
async fn two_publishers_who_fight_over_a_room_come_to_rest() {
    let stage = stage(willing);
    let room = stage.directory.room_name("demo");
    let generation = |answer: &Answer| match stage.directory.session(PeerId(answer.session.0)).unwrap().part {
        Part::Publisher(generation) => generation,
        Part::Viewer => panic!("a publisher"),
    };
    let mut on_air = open(&stage, Door::Whip, PUBLISH).await.unwrap();
    stage.directory.on_air(&room, generation(&on_air), true);
    for _ in 0..3 {
        let next = open(&stage, Door::Whip, PUBLISH).await.unwrap();
        stage.directory.on_air(&room, generation(&next), true);
        stage.directory.remove(PeerId(on_air.session.0));
        stage.directory.taken_over(&room, Instant::now());
        on_air = next;
    }
    let refused = open(&stage, Door::Whip, PUBLISH).await;
    assert!(
        matches!(refused, Err(MediaError::Taken { why, retry_after: 10 }) if why.contains("end one")),
        "{refused:?}"
    );
    assert!(
        open(&stage, Door::Whep, PLAY).await.is_ok(),
        "whoever watches may"
    );
    stage.directory.on_air(&room, generation(&on_air), false);
    assert!(
        open(&stage, Door::Whip, PUBLISH).await.is_ok(),
        "nobody is on the air"
    );
}

#[tokio::test]
async fn a_full_shard_is_unavailable_names_the_bound_and_leaves_no_ghost() {
    for (error, key) in [
        (OpenError::Full, "media_max_peers"),
        (OpenError::Busy, "media_load_max_percent"),
    ] {
        let stage = stage(move |command| match command {
            Command::OpenViewer { reply, .. } => reply.send(Err(error)).unwrap(),
            other => willing(other),
        });
        let refused = open(&stage, Door::Whep, PLAY).await;
        assert!(matches!(refused, Err(MediaError::Unavailable { why, .. }) if why.contains(key)));
        assert!(stage.directory.rooms().is_empty());
    }
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

#[tokio::test]
async fn a_rid_that_no_layer_has_is_refused_with_those_there_are() {
    let stage = stage(willing);
    let viewer = open(&stage, Door::Whep, PLAY).await.unwrap().session;
    let choose = |rid: &str| {
        let wish = LayerWish {
            rid: Some(rid.to_owned()),
            ..LayerWish::default()
        };
        stage.service.limit(viewer, wish)
    };
    assert_eq!(choose("h").await, Ok(()), "whoever comes may have it");
    let (room, bulletin) = (RoomName::from("demo"), &stage.service.state.told.bulletin);
    let tell = |rids: &[Option<&str>]| {
        let encodings: Vec<_> = rids.iter().map(|rid| encoding(*rid)).collect();
        bulletin.health(Instant::now(), &room, &encodings);
    };
    bulletin.on_air(&room, true);
    tell(&[Some("l"), Some("h")]);
    assert_eq!(choose("h").await, Ok(()));
    let refused = |text: &str| Err(MediaError::Unacceptable(text.to_owned()));
    assert_eq!(
        choose("x").await,
        refused(r#"no layer has the rid "x": there are "l", "h""#)
    );
    assert_eq!(
        choose("").await,
        refused("a rid has 1 to 16 printable characters")
    );
    tell(&[None]);
    assert_eq!(
        choose("h").await,
        refused(r#"no layer has the rid "h": the picture has no rids, leave it out"#)
    );
    let automatic = stage.service.limit(viewer, LayerWish::default()).await;
    assert_eq!(automatic, Ok(()));
}

fn encoding(rid: Option<&str>) -> EncodingHealth {
    EncodingHealth {
        id: EncodingId { section: 1, layer: 0 },
        rid: rid.and_then(|rid| Label::new(rid.as_bytes())),
        codec: "vp8",
        bitrate: 500_000,
        size: None,
        spatial: Vec::new(),
        active: true,
        lost_permille: 0,
        jitter: Duration::ZERO,
        faults: Faults::default(),
    }
}

fn viewer() -> ViewerStats {
    ViewerStats {
        peer: PeerId(1),
        age: Duration::ZERO,
        connected: None,
        pictured: None,
        layer: None,
        reason: playback::LayerReason::default(),
        estimate: 0,
        round_trip: Duration::ZERO,
        lost: 0,
        counts: Default::default(),
    }
}

#[tokio::test]
async fn so_many_viewers_are_told_of_all_shards_together_and_the_others_counted() {
    let three_each = |command| match command {
        Command::Viewers { most, reply, .. } => reply.send((vec![viewer(); most.min(3)], 3)).unwrap(),
        other => willing(other),
    };
    let stage = stage_of(2, three_each);
    for (most, told) in [(0, 0), (2, 2), (3, 3), (4, 4), (6, 6), (7, 6)] {
        let found = stage.service.viewers("demo", most).await;
        assert_eq!((found.viewers.len(), found.count), (told, 6), "{most}");
    }
}
