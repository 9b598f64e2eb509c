//! A shard under load: frames leave in one run, and nobody sees them later.

use std::time::Duration;

use super::host::Camera;
use super::network::Line;
use super::world::World;

/// Frames that a viewer saw, with the times since the beginning, of a host whose line spreads each over five
/// milliseconds; and the runs it took.
fn watched_under(load: f32, viewer_line: Line) -> (Vec<(u32, Duration)>, usize) {
    let mut world = World::new(1, 1);
    world.shards[0].set_load(load);
    let host = world.go_live(0, Camera::simple());
    world.hosts[host].client.up = Line::with_rate(6_000_000);
    world.run(Duration::from_secs(1));
    let viewer = world.watch(0);
    world.viewers[viewer].client.down = viewer_line;
    world.run(Duration::from_secs(2));
    let before = world.runs;
    let from = world.run(Duration::from_secs(4));
    let runs = world.runs - before;
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let shown = viewer.shown_since(from);
    let begin = world.begin;
    (
        shown.map(|shown| (shown.stamp.frame, shown.at - begin)).collect(),
        runs,
    )
}

#[test]
fn held_frames_leave_in_one_run_and_are_complete_no_later() {
    let (idle, runs_idle) = watched_under(0.0, Line::good());
    let (busy, runs_busy) = watched_under(1.0, Line::good());
    assert!(idle.len() > 110, "{}", idle.len());
    assert_eq!(idle, busy);
    // Four packets a frame leave alone or together; beside them there are fifty packets of sound a second.
    assert!(
        runs_busy + 2 * idle.len() < runs_idle,
        "{runs_busy} of {runs_idle}"
    );
}

#[test]
fn a_line_of_ten_times_the_stream_adds_no_more_than_its_own_time_for_a_frame() {
    let line = Line::with_rate(10_000_000);
    let (idle, _) = watched_under(0.0, line);
    let (busy, _) = watched_under(1.0, line);
    let later = idle
        .iter()
        .zip(&busy)
        .map(|(idle, busy)| busy.1.saturating_sub(idle.1));
    let mut later: Vec<Duration> = later.collect();
    later.sort_unstable();
    // The frame's 4 KiB take 3.4 ms of the line; without holding, three quarters had left before the last packet came.
    let median = later[later.len() / 2];
    assert!(median < Duration::from_millis(3), "{median:?}");
    // A keyframe comes for longer than anything is held: what came in those 10 ms takes the line 6.
    let latest = later[later.len() - 1];
    assert!(latest < Duration::from_millis(6), "{latest:?}");
    assert_eq!(idle.len(), busy.len());
}
