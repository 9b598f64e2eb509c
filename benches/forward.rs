//! The media thread as it is, against the floor, in one run: a publisher over a real socket, real encrypted viewers who
//! answer as browsers do. Processor time of the shard's thread per packet and viewer; beside it that of sealing and
//! sending the same packets and nothing else, each frame in as few runs as any server could make and many runs in a call.
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
use vitrine_benches::pattern::{Frame, GROUP, Pattern};
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;

const ROOM: &str = "forward";
/// Feedback of browsers: between 50 and 250 ms.
const FEEDBACK: Duration = Duration::from_millis(100);
/// Before anything is measured: estimates and loads settle.
const WARM_UP: Duration = Duration::from_millis(1500);
/// In which what is on its way is sent.
const REST: Duration = Duration::from_millis(50);

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
        "{:>7} {:>17} {:>5} {:>7} {:>7} {:>7} {:>6} {:>8} {:>6} {:>6}",
        "viewers", "publisher", "Mbps", "floor", "shard", "ratio", "load", "run", "floor's", "lost"
    );
    let mut number = 1_000_000;
    let mut joined = 0;
    for viewers in counts {
        crowd.join(&mut house, 0, ROOM, Part::Viewer, viewers - joined);
        joined = viewers;
        for pattern in Pattern::ALL {
            for &bitrate in bitrates {
                number += 1;
                let row = Row {
                    viewers,
                    pattern,
                    bitrate,
                };
                crowd = row.measure(&mut house, &party, number, crowd, options.quick);
            }
        }
    }
    house.close();
}

impl Row {
    fn measure(&self, house: &mut House, party: &Party, number: u64, crowd: Crowd, quick: bool) -> Crowd {
        let mut floor = Floor::new(&crowd.addresses());
        let mut publisher = Publisher::join(house, party, number, 0, ROOM, self.pattern, self.bitrate);
        let watching = crowd.watch(FEEDBACK);
        publisher.run(WARM_UP);
        // What is on its way is sent, before and after.
        std::thread::sleep(REST);
        let (before, cpu) = (house.report(0), house.cpu(0));
        let time = Duration::from_secs(if quick { 2 } else { 4 });
        let frames = publisher.run(time);
        std::thread::sleep(REST);
        let (after, spent) = (house.report(0), house.cpu(0) - cpu);
        let sent = after.shard.playback.packets - before.shard.playback.packets;
        let runs = after.udp.runs - before.udp.runs;
        let wanted: usize = frames.iter().map(|frame| frame.parts.len()).sum();
        let lost = 1.0 - sent as f64 / (wanted * self.viewers) as f64;
        let shard = spent.as_secs_f64() * 1e6 / sent as f64;
        let (least, floors_run) = self.floor(&mut floor, &frames);
        println!(
            "{:>7} {:>17} {:>5.1} {least:>7.3} {shard:>7.3} {:>7.2} {:>5.0}% {:>8.1} {floors_run:>6.1} {:>5.1}%",
            self.viewers,
            self.pattern.name(),
            f64::from(self.bitrate) / 1e6,
            shard / least,
            100.0 * spent.as_secs_f64() / time.as_secs_f64(),
            sent as f64 / runs as f64,
            100.0 * lost,
        );
        watching.stop().0
    }

    /// The same frames, each at once and in the longest runs their sizes allow, many in a call. A whole group of them:
    /// keyframes have the longest runs.
    fn floor(&self, floor: &mut Floor, frames: &[Frame]) -> (f64, f64) {
        let (mut packets, mut runs, mut time) = (0, 0, Duration::ZERO);
        for frame in frames.iter().take(GROUP as usize) {
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
