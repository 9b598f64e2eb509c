//! Hosts that leave, come back and take over while everybody keeps watching.

use std::time::Duration;

use sfu::shard::{Event, PeerEnd, PublisherPath};
use sfu::transport::Remote;

use super::client::Picture;
use super::host::Camera;
use super::network::Line;
use super::world::{World, ms};

fn taken_over(world: &World) -> usize {
    let taken = world.events.iter().filter(|(_, event)| {
        matches!(
            event,
            Event::Closed {
                reason: PeerEnd::TakenOver,
                ..
            }
        )
    });
    taken.count()
}

#[test]
fn a_second_host_takes_over_and_nobody_blinks() {
    let mut world = World::new(100, 1);
    world.go_live(0, Camera::simulcast());
    let viewer = world.watch(0);
    world.run(Duration::from_secs(5));
    let second = world.go_live(0, Camera::simple());
    let from = world.run(Duration::from_secs(5));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let last = viewer.screen.shown.last().unwrap().stamp;
    assert_eq!(usize::from(last.host), second);
    assert_eq!(taken_over(&world), 1);
    let freeze = viewer.longest_freeze(from, world.now);
    assert!(freeze < ms(500), "{freeze:?}");
    assert_eq!(viewer.asked, 0);
    let off = world
        .events
        .iter()
        .any(|(_, event)| matches!(event, Event::OnAir { live: false, .. }));
    assert!(!off, "the show was never off the air");
}

#[test]
fn a_host_whose_line_dies_comes_back_and_viewers_stay() {
    let mut world = World::new(110, 1);
    let host = world.go_live(0, Camera::simple());
    let viewer = world.watch(0);
    world.run(Duration::from_secs(4));
    let client = &mut world.hosts[host].client;
    (client.up, client.down) = (Line::cut(), Line::cut());
    world.run(Duration::from_secs(6));
    let off = world.events.iter().rev().find_map(|(_, event)| match event {
        Event::OnAir { live, .. } => Some(!*live),
        _ => None,
    });
    assert_eq!(off, Some(true), "silence is told");
    let back = world.go_live(0, Camera::simple());
    let from = world.run(Duration::from_secs(5));
    assert!(world.first_picture_after(viewer, back) < ms(200));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let first = viewer.shown_since(from).next().unwrap();
    assert_eq!(usize::from(first.stamp.host), back);
    assert!(viewer.client.is_connected());
}

#[test]
fn a_host_returns_with_another_codec() {
    let mut world = World::new(120, 1);
    let host = world.go_live(0, Camera::simple());
    let viewer = world.watch(0);
    world.run(Duration::from_secs(4));
    let peer = world.hosts[host].client.peer;
    world.close(0, peer);
    world.run(Duration::from_secs(3));
    let camera = Camera {
        picture: Picture::H264,
        ..Camera::simple()
    };
    let back = world.go_live(0, camera);
    let from = world.run(Duration::from_secs(5));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let shown: Vec<_> = viewer.shown_since(from).collect();
    assert!(shown.iter().all(|shown| usize::from(shown.stamp.host) == back));
    assert!(shown.len() > 4 * 30, "{} frames", shown.len());
}

#[test]
fn a_host_that_vanishes_is_given_up_after_its_consent() {
    let mut world = World::new(130, 1);
    let host = world.go_live(0, Camera::simple());
    world.run(Duration::from_secs(2));
    let client = &mut world.hosts[host].client;
    (client.up, client.down) = (Line::cut(), Line::cut());
    world.run(Duration::from_secs(40));
    assert_eq!(world.shards[0].stats().publishers, 0);
    let client = &world.hosts[host].client;
    let closed = world
        .events
        .iter()
        .any(|(_, event)| matches!(event, Event::Closed { peer, .. } if *peer == client.peer));
    assert!(closed);
}

#[test]
fn viewers_requests_reach_the_host_merged_and_limited() {
    let mut world = World::new(140, 1);
    let camera = Camera {
        gop: Duration::from_secs(60),
        ..Camera::simple()
    };
    let host = world.go_live(0, camera);
    world.run(Duration::from_secs(1));
    let viewers: Vec<usize> = (0..10).map(|_| world.watch(0)).collect();
    for viewer in &viewers {
        world.viewers[*viewer].client.down = Line::losing(0.6);
    }
    world.run(Duration::from_secs(20));
    let asked: usize = world.viewers.iter().map(|viewer| viewer.asked).sum();
    let reached = world.hosts[host].keyframe_requests;
    assert!(
        (1..=42).contains(&reached),
        "{reached} requests in 20 s, viewers asked {asked} times"
    );
    world.viewers.iter().for_each(|viewer| viewer.assert_seamless());
}

#[test]
fn a_large_first_keyframe_that_comes_at_once_does_not_stop_those_who_waited() {
    let mut world = World::new(150, 1);
    let viewer = world.watch(0);
    world.run(Duration::from_secs(2));
    let encoder = Camera {
        picture: Picture::H264,
        layers: vec![(1280, 720, 3_500_000)],
        gop: Duration::from_secs(4),
        obeys: false,
    };
    world.go_live(0, encoder);
    world.run_until(Duration::from_secs(2), "a picture", |world| {
        !world.viewers[viewer].screen.shown.is_empty()
    });
    let from = world.run(Duration::from_secs(3));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let freeze = viewer.longest_freeze(from, world.now);
    assert!(freeze < ms(100), "{freeze:?}");
}

#[test]
fn where_a_publisher_sends_from_is_told_once_and_when_it_goes() {
    let mut world = World::new(7, 1);
    let host = world.go_live(0, Camera::simple());
    world.watch(0);
    world.run(Duration::from_secs(3));
    let client = &world.hosts[host].client;
    let (peer, address) = (client.peer, client.address);
    let told = |world: &mut World| -> Vec<PublisherPath> {
        std::iter::from_fn(|| world.shards[0].poll_publisher_path()).collect()
    };
    let path = Some(Remote::Udp {
        peer: address,
        local: Some([10, 0, 0, 1].into()),
    });
    assert_eq!(told(&mut world), [PublisherPath { peer, path }]);
    world.close(0, peer);
    assert_eq!(told(&mut world), [PublisherPath { peer, path: None }]);
}
