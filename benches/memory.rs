//! Heap of a connected viewer with its three data channels open: the shard with so many viewers in memory, every
//! allocation counted that the shard makes and keeps. `cargo bench --bench memory -- [VIEWERS]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench ends where it cannot begin"
)]

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use vitrine_benches::argument;
use vitrine_benches::indoors::Indoors;
use vitrine_benches::peer::{Part, Party};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The promise of docs/performance.md.
const GOAL: f64 = 32.0;

/// Bytes on the heap now.
fn heap() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

fn kib(bytes: i64, viewers: usize) -> f64 {
    bytes as f64 / 1024.0 / viewers as f64
}

fn main() {
    let viewers = argument().unwrap_or(2000);
    let mut room = Indoors::new(Party::new(), heap).with_channels();
    let begin = room.metered;
    while room.len() < viewers {
        for _ in 0..40.min(viewers - room.len()) {
            room.admit(Part::Viewer);
        }
        room.settle();
    }
    let settled = room.metered - begin;
    // The handshake's leavings go as traffic comes.
    room.pass(Duration::from_secs(2));
    let open = room.metered - begin;
    while !room.is_empty() {
        room.dismiss();
    }
    let left = room.metered - begin;
    println!("heap of a viewer, mean of {viewers}:");
    println!("  as its channels open    {:6.1} KiB", kib(settled, viewers));
    println!(
        "  two seconds later       {:6.1} KiB   (goal: at most {GOAL:.0})",
        kib(open, viewers)
    );
    println!("  after all have left     {:6.1} KiB in all", kib(left, 1));
}
