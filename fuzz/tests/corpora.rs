//! Every committed input is replayed, and inputs made of them by a seeded hand: what a stable toolchain can do for
//! the fuzz targets on every run.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use vitrine_fuzz::{TARGETS, Target};

/// The longest input made.
const MAX_INPUT: usize = 8 << 10;
/// Values at which lengths and counters tip over.
const EDGES: [u8; 9] = [0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff];

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let mut folders = vec![folder(&format!("corpus/{}", target.name))];
    if target.name == "sdp_offer" {
        folders.push(folder("../sfu/tests/offers"));
    }
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    // The order decides what is made of them.
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Runs one input; tells it before failing.
fn run(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{} fails on {hex}", target.name);
        resume_unwind(panic);
    }
}

/// One input with a few things done to it.
fn mutated(random: &mut SmallRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=input.len());
        let end = random.random_range(at..=input.len());
        match random.random_range(0..8) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => input.insert(at, random.random()),
            3 => {
                let copy = input[at..end].to_vec();
                input.splice(at..at, copy);
            }
            4 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let from = random.random_range(0..=other.len());
                input.splice(at..end, other[from..].iter().copied());
            }
            5 => random.fill_bytes(&mut input[at..end]),
            action => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = match action {
                        6 => EDGES[random.random_range(0..EDGES.len())],
                        _ => *byte ^ (1 << random.random_range(0..8)),
                    };
                }
            }
        }
        input.truncate(MAX_INPUT);
    }
    input
}

fn replay(name: &str) {
    let target = vitrine_fuzz::find(name).unwrap();
    let corpus = corpus(&target);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    run(&target, &[]);
    for input in &corpus {
        run(&target, input);
    }
    let mut random = SmallRng::seed_from_u64(20);
    for _ in 0..target.mutations {
        run(&target, &mutated(&mut random, &corpus));
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*
    };
}

targets! {
    sdp_offer sdp_fragment stun client_hello srtp_header dcep ice_tcp rtp rtcp vp8 vp9 red h264 av1 dependency_descriptor
    frame_marking ingest feedback shop_message shop_command shop_session shop_catalogue ledger_backup datagrams handshake
    viewer_answer viewer_packet viewer_reports viewer_events
    media_file scenario loadtest_result
}

#[test]
fn every_target_is_tested_and_has_a_binary() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(TESTED, names);
    let manifest = fs::read_to_string(folder("targets/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let binaries = manifest["bin"].as_array().unwrap().iter();
    let binaries: Vec<&str> = binaries.map(|bin| bin["name"].as_str().unwrap()).collect();
    assert_eq!(binaries, names);
}
