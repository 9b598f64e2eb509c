//! A publisher against another implementation: every packet it counts arrives there, in order.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod other;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use loadtest::clip::keyframe::Codec;
use loadtest::clip::synthetic::{self, Recipe};
use loadtest::clip::{Clip, Rendition, ivf, ogg};
use loadtest::{Error, PublishOptions, PublishReport, publish};
use other::{Other, until};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

struct Publisher {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<PublishReport, Error>>,
}

impl Publisher {
    fn start(options: PublishOptions) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        Self {
            stop,
            task: tokio::spawn(publish(options, stopped)),
        }
    }

    async fn stop(self) -> PublishReport {
        let _ = self.stop.send(());
        self.task.await.unwrap().unwrap()
    }
}

/// The demo's smaller two renditions cut down to one second, so that seams come often.
fn short_clip() -> Clip {
    let cut = |file: &'static [u8]| {
        let mut bytes = file[..32].to_vec();
        let mut rest = &file[32..];
        for _ in 0..25 {
            let length = 12 + u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
            bytes.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
        }
        ivf::parse(bytes.into()).unwrap()
    };
    let rendition = |rid: &str, file| Rendition {
        rid: rid.into(),
        video: cut(file),
    };
    let renditions = vec![
        rendition("q", include_bytes!("../demo/low.ivf")),
        rendition("h", include_bytes!("../demo/mid.ivf")),
        rendition("f", include_bytes!("../demo/high.ivf")),
    ];
    let audio = Bytes::from_static(include_bytes!("../demo/chime.ogg"));
    Clip::new(renditions, Some(ogg::parse(audio).unwrap())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_packet_of_every_layer_arrives_over_loop_seams() {
    let other = Other::start().await;
    let mut options = PublishOptions::new(other.whip(), short_clip());
    options.token = Some("secret".into());
    let publisher = Publisher::start(options);
    until("three passes", PATIENCE, || other.packets("audio") > 160).await;
    let report = publisher.stop().await;
    // The last packets are on their way while the session ends.
    let seen = other.seen.lock().unwrap();
    assert_eq!(seen.deleted, 1, "the session was taken back");
    assert_eq!(seen.tokens, [Some("Bearer secret".into())]);
    assert!(
        seen.sender_reports >= 4,
        "a report for each stream: {}",
        seen.sender_reports
    );

    assert_eq!(report.connections, 1);
    let names: Vec<_> = report.streams.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["audio", "q", "h", "f"]);
    for stream in &report.streams {
        let arrived = &seen.arrived[&stream.name];
        let missing = stream.packets - arrived.packets;
        assert!(
            missing <= 4,
            "{}: {} sent, {} arrived",
            stream.name,
            stream.packets,
            arrived.packets
        );
        assert!(
            arrived.sequence.windows(2).all(|s| s[1] == s[0].wrapping_add(1)),
            "{}: in order",
            stream.name
        );
        let steps: Vec<_> = arrived
            .timestamps
            .windows(2)
            .map(|t| t[1].wrapping_sub(t[0]))
            .collect();
        if stream.name == "audio" {
            assert!(steps.iter().all(|s| *s == 960), "sound runs on over the seam");
        } else {
            assert!(
                steps.iter().all(|s| *s == 0 || *s == 3_600),
                "{}: the picture runs on: {steps:?}",
                stream.name
            );
            assert!(
                arrived
                    .picture_ids
                    .windows(2)
                    .all(|p| p[1] == p[0] || p[1] == (p[0] + 1) & 0x7fff)
            );
        }
    }
    // Time passes alike on all of them, however slow the machine: they end within the packets that were on their way.
    let media_s = |stream: &str, clock_hz: f64| {
        let times = &seen.arrived[stream].timestamps;
        f64::from(times[times.len() - 1].wrapping_sub(times[0])) / clock_hz
    };
    let sound = media_s("audio", 48_000.0);
    assert!(sound > 3.0, "{sound} s");
    for name in ["q", "h", "f"] {
        let picture = media_s(name, 90_000.0);
        assert!(
            (picture - sound).abs() < 0.2,
            "{name}: {picture} s of picture beside {sound} s of sound"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_are_repaired_under_their_rid() {
    let other = Other::start().await;
    other.lose_every(20);
    let publisher = Publisher::start(PublishOptions::new(other.whip(), short_clip()));
    until("repairs", PATIENCE, || {
        other.seen.lock().unwrap().repairs.values().sum::<u64>() >= 20
    })
    .await;
    let report = publisher.stop().await;
    let seen = other.seen.lock().unwrap();
    assert!(!seen.repairs.contains_key("unnamed"), "{:?}", seen.repairs);
    assert!(seen.repairs.contains_key("f"), "{:?}", seen.repairs);
    assert!(
        report.nacked >= report.repaired && report.repaired >= 20,
        "{report:?}"
    );
}

/// The keyframes of a publisher that is asked for one every 200 ms, after two seconds.
async fn keyframes_when_asked(ignore_pli: bool) -> (u64, PublishReport) {
    let other = Other::start().await;
    let options = PublishOptions {
        ignore_pli,
        // 12 s with a keyframe every 1.5 s.
        ..PublishOptions::new(other.whip(), loadtest::demo::clip().unwrap())
    };
    let publisher = Publisher::start(options);
    until("sound", PATIENCE, || other.packets("audio") > 5).await;
    for _ in 0..8 {
        let sound = other.packets("audio");
        other.ask_for_keyframes().await;
        until("another 400 ms of sound", PATIENCE, || {
            other.packets("audio") >= sound + 20
        })
        .await;
    }
    let report = publisher.stop().await;
    let largest = report.streams.iter().find(|stream| stream.name == "h").unwrap();
    (largest.keyframes, report)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_makes_the_clip_jump_to_its_next_keyframe_unless_ignored() {
    let (asked, ignored) = tokio::join!(keyframes_when_asked(false), keyframes_when_asked(true));
    assert!(ignored.1.keyframe_requests >= 8, "{:?}", ignored.1);
    assert!(asked.0 >= 6, "{} keyframes in about 3 s", asked.0);
    assert!(ignored.0 <= 5, "{} keyframes in about 3 s", ignored.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stamps_arrive_with_every_packet_and_the_best_layer_drops_out() {
    let other = Other::start().await;
    let recipe = Recipe {
        codec: Codec::Vp8,
        layers: vec![(180, 100), (360, 400), (720, 900)],
        fps: 25,
        gop: Duration::from_secs(1),
        audio_kbps: 32,
    };
    let options = PublishOptions {
        stamped: true,
        dropout: Some(Duration::from_secs(1)),
        ..PublishOptions::new(other.whip(), synthetic::clip(&recipe).unwrap())
    };
    let publisher = Publisher::start(options);
    until("four seconds of sound", PATIENCE, || other.packets("audio") > 200).await;
    let report = publisher.stop().await;
    let seen = other.seen.lock().unwrap();
    for (name, arrived) in &seen.arrived {
        let numbers: Vec<_> = arrived.stamps.iter().map(|stamp| stamp.unwrap().number).collect();
        // The first packets may come before the other side is ready for them.
        assert!(numbers[0] < 5, "{name}: {numbers:?}");
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{name}: {numbers:?}"
        );
    }
    let frames: Vec<_> = report.streams.iter().map(|stream| stream.frames).collect();
    let [_, low, mid, high] = frames[..] else {
        panic!("{frames:?}")
    };
    assert!(
        low.abs_diff(mid) <= 1 && high <= low * 3 / 5 && high >= low * 2 / 5,
        "{frames:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_comes_back_after_a_restart_and_says_why_it_cannot() {
    let other = Other::start().await;
    let publisher = Publisher::start(PublishOptions::new(other.whip(), short_clip()));
    until("sound", PATIENCE, || other.packets("audio") > 10).await;
    *other.refuse.lock().unwrap() = Some(503);
    other.hang_up().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let before = other.packets("audio");
    *other.refuse.lock().unwrap() = None;
    until("sound again", PATIENCE, || other.packets("audio") > before + 10).await;
    assert_eq!(publisher.stop().await.connections, 2);

    *other.refuse.lock().unwrap() = Some(401);
    let refused = publish(
        PublishOptions::new(other.whip(), short_clip()),
        std::future::pending::<()>(),
    )
    .await;
    assert!(
        matches!(refused, Err(Error::Refused { status: 401, .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_interrupted_while_connecting_takes_the_session_back() {
    let other = Other::start().await;
    other.nowhere.store(true, Ordering::Relaxed);

    // Behind the answer: ICE never comes about.
    let publisher = Publisher::start(PublishOptions::new(other.whip(), short_clip()));
    until("a session", PATIENCE, || other.sessions() == 1).await;
    assert_eq!(publisher.stop().await.connections, 0);
    assert_eq!((other.sessions(), other.seen.lock().unwrap().deleted), (0, 1));

    // Before it.
    let held = other.answers.lock().await;
    let publisher = Publisher::start(PublishOptions::new(other.whip(), short_clip()));
    until("an offer", PATIENCE, || {
        other.seen.lock().unwrap().offers.len() == 2
    })
    .await;
    let _ = publisher.stop.send(());
    drop(held);
    assert_eq!(publisher.task.await.unwrap().unwrap().connections, 0);
    assert_eq!((other.sessions(), other.seen.lock().unwrap().deleted), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_rendition_is_sent_without_simulcast_and_ends_when_asked() {
    let other = Other::start().await;
    let clip = short_clip();
    let rendition = clip.renditions()[1].clone();
    let clip = Clip::new(vec![rendition], clip.audio().cloned()).unwrap();
    let options = PublishOptions {
        looped: false,
        ..PublishOptions::new(other.whip(), clip)
    };
    let report = publish(options, std::future::pending::<()>()).await.unwrap();
    let seen = other.seen.lock().unwrap();
    assert!(!seen.offers[0].contains("a=simulcast"));
    let frames: Vec<_> = report.streams.iter().map(|s| s.frames).collect();
    assert_eq!(frames, [50, 25], "one second of sound and picture");
    assert!(seen.arrived["video"].packets + 4 >= report.streams[1].packets);
}
