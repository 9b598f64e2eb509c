//! Several viewers behind a line that is thin for them: each gets something that moves, none is starved by the others.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::world::World;

#[test]
fn two_on_a_line_that_is_too_thin_for_either_both_see_moving_pictures() {
    for (name, temporal, obeys, least, freeze) in [
        ("one layer", 1, false, 84, 2500),
        ("three temporal layers", 3, false, 84, 2500),
        ("one layer, made anew when asked", 1, true, 70, 3000),
        ("three temporal layers, made anew when asked", 3, true, 35, 5000),
    ] {
        let camera = Camera {
            temporal,
            obeys,
            group: if obeys { 100_000 } else { 60 },
            ..Camera::single(800)
        };
        let mut world = World::new(1, camera);
        let line = world.line(Bottleneck::new(1, &[(0, 4000), (10, 500)]));
        for _ in 0..2 {
            world.watch(line);
        }
        world.run_to(40.0);
        for viewer in 0..2 {
            let outcome = world.outcome(viewer, 12.0, 40.0);
            let shown = world.shown(viewer, 12.0, 40.0).count();
            println!(
                "{name} of 800 kbps, viewer {viewer} of two on 500: {shown} pictures in 28 s, {outcome}"
            );
            assert!(shown >= least, "{shown}");
            assert!(
                outcome.longest_freeze <= Duration::from_millis(freeze),
                "{outcome}"
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
