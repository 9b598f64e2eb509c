//! One room on several shards.

use std::time::Duration;

use super::host::Camera;
use super::network::Line;
use super::world::{World, ms};

#[test]
fn a_viewer_on_another_shard_sees_the_same() {
    let mut world = World::new(200, 2);
    let host = world.go_live(0, Camera::simulcast());
    world.run(Duration::from_secs(3));
    let (near, far) = (world.watch(0), world.watch(1));
    let from = world.run(Duration::from_secs(10));
    for viewer in [near, far] {
        assert!(world.first_picture_after(viewer, host) < ms(150));
        let viewer = &world.viewers[viewer];
        viewer.assert_seamless();
        assert!(viewer.longest_freeze(from + ms(1000), world.now) < ms(150));
        let captured = world.begin + ms(viewer.screen.shown.last().unwrap().stamp.captured_ms.into());
        assert!(world.now - captured < ms(100));
    }
}

#[test]
fn a_viewer_waits_on_a_shard_that_has_no_host() {
    let mut world = World::new(210, 3);
    let viewer = world.watch(2);
    world.run(Duration::from_secs(5));
    let host = world.go_live(1, Camera::simple());
    world.run(Duration::from_secs(3));
    assert!(world.first_picture_after(viewer, host) < ms(200));
    world.viewers[viewer].assert_seamless();
}

#[test]
fn a_host_takes_over_from_another_shard() {
    let mut world = World::new(220, 2);
    world.go_live(0, Camera::simple());
    let viewers = [world.watch(0), world.watch(1)];
    world.run(Duration::from_secs(4));
    let second = world.go_live(1, Camera::simple());
    let from = world.run(Duration::from_secs(4));
    for viewer in viewers {
        let viewer = &world.viewers[viewer];
        viewer.assert_seamless();
        assert_eq!(
            usize::from(viewer.screen.shown.last().unwrap().stamp.host),
            second
        );
        let freeze = viewer.longest_freeze(from, world.now);
        assert!(freeze < ms(600), "{freeze:?}");
    }
    assert_eq!(world.shards[0].stats().publishers, 0);
    assert_eq!(world.shards[1].stats().publishers, 1);
}

#[test]
fn losses_on_the_way_to_a_far_viewer_are_repaired_by_its_own_shard() {
    let mut world = World::new(230, 2);
    world.go_live(0, Camera::simple());
    let viewer = world.watch(1);
    world.run(Duration::from_secs(2));
    world.viewers[viewer].client.down = Line::losing(0.03);
    let from = world.run(Duration::from_secs(20));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    assert!(viewer.shown_since(from).count() > 20 * 30 * 97 / 100);
    assert!(world.shards[1].stats().playback.retransmitted > 10);
    assert_eq!(world.shards[0].stats().playback.retransmitted, 0);
}

#[test]
fn the_last_viewer_leaving_ends_the_relay() {
    let mut world = World::new(240, 2);
    let host = world.go_live(0, Camera::simple());
    let viewer = world.watch(1);
    world.run(Duration::from_secs(2));
    let peer = world.viewers[viewer].client.peer;
    world.close(1, peer);
    world.run(ms(100));
    let before = world.shards[1].stats().media.packets;
    world.run(Duration::from_secs(2));
    assert_eq!(world.shards[1].stats().media.packets, before);
    let again = world.watch(1);
    world.run(Duration::from_secs(2));
    assert!(world.first_picture_after(again, host) < ms(150));
}
