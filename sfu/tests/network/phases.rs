//! Squeezes that begin and end anywhere between two keyframes: what one course shows may be luck.

use std::fmt;
use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::outcome::Outcome;
use super::world::World;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One squeeze and its relief.
pub(crate) struct Course {
    /// Seconds to a smaller layer and to the largest again.
    down: f64,
    up: f64,
    /// Until relief, and in all.
    squeeze: Outcome,
    whole: Outcome,
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "down {:.2} up {:.2} freeze {} p95 {} flapped {} back {}",
            self.down,
            self.up,
            self.squeeze.longest_freeze.as_millis(),
            self.squeeze.queue_p95.as_millis(),
            self.whole.flapped,
            self.whole.taken_back
        )
    }
}

/// A wide line narrows to `kbps` for ten seconds and more; each phase begins and ends elsewhere in a group of pictures.
pub(crate) fn course(camera: &Camera, kbps: u64, phase: u32) -> Course {
    let squeezed = 20.0 + f64::from(phase) * 0.103;
    let relieved = squeezed + 10.0 + f64::from(phase % 7) * 0.29;
    let end = relieved + 20.0;
    let top = camera.layers.len() as u8 - 1;
    let mut line = Bottleneck {
        jitter: ms(2),
        ..Bottleneck::new(1, &[(0, 20_000), (20, kbps), (30, 20_000)])
    };
    line.plan[1].0 = Duration::from_secs_f64(squeezed);
    line.plan[2].0 = Duration::from_secs_f64(relieved);
    let mut world = World::new(phase.into(), camera.clone());
    let line = world.line(line);
    let viewer = world.watch(line);
    // Browsers differ in how often they tell.
    world.viewers[viewer].arrivals.interval = ms(if phase.is_multiple_of(2) { 50 } else { 100 });
    world.run_to(end);
    Course {
        down: world.time_to(viewer, squeezed, |layer| layer < top).unwrap(),
        up: world.time_to(viewer, relieved, |layer| layer == top).unwrap(),
        squeeze: world.outcome(viewer, 19.0, relieved),
        whole: world.outcome(viewer, 19.0, end),
    }
}

/// Every third phase, or all of them: `PHASES=all`.
fn step() -> usize {
    if std::env::var_os("PHASES").is_some() {
        1
    } else {
        3
    }
}

#[test]
fn a_squeeze_in_any_phase() {
    // Of 450 kbps a new scene's keyframe alone takes 400 ms, one of fifteen pictures 290 ms: sound waits so long behind a
    // part of it, in every group of pictures.
    for (name, camera, kbps, freeze, queue) in [
        ("large keyframes", Camera::still_life(), 450, 400, 200),
        ("large keyframes", Camera::still_life(), 600, 400, 150),
        ("scenes", Camera::scenes(), 450, 450, 200),
        ("browser", Camera::simulcast(), 400, 400, 150),
        ("encoder", Camera::encoder(), 900, 400, 150),
    ] {
        let mut courses: Vec<Course> = (0..20)
            .step_by(step())
            .map(|phase| {
                let course = course(&camera, kbps, phase);
                println!("{name} on {kbps} kbps, phase {phase}: {course}");
                assert!(course.down <= 1.2 && course.up <= 6.0, "{course}");
                // A keyframe of many pictures that left just before the line narrowed cannot be called back.
                assert!(course.squeeze.longest_freeze <= ms(600), "{course}");
                assert_eq!(
                    (course.whole.flapped, course.whole.taken_back),
                    (0, 0),
                    "{course}"
                );
                course
            })
            .collect();
        courses.sort_by_key(|course| course.squeeze.longest_freeze);
        assert!(courses[courses.len() / 2].squeeze.longest_freeze <= ms(freeze));
        assert!(courses.iter().all(|course| course.squeeze.queue_p95 <= ms(queue)));
    }
}
