//! One message to everybody in a room: processor time of the shard's thread for each viewer and message, all told: SCTP,
//! DTLS, sending, and what the viewers' acknowledgements cost. In a room where nothing else happens, one message in a
//! tick and several; and beside a show, behind whose pictures messages ride. Each with the thread's pauses between
//! turns and, for comparison, without. Beside it the floor of the same run, and the parts that are not the kernel's.
//!
//! `cargo bench --workspace --bench fanout [-- --quick] [-- --viewers 500] [-- --turn-us 1000]`; quick is the floor and the parts

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
use vitrine_benches::crowd::{Crowd, Watching};
use vitrine_benches::floor::{Calls, Floor};
use vitrine_benches::house::House;
use vitrine_benches::options::Options;
use vitrine_benches::pattern::Pattern;
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;
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
/// What SCTP adds to a message in a packet, and an acknowledgement's bytes.
const PACKET_AND_CHUNK: usize = 28;
const ACKNOWLEDGEMENT: usize = 28;

/// Sends ticks until the time is over; how many.
fn tell(house: &House, messages: usize, time: Duration, mut between: impl FnMut(Duration)) -> u32 {
    let end = Instant::now() + time;
    let mut told = 0;
    while Instant::now() < end {
        for (channel, text) in &MESSAGES[..messages] {
            let broadcast = Command::Broadcast {
                room: "room".into(),
                channel,
                data: Bytes::from_static(text.as_bytes()),
                urgency: Urgency::Passing,
            };
            house.lane(0).command(broadcast).unwrap();
        }
        told += 1;
        between(TICK);
    }
    told
}

fn measure(
    name: &str,
    house: &House,
    watching: Watching,
    (viewers, messages): (usize, usize),
    mut between: impl FnMut(Duration),
) -> Crowd {
    between(Duration::from_secs(1));
    let (heard, turns) = (house.report(0), house.report(0).turns);
    let mut costs: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = house.cpu(0);
            between(ROUND);
            let middle = house.cpu(0);
            let told = tell(house, messages, ROUND, &mut between) * messages as u32;
            let (without, with) = (middle - before, house.cpu(0) - middle);
            (with.as_secs_f64() - without.as_secs_f64()) * 1e6 / (f64::from(told) * viewers as f64)
        })
        .collect();
    let after = house.report(0);
    let took = (after.turns - turns) as f64;
    between(Duration::from_millis(500));
    let (crowd, _) = watching.stop();
    costs.sort_by(f64::total_cmp);
    println!(
        "  {name:<40} {:6.2} µs ({:.2} to {:.2}), {:.0} turns a second, {:.1} datagrams in each",
        costs[ROUNDS / 2],
        costs[ROUNDS / 4],
        costs[ROUNDS - 1 - ROUNDS / 4],
        took / (2 * ROUNDS as u32 * ROUND).as_secs_f64(),
        (after.shard.datagrams_in - heard.shard.datagrams_in) as f64 / took,
    );
    crowd
}

/// The rows with one time from turn to turn.
fn rows(interval: Duration, viewers: usize, party: &Party) {
    println!("from turn to turn {interval:?}:");
    let mut house = House::turning_every(interval, 1, |_| {});
    let mut crowd = Crowd::new(party, 1, false).with_channels();
    crowd.join(&mut house, 0, "room", Part::Viewer, viewers);
    for messages in [1, MESSAGES.len()] {
        let name = format!("alone, {messages} in a tick");
        let watching = crowd.watch(Duration::from_millis(100));
        crowd = measure(&name, &house, watching, (viewers, messages), std::thread::sleep);
    }
    let heard = crowd.messages();
    let mut publisher = Publisher::join(&mut house, party, 90_000, 0, "room", Pattern::Chromium, BITRATE);
    for messages in [1, MESSAGES.len()] {
        let name = format!("beside a show of 1 Mbit/s, {messages} in a tick");
        let watching = crowd.watch(Duration::from_millis(100));
        crowd = measure(&name, &house, watching, (viewers, messages), |time| {
            publisher.run(time);
        });
    }
    println!(
        "  messages sent {}, of which came {heard} alone and {} beside the show",
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
    for interval in [options.turn_interval(), Duration::ZERO] {
        rows(interval, viewers, &party);
    }
}
