//! The course of the estimate on each line, compared with the recorded one: what a change of the estimator does to
//! lines it was not made for shows here. `GOLDEN=record cargo test -p sfu --test network golden` records anew, and
//! the difference of the files is what the change did.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bottleneck::{Bottleneck, Loss};
use super::camera::Camera;
use super::world::World;

/// Between two samples, seconds.
const STEP: f64 = 0.5;
/// A sample is as recorded when it lies between the least and the most recorded so many samples around it, and this
/// many percent beyond: certificates differ from run to run by some bytes, and with them every later moment.
const AROUND: usize = 2;
const TOLERANCE: u64 = 20;
/// Samples of a hundred that may be elsewhere.
const ELSEWHERE: usize = 5;

/// What a viewer's line is believed to carry, and the layer shown for it; 9 for none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    at: f64,
    kbps: u64,
    layer: u8,
}

fn course(camera: Camera, line: Bottleneck, seconds: f64) -> Vec<Sample> {
    let mut world = World::new(1, camera);
    let line = world.line(line);
    let viewer = world.watch(line);
    let steps = (seconds / STEP) as u32;
    let sample = |step| {
        let at = f64::from(step) * STEP;
        world.run_to(at);
        let shown = world.shown(viewer, 0.0, at).last();
        Sample {
            at,
            kbps: world.estimate(viewer) / 1000,
            layer: shown.map_or(9, |shown| shown.stamp.layer),
        }
    };
    (1..=steps).map(sample).collect()
}

fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network/golden");
    folder.join(name).with_extension("txt")
}

fn write(course: &[Sample]) -> String {
    let mut text = String::from("# seconds, estimate in kbit/s, layer shown\n");
    for Sample { at, kbps, layer } in course {
        writeln!(text, "{at:.1} {kbps} {layer}").unwrap();
    }
    text
}

fn read(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap();
        Sample {
            at: word().parse().unwrap(),
            kbps: word().parse().unwrap(),
            layer: word().parse().unwrap(),
        }
    };
    lines.map(sample).collect()
}

/// The samples that are not as recorded.
fn elsewhere(course: &[Sample], recorded: &[Sample]) -> Vec<Sample> {
    assert_eq!(course.len(), recorded.len(), "recorded with other steps");
    let is_elsewhere = |&(place, sample): &(usize, &Sample)| {
        let around = &recorded[place.saturating_sub(AROUND)..recorded.len().min(place + AROUND + 1)];
        let least = around.iter().map(|known| known.kbps).min().unwrap();
        let most = around.iter().map(|known| known.kbps).max().unwrap();
        let is_near =
            sample.kbps * 100 >= least * (100 - TOLERANCE) && sample.kbps * 100 <= most * (100 + TOLERANCE);
        !is_near || around.iter().all(|known| known.layer != sample.layer)
    };
    let found = course.iter().enumerate().filter(is_elsewhere);
    found.map(|(_, sample)| *sample).collect()
}

/// Courses of one line: a certificate of some bytes more or less moves every packet behind it, and with them, once in fifty
/// on a line with jitter, the moment of a probe.
const TRIES: usize = 3;

#[track_caller]
fn compare(name: &str, camera: Camera, line: Bottleneck, seconds: f64) {
    let shoot = || course(camera.clone(), line.clone(), seconds);
    if std::env::var_os("GOLDEN").is_some_and(|what| what == "record") {
        std::fs::write(path(name), write(&shoot())).unwrap();
        return;
    }
    let recorded = read(&std::fs::read_to_string(path(name)).unwrap());
    let is_as_recorded = |_| {
        let course = shoot();
        let elsewhere = elsewhere(&course, &recorded);
        println!("{name}, not as recorded of {}: {elsewhere:?}", course.len());
        elsewhere.len() * 100 <= course.len() * ELSEWHERE
    };
    assert!((0..TRIES).any(is_as_recorded), "{name} is not as recorded");
}

fn squeezed(seconds: u64, kbps: u64) -> Bottleneck {
    Bottleneck::new(1, &[(0, 4000), (15, kbps), (15 + seconds, 4000)])
}

#[test]
fn golden_squeezes() {
    compare(
        "squeeze-of-a-browser",
        Camera::simulcast(),
        squeezed(15, 400),
        45.0,
    );
    compare(
        "squeeze-of-an-encoder",
        Camera::encoder(),
        squeezed(15, 900),
        45.0,
    );
}

#[test]
fn golden_steady_lines() {
    for kbps in [400, 1000, 2500] {
        let name = format!("steady-{kbps}");
        compare(&name, Camera::simulcast(), Bottleneck::new(1, &[(0, kbps)]), 30.0);
    }
}

#[test]
fn golden_loss() {
    let line = Bottleneck {
        loss: Loss::Random(0.05),
        delay: Duration::from_millis(100),
        ..Bottleneck::new(1, &[(0, 8000)])
    };
    compare("loss", Camera::simulcast(), line, 30.0);
}

#[test]
fn golden_jitter() {
    let line = Bottleneck {
        jitter: Duration::from_millis(50),
        ..Bottleneck::new(1, &[(0, 3000)])
    };
    compare("jitter", Camera::simulcast(), line, 30.0);
}

#[test]
fn a_course_that_differs_is_noticed() {
    let sample = |step: u32, kbps| Sample {
        at: f64::from(step) * STEP,
        kbps,
        layer: u8::from(kbps > 1000),
    };
    let recorded: Vec<Sample> = (0..40)
        .map(|step| sample(step, if step < 20 { 2000 } else { 400 }))
        .collect();
    assert_eq!(read(&write(&recorded)), recorded);
    let later: Vec<Sample> = (0..40)
        .map(|step| sample(step, if step < 22 { 2000 } else { 400 }))
        .collect();
    assert_eq!(elsewhere(&later, &recorded), [], "a second later");
    let slow: Vec<Sample> = (0..40)
        .map(|step| sample(step, if step < 27 { 2000 } else { 400 }))
        .collect();
    assert_eq!(elsewhere(&slow, &recorded).len(), 5);
}
