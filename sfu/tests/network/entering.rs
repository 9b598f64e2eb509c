//! Joining in the middle of a group of pictures, on lines that carry the picture and not much more.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::world::World;

#[test]
fn a_join_does_not_burst_a_line_of_which_nothing_is_known_yet() {
    // Seconds without sound at most, and packets that the queue of 300 ms had no room for: on a thin line a keyframe alone is
    // longer than that.
    for (name, camera, kbps, silence, dropped) in [
        ("one layer", Camera::single(2500), 3500, 0.1, 0),
        ("one layer", Camera::single(2500), 4000, 0.1, 0),
        ("one layer", Camera::single(2500), 6000, 0.1, 0),
        ("one layer", Camera::single(2500), 20_000, 0.1, 0),
        ("encoder", Camera::encoder(), 1000, 0.2, 10),
        ("encoder", Camera::encoder(), 4000, 0.1, 0),
        ("scenes", Camera::scenes(), 1500, 0.1, 0),
    ] {
        for phase in [2, 8, 14, 19] {
            let mut world = World::new(phase, camera.clone());
            let wide = world.line(Bottleneck::new(1, &[(0, 50_000)]));
            world.watch(wide);
            let joins = 8.0 + phase as f64 / 10.0;
            world.run_to(joins);
            let line = world.line(Bottleneck::new(phase, &[(0, kbps)]));
            let viewer = world.watch(line);
            let end = joins + 6.0;
            world.run_to(end);
            let first = world.shown(viewer, joins, end).next().unwrap().at.as_secs_f64();
            let outcome = world.outcome(viewer, first, end);
            let sounds = world.viewers[viewer].sounds.iter().map(Duration::as_secs_f64);
            let sounds: Vec<f64> = sounds.collect();
            let gaps = sounds.windows(2).map(|pair| pair[1] - pair[0]);
            let longest = gaps.fold(0.0, f64::max);
            println!(
                "{name} on {kbps} kbps, {phase}00 ms after a keyframe: first picture after {:.3} s, silence {longest:.3} s, {outcome}",
                first - joins
            );
            assert!(first - joins < 0.3, "{}", first - joins);
            assert!(longest <= silence, "{longest}");
            assert!(outcome.dropped <= dropped, "{outcome}");
            // A still at most, until the next keyframe.
            let next = 2.0 - phase as f64 / 10.0;
            assert!(
                outcome.longest_freeze <= Duration::from_secs_f64(next.max(0.5)),
                "{outcome}"
            );
        }
    }
}

/// A player reckons from the timestamps when to show a picture. Chromium that was given eighty pictures with nearly the same
/// time, for the first one's had been that of a moment when the host's encoder stood still, held what followed for two seconds.
#[test]
fn a_host_that_falls_behind_as_somebody_joins_bends_nobodys_clock() {
    for (name, camera) in [("browser", Camera::simulcast()), ("encoder", Camera::encoder())] {
        let mut world = World::new(1, camera.clone());
        let wide = world.line(Bottleneck::new(1, &[(0, 50_000)]));
        world.watch(wide);
        let joins = 8.3;
        // It is half a second late from then on, and takes a second to be live again.
        world.late = |at| if at < 8.2 { 0.0 } else { (9.7 - at).clamp(0.0, 0.5) };
        world.run_to(joins);
        let line = world.line(Bottleneck::new(1, &[(0, 20_000)]));
        let viewer = world.watch(line);
        world.run_to(joins + 8.0);
        let shown: Vec<_> = world.shown(viewer, joins, joins + 8.0).collect();
        let steps = shown
            .windows(2)
            .map(|pair| (pair[1].time - pair[0].time, pair[1].at - pair[0].at));
        // Pictures of a burst leave within moments, and what the host is late is once missing.
        let stands = |(ticks, passed): &(u64, Duration)| {
            *passed > Duration::from_millis(20) && *ticks < 20 * passed.as_millis() as u64
        };
        let still = steps.filter(stands).count();
        println!("{name}: {still} times a clock stood still");
        assert!(still <= 1, "{still}");
    }
}
