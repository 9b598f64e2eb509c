//! Numbers that begin anew from zero in the midst of a show, at another time in each encoding, while the viewer goes from one
//! to the other: it sees nothing of it.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::world::World;

/// Down to the lowest layer and up again while the numbers begin anew, from the tenth second to the twelfth.
const PLAN: [(u64, u64); 4] = [(0, 4000), (9, 800), (11, 300), (14, 4000)];
const WRAPS: u32 = 10;

#[test]
fn numbers_begin_anew_and_nobody_sees_it() {
    let layered = Camera {
        temporal: 3,
        ..Camera::simulcast()
    };
    let cameras = [
        ("browser", Camera::simulcast()),
        ("temporal layers", layered),
        ("spatial layers", Camera::scalable()),
    ];
    for (name, camera) in cameras {
        for reports in [false, true] {
            let camera = Camera {
                wraps: Some(WRAPS),
                reports,
                ..camera.clone()
            };
            let mut world = World::new(1, camera);
            let line = world.line(Bottleneck {
                delay: Duration::from_millis(20),
                ..Bottleneck::new(1, &PLAN)
            });
            world.watch(line);
            world.run_to(30.0);
            let outcome = world.outcome(0, 6.0, 30.0);
            // How far a picture's time is from the camera's.
            let offset = |from, to| {
                let last = world.shown(0, from, to).last().unwrap();
                last.time as i64 - i64::from(last.stamp.frame) * 3000
            };
            let apart = (offset(28.0, 30.0) - offset(7.0, 9.0)) / 90;
            println!("{name}, reports {reports}: the clock {apart} ms apart in the end, {outcome}");
            assert_eq!(world.viewers[0].keyframe_requests, 0);
            assert!(outcome.longest_freeze <= Duration::from_millis(500), "{outcome}");
            assert!(apart.abs() <= 20, "{apart}");
            assert!(outcome.switches >= 2, "{outcome}");
            let shown = world.shown(0, 6.0, 30.0).map(|shown| shown.stamp.layer);
            assert_eq!(shown.last(), Some(2));
        }
    }
}
