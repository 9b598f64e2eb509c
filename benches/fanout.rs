//! One message to everybody in a room: processor time of the shard's thread for each viewer and message, all told: SCTP,
//! DTLS, sending, and what the viewers' acknowledgements cost. In a room where nothing else happens, one message in a
//! tick and several, and messages at random moments with the time that each is on its way; and beside a show, behind
//! whose pictures messages ride. Beside it the floor of the same run, and the parts that are not the kernel's.
//!
//! `cargo bench --workspace --bench fanout [-- --quick] [-- --viewers 500] [-- --turn-us 0]`; quick is the floor and the parts

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench ends where it cannot begin, and reads the clock"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sfu::backlog::Urgency;
use vitrine::media::command::Command;
use vitrine_benches::channels::stamp;
use vitrine_benches::crowd::{Crowd, Watching};
use vitrine_benches::floor::{Calls, Floor};
use vitrine_benches::house::House;
use vitrine_benches::options::Options;
use vitrine_benches::pattern::Pattern;
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;
use vitrine_benches::quartiles;
use vitrine_benches::telling::parts;

/// Rounds with messages alternate with rounds without, so that both meet the same noise. The difference is small beside a
/// show: the median of many is told.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
/// Ticks of stock and chat in a busy show.
const TICK: Duration = Duration::from_millis(250);
const BITRATE: u32 = 1_000_000;

/// A tick of stock counts as the shop sends it, and what a lively show has beside it.
const MESSAGES: [(&str, &str); 3] = [
    (
        "live",
        r#"{"kind":"stock","at":1800000000000,"levels":[{"variant":"candle","available":184},{"variant":"bowl-blue","available":12},{"variant":"bowl-green","available":0}]}"#,
    ),
    (
        "live",
        r#"{"kind":"reactions","at":1800000000000,"counts":{"heart":41,"clap":7}}"#,
    ),
    (
        "chat",
        r#"{"kind":"chat","seq":4711,"at":1800000000000,"name":"Ada","text":"Does it come in green, too?"}"#,
    ),
];
/// Messages a second that come at random moments.
const RATES: [u32; 3] = [10, 20, 50];
/// In which whatever was told has left, and was acknowledged.
const REST: Duration = Duration::from_millis(300);
/// What SCTP adds to a message in a packet, and an acknowledgement's bytes.
const PACKET_AND_CHUNK: usize = 28;
const ACKNOWLEDGEMENT: usize = 28;

/// What is told, and when.
#[derive(Clone, Copy)]
enum Telling {
    /// So many messages in each tick.
    Ticks(usize),
    /// So many a second, at random.
    Scattered(u32),
}

impl Telling {
    fn name(self) -> String {
        match self {
            Telling::Ticks(messages) => format!("{messages} in a tick"),
            Telling::Scattered(rate) => format!("{rate} a second at random"),
        }
    }

    /// Tells until the time is over, and waits until all have it; how many messages.
    fn run(self, house: &House, rng: &mut SmallRng, between: &mut impl FnMut(Duration)) -> u32 {
        let end = Instant::now() + ROUND;
        let mut told = 0;
        while Instant::now() < end {
            match self {
                Telling::Ticks(messages) => {
                    for &(channel, text) in &MESSAGES[..messages] {
                        tell(house, channel, Bytes::from_static(text.as_bytes()));
                        told += 1;
                    }
                    between(TICK);
                }
                Telling::Scattered(rate) => {
                    let (channel, text) = MESSAGES[told as usize % MESSAGES.len()];
                    // As long as the others, and it tells when it was said.
                    let mut text = text.replacen('{', &format!("{},", stamp()), 1);
                    text.truncate(MESSAGES[0].1.len());
                    tell(house, channel, text.into());
                    told += 1;
                    // Times between events that know nothing of one another.
                    let nothing: f64 = rng.random();
                    between(Duration::from_secs_f64(-(1.0 - nothing).ln() / f64::from(rate)));
                }
            }
        }
        between(REST);
        told
    }
}

fn tell(house: &House, channel: &'static str, data: Bytes) {
    let broadcast = Command::Broadcast {
        room: "room".into(),
        channel,
        data,
        urgency: Urgency::State,
    };
    house.lane(0).command(broadcast).unwrap();
}

