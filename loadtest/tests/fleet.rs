//! Cheap viewers against another implementation: what they count is what it sent, packet for packet.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod other;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use loadtest::crowd::{Command, Crowd, Group, Network};
use loadtest::engine::Fleet;
use loadtest::measure::{Counter, GroupId, Measures, Recorder, Timing};
use loadtest::run::Canaries;
use other::whep::{FRAMES, Faults, HEIGHTS, PACKETS, Stage};
use other::{Other, until};

const PATIENCE: Duration = Duration::from_secs(30);
const ALL: GroupId = GroupId(0);

fn group(stage: &Stage, network: Network) -> Group {
    Group {
        name: "all".into(),
        whep: stage.whep.clone(),
        token: Some("secret".into()),
        inspect: 1.0,
        network,
        shop: None,
    }
}

/// A fleet and everything it has measured so far.
struct Watching {
    fleet: Option<Box<Fleet>>,
    seen: Recorder,
}

impl Watching {
    fn start(group: Group, viewers: u32) -> Watching {
        let mut fleet = Box::new(Fleet::start(vec![group], 2, Instant::now()).unwrap());
        fleet.command(Command::Join {
            group: ALL,
            count: viewers,
        });
        Watching {
            fleet: Some(fleet),
            seen: Recorder::new(),
        }
    }

    fn counter(&mut self, what: Counter) -> u64 {
        let taken = self.fleet.as_mut().unwrap().take();
        self.seen.merge(taken);
        self.seen
            .groups()
            .first()
            .map_or(0, |measures| measures.counter(what))
    }

    async fn until(&mut self, what: &str, counter: Counter, least: u64) {
        let mut last = 0;
        until(what, PATIENCE, || {
            last = self.counter(counter);
            last >= least
        })
        .await;
    }

