//! Viewers who tell less of their line than browsers do: libraries of all kinds, and players that are no browsers.

use std::time::Duration;

use super::bottleneck::{Bottleneck, Loss};
use super::camera::Camera;
use super::told::Tells;
use super::world::World;

const REMB: Tells = Tells {
    transport: false,
    ..Tells::ALL
};
const REPORTS: Tells = Tells { remb: false, ..REMB };

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn without_repairs(tells: Tells) -> Tells {
    Tells {
        repairs: false,
        ..tells
    }
}

fn watch(tells: Tells, camera: Camera, line: Bottleneck, seconds: f64) -> World {
    let mut world = World::new(1, camera);
    let line = world.line(line);
    world.watch_as(line, tells);
    world.run_to(seconds);
    world
}

/// A squeeze and its relief: how long both take at most, in seconds, and the longest freeze in milliseconds.
#[track_caller]
fn squeeze(name: &str, tells: Tells, [down_most, up_most]: [f64; 2], freeze_most: u64) {
    for (camera, thin) in [(Camera::simulcast(), 400), (Camera::encoder(), 900)] {
        let top = camera.layers.len() as u8 - 1;
        for phase in [0.0, 0.7, 1.3] {
            let mut line = Bottleneck::new(1, &[(0, 4000), (20, thin), (40, 4000)]);
            line.plan[1].0 += Duration::from_secs_f64(phase);
            let world = watch(tells, camera.clone(), line, 80.0);
            let down = world.time_to(0, 20.0 + phase, |layer| layer < top).unwrap();
            let up = world.time_to(0, 40.0, |layer| layer == top).unwrap();
            let (squeezed, behind) = (world.outcome(0, 19.0, 40.0), world.outcome(0, 40.0 + up, 80.0));
            println!(
                "{name}, {thin} kbps: down {down:.2} s, up {up:.2} s\n  squeeze {squeezed}\n  behind  {behind}"
            );
            assert!(down <= down_most && up <= up_most, "{down} {up}");
            assert!(squeezed.longest_freeze <= ms(freeze_most), "{squeezed}");
            assert!(
                behind.longest_freeze <= ms(500) && behind.switches == 0,
                "{behind}"
            );
            assert_eq!(world.outcome(0, 8.0, 80.0).flapped, 0);
        }
    }
}

#[test]
fn an_estimate_of_the_viewers_own_that_follows_what_is_sent_holds_nobody_down() {
    squeeze("own estimate", REMB, [2.0, 24.0], 2000);
}

#[test]
fn what_reports_say_of_a_queue_is_enough() {
    squeeze("reports", REPORTS, [2.0, 12.0], 1500);
}

#[test]
fn where_no_report_names_what_left_behind_a_try_the_line_is_tried_slowly() {
    for (name, tells) in [("own estimate", REMB), ("reports", REPORTS)] {
        let tells = Tells {
            names_newest: false,
            ..tells
        };
        squeeze(name, tells, [2.0, 24.0], 2000);
    }
    let seldom = Tells {
        interval: ms(4000),
        ..REPORTS
    };
    squeeze("reports each four seconds", seldom, [2.0, 39.0], 2000);
}

#[test]
fn without_repairs_there_is_no_padding_and_the_layer_itself_is_tried() {
    squeeze(
        "each packet, no repairs",
        without_repairs(Tells::ALL),
        [1.0, 12.0],
        600,
    );
    // What is lost there stays lost until a keyframe comes.
    squeeze(
        "own estimate, no repairs",
        without_repairs(REMB),
        [7.0, 12.0],
        7000,
    );
    squeeze("reports, no repairs", without_repairs(REPORTS), [4.0, 12.0], 4000);
}

/// GStreamer reports each five seconds, and asks for nothing again. What is sent meanwhile is no proof of anything.
#[test]
fn nobody_rises_twice_on_one_report() {
    let seldom = Tells {
        interval: ms(5000),
        ..REPORTS
    };
    let asks = without_repairs(seldom);
    let silent = Tells { asks: false, ..asks };
    for (name, tells, [down_most, up_most], frozen_most) in [
        ("repairs", seldom, [2.0, 40.0], 500),
        ("no repairs", asks, [2.0, 24.0], 3000),
        ("only reports", silent, [6.0, 24.0], 12_000),
    ] {
        for (thin, phase) in [450, 900]
            .into_iter()
            .flat_map(|thin| [0.0, 0.7, 1.3].map(|phase| (thin, phase)))
        {
            let mut line = Bottleneck::new(1, &[(0, 4000), (20, thin), (60, 4000)]);
            line.plan[1].0 += Duration::from_secs_f64(phase);
            let world = watch(tells, Camera::simulcast(), line, 110.0);
            let down = world.time_to(0, 20.0 + phase, |layer| layer < 2).unwrap();
            let up = world.time_to(0, 60.0, |layer| layer == 2).unwrap();
            let thinned = 20.0 + phase + down;
            let (squeezed, behind) = (
                world.outcome(0, thinned, 60.0),
                world.outcome(0, 60.0 + up, 110.0),
            );
            println!(
                "each five seconds, {name}, {thin} kbps: down {down:.2} s, up {up:.2} s\n  squeeze {squeezed}\n  behind  {behind}"
            );
            let is_best = world.shown(0, thinned, 60.0).any(|shown| shown.stamp.layer == 2);
            assert!(!is_best && down <= down_most && up <= up_most, "{down} {up}");
            assert!(squeezed.frozen <= ms(frozen_most), "{squeezed}");
            assert_eq!(behind.switches, 0, "{behind}");
            assert_eq!(world.outcome(0, 8.0, 110.0).flapped, 0);
        }
    }
}

#[test]
fn a_steady_line_is_used_whatever_is_told() {
    for (name, tells) in [("own estimate", REMB), ("reports", REPORTS)] {
        for kbps in [500, 900, 4000] {
            let line = Bottleneck::new(kbps, &[(0, kbps)]);
            let outcome = watch(tells, Camera::simulcast(), line, 60.0).outcome(0, 20.0, 60.0);
            println!("{name}, steady {kbps} kbps: {outcome}");
            assert!(outcome.used >= 95, "{outcome}");
            assert!(outcome.longest_freeze <= ms(200), "{outcome}");
            assert!(outcome.queue_p95 <= ms(150), "{outcome}");
            assert_eq!(outcome.flapped, 0, "{outcome}");
        }
        for (loss, part) in [("1 %", 0.01), ("5 %", 0.05)] {
            let line = Bottleneck {
                loss: Loss::Random(part),
                ..Bottleneck::new(7, &[(0, 6000)])
            };
            let outcome = watch(tells, Camera::simulcast(), line, 60.0).outcome(0, 20.0, 60.0);
            println!("{name}, loss {loss}: {outcome}");
            assert!(
                outcome.used >= 95 && outcome.longest_freeze <= ms(500),
                "{outcome}"
            );
        }
    }
}

/// Not every library goes on checking its path once media flows: who reports is there.
#[test]
fn who_checks_no_more_but_reports_stays() {
    let tells = Tells {
        consent: false,
        ..REPORTS
    };
    let line = Bottleneck::new(1, &[(0, 4000)]);
    let outcome = watch(tells, Camera::simulcast(), line, 100.0).outcome(0, 10.0, 100.0);
    assert!(outcome.longest_freeze <= ms(200), "{outcome}");
}