fn measure(
    place: &str,
    house: &House,
    watching: Watching,
    (viewers, telling): (usize, Telling),
    mut between: impl FnMut(Duration),
) -> Crowd {
    let mut rng = SmallRng::seed_from_u64(1);
    between(Duration::from_secs(1));
    let begun = Instant::now();
    let turns = house.report(0).turns;
    let mut all = 0;
    let costs: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = house.cpu(0);
            let from = Instant::now();
            between(ROUND + REST);
            let (middle, without) = (house.cpu(0), from.elapsed());
            let from = Instant::now();
            let told = telling.run(house, &mut rng, &mut between);
            let with = from.elapsed();
            all += told;
            let usual = (middle - before).as_secs_f64() * with.as_secs_f64() / without.as_secs_f64();
            ((house.cpu(0) - middle).as_secs_f64() - usual) * 1e6 / (f64::from(told) * viewers as f64)
        })
        .collect();
    let turns = (house.report(0).turns - turns) as f64 / begun.elapsed().as_secs_f64();
    let (mut crowd, _) = watching.stop();
    let [low, cost, high] = quartiles(costs);
    let mut delays = crowd.delays();
    delays.sort_unstable();
    let ms = |percent: usize| delays[(delays.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let delay = if delays.is_empty() {
        String::new()
    } else {
        format!(", on its way for {:.0} ms (p50), {:.0} ms (p99)", ms(50), ms(99))
    };
    println!(
        "  {:<36} {cost:6.2} µs ({low:.2} to {high:.2}){delay}, {turns:.0} turns a second",
        format!("{place}, {}", telling.name()),
    );
    crowd
}

/// All rows.
fn rows(interval: Duration, viewers: usize, party: &Party) {
    println!("all told, from turn to turn {interval:?}:");
    let mut house = House::turning_every(interval, 1, |_| {});
    let mut crowd = Crowd::new(party, 1, false).with_channels();
    crowd.join(&mut house, 0, "room", Part::Viewer, viewers);
    let ticks = [1, MESSAGES.len()].map(Telling::Ticks);
    for telling in ticks.into_iter().chain(RATES.map(Telling::Scattered)) {
        let watching = crowd.watch(Duration::from_millis(100));
        crowd = measure("alone", &house, watching, (viewers, telling), std::thread::sleep);
    }
    let heard = crowd.messages();
    let mut publisher = Publisher::join(&mut house, party, 90_000, 0, "room", Pattern::Chromium, BITRATE);
    for telling in ticks.into_iter().chain([Telling::Scattered(RATES[1])]) {
        let watching = crowd.watch(Duration::from_millis(100));
        crowd = measure("with pictures", &house, watching, (viewers, telling), |time| {
            let end = Instant::now() + time;
            publisher.run(time);
            std::thread::sleep(end.saturating_duration_since(Instant::now()));
        });
    }
    println!(
        "  messages sent {}, of which came {heard} alone and {} beside the show of 1 Mbit/s",
        house.report(0).shard.messages_out,
        crowd.messages() - heard
    );
    house.close();
}

/// Sealing and sending a message, receiving and opening an acknowledgement.
fn floor(viewers: usize, party: &Party) {
    let mut house = House::open(1, |_| {});
    let mut crowd = Crowd::new(party, 1, false);
    crowd.join(&mut house, 0, "room", Part::Viewer, viewers);
    let mut floor = Floor::new(&crowd.addresses());
    let watching = crowd.watch(Duration::from_millis(100));
    let mut times = [Duration::ZERO; 2];
    let mut counts = [0; 2];
    for _ in 0..40 {
        let lens = [MESSAGES[0].1.len() + PACKET_AND_CHUNK];
        for (place, (count, time)) in [floor.send(Calls::Many, &[&lens]), floor.receive(ACKNOWLEDGEMENT)]
            .into_iter()
            .enumerate()
        {
            counts[place] += count;
            times[place] += time;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    watching.stop();
    house.close();
    let [send, receive] = [0, 1].map(|place| times[place].as_secs_f64() * 1e6 / counts[place] as f64);
    println!(
        "floor: {:.2} µs, sealed and sent {send:.2}, an acknowledgement received and opened {receive:.2}",
        send + receive
    );
}

fn main() {
    let options = Options::read();
    let viewers = options.viewers.unwrap_or(500);
    let party = Party::new();
    println!("processor time of one message to one viewer of {viewers}, median of {ROUNDS} rounds");
    for messages in [1, MESSAGES.len()] {
        let parts = parts(viewers, TICK, &MESSAGES[..messages]);
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let all = parts.queue + parts.write + parts.hear + parts.settle + parts.timers;
        println!(
            "{messages} in a tick, without the kernel, a tick: {:.2} µs: queued {:.2}, written and sealed {:.2} ({:.1} \
             datagrams), acknowledgements heard {:.2} ({:.1}), settled {:.2}, timers {:.2}",
            us(all),
            us(parts.queue),
            us(parts.write),
            parts.sent,
            us(parts.hear),
            parts.heard,
            us(parts.settle),
            us(parts.timers),
        );
    }
    floor(viewers, &party);
    if options.quick {
        return;
    }
    rows(options.turn_interval(), viewers, &party);
}
