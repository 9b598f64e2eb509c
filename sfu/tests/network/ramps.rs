//! Lines that narrow and widen slowly, or walk: no step shows what they are, and each layer is right for a while only.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::oracle::Oracle;
use super::outcome::Outcome;
use super::world::World;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// From one rate to another, kilobits per second, in steps of half a second for ten seconds.
fn ramp(from: f64, to: f64, begin: f64) -> impl Iterator<Item = (Duration, u64)> {
    (0..20).map(move |step| {
        let kbps = from + (to - from) * f64::from(step + 1) / 20.0;
        let at = Duration::from_secs_f64(begin + f64::from(step) / 2.0);
        (at, (kbps * 1000.0) as u64)
    })
}

/// A walk between cells: quite another rate each half second, now and then a short hole.
fn walk(seed: u64, begin: f64) -> impl Iterator<Item = (Duration, u64)> {
    let mut state = seed;
    let mut random = move || {
        state = state * 48_271 % 2_147_483_647;
        state as f64 / 2_147_483_647.0
    };
    let mut kbps: f64 = 2000.0;
    (0..80).map(move |step| {
        kbps = (kbps * ((random() - 0.5) * 1.2).exp()).clamp(300.0, 4000.0);
        let now = if random() < 0.03 { 150.0 } else { kbps };
        let at = Duration::from_secs_f64(begin + f64::from(step) / 2.0);
        (at, (now * 1000.0) as u64)
    })
}

/// Their lowest layer fits all of these lines.
fn cameras() -> [(&'static str, Camera); 3] {
    [
        ("scenes", Camera::scenes()),
        ("large keyframes", Camera::still_life()),
        ("browser", Camera::simulcast()),
    ]
}

/// Courses that found something.
const CHOSEN: [u64; 9] = [0, 10, 14, 17, 21, 23, 26, 36, 40];

/// Those, forty-one (`PHASES=all`), or any others (`PHASES=60..100`), which are held to no bound but that of their own pictures.
fn seeds() -> impl Iterator<Item = u64> {
    let phases = std::env::var("PHASES").ok();
    let others = phases.as_deref().and_then(|phases| phases.split_once(".."));
    let others = others.map(|(from, to)| from.parse().unwrap()..to.parse().unwrap());
    let all = phases.is_some();
    let is_chosen = move |seed: &u64| all || CHOSEN.contains(seed);
    others.unwrap_or(0..41).filter(is_chosen)
}

/// What a viewer sees between two times, and how long its longest freeze had to be.
fn watch(camera: &Camera, line: Bottleneck, seed: u64, from: f64, to: f64) -> (Outcome, Oracle) {
    let mut world = World::new(seed, camera.clone());
    let line = world.line(line);
    let viewer = world.watch(line);
    // Browsers differ in how often they tell.
    world.viewers[viewer].arrivals.interval = ms(if seed.is_multiple_of(2) { 50 } else { 100 });
    world.run_to(to);
    let outcome = world.outcome(viewer, from, to);
    let oracle = world.oracle(viewer, &outcome);
    (outcome, oracle)
}

/// All courses of a kind of line, the longest freeze that each may have, and the queueing delay.
fn assert_each(
    what: &str,
    (from, to): (f64, f64),
    line: impl Fn(u64) -> Bottleneck,
    most: impl Fn(&str, Oracle) -> Duration,
    queue: u64,
) {
    for (name, camera) in cameras() {
        let mut freezes = Vec::new();
        let mut used = Vec::new();
        for seed in seeds() {
            let (outcome, oracle) = watch(&camera, line(seed), seed, from, to);
            println!(
                "{what}, {name}, {seed}: {outcome}, flapped {}, {oracle}",
                outcome.flapped
            );
            if what != "walk" {
                // Half a second, or what the picture that was waited for takes such a line by itself.
                let most = ms(500.max(oracle.alone as u64 + 150));
                assert!(outcome.longest_freeze <= most, "{outcome}");
            }
            if CHOSEN.contains(&seed) {
                assert!(outcome.longest_freeze <= most(name, oracle), "{outcome}");
                assert!(outcome.queue_p95 <= ms(queue), "{outcome}");
                assert_eq!(outcome.flapped, 0, "{outcome}");
            }
            freezes.push(outcome.longest_freeze.as_millis());
            used.push(outcome.used);
        }
        freezes.sort_unstable();
        used.sort_unstable();
        println!("{what}, {name}: freezes {freezes:?} ms, used {used:?} %");
    }
}

#[test]
fn a_line_that_narrows_and_widens_slowly() {
    let begin = 15.0;
    let line = |seed: u64| {
        let begin = begin + seed as f64 * 0.137;
        let plan = [(Duration::ZERO, 2_000_000)].into_iter();
        let plan = plan
            .chain(ramp(2000.0, 400.0, begin))
            .chain(ramp(400.0, 2000.0, begin + 14.0));
        Bottleneck {
            plan: plan.collect(),
            jitter: ms(2),
            ..Bottleneck::new(seed, &[])
        }
    };
    assert_each("ramp", (begin, begin + 40.0), line, |_, _| ms(500), 150);
}

#[test]
fn a_line_as_a_phone_moves() {
    let line = |seed| Bottleneck::mobile(seed + 1, 70);
    // One of them is nothing for a tenth of a second in the midst of a keyframe.
    let most = |_: &str, oracle: Oracle| ms(500.max(oracle.informed as u64 + 300));
    assert_each("mobile", (12.0, 70.0), line, most, 150);
}

#[test]
fn a_line_that_is_another_each_half_second() {
    let line = |seed: u64| Bottleneck {
        plan: [(Duration::ZERO, 4_000_000)]
            .into_iter()
            .chain(walk(seed + 7, 15.0))
            .collect(),
        jitter: ms(2),
        delay: ms(40),
        ..Bottleneck::new(seed, &[])
    };
    // The queue is shorter than a keyframe that was meant for ten times the rate: some of it is lost and sent again.
    assert_each("walk", (15.0, 55.0), line, |_, _| ms(800), 250);
}
