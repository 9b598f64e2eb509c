//! What a viewer costs that waits with its data channels open and nothing on the air: processor time of the shard's
//! thread, the browser's checks of consent included. `cargo bench --bench idle -- [VIEWERS]`

#![allow(missing_docs, reason = "a bench")]

use std::time::Duration;

use vitrine_benches::argument;
use vitrine_benches::crowd::Crowd;
use vitrine_benches::house::House;
use vitrine_benches::peer::{Part, Party};

/// Several rounds of consent.
const TIME: Duration = Duration::from_secs(20);

fn main() {
    let viewers = argument().unwrap_or(1000);
    let mut house = House::open(1, |_| {});
    // The thread has begun when it answers.
    let _ = house.report(0);
    let empty = house.cpu(0);
    std::thread::sleep(TIME / 4);
    let empty = (house.cpu(0) - empty) * 4;
    let mut crowd = Crowd::new(&Party::new(), 1, false).with_channels();
    crowd.join(&mut house, 0, "room", Part::Viewer, viewers);
    let watching = crowd.watch(Duration::from_secs(3600));
    std::thread::sleep(Duration::from_secs(3));
    let (before, turns) = (house.cpu(0), house.report(0).turns);
    std::thread::sleep(TIME);
    let used = house.cpu(0) - before;
    let turns = house.report(0).turns - turns;
    watching.stop();
    house.close();
    let each = |time: Duration| time.as_nanos() as f64 / 1000.0 / viewers as f64 / TIME.as_secs_f64();
    println!(
        "processor time of an idle viewer and second, mean of {viewers} over {} s:",
        TIME.as_secs()
    );
    println!(
        "  shard's thread {:6.2} µs (goal: at most 25), of which it would use {:.2} alone",
        each(used),
        each(empty)
    );
    println!(
        "  turns of its loop per second: {:.0}",
        turns as f64 / TIME.as_secs_f64()
    );
}
