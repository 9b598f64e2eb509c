//! What the server adds: from a publisher's socket to a viewer's, at several loads of one shard, with and without
//! holding frames. Times by the kernel's receive stamps; of frames, that of their last packet.
//!
//! `cargo bench -p vitrine-benches --bench latency [-- --quick]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench ends where it cannot go on"
)]

use std::time::Duration;

use vitrine_benches::crowd::Crowd;
use vitrine_benches::house::House;
use vitrine_benches::options::Options;
use vitrine_benches::pattern::Pattern;
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;

const ROOM: &str = "latency";
const BITRATE: u32 = 2_500_000;
const FEEDBACK: Duration = Duration::from_millis(100);
/// Viewers that time their packets.
const TIMED: usize = 20;
/// Viewers by which a viewer's share of the load is measured first.
const SCALE: usize = 100;

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
        "{:>7} {:>6} {:>7} {:>11} {:>11} {:>11} {:>11}",
        "hold", "load", "viewers", "packet p50", "packet p99", "frame p50", "frame p99"
    );
    for hold_ms in [0, 10] {
        let party = Party::new();
        let mut house = House::open(1, |config| config.hold_max = Duration::from_millis(hold_ms));
        let mut crowd = Crowd::new(&party, 1, options.offload);
        let mut publisher =
            Publisher::join(&mut house, &party, 1_000_000, 0, ROOM, Pattern::Chromium, BITRATE);
        let mut joined = SCALE;
        crowd.join(&mut house, 0, ROOM, Part::Viewer, SCALE);
        let watching = crowd.watch(FEEDBACK);
        publisher.run(Duration::from_secs(2));
        let before = house.cpu(0);
        publisher.run(Duration::from_secs(2));
        let each = (house.cpu(0) - before).as_secs_f64() / 2.0 / SCALE as f64;
        crowd = watching.stop().0;
        for load in loads {
            let viewers = ((load / each) as usize).max(joined);
            crowd.join(&mut house, 0, ROOM, Part::Viewer, viewers - joined);
            joined = viewers;
            crowd.time(TIMED);
            let watching = crowd.watch(FEEDBACK);
            publisher.run(Duration::from_secs(2));
            let (cpu, skipped) = (house.cpu(0), watching.timed());
            publisher.run(time);
            let spent = (house.cpu(0) - cpu).as_secs_f64() / time.as_secs_f64();
            let (back, received) = watching.stop();
            crowd = back;
            let mut packets = received.times.packets[skipped.0..].to_vec();
            let mut frames = received.times.frames[skipped.1..].to_vec();
            println!(
                "{hold_ms:>4} ms {:>5.0}% {viewers:>7} {:>11.2} {:>11.2} {:>11.2} {:>11.2}",
                100.0 * spent,
                percentile(&mut packets, 50),
                percentile(&mut packets, 99),
                percentile(&mut frames, 50),
                percentile(&mut frames, 99),
            );
        }
        house.close();
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
