//! What the load test's viewers cost the machine that plays them: processor time of their one thread and heap, fed by a
//! server in another process that does next to nothing for each. Each has a core.
//! `cargo bench --workspace --bench loadclient -- [--viewers N] [--silent] [--kbps N]`
//!
//! The rates differ in packets and in nothing else, so that a line through them tells what a packet costs and what a
//! viewer does without one: ten feedbacks and a report each second. `--silent` is pictures alone: with sound the server is
//! at its end long before the viewers' thread.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench ends where it cannot go on"
)]

use std::alloc::System;
use std::time::{Duration, Instant};

use loadtest::crowd::{Command, Crowd, Group, Network};
use loadtest::engine::Fleet;
use loadtest::measure::{Counter, GroupId, Recorder};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use vitrine_benches::faucet::{self, Faucet};
use vitrine_benches::options::Options;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Picture of each viewer, kbit/s; sound of 48 kbit/s comes with it.
const RATES: [u32; 3] = [500, 1000, 2500];
/// What is sent while everybody joins.
const GATHERING_KBPS: u32 = 250;
/// The core of the viewers, and of the little that makes their requests.
const CORE: usize = 0;
const GROUP: GroupId = GroupId(0);
const JOINS: u32 = 20;

/// Bytes on the heap now; what the cipher library takes for itself is not in it.
fn heap() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// Resident memory of this process.
fn resident() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: i64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn count(recorder: &Recorder, what: Counter) -> u64 {
    recorder
        .groups()
        .iter()
        .map(|measures| measures.counter(what))
        .sum()
}

/// Everybody joins; returns when all have a picture.
async fn gather(fleet: &mut Fleet, viewers: u32) {
    let (mut asked, mut watching, mut failed) = (0, 0, 0);
    while watching + failed < u64::from(viewers) {
        let count_now = JOINS.min(viewers - asked);
        asked += count_now;
        fleet.command(Command::Join {
            group: GROUP,
            count: count_now,
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let taken = fleet.take();
        watching += count(&taken, Counter::Watching);
        failed += count(&taken, Counter::JoinsFailed);
    }
    if failed > 0 {
        println!("{failed} did not come about");
    }
}

async fn measure(mut faucet: Faucet, viewers: u32, seconds: u64, rates: &[u32]) {
    let group = Group {
        name: "viewers".into(),
        whep: faucet.whep.parse().unwrap(),
        token: None,
        inspect: 0.0,
        network: Network::default(),
        shop: None,
    };
    let mut fleet = Fleet::start(vec![group], 1, Instant::now()).unwrap();
    let (empty, bare) = (heap(), resident());
    faucet.set_kbps(GATHERING_KBPS);
    gather(&mut fleet, viewers).await;
    println!(
        "  {:>6} {:>10} {:>8} {:>12} {:>12} {:>10} {:>8}",
        "kbit/s", "packets/s", "CPU", "µs/packet", "µs/viewer·s", "lost", "server"
    );
    let mut points = Vec::new();
    for &kbps in rates {
        faucet.set_kbps(kbps);
        tokio::time::sleep(Duration::from_secs(3)).await;
        fleet.take();
        let served = faucet.cpu();
        let begin = Instant::now();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let taken = fleet.take();
        let (took, served) = (begin.elapsed().as_secs_f64(), faucet.cpu() - served);
        let (packets, cpu_us) = (
            count(&taken, Counter::Packets) as f64,
            count(&taken, Counter::ClientCpuUs) as f64,
        );
        // Told once a second: whole seconds of it.
        let of_viewer = |us: f64| us / f64::from(viewers) / seconds as f64;
        println!(
            "  {kbps:>6} {:>10.0} {:>7.0}% {:>12.2} {:>12.1} {:>10} {:>7.0}%",
            packets / seconds as f64,
            cpu_us / 1e4 / seconds as f64,
            cpu_us / packets,
            of_viewer(cpu_us),
            count(&taken, Counter::Lost),
            served.as_secs_f64() / took * 100.0,
        );
        let (drops, limited) = (
            count(&taken, Counter::SocketDrops),
            count(&taken, Counter::ClientLimitedS),
        );
        if drops + limited > 0 {
            println!("         {limited} of {seconds} s too much for this thread, {drops} buffers dropped");
        }
        points.push((of_viewer(packets), of_viewer(cpu_us)));
    }
    if let [(low, cheap), .., (high, dear)] = points[..] {
        let packet = (dear - cheap) / (high - low);
        println!(
            "  one more packet {packet:.2} µs; a viewer without packets {:.1} µs per second",
            cheap - low * packet
        );
    }
    let each = |bytes: i64| bytes as f64 / 1024.0 / f64::from(viewers);
    println!(
        "  heap of a viewer {:.1} KiB (goal: at most 24), resident {:.1} KiB",
        each(heap() - empty),
        each(resident() - bare)
    );
    Box::new(fleet).stop().await;
    println!(
        "  after all have left {:.0} KiB in all",
        (heap() - empty) as f64 / 1024.0
    );
}

fn main() {
    if std::env::args().any(|argument| argument == faucet::ROLE) {
        faucet::serve();
    }
    let options = Options::read();
    let viewers = options.viewers.unwrap_or(if options.quick { 100 } else { 1000 }) as u32;
    let seconds = if options.quick { 2 } else { 10 };
    let sound = if options.silent {
        "pictures alone"
    } else {
        "picture and sound"
    };
    println!("the load test's viewers, {viewers} on one thread, {sound}, {seconds} s of each rate:");
    let rates = options.kbps.map_or(RATES.to_vec(), |kbps| vec![kbps]);
    // Before this process has its core: the server's is another.
    let faucet = Faucet::open(!options.silent);
    vitrine_benches::pin(CORE);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(faucet, viewers, seconds, &rates));
}
