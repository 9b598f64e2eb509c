//! The media path for callgrind: frames to viewers in memory, without the kernel. Two runs of different length differ by
//! the instructions of the steady state alone.
//!
//! `cargo bench -p vitrine-benches --bench instructions` runs itself under valgrind and prints instructions per packet
//! and viewer; with `-- --plain` it prints nanoseconds of processor time instead.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench ends where it cannot go on"
)]

use std::process::Command;

use vitrine_benches::house::own_cpu;
use vitrine_benches::pattern::Pattern;
use vitrine_benches::show::Show;

const VIEWERS: u64 = 50;
const FRAMES: [usize; 2] = [60, 120];
/// Without valgrind there is time for more.
const PLAIN_VIEWERS: u64 = 200;
const PLAIN_FRAMES: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == "--frames") {
        let frames = arguments[place + 1].parse().unwrap();
        let mut show = Show::new(VIEWERS, Pattern::Chromium, 2_500_000, || 0);
        let packets = run(&mut show, frames);
        println!("{packets}");
        return;
    }
    if arguments.iter().any(|argument| argument == "--plain") {
        for pattern in Pattern::ALL {
            let nanos = || own_cpu().as_nanos() as i64;
            let mut show = Show::new(PLAIN_VIEWERS, pattern, 2_500_000, nanos);
            run(&mut show, PLAIN_FRAMES / 2);
            let before = show.room.metered;
            let packets = run(&mut show, PLAIN_FRAMES) as i64;
            let each = (show.room.metered - before) / (packets * PLAIN_VIEWERS as i64);
            println!("{:>17} {each:>6} ns per packet and viewer", pattern.name());
        }
        return;
    }
    let measured = FRAMES.map(|frames| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(&arguments[0])
            .args(["--frames", &frames.to_string()])
            .output()
            .expect("valgrind is there");
        let packets: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let collected = log
            .lines()
            .find_map(|line| line.split_once("Collected : "))
            .unwrap();
        let instructions: u64 = collected.1.trim().parse().unwrap();
        (packets, instructions)
    });
    let [(few, less), (many, more)] = measured;
    let each = (more - less) as f64 / ((many - few) * VIEWERS) as f64;
    println!("{each:.0} instructions per packet and viewer, sealing included");
}

fn run<M: FnMut() -> i64>(show: &mut Show<M>, frames: usize) -> usize {
    let mut packets = 0;
    for frame in 0..frames {
        packets += show.frame();
        if frame % 3 == 0 {
            show.feedback();
        }
    }
    packets
}
