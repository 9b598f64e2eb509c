//! What the server adds: from a publisher's socket to a viewer's, at several loads of one shard. Times by the kernel's
//! receive stamps, made while the server sends; of frames, that of their last packet. The server has a core of its own,
//! all publishers and viewers share the others: what they would take of its time is no delay of the server's. What it
//! waits for its core all the same is told.
//!
//! All viewers of a room want the same packet at the same moment, so that the last of them waits until all others are
//! served: a room that takes half of a core takes half of the time between two frames for each. Hence once with
//! everybody in one room, and once with many shows of usual size on the same core. Both without holding frames toward
//! their ends and with.
//!
//! `cargo bench --workspace --bench latency [-- --quick] [-- --turn-us 0]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench ends where it cannot go on"
)]

use std::thread;
use std::time::Duration;

use vitrine_benches::crowd::{Crowd, Watching};
use vitrine_benches::house::House;
use vitrine_benches::options::Options;
use vitrine_benches::pattern::{FRAME_RATE, Pattern};
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;

const BITRATE: u32 = 2_500_000;
const FEEDBACK: Duration = Duration::from_millis(100);
/// Viewers that time their packets.
const TIMED: usize = 20;
/// Viewers by which a viewer's share of the load is measured first.
const SCALE: usize = 100;
/// Viewers of a show of usual size.
const USUAL: usize = 25;
const FIRST_PUBLISHER: u64 = 1_000_000;

/// One kind of evening.
#[derive(Clone, Copy)]
struct Evening {
    name: &'static str,
    /// The most viewers of one room.
    room: usize,
    hold_ms: u64,
}

const EVENINGS: [Evening; 4] = [
    Evening {
        name: "one room",
        room: usize::MAX,
        hold_ms: 0,
    },
    Evening {
        name: "one room",
        room: usize::MAX,
        hold_ms: 12,
    },
    Evening {
        name: "rooms of 25",
        room: USUAL,
        hold_ms: 0,
    },
    Evening {
        name: "rooms of 25",
        room: USUAL,
        hold_ms: 12,
    },
];

/// A shard with its shows.
struct Shows {
    evening: Evening,
    house: House,
    party: Party,
    crowd: Crowd,
    publishers: Vec<Publisher>,
    viewers: usize,
}

/// What a time was like.
struct Load {
    /// Shares of a core: used, and waited for.
    used: f64,
    waited: f64,
    /// Share of the packets that viewers should get.
    sent: f64,
}

impl Shows {
    fn new(evening: Evening, options: Options) -> Shows {
        let party = Party::new();
        let hold = Duration::from_millis(evening.hold_ms);
        Shows {
            evening,
            house: House::apart(options.turn_interval(), |config| config.hold_max = hold),
            crowd: Crowd::new(&party, 1, options.offload),
            publishers: Vec::new(),
            viewers: 0,
            party,
        }
    }

    /// More viewers, and shows for them.
    fn grow(&mut self, viewers: usize) {
        while self.viewers < viewers {
            let place = self.viewers / self.evening.room;
            let room = format!("latency-{place}");
            if place == self.publishers.len() {
                let number = FIRST_PUBLISHER + place as u64;
                let (house, party) = (&mut self.house, &self.party);
                let show = Publisher::join(house, party, number, 0, &room, Pattern::Chromium, BITRATE);
                self.publishers.push(show.out_of_step(place));
            }
            let free = self.evening.room.saturating_mul(place + 1) - self.viewers;
            let count = free.min(viewers - self.viewers);
            self.crowd.join(&mut self.house, 0, &room, Part::Viewer, count);
            self.viewers += count;
        }
    }

    /// All shows at once, none in step with another, nor its keyframes. Returns the packets that all viewers together should get.
    fn run(&mut self, time: Duration) -> usize {
        let count = self.publishers.len() as u32;
        let (room, viewers) = (self.evening.room, self.viewers);
        thread::scope(|scope| {
            let shows = (0..).zip(&mut self.publishers).map(|(place, publisher)| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_secs(1) / FRAME_RATE * place / count);
                    let packets: usize = publisher.run(time).iter().map(|frame| frame.parts.len()).sum();
                    let before = room.saturating_mul(place as usize);
                    packets * room.min(viewers - before)
                })
            });
            let shows: Vec<_> = shows.collect();
            shows.into_iter().map(|show| show.join().unwrap()).sum()
        })
    }

    fn load(&mut self, time: Duration) -> Load {
        let (cpu, waited) = (self.house.cpu(0), self.house.waited(0));
        let before = self.house.report(0).shard.playback.packets;
        let wanted = self.run(time);
        let sent = self.house.report(0).shard.playback.packets - before;
        let share = |time_of: Duration| time_of.as_secs_f64() / time.as_secs_f64();
        Load {
            used: share(self.house.cpu(0) - cpu),
            waited: share(self.house.waited(0) - waited),
            sent: sent as f64 / wanted as f64,
        }
    }

    /// The crowd watches; who stops it gives it back.
    fn watch(&mut self) -> Watching {
        let nobody = Crowd::new(&self.party, 1, false);
        std::mem::replace(&mut self.crowd, nobody).watch(FEEDBACK)
    }

    /// Prints one row; returns the load.
    fn measure(&mut self, time: Duration) -> f64 {
        self.crowd.time(TIMED);
        let watching = self.watch();
        self.run(Duration::from_secs(2));
        let skipped = watching.timed();
        let load = self.load(time);
        let (crowd, received) = watching.stop();
        self.crowd = crowd;
        let times = received.times;
        let all = [times.packets, times.frames, times.keyframes];
        let told = all.into_iter().zip(skipped).map(|(times, skipped)| {
            let mut times = times[skipped..].to_vec();
            let [middle, late] = [50, 99].map(|percent| percentile(&mut times, percent));
            format!(" {middle:>8.2} {late:>8.2}")
        });
        println!(
            "{:>11} {:>4} ms {:>5.0}% {:>5.1}% {:>5.0}% {:>7} {}",
            self.evening.name,
            self.evening.hold_ms,
            100.0 * load.used,
            100.0 * load.waited,
            100.0 * load.sent,
            self.viewers,
            told.collect::<String>(),
        );
        load.used
    }
}

fn main() {
    let options = Options::read();
    let loads: &[f64] = if options.quick {
        &[0.1, 0.5]
    } else {
        &[0.1, 0.5, 0.8]
    };
    let time = Duration::from_secs(if options.quick { 3 } else { 8 });
    println!(
        "ms from socket to socket, {} Mbps as Chromium sends it",
        f64::from(BITRATE) / 1e6
    );
    println!(
        "{:>11} {:>7} {:>6} {:>6} {:>6} {:>7}  {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "shows", "hold", "load", "waits", "sent", "viewers", "packet50", "99", "frame50", "99", "key50", "99"
    );
    for evening in EVENINGS {
        let mut shows = Shows::new(evening, options);
        shows.grow(SCALE);
        let watching = shows.watch();
        shows.run(Duration::from_secs(2));
        let mut each = shows.load(Duration::from_secs(2)).used / SCALE as f64;
        shows.crowd = watching.stop().0;
        for load in loads {
            shows.grow((load / each) as usize);
            // Many cost less each than few, or more where runs are shorter: next time it is known better.
            each = shows.measure(time) / shows.viewers as f64;
        }
        shows.house.close();
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