    async fn stop(mut self) -> Measures {
        let rest = self.fleet.take().unwrap().stop().await;
        self.seen.merge(rest);
        self.seen.into_groups().remove(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_packet_that_was_sent_is_counted_and_nothing_else() {
    const VIEWERS: u32 = 6;
    let stage = Stage::start(Faults::default()).await;
    let mut watching = Watching::start(group(&stage, Network::default()), VIEWERS);
    watching
        .until("pictures", Counter::Frames, u64::from(VIEWERS * FRAMES) * 4)
        .await;
    stage.fall_silent();
    let sent = || stage.sent.get(|sent| &sent.packets);
    watching.until("the last packet", Counter::Packets, sent()).await;
    let seen = watching.stop().await;

    assert_eq!(seen.failures().len(), 0, "{:?}", seen.failures());
    let count = |what| seen.counter(what);
    assert_eq!(count(Counter::Watching), u64::from(VIEWERS));
    assert_eq!(count(Counter::Packets), sent());
    assert_eq!(count(Counter::Inspected), sent(), "all of them were opened");
    for none in [
        Counter::Lost,
        Counter::Reordered,
        Counter::Duplicates,
        Counter::NotAuthentic,
        Counter::Repaired,
        Counter::InjectedLost,
        Counter::Nacks,
        Counter::Ended,
        Counter::JoinsFailed,
    ] {
        assert_eq!(count(none), 0, "{none:?}");
    }
    assert_eq!(count(Counter::Frames), stage.sent.get(|sent| &sent.frames));
    assert_eq!(stage.sent.get(|sent| &sent.deleted), u64::from(VIEWERS));
    assert!(stage.sent.get(|sent| &sent.reports) >= u64::from(VIEWERS) * 3);
    for outcome in seen.outcomes() {
        assert!(
            HEIGHTS.contains(&outcome.height) && outcome.failure.is_none(),
            "{outcome:?}"
        );
        let steps = [
            outcome.answer_ms,
            outcome.ice_ms,
            outcome.dtls_ms,
            outcome.first_packet_ms,
            outcome.first_keyframe_ms,
            outcome.first_picture_ms,
        ];
        let steps: Vec<u32> = steps.into_iter().flatten().collect();
        assert!(steps.len() == 6 && steps.is_sorted(), "{steps:?}");
    }
    let stamped = seen.timing(Timing::OneWay).unwrap().count();
    assert!(stamped > 0 && stamped <= count(Counter::Inspected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_loses_and_doubles_is_the_servers() {
    const VIEWERS: u32 = 3;
    let faults = Faults {
        drop_every: Some(20),
        double_every: Some(33),
        is_deaf: false,
    };
    let stage = Stage::start(faults).await;
    let mut watching = Watching::start(group(&stage, Network::default()), VIEWERS);
    watching.until("repairs", Counter::Repaired, 40).await;
    stage.fall_silent();
    let frames = || stage.sent.get(|sent| &sent.frames);
    watching.until("the last picture", Counter::Packets, 1).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let seen = watching.stop().await;
    let count = |what| seen.counter(what);
    let sent = |what: fn(&other::whep::Sent) -> &std::sync::atomic::AtomicU64| stage.sent.get(what);
    assert_eq!(count(Counter::Packets), sent(|sent| &sent.packets));
    assert_eq!(count(Counter::Duplicates), sent(|sent| &sent.doubled));
    // The very last packet of a stream may be one that was dropped: nothing tells that it is missing.
    let mended = count(Counter::Repaired) + count(Counter::Lost);
    let dropped = sent(|sent| &sent.dropped);
    assert!(
        mended <= dropped && mended + u64::from(VIEWERS) >= dropped,
        "{mended} of {dropped}"
    );
    assert_eq!(
        count(Counter::InjectedLost) + count(Counter::InjectedDuplicates),
        0
    );
    assert!(count(Counter::Nacks) >= count(Counter::Repaired));
    assert_eq!(count(Counter::Nacks), sent(|sent| &sent.nacked));
    assert!(
        count(Counter::Frames) + u64::from(VIEWERS) * 2 >= frames(),
        "repairs made pictures whole"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_model_loses_doubles_and_disorders_is_told_apart() {
    const VIEWERS: u32 = 4;
    let network = Network {
        delay_ms: 30,
        loss: 0.04,
        duplicates: 0.03,
        reorder: 0.05,
        seed: 11,
        ..Network::default()
    };
    let stage = Stage::start(Faults::default()).await;
    let mut watching = Watching::start(group(&stage, network), VIEWERS);
    // So many that those before the first picture and behind the last one weigh little.
    watching.until("losses", Counter::InjectedLost, 200).await;
    // However late a busy machine asks for them.
    watching.until("repairs", Counter::Repaired, 150).await;
    stage.fall_silent();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let seen = watching.stop().await;
    let count = |what| seen.counter(what);
    let sent = stage.sent.get(|sent| &sent.packets);
    assert_eq!(count(Counter::Packets) + count(Counter::InjectedLost), sent);
    for none in [
        Counter::Lost,
        Counter::Duplicates,
        Counter::Reordered,
        Counter::NotAuthentic,
    ] {
        assert_eq!(
            count(none),
            0,
            "{none:?}: the server and the network lost, doubled and disordered nothing"
        );
    }
    let share = |what| count(what) as f64 / sent as f64;
    assert!(
        (share(Counter::InjectedLost) - 0.04).abs() < 0.02,
        "{}",
        share(Counter::InjectedLost)
    );
    assert!((share(Counter::InjectedDuplicates) - 0.03).abs() < 0.015);
    assert!((share(Counter::InjectedReordered) - 0.05).abs() < 0.02);
    // The stamp tells the delay there; the repairs take the way three times.
    let one_way = seen.timing(Timing::OneWay).unwrap();
    assert!(
        one_way.quantile(0.05) >= Some(Duration::from_millis(30)),
        "{:?}",
        one_way.quantile(0.05)
    );
    let per_picture = PACKETS as u64;
    assert!(
        count(Counter::Repaired) * 10 > count(Counter::InjectedLost) * (per_picture + 2),
        "most came again: {} of {}",
        count(Counter::Repaired),
        count(Counter::InjectedLost)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_too_thin_is_not_the_servers_loss() {
    let network = Network {
        rate_kbps: Some(600),
        queue_ms: 100,
        delay_ms: 60,
        ..Network::default()
    };
    let stage = Stage::start(Faults::default()).await;
    let mut watching = Watching::start(group(&stage, network), 2);
    watching.until("overflows", Counter::InjectedLost, 150).await;
    stage.fall_silent();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let seen = watching.stop().await;
    let count = |what| seen.counter(what);
    let sent = stage.sent.get(|sent| &sent.packets);
    assert_eq!(count(Counter::Packets) + count(Counter::InjectedLost), sent);
    assert_eq!(count(Counter::Lost), 0);
    let inspecting = seen.outcomes().iter().filter(|story| story.height > 0);
    assert_eq!(inspecting.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_addresses_are_few_each_viewer_has_a_port() {
    const VIEWERS: u32 = 3;
    let stage = Stage::start_at("[::1]:0", Faults::default()).await;
    let headers_only = Group {
        inspect: 0.0,
        ..group(&stage, Network::default())
    };
    let mut watching = Watching::start(headers_only, VIEWERS);
    watching
        .until("another layer", Counter::LayerSwitches, u64::from(VIEWERS))
        .await;
    stage.fall_silent();
    let sent = || stage.sent.get(|sent| &sent.packets);
    watching.until("the last packet", Counter::Packets, sent()).await;
    let seen = watching.stop().await;
    assert_eq!(seen.counter(Counter::Watching), u64::from(VIEWERS));
    assert_eq!(seen.counter(Counter::Packets), sent());
    assert_eq!(seen.counter(Counter::Left), u64::from(VIEWERS));
    assert!(seen.counter(Counter::Inspected) * 2 < sent(), "few were opened");
    assert_eq!(seen.counter(Counter::Lost) + seen.counter(Counter::Duplicates), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_a_viewer_is_said() {
    let stage = Stage::start(Faults::default()).await;
    let refused = Group {
        token: Some("wrong".into()),
        ..group(&stage, Network::default())
    };
    let nobody = Group {
        whep: "http://127.0.0.1:9/whep".parse().unwrap(),
        ..group(&stage, Network::default())
    };
    let groups = vec![group(&stage, Network::default()), refused, nobody];
    let mut fleet = Box::new(Fleet::start(groups, 1, Instant::now()).unwrap());
    for group in 0..3 {
        fleet.command(Command::Join {
            group: GroupId(group),
            count: 2,
        });
    }
    let mut seen = Recorder::new();
    let count = |seen: &Recorder, group: usize, what| {
        seen.groups()
            .get(group)
            .map_or(0, |measures| measures.counter(what))
    };
    until("pictures and refusals", PATIENCE, || {
        seen.merge(fleet.take());
        count(&seen, 0, Counter::Watching) == 2 && (1..3).all(|n| count(&seen, n, Counter::JoinsFailed) == 2)
    })
    .await;
    stage.hang_up().await;
    until("the end", PATIENCE, || {
        seen.merge(fleet.take());
        count(&seen, 0, Counter::Ended) == 2
    })
    .await;
    seen.merge(fleet.stop().await);
    let why: Vec<String> = seen
        .groups()
        .iter()
        .flat_map(|group| group.failures().keys().cloned())
        .collect();
    let [ended, refused, nobody] = &why[..] else {
        panic!("{why:?}")
    };
    assert!(ended.contains("the server ended"), "{ended}");
    assert!(refused.contains("401"), "{refused}");
    assert!(nobody.contains("cannot be reached"), "{nobody}");
}

/// Of each kind of viewer.
const EACH: u32 = 3;

/// What viewers say of a show.
#[derive(Debug)]
struct Said {
    /// The share of pictures that were whole.
    whole: f64,
    /// The share of packets that were lost.
    lost: f64,
    /// Seconds from the stamp to the viewer.
    one_way: f64,
    /// Changes of the layer, of all of them.
    switches: f64,
    /// The layers they got, by their height.
    layers: Vec<u16>,
}

async fn seen_by(mut crowd: Box<dyn Crowd>, stage: &Stage) -> Said {
    let mut seen = Recorder::new();
    crowd.command(Command::Join {
        group: ALL,
        count: EACH,
    });
    until("packets", PATIENCE, || {
        seen.merge(crowd.take());
        let packets = seen
            .groups()
            .first()
            .map(|measures| measures.counter(Counter::Packets));
        packets >= Some(u64::from(EACH * FRAMES) * PACKETS as u64 * 6)
    })
    .await;
    stage.fall_silent();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    seen.merge(crowd.stop().await);
    let measures = seen.into_groups().remove(0);
    let count = |what| measures.counter(what) as f64;
    let whole = count(Counter::Frames) / stage.sent.get(|sent| &sent.frames) as f64;
    let lost = count(Counter::Lost) / count(Counter::Packets);
    let one_way = measures.timing(Timing::OneWay).unwrap().quantile(0.5).unwrap();
    let seconds = (0..).map_while(|at| measures.second(at));
    let layers = seconds.flat_map(|second| second.layers().keys().copied());
    // Unknown until the first keyframe, which a canary may miss.
    let layers: BTreeSet<u16> = layers.filter(|height| *height > 0).collect();
    Said {
        whole,
        lost,
        one_way: one_way.as_secs_f64(),
        switches: count(Counter::LayerSwitches),
        layers: layers.into_iter().collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cheap_viewers_and_canaries_agree() {
    let lossy = Faults {
        drop_every: Some(40),
        is_deaf: true,
        ..Faults::default()
    };
    for faults in [Faults::default(), lossy] {
        // A server for each, in one run, so that it is known what each was sent.
        let (first, second) = (Stage::start(faults).await, Stage::start(faults).await);
        let begin = Instant::now();
        let fleet = Fleet::start(vec![group(&first, Network::default())], 1, begin).unwrap();
        let canaries = Canaries::start(vec![group(&second, Network::default())], begin.into()).unwrap();
        let (cheap, canaries) = tokio::join!(
            seen_by(Box::new(fleet), &first),
            seen_by(Box::new(canaries), &second),
        );
        // The margins: a twentieth of the pictures, half a percent of the packets, 50 ms, a change of the layer for each
        // viewer. After a loss the canaries do not wait for a keyframe, so pictures compare where nothing is lost.
        let both = format!("{cheap:?} and {canaries:?}");
        let differs = |of: fn(&Said) -> f64| (of(&cheap) - of(&canaries)).abs();
        assert!(faults.is_deaf || differs(|said| said.whole) < 0.05, "{both}");
        assert!(differs(|said| said.lost) < 0.005, "{both}");
        assert_eq!(cheap.lost > 0.015, faults.is_deaf, "{both}");
        assert!(differs(|said| said.one_way) < 0.05, "{both}");
        assert!(differs(|said| said.switches) <= f64::from(EACH), "{both}");
        assert!(cheap.switches > 0.0 && canaries.switches > 0.0, "{both}");
        assert!(faults.is_deaf || cheap.layers == HEIGHTS, "{both}");
        assert!(faults.is_deaf || canaries.layers == HEIGHTS, "{both}");
    }
}

/// Canaries at a server whose answers lead nowhere.
fn canaries_at(other: &Other) -> Box<Canaries> {
    other.nowhere.store(true, Ordering::Relaxed);
    let nowhere = Group {
        name: "canaries".into(),
        whep: other.whip(),
        token: None,
        inspect: 1.0,
        network: Network::default(),
        shop: None,
    };
    Box::new(Canaries::start(vec![nowhere], Instant::now().into()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_is_interrupted_while_connecting_takes_its_session_back() {
    let other = Other::start().await;
    let mut canaries = canaries_at(&other);
    let (group, count) = (ALL, 1);
    canaries.command(Command::Join { group, count });
    until("a session", PATIENCE, || other.sessions() == 1).await;
    canaries.command(Command::Leave { group, count });
    until("its end", PATIENCE, || other.seen.lock().unwrap().deleted == 1).await;

    // Before the answer.
    let held = other.answers.lock().await;
    canaries.command(Command::Join { group, count });
    until("an offer", PATIENCE, || {
        other.seen.lock().unwrap().offers.len() == 2
    })
    .await;
    canaries.command(Command::Leave { group, count });
    drop(held);
    until("its end, too", PATIENCE, || {
        other.seen.lock().unwrap().deleted == 2
    })
    .await;

    // Who vanishes says nothing.
    canaries.command(Command::Join { group, count });
    until("a session", PATIENCE, || other.sessions() == 1).await;
    canaries.command(Command::Vanish { group, count });
    let seen = canaries.stop().await.into_groups().remove(0);
    assert_eq!((other.sessions(), other.seen.lock().unwrap().deleted), (1, 2));
    assert_eq!(
        (seen.counter(Counter::Left), seen.counter(Counter::JoinsFailed)),
        (3, 0)
    );
    assert!(seen.failures().is_empty(), "{:?}", seen.failures());
}
