//! Two hundred viewers come within a second: what the publisher is asked, and how long the last one waits.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::world::World;

const VIEWERS: u32 = 200;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// From joining to the first frame of each viewer, in the order of joining.
fn crowd(camera: Camera) -> (World, Vec<Duration>) {
    let mut world = World::new(1, camera);
    let line = world.line(Bottleneck::new(1, &[(0, 10_000)]));
    world.watch(line);
    // In the middle of a group of pictures.
    world.run_to(9.0);
    for viewer in 0..VIEWERS {
        world.run_to(9.0 + f64::from(viewer) / f64::from(VIEWERS));
        let line = world.line(Bottleneck::new(viewer.into(), &[(0, 10_000)]));
        world.watch(line);
    }
    world.run_to(12.0);
    let first = world.viewers.iter().skip(1).map(|viewer| {
        let shown = viewer.screen.shown.first().unwrap();
        shown.at - viewer.joined
    });
    let first = first.collect();
    (world, first)
}

#[test]
fn a_publisher_that_answers_is_asked_once_in_half_a_second() {
    let (world, first) = crowd(Camera::simulcast());
    let most = first.iter().max().unwrap();
    println!(
        "{VIEWERS} join a browser: first frame of the last {:?}, of any at most {most:?}; {} requests",
        first.last().unwrap(),
        world.camera.asked.len()
    );
    for (place, (at, encoding)) in world.camera.asked.iter().enumerate() {
        let mut later = world.camera.asked.iter().skip(place + 1);
        let soon = later.find(|(next, other)| other == encoding && *next - *at < ms(500));
        assert_eq!(soon, None, "after {at:?}");
    }
    // The start delay is 50 ms, the line 40 ms there and back; a handshake is three ways.
    assert!(*most <= ms(400), "{most:?}");
}

#[test]
fn nobody_waits_for_the_keyframe_of_a_publisher_that_ignores_requests() {
    let camera = Camera {
        group: 120,
        ..Camera::encoder()
    };
    let (_, first) = crowd(camera);
    let most = first.iter().max().unwrap();
    println!(
        "{VIEWERS} join an encoder with a keyframe each 4 s: first frame of the last {:?}, of any at most {most:?}",
        first.last().unwrap()
    );
    assert!(*most <= ms(400), "{most:?}");
}
