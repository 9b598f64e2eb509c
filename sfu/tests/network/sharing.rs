//! Two viewers behind one line.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::outcome::Outcome;
use super::world::World;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What each of two has seen while a line of 4000 was narrowed to `kbps` for twenty seconds, in another phase with each seed.
fn course(camera: &Camera, kbps: u64, seed: u64) -> [Outcome; 2] {
    let squeezed = 20.0 + seed as f64 * 0.137;
    let relieved = squeezed + 20.0;
    let mut world = World::new(seed, camera.clone());
    let mut line = Bottleneck {
        jitter: ms(2),
        ..Bottleneck::new(seed, &[(0, 4000)])
    };
    line.plan.push((Duration::from_secs_f64(squeezed), kbps * 1000));
    let line = world.line(line);
    for viewer in 0..2 {
        world.watch(line);
        world.run_to(0.4 + 0.3 * viewer as f64);
        // Browsers differ in how often they tell.
        let interval = if (seed + viewer).is_multiple_of(2) {
            50
        } else {
            100
        };
        world.viewers[viewer as usize].arrivals.interval = ms(interval);
    }
    world.run_to(relieved);
    [0, 1].map(|viewer| world.outcome(viewer, squeezed, relieved))
}

/// Of many courses those that found something, or all of them: `PHASES=all`.
fn seeds() -> impl Iterator<Item = u64> {
    let all = std::env::var_os("PHASES").is_some();
    (0..40).filter(move |seed| all || seed % 4 == 0)
}

#[test]
fn nobody_stands_still_in_the_lowest_layer_for_anothers_best_one() {
    let mut freezes = Vec::new();
    for seed in seeds() {
        // The line carries the best layer for one of them at first, and the lowest for both afterwards.
        let seen = course(&Camera::encoder(), 1700, seed);
        for (viewer, seen) in seen.iter().enumerate() {
            println!("encoder on 1700 kbps, {seed}, viewer {viewer} of two: {seen}");
            freezes.push(seen.longest_freeze.as_millis());
        }
    }
    freezes.sort_unstable();
    println!("encoder on 1700 kbps: freezes {freezes:?} ms");
    // Who waits a third time within some seconds is given up until a keyframe.
    let long = freezes.iter().filter(|freeze| **freeze > 500).count();
    assert!(long * 20 <= freezes.len(), "{long}");
}
