//! The media thread as it is, against the floor, in one run: a publisher over a real socket, real encrypted viewers who
//! answer as browsers do. Processor time of the shard's thread per packet and viewer; beside it that of sealing and
//! sending the same packets and nothing else, each frame in as few runs as any server could make and many runs in a call.
//! Both are measured in turns, and the median of the turns is told.
//!
//! `cargo bench --workspace --bench forward [-- --quick] [-- --viewers 500] [-- --offload] [-- --hold-ms 0]
//! [-- --turn-us 0]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench ends where it cannot go on"
)]

use std::time::Duration;

use vitrine_benches::crowd::Crowd;
use vitrine_benches::floor::{Calls, Floor};
use vitrine_benches::house::House;
use vitrine_benches::options::Options;
use vitrine_benches::pattern::{Frame, Pattern};
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;
use vitrine_benches::quartiles;

const ROOM: &str = "forward";
/// Feedback of browsers: between 50 and 250 ms.
const FEEDBACK: Duration = Duration::from_millis(100);
/// Before anything is measured: estimates and loads settle.
const WARM_UP: Duration = Duration::from_millis(1500);
/// The same when viewers have just come: their lines are tried out, and their first reports are on the way.
const SETTLING: Duration = Duration::from_secs(8);
/// The same behind a pause for the floor.
const AGAIN: Duration = Duration::from_millis(500);
/// In which what is on its way is sent.
const REST: Duration = Duration::from_millis(50);
/// Rounds, in each of which first the shard and then the floor is measured: what else runs on the machine comes and
/// goes, and touches both of one round alike. The median of them is told.
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 3;
/// Of the shard in one round: a whole group of pictures.
const ROUND: Duration = Duration::from_secs(2);

/// One row.
struct Row {
    viewers: usize,
    pattern: Pattern,
    bitrate: u32,
}

fn main() {
    let options = Options::read();
    let counts = match (options.viewers, options.quick) {
        (Some(count), _) => vec![count],
        (None, true) => vec![100, 500],
        (None, false) => vec![100, 500, 1000, 2000],
    };
    let bitrates: &[u32] = if options.quick {
        &[2_500_000]
    } else {
        &[1_000_000, 2_500_000]
    };
    let rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
    let party = Party::new();
    let mut house = House::turning_every(options.turn_interval(), 1, |config| {
        if let Some(hold) = options.hold_ms {
            config.hold_max = Duration::from_millis(hold);
        }
    });
    let mut crowd = Crowd::new(&party, 1, options.offload);
    println!(
        "µs of processor per packet and viewer, 30 frames a second{}",
        options.note()
    );
    println!(
        "{:>7} {:>17} {:>5} {:>7} {:>7} {:>7} {:>11} {:>6} {:>6} {:>7} {:>6}",
        "viewers",
        "publisher",
        "Mbps",
        "floor",
        "shard",
        "ratio",
        "quartiles",
        "load",
        "run",
        "floor's",
        "lost"
    );
    let mut number = 1_000_000;
    let mut joined = 0;
    for viewers in counts {
        crowd.join(&mut house, 0, ROOM, Part::Viewer, viewers - joined);
        joined = viewers;
        let mut warm_up = SETTLING;
        for pattern in Pattern::ALL {
            for &bitrate in bitrates {
                number += 1;
                let row = Row {
                    viewers,
                    pattern,
                    bitrate,
                };
                crowd = row.measure(&mut house, &party, number, crowd, (warm_up, rounds));
                warm_up = WARM_UP;
            }
        }
    }
    house.close();
}

/// What one round showed.
struct Round {
    /// µs of processor time for a packet.
    floor: f64,
    shard: f64,
    /// Of one core.
    load: f64,
    /// Packets in a run.
    run: f64,
    floors_run: f64,
    lost: f64,
}

impl Row {
    fn measure(
        &self,
        house: &mut House,
        party: &Party,
        number: u64,
        crowd: Crowd,
        (warm_up, rounds): (Duration, usize),
    ) -> Crowd {
        let mut floor = Floor::new(&crowd.addresses());
        let mut publisher = Publisher::join(house, party, number, 0, ROOM, self.pattern, self.bitrate);
        let watching = crowd.watch(FEEDBACK);
        publisher.run(warm_up);
        let rounds: Vec<Round> = (0..rounds)
            .map(|_| self.round(house, &mut publisher, &mut floor))
            .collect();
        let middle = |of: fn(&Round) -> f64| quartiles(rounds.iter().map(of))[1];
        let [low, ratio, high] = quartiles(rounds.iter().map(|round| round.shard / round.floor));
        println!(
            "{:>7} {:>17} {:>5.1} {:>7.3} {:>7.3} {ratio:>7.2} {:>11} {:>5.0}% {:>6.1} {:>7.1} {:>5.1}%",
            self.viewers,
            self.pattern.name(),
            f64::from(self.bitrate) / 1e6,
            middle(|round| round.floor),
            middle(|round| round.shard),
            format!("{low:.2}-{high:.2}"),
            100.0 * middle(|round| round.load),
            middle(|round| round.run),
            middle(|round| round.floors_run),
            100.0 * middle(|round| round.lost),
        );
        watching.stop().0
    }

    fn round(&self, house: &House, publisher: &mut Publisher, floor: &mut Floor) -> Round {
        publisher.run(AGAIN);
        // What is on its way is sent, before and after.
        std::thread::sleep(REST);
        let (before, cpu) = (house.report(0), house.cpu(0));
        let frames = publisher.run(ROUND);
        std::thread::sleep(REST);
        let (after, spent) = (house.report(0), house.cpu(0) - cpu);
        let sent = (after.shard.playback.packets - before.shard.playback.packets) as f64;
        let runs = (after.udp.runs - before.udp.runs) as f64;
        let wanted: usize = frames.iter().map(|frame| frame.parts.len()).sum();
        let (least, floors_run) = self.floor(floor, &frames);
        Round {
            floor: least,
            shard: spent.as_secs_f64() * 1e6 / sent,
            load: spent.as_secs_f64() / ROUND.as_secs_f64(),
            run: sent / runs,
            floors_run,
            lost: 1.0 - sent / (wanted * self.viewers) as f64,
        }
    }

    /// The same frames, each at once and in the longest runs their sizes allow, many in a call.
    fn floor(&self, floor: &mut Floor, frames: &[Frame]) -> (f64, f64) {
        let (mut packets, mut runs, mut time) = (0, 0, Duration::ZERO);
        for frame in frames {
            let lens: Vec<usize> = frame.parts.iter().map(|part| part.len).collect();
            let cut = runs_of(&lens);
            let (sent, took) = floor.send(Calls::Many, &cut.iter().map(Vec::as_slice).collect::<Vec<_>>());
            packets += sent;
            runs += (cut.len() * self.viewers) as u64;
            time += took;
            std::thread::sleep(Duration::from_millis(10));
        }
        (
            time.as_secs_f64() * 1e6 / packets as f64,
            packets as f64 / runs as f64,
        )
    }
}

/// Runs that segmentation allows, sizes that differ by a few bytes made equal.
fn runs_of(lens: &[usize]) -> Vec<Vec<usize>> {
    let longest = lens.iter().copied().max().unwrap_or(0);
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for &len in lens {
        let len = if longest - len <= 4 { longest } else { len };
        match runs.last_mut() {
            Some(run) if run[0] == run[run.len() - 1] && len <= run[0] => run.push(len),
            _ => runs.push(vec![len]),
        }
    }
    runs
}
