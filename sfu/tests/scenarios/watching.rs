//! A host, a viewer, and the ways one can come before the other.

use std::time::Duration;

use sfu::shard::Event;

use super::host::Camera;
use super::world::{World, ms};

#[test]
fn a_viewer_sees_every_frame_of_a_host() {
    let mut world = World::new(1, 1);
    let host = world.go_live(0, Camera::simple());
    world.run(Duration::from_secs(3));
    let viewer = world.watch(0);
    let from = world.run(Duration::from_secs(10));
    assert!(world.first_picture_after(viewer, host) < ms(100));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let first = viewer.screen.shown.first().unwrap();
    assert!(first.stamp.keyframe);
    // Up to date after a second, at the pace of the network.
    let last = viewer.screen.shown.last().unwrap();
    let captured = world.begin + ms(last.stamp.captured_ms.into());
    assert!(last.at - captured < ms(60), "{:?} late", last.at - captured);
    assert!(viewer.longest_freeze(from + ms(1000), world.now) < ms(100));
    assert!(viewer.speaker.packets > 450);
    assert_eq!(viewer.screen.holes, 0);
    assert_eq!(viewer.asked, 0);
}

#[test]
fn firefox_is_waited_for_until_it_shows_that_it_has_the_keys() {
    let first_picture = |is_firefox: bool, has_channel: bool| {
        let mut world = World::new(5, 1);
        world.go_live(0, Camera::simple());
        world.run(Duration::from_secs(3));
        let viewer = world.watch_with(0, |client| {
            client.is_firefox = is_firefox;
            if has_channel {
                client.open_channel("live", None);
            }
        });
        world.run(Duration::from_secs(1));
        let viewer = &world.viewers[viewer];
        viewer.assert_seamless();
        viewer.screen.shown.first().unwrap().at - viewer.client.connected_at.unwrap()
    };
    let (other, silent, spoken) = (
        first_picture(false, false),
        first_picture(true, false),
        first_picture(true, true),
    );
    assert!(silent >= other + ms(30), "{silent:?} after {other:?}");
    assert!(spoken < silent, "{spoken:?} before {silent:?}");
}

#[test]
fn a_viewer_who_comes_first_waits_for_the_host() {
    let mut world = World::new(2, 1);
    let viewer = world.watch(0);
    world.run(Duration::from_secs(20));
    assert!(world.viewers[viewer].client.is_connected());
    assert!(world.viewers[viewer].screen.shown.is_empty());
    let host = world.go_live(0, Camera::simulcast());
    world.run(Duration::from_secs(5));
    assert!(world.first_picture_after(viewer, host) < ms(200));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let first = viewer.screen.shown.first().unwrap();
    assert!(viewer.longest_freeze(first.at, world.now) < ms(150));
}

#[test]
fn a_joiner_sees_a_picture_at_once_wherever_in_the_long_gop_it_comes() {
    // As OBS does: a keyframe every four seconds, and none on request.
    let camera = Camera {
        gop: Duration::from_secs(4),
        obeys: false,
        ..Camera::simple()
    };
    let mut world = World::new(3, 1);
    let host = world.go_live(0, camera);
    world.run(Duration::from_secs(5));
    for _ in 0..5 {
        world.run(ms(790));
        let viewer = world.watch(0);
        world.run(Duration::from_secs(3));
        assert!(world.first_picture_after(viewer, host) < ms(150));
        let viewer = &world.viewers[viewer];
        viewer.assert_seamless();
        let last = viewer.screen.shown.last().unwrap();
        let captured = world.begin + ms(last.stamp.captured_ms.into());
        assert!(last.at - captured < ms(60), "{:?} behind", last.at - captured);
    }
}

#[test]
fn the_end_of_a_host_is_told() {
    let mut world = World::new(4, 1);
    let host = world.go_live(0, Camera::simple());
    world.run(Duration::from_secs(3));
    let live = |world: &World| {
        let last = world.events.iter().rev().find_map(|(_, event)| match event {
            Event::OnAir { live, .. } => Some(*live),
            _ => None,
        });
        last.unwrap_or_default()
    };
    assert!(live(&world));
    let peer = world.hosts[host].client.peer;
    world.close(0, peer);
    world.run(ms(10));
    assert!(!live(&world));
}

#[test]
fn whoever_is_closed_is_told_so() {
    let mut world = World::new(5, 1);
    let viewer = world.watch(0);
    world.run(Duration::from_secs(3));
    let client = &world.viewers[viewer].client;
    let (peer, address) = (client.peer, client.address);
    world.close(0, peer);
    world.run(ms(1));
    // A DTLS alert (RFC 6347 §4.1: content type 21); the client itself keeps what it makes of it for later.
    assert!(
        world
            .network
            .on_the_way(address)
            .any(|datagram| datagram[0] == 21)
    );
}
