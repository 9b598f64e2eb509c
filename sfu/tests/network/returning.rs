//! The host's connection breaks and another one follows: viewers are back at their best layer as soon as joiners are.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::world::World;

const BREAKS: [f64; 4] = [6.0, 14.0, 22.0, 50.0];
const PAUSE: f64 = 1.0;

#[test]
fn every_break_costs_the_same() {
    for (name, camera) in [("browser", Camera::simulcast()), ("encoder", Camera::encoder())] {
        let mut world = World::new(3, camera.clone());
        let line = world.line(Bottleneck {
            delay: Duration::from_millis(20),
            ..Bottleneck::new(1, &[(0, 10_000)])
        });
        world.watch(line);
        let top = camera.layers.len() as u8 - 1;
        for at in BREAKS {
            world.run_to(at);
            world.host_returns(PAUSE);
        }
        world.run_to(60.0);
        let joined = world.time_to(0, 0.0, |layer| layer == top).unwrap();
        for at in BREAKS {
            let back = world.time_to(0, at + PAUSE, |_| true).unwrap();
            let up = world.time_to(0, at + PAUSE, |layer| layer == top).unwrap();
            println!(
                "{name}: broken at {at} s, a picture after {back:.2} s, the best after {up:.2} s; {joined:.2} s at first"
            );
            assert!(back <= 0.2, "{back}");
            // An encoder's next keyframe may be two seconds away.
            assert!(up <= 4.0, "{up}");
        }
    }
}
