//! One shard and two: the same viewers per shard, all in one room whose publisher is at the first. What a packet costs
//! each shard's thread, and what a core each would carry by that.
//!
//! `cargo bench -p vitrine-benches --bench scaling [-- --quick]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench ends where it cannot go on"
)]

use std::time::Duration;

use vitrine_benches::crowd::Crowd;
use vitrine_benches::house::House;
use vitrine_benches::options::Options;
use vitrine_benches::pattern::Pattern;
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;

const ROOM: &str = "scaling";
const BITRATE: u32 = 2_500_000;
const FEEDBACK: Duration = Duration::from_millis(100);

fn main() {
    let options = Options::read();
    let viewers = options.viewers.unwrap_or(if options.quick { 100 } else { 300 });
    let time = Duration::from_secs(if options.quick { 2 } else { 6 });
    println!(
        "{viewers} viewers per shard in one room, {} Mbps",
        f64::from(BITRATE) / 1e6
    );
    println!(
        "{:>6} {:>22} {:>16} {:>14}",
        "shards", "µs per packet", "packets sent", "packets/s"
    );
    let mut single = 0.0;
    for shards in [1, 2] {
        let party = Party::new();
        let mut house = House::open(shards, |_| {});
        let shards = usize::from(shards);
        // One crowd for all: their thread is not what is measured.
        let mut crowd = Crowd::new(&party, 1, options.offload);
        for shard in 0..shards {
            crowd.join(&mut house, shard, ROOM, Part::Viewer, viewers);
        }
        let mut publisher =
            Publisher::join(&mut house, &party, 1_000_000, 0, ROOM, Pattern::Chromium, BITRATE);
        let watching = crowd.watch(FEEDBACK);
        publisher.run(Duration::from_secs(2));
        let before: Vec<_> = (0..shards)
            .map(|shard| (house.report(shard), house.cpu(shard)))
            .collect();
        publisher.run(time);
        std::thread::sleep(Duration::from_millis(50));
        let (mut costs, mut sent, mut carried) = (Vec::new(), 0, 0.0);
        for (shard, (report, cpu)) in before.iter().enumerate() {
            let packets = house.report(shard).shard.playback.packets - report.shard.playback.packets;
            let cost = (house.cpu(shard) - *cpu).as_secs_f64() / packets as f64;
            costs.push(format!("{:.3}", cost * 1e6));
            sent += packets;
            carried += 1.0 / cost;
        }
        if shards == 1 {
            single = carried;
        }
        println!(
            "{shards:>6} {:>22} {sent:>16} {carried:>14.0}",
            costs.join(" and ")
        );
        if shards == 2 {
            println!("two shards carry {:.2} times what one does", carried / single);
        }
        watching.stop();
        house.close();
    }
}
