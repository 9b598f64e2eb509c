//! The floor: what sealing and sending a packet costs by itself, by the length of its run. Processor time of the sending
//! thread, over loopback sockets that somebody reads.
//!
//! `cargo bench -p vitrine-benches --bench floor [-- --quick] [-- --offload]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench ends where it cannot go on"
)]

use std::time::Duration;

use vitrine_benches::crowd::Crowd;
use vitrine_benches::floor::Floor;
use vitrine_benches::house::House;
use vitrine_benches::options::Options;
use vitrine_benches::peer::{Part, Party};

const PAYLOAD: usize = 1150;

fn main() {
    let options = Options::read();
    let viewers = if options.quick { 100 } else { 500 };
    let mut house = House::open(1, |_| {});
    let mut crowd = Crowd::new(&Party::new(), 1, options.offload);
    crowd.join(&mut house, 0, "floor", Part::Viewer, viewers);
    let mut floor = Floor::new(&crowd.addresses());
    let watching = crowd.watch(Duration::from_millis(100));
    println!(
        "{viewers} viewers, {} bytes of payload, AES-128-GCM{}",
        PAYLOAD,
        options.note()
    );
    println!("{:>6} {:>14}", "run", "µs per packet");
    for run in [1, 2, 4, 8, 16] {
        let lens = vec![PAYLOAD; run];
        let rounds = if options.quick { 20 } else { 40 };
        let (mut packets, mut time) = (0, Duration::ZERO);
        for _ in 0..rounds {
            let (sent, took) = floor.measure(&[&lens]);
            packets += sent;
            time += took;
            // Time for the readers: what is not read is not worth sending.
            std::thread::sleep(Duration::from_millis(10));
        }
        println!("{run:>6} {:>14.3}", time.as_secs_f64() * 1e6 / packets as f64);
    }
    watching.stop();
    house.close();
}
