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
use vitrine_benches::inside::Inside;
use vitrine_benches::pattern::Pattern;

const VIEWERS: u64 = 50;
const FRAMES: [usize; 2] = [60, 120];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == "--frames") {
        let frames = arguments[place + 1].parse().unwrap();
        let mut inside = Inside::new(VIEWERS, Pattern::Chromium, 2_500_000);
        let packets: usize = run(&mut inside, frames);
        println!("{packets}");
        return;
    }
    if arguments.iter().any(|argument| argument == "--plain") {
        for pattern in Pattern::ALL {
            let mut inside = Inside::new(200, pattern, 2_500_000);
            run(&mut inside, 100);
            let (mut nanos, mut packets, mut at) = (0, 0, own_cpu());
            for _ in 0..200 {
                packets += inside.frame(&mut |begins| {
                    if begins {
                        at = own_cpu();
                    } else {
                        nanos += (own_cpu() - at).as_nanos();
                    }
                });
            }
            println!(
                "{:>17} {:>6} ns per packet and viewer",
                pattern.name(),
                nanos / (packets as u128 * 200)
            );
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

fn run(inside: &mut Inside, frames: usize) -> usize {
    let mut packets = 0;
    for frame in 0..frames {
        packets += inside.frame(&mut |_| {});
        if frame % 3 == 0 {
            inside.feedback(&mut |_| {});
        }
    }
    packets
}
