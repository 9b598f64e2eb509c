//! The floor: what sealing and sending a packet costs by itself, by the length of its run, each run in a call of its own
//! and many in one (sendmmsg); and a small datagram, sent and received. Processor time of one thread, over loopback
//! sockets that somebody reads.
//!
//! `cargo bench --workspace --bench floor [-- --quick] [-- --offload]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench ends where it cannot go on"
)]

use std::time::Duration;

use vitrine_benches::crowd::Crowd;
use vitrine_benches::floor::{Calls, Floor};
use vitrine_benches::house::House;
use vitrine_benches::options::Options;
use vitrine_benches::peer::{Part, Party};

const PAYLOAD: usize = 1150;
/// A message on a data channel, and an acknowledgement.
const MESSAGE: usize = 190;
const ACKNOWLEDGEMENT: usize = 28;

fn main() {
    let options = Options::read();
    let viewers = if options.quick { 100 } else { 500 };
    let mut house = House::open(1, |_| {});
    let mut crowd = Crowd::new(&Party::new(), 1, options.offload);
    crowd.join(&mut house, 0, "floor", Part::Viewer, viewers);
    let mut floor = Floor::new(&crowd.addresses());
    let watching = crowd.watch(Duration::from_millis(100));
    let rounds = if options.quick { 20 } else { 40 };
    // Both ways in turn: they meet the same noise.
    let mut both = |lens: &[usize]| {
        let mut sums = [(0, Duration::ZERO); 2];
        for _ in 0..rounds {
            for (calls, sum) in [Calls::Each, Calls::Many].into_iter().zip(&mut sums) {
                let (sent, took) = floor.send(calls, &[lens]);
                *sum = (sum.0 + sent, sum.1 + took);
                // Time for the readers: what is not read is not worth sending.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        sums.map(|(packets, time)| time.as_secs_f64() * 1e6 / packets as f64)
    };
    println!(
        "{viewers} viewers, {} bytes of payload, AES-128-GCM{}; µs per packet",
        PAYLOAD,
        options.note()
    );
    println!("{:>6} {:>17} {:>17}", "run", "a call per run", "a call for many");
    for run in [1, 2, 4, 8, 16] {
        let [each, many] = both(&vec![PAYLOAD; run]);
        println!("{run:>6} {each:>17.3} {many:>17.3}");
    }
    let [each, many] = both(&[MESSAGE]);
    println!("{MESSAGE} bytes alone: {each:.3} and {many:.3}");
    let (mut came, mut time) = (0, Duration::ZERO);
    for _ in 0..rounds {
        let (count, took) = floor.receive(ACKNOWLEDGEMENT);
        came += count;
        time += took;
    }
    let each = time.as_secs_f64() * 1e6 / came as f64;
    println!("{ACKNOWLEDGEMENT} bytes received and opened: {each:.3}");
    watching.stop();
    house.close();
}
