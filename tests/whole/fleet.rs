//! The load test's cheap viewers against the whole server: they agree on every packet, and on every unit sold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loadtest::crowd::{Buy, Command, Crowd, Group, Network, Shop, ShopBy};
use loadtest::engine::Fleet;
use loadtest::measure::{Counter, GroupId, Measures, Recorder};
use loadtest::{PublishOptions, demo, publish};
use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::oneshot;

use super::line;
use super::server::{PATIENCE, Server, vitrine_says};

const WATCHERS: GroupId = GroupId(0);

fn group(server: &Server, shop: Option<Shop>) -> Group {
    Group {
        name: "viewers".into(),
        whep: server.at("/whep/demo").parse().unwrap(),
        token: None,
        inspect: 0.25,
        network: Network::default(),
        shop,
    }
}

/// What a fleet has measured so far.
struct Seen {
    fleet: Box<Fleet>,
    recorder: Recorder,
}

impl Seen {
    fn new(groups: Vec<Group>) -> Seen {
        Seen {
            fleet: Box::new(Fleet::start(groups, 2, Instant::now()).unwrap()),
            recorder: Recorder::new(),
        }
    }

    fn counter(&mut self, what: Counter) -> u64 {
        self.recorder.merge(self.fleet.take());
        let groups = self.recorder.groups().iter();
        groups.map(|measures| measures.counter(what)).sum()
    }

