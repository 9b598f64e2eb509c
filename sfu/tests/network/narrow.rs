//! Several viewers behind a line that is thin for them: each gets something that moves, none is starved by the others.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::world::World;

#[test]
fn two_on_a_line_that_is_too_thin_for_either_both_see_moving_pictures() {
    // Pictures in 28 seconds, of both and of each at least: who has how much of the line differs from course to course.
    for (name, temporal, obeys, keyframe, both, each, freeze) in [
        ("one layer", 1, false, 5.0, 130, 60, 2300),
        ("three temporal layers", 3, false, 5.0, 190, 60, 2700),
        ("one layer, made anew when asked", 1, true, 5.0, 110, 25, 2400),
        (
            "three temporal layers, made anew when asked",
            3,
            true,
            5.0,
            180,
            45,
            3500,
        ),
        // As Chromium makes them of a picture with much in it: 38 kB.
        (
            "three temporal layers, large keyframes when asked",
            3,
            true,
            11.5,
            45,
            8,
            4500,
        ),
    ] {
        let camera = Camera {
            temporal,
            obeys,
            keyframe,
            group: if obeys { 100_000 } else { 60 },
            ..Camera::single(800)
        };
        for seed in 1..=5 {
            let mut world = World::new(seed, camera.clone());
            let line = world.line(Bottleneck::new(1, &[(0, 4000), (10, 500)]));
            for _ in 0..2 {
                world.watch(line);
            }
            world.run_to(40.0);
            let shown = [0, 1].map(|viewer| {
                let outcome = world.outcome(viewer, 12.0, 40.0);
                let shown = world.shown(viewer, 12.0, 40.0).count();
                println!(
                    "{name} of 800 kbps, viewer {viewer} of two on 500: {shown} pictures in 28 s, {outcome}"
                );
                let most = Duration::from_millis(freeze);
                assert!(outcome.longest_freeze <= most, "{outcome}");
                shown
            });
            assert!(shown.iter().sum::<usize>() >= both, "{name}, {seed}: {shown:?}");
            assert!(
                shown.iter().all(|shown| *shown >= each),
                "{name}, {seed}: {shown:?}"
            );
        }
    }
}

#[test]
fn a_neighbours_keyframes_stop_nobody() {
    for kbps in [3000, 4000, 6000] {
        let mut world = World::new(1, Camera::encoder());
        let line = world.line(Bottleneck::new(1, &[(0, kbps)]));
        for viewer in 0..2 {
            world.run_to(f64::from(viewer) * 1.3);
            world.watch(line);
        }
        world.run_to(70.0);
        for viewer in 0..2 {
            let outcome = world.outcome(viewer, 12.0, 70.0);
            println!("an encoder's two layers, viewer {viewer} of two on {kbps} kbps: {outcome}");
            assert!(outcome.longest_freeze <= Duration::from_millis(500), "{outcome}");
            assert_eq!(outcome.flapped, 0, "{outcome}");
        }
    }
}
