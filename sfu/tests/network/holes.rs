//! A publisher that does not send lost packets again, as OBS for all but its highest encoding: viewers of an encoding with
//! a hole go on with another one, and come back.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::world::World;

#[test]
fn a_hole_stops_nobody_where_another_encoding_goes_on() {
    // Keyframes each four seconds, whatever is asked.
    let camera = Camera {
        group: 120,
        obeys: false,
        ..Camera::simulcast()
    };
    for (kbps, layer, other) in [(900, 1, 0), (10_000, 2, 1)] {
        let mut world = World::new(kbps, camera.clone());
        let line = world.line(Bottleneck {
            delay: Duration::from_millis(20),
            ..Bottleneck::new(1, &[(0, kbps)])
        });
        world.watch(line);
        world.run_to(20.5);
        assert_eq!(world.shown(0, 19.0, 20.5).last().unwrap().stamp.layer, layer);
        world.camera.loses = Some(usize::from(layer));
        world.run_to(40.0);
        let outcome = world.outcome(0, 19.0, 40.0);
        let back = world.time_to(0, 21.5, |shown| shown == layer).unwrap();
        println!(
            "a hole in layer {layer} on {kbps} kbps: back after {:.2} s, {outcome}",
            back + 1.0
        );
        assert!(world.shown(0, 20.5, 23.0).any(|shown| shown.stamp.layer == other));
        assert!(outcome.longest_freeze <= Duration::from_millis(500), "{outcome}");
        assert!(back <= 8.0, "{back}");
        assert_eq!((outcome.flapped, outcome.switches), (0, 2), "{outcome}");
    }
}

#[test]
fn nobody_leaves_for_what_the_line_can_not_carry() {
    let camera = Camera {
        group: 120,
        obeys: false,
        ..Camera::simulcast()
    };
    let mut world = World::new(1, camera);
    let line = world.line(Bottleneck::new(1, &[(0, 4000), (10, 350)]));
    world.watch(line);
    world.run_to(28.5);
    world.camera.loses = Some(0);
    world.run_to(40.0);
    let outcome = world.outcome(0, 20.0, 40.0);
    println!("a hole in the lowest layer on 350 kbps: {outcome}");
    assert!(world.shown(0, 20.0, 40.0).all(|shown| shown.stamp.layer == 0));
    assert!(outcome.longest_freeze <= Duration::from_secs(4), "{outcome}");
}