    async fn until(&mut self, what: Counter, holds: impl Fn(u64) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let count = self.counter(what);
            if holds(count) {
                return;
            }
            assert!(Instant::now() < end, "{what:?} is {count}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn stop(mut self) -> Vec<Measures> {
        self.recorder.merge(self.fleet.stop().await);
        self.recorder.into_groups()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cheap_viewers_count_every_packet_the_server_sends() {
    const VIEWERS: u32 = 12;
    let server = Server::start(&["--no-demo"]);
    let (stop, stopped) = oneshot::channel::<()>();
    let options = PublishOptions {
        token: Some(server.token.clone()),
        ..PublishOptions::new(server.at("/whip/demo").parse().unwrap(), demo::clip().unwrap())
    };
    let publisher = tokio::spawn(publish(options, async {
        let _ = stopped.await;
    }));
    let mut seen = Seen::new(vec![group(&server, None)]);
    seen.fleet.command(Command::Join {
        group: WATCHERS,
        count: VIEWERS,
    });
    seen.until(Counter::Watching, |count| count == u64::from(VIEWERS))
        .await;
    let pictures = seen.counter(Counter::Frames);
    seen.until(Counter::Frames, |count| {
        count > pictures + u64::from(VIEWERS) * 50
    })
    .await;
    stop.send(()).unwrap();
    publisher.await.unwrap().unwrap();
    // The last packets are still on their way, and the last second is not told yet.
    let end = Instant::now() + PATIENCE;
    loop {
        let sent = server.counter("vitrine_playback_packets_total").await as u64;
        if seen.counter(Counter::Packets) == sent && sent > 0 {
            break;
        }
        assert!(
            Instant::now() < end,
            "{} of {sent} packets",
            seen.counter(Counter::Packets)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = server.counter("vitrine_udp_send_full_total").await;
    assert_eq!(refused, 0.0, "the kernel took everything");
    let seen = seen.stop().await.remove(0);
    let count = |what| seen.counter(what);
    assert!(seen.failures().is_empty(), "{:?}", seen.failures());
    for none in [
        Counter::Lost,
        Counter::Duplicates,
        Counter::NotAuthentic,
        Counter::InjectedLost,
    ] {
        assert_eq!(count(none), 0, "{none:?}");
    }
    assert_eq!(count(Counter::Left), u64::from(VIEWERS));
    for outcome in seen.outcomes() {
        assert!(
            outcome.height > 0 && outcome.first_picture_ms >= outcome.dtls_ms,
            "{outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_comes_back_at_once_after_a_power_cut() {
    const VIEWERS: u32 = 200;
    const STREAMS: usize = 100;
    /// Of the server in all, with the demo's publisher: what a viewer may take, sixteen times over.
    const MEMORY: usize = (VIEWERS as usize) << 19;
    let pace = ["--http-session-requests-per-second", "10000"];
    let mut folder = tempfile::tempdir().unwrap();
    for evening in ["the first", "the one after the cut"] {
        let server = Server::start_in(folder, &pace);
        server.on_air().await;
        let operator = server.token_for("operator");
        let token = server.buyer(&operator, "anna").await;
        let line = line::Shop {
            client: server.client.clone(),
            url: server.url.clone(),
            room: "demo",
        };
        let mut seen = Seen::new(vec![group(&server, None)]);
        let began = Instant::now();
        seen.fleet.command(Command::Join {
            group: WATCHERS,
            count: VIEWERS,
        });
        let coming = (0..STREAMS).map(|_| {
            let (line, token) = (line.clone(), token.clone());
            tokio::spawn(async move { line::Line::stream(&line, &token).await.unwrap() })
        });
        let mut streams = Vec::new();
        for coming in coming.collect::<Vec<_>>() {
            streams.push(coming.await.unwrap());
        }
        let listened = began.elapsed();
        seen.until(Counter::Watching, |count| count == u64::from(VIEWERS))
            .await;
        let (watched, memory) = (began.elapsed(), server.memory());
        println!(
            "{evening}: streams {listened:?}, viewers {watched:?}, {} KiB",
            memory >> 10
        );
        assert!(memory < MEMORY, "{} KiB", memory >> 10);
        for refused in [
            "vitrine_viewers_refused_total",
            "vitrine_handshakes_refused_total",
        ] {
            assert_eq!(server.counter(refused).await, 0.0, "{refused}");
        }
        folder = server.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_on_channels_and_event_streams_sell_the_stock_out_exactly() {
    const BUYERS: u32 = 25;
    const UNITS: u64 = 10;
    let server = Server::start(&[]);
    let stock = server.client.put(server.at("/api/rooms/demo/stock/candle"));
    let stock = stock
        .bearer_auth(&server.token)
        .json(&json!({"on_hand": UNITS}))
        .send();
    assert_eq!(stock.await.unwrap().status(), StatusCode::OK);
    let operator = server.token_for("operator");
    let shop = |by| Shop {
        api: server.at("/").parse().unwrap(),
        room: "demo".into(),
        operator_token: Some(operator.clone()),
        by,
        restocks: None,
    };
    let groups = [ShopBy::Channel, ShopBy::Http].map(|by| group(&server, Some(shop(by))));
    let mut seen = Seen::new(groups.into());
    for group in 0..2 {
        seen.fleet.command(Command::Join {
            group: GroupId(group),
            count: BUYERS,
        });
    }
    seen.until(Counter::Joined, |count| count == u64::from(2 * BUYERS))
        .await;
    let buy = Arc::new(Buy {
        variant: "candle".into(),
        quantity: 1,
        price_version: 1,
        repeats: 2,
        hang_up: 0.3,
    });
    for group in 0..2 {
        let buy = buy.clone();
        seen.fleet.command(Command::Buy {
            group: GroupId(group),
            count: BUYERS,
            buy,
        });
    }
    for group in 0..2 {
        seen.fleet.command(Command::Chat {
            group: GroupId(group),
            count: 3,
        });
    }
    seen.until(Counter::Receipts, |count| count == u64::from(2 * BUYERS))
        .await;
    seen.until(Counter::ChatReceived, |count| count >= u64::from(2 * BUYERS))
        .await;
    let seen = seen.stop().await;
    let outcome = |name: &str| {
        seen.iter()
            .filter_map(|group| group.receipts().get(name))
            .sum::<u64>()
    };
    assert_eq!(outcome("held"), UNITS);
    assert_eq!(outcome("sold_out"), u64::from(2 * BUYERS) - UNITS);
    assert!(
        seen.iter()
            .all(|group| group.counter(Counter::Contradictions) == 0)
    );
    assert!(
        seen.iter()
            .all(|group| group.counter(Counter::BuysSent) == u64::from(BUYERS))
    );
    let folder = server.kill();
    let audit = vitrine_says(folder.path(), &["audit"]);
    assert!(audit.status.success(), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_enough_refuses_viewers_and_keeps_those_it_has() {
    const AT_ONCE: u32 = 10;
    let server = Server::start(&["--media-load-max-percent=10"]);
    server.on_air().await;
    let mut seen = Seen::new(vec![group(&server, None)]);
    let join = Command::Join {
        group: WATCHERS,
        count: AT_ONCE,
    };
    let end = Instant::now() + PATIENCE;
    while server.counter("vitrine_viewers_refused_total").await == 0.0 {
        assert!(Instant::now() < end, "nobody is refused");
        seen.fleet.command(join.clone());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    seen.until(Counter::JoinsFailed, |count| count > 0).await;
    let watching = seen.counter(Counter::Watching);
    assert!(watching >= u64::from(AT_ONCE), "{watching} watch");
    let pictures = seen.counter(Counter::Frames);
    seen.until(Counter::Frames, |count| count > pictures + watching * 10)
        .await;
    let seen = seen.stop().await.remove(0);
    assert_eq!(seen.counter(Counter::Ended), 0);
    let failures: Vec<_> = seen.failures().keys().collect();
    assert!(failures.iter().all(|why| why.contains("503")), "{failures:?}");

    // They have left: there is room again.
    let mut seen = Seen::new(vec![group(&server, None)]);
    let end = Instant::now() + PATIENCE;
    while seen.counter(Counter::Watching) == 0 {
        assert!(Instant::now() < end, "{:?}", seen.recorder.groups()[0].failures());
        seen.fleet.command(Command::Join {
            group: WATCHERS,
            count: 1,
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
