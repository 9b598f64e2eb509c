//! One message to everybody in a room: processor time of the shard's thread for each viewer and message, all told:
//! SCTP, DTLS, sending, and what the viewers' acknowledgements cost. Once in a room where nothing else happens, and
//! once beside a show, behind whose pictures messages ride. `cargo bench --bench fanout -- [VIEWERS]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench ends where it cannot begin, and reads the clock"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use sfu::backlog::Urgency;
use vitrine::media::command::Command;
use vitrine_benches::argument;
use vitrine_benches::crowd::{Crowd, Watching};
use vitrine_benches::house::House;
use vitrine_benches::pattern::Pattern;
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;

/// Rounds with messages alternate with rounds without, so that both meet the same noise. The difference is small beside a
/// show: the median of many is told.
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(2);
/// Ticks of stock and chat in a busy show.
const TICK: Duration = Duration::from_millis(250);
const BITRATE: u32 = 1_000_000;

/// A tick of stock counts as the shop sends it.
const MESSAGE: &str = r#"{"kind":"stock","at":1800000000000,"levels":[{"variant":"candle","available":184},{"variant":"bowl-blue","available":12},{"variant":"bowl-green","available":0}]}"#;

/// Sends a tick so often until the time is over; how many.
fn tell(house: &House, time: Duration, mut between: impl FnMut(Duration)) -> u32 {
    let end = Instant::now() + time;
    let mut told = 0;
    while Instant::now() < end {
        let broadcast = Command::Broadcast {
            room: "room".into(),
            channel: "live",
            data: Bytes::from_static(MESSAGE.as_bytes()),
            urgency: Urgency::Passing,
        };
        house.lane(0).command(broadcast).unwrap();
        told += 1;
        between(TICK);
    }
    told
}

fn measure(
    name: &str,
    house: &House,
    watching: Watching,
    viewers: usize,
    mut between: impl FnMut(Duration),
) -> Crowd {
    between(Duration::from_secs(2));
    let mut costs: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = house.cpu(0);
            between(ROUND);
            let middle = house.cpu(0);
            let told = tell(house, ROUND, &mut between);
            let (without, with) = (middle - before, house.cpu(0) - middle);
            (with.as_secs_f64() - without.as_secs_f64()) * 1e6 / (f64::from(told) * viewers as f64)
        })
        .collect();
    between(Duration::from_millis(500));
    let (crowd, _) = watching.stop();
    costs.sort_by(f64::total_cmp);
    println!(
        "  {name:<34} {:6.2} µs   (a quarter of the rounds below {:.2}, a quarter above {:.2}; {} bytes)",
        costs[ROUNDS / 2],
        costs[ROUNDS / 4],
        costs[ROUNDS - 1 - ROUNDS / 4],
        MESSAGE.len()
    );
    crowd
}

fn main() {
    let viewers = argument().unwrap_or(500);
    let party = Party::new();
    let mut house = House::open(1, |_| {});
    let mut crowd = Crowd::new(&party, 1, false).with_channels();
    crowd.join(&mut house, 0, "room", Part::Viewer, viewers);
    println!(
        "processor time of one message to one viewer of {viewers}, median of {ROUNDS} rounds (goal: at most 6 µs):"
    );
    let watching = crowd.watch(Duration::from_millis(100));
    let crowd = measure("alone", &house, watching, viewers, std::thread::sleep);
    let heard = crowd.messages();
    let mut publisher = Publisher::join(&mut house, &party, 90_000, 0, "room", Pattern::Chromium, BITRATE);
    let watching = crowd.watch(Duration::from_millis(100));
    let crowd = measure("beside a show of 1 Mbit/s", &house, watching, viewers, |time| {
        publisher.run(time);
    });
    println!(
        "  messages sent {}, of which came {heard} alone and {} beside the show",
        house.report(0).shard.messages_out,
        crowd.messages() - heard
    );
    house.close();
}
