//! Lines that lose, reorder, double and narrow.

use std::time::Duration;

use sfu::negotiation::Label;
use sfu::playback::LayerLimit;

use super::host::Camera;
use super::network::Line;
use super::world::{World, ms};

#[test]
fn a_lossy_viewer_gets_every_packet_again() {
    for seed in [10, 11, 12] {
        let mut world = World::new(seed, 1);
        world.go_live(0, Camera::simple());
        let viewer = world.watch(0);
        world.run_until(Duration::from_secs(5), "a picture", |world| {
            !world.viewers[viewer].screen.shown.is_empty()
        });
        world.viewers[viewer].client.down = Line::losing(0.03);
        let from = world.run(Duration::from_secs(30));
        let viewer = &world.viewers[viewer];
        viewer.assert_seamless();
        let shown = viewer.shown_since(from).count();
        assert!(
            shown > 30 * 30 * 97 / 100,
            "{shown} frames, {} holes",
            viewer.screen.holes
        );
        assert!(viewer.screen.holes <= 2, "{} holes", viewer.screen.holes);
    }
}

#[test]
fn a_host_on_a_lossy_line_is_asked_for_what_is_missing() {
    let mut world = World::new(20, 1);
    let host = world.go_live(0, Camera::simulcast());
    let viewer = world.watch(0);
    world.run(Duration::from_secs(2));
    world.hosts[host].client.up = Line::losing(0.05);
    let from = world.run(Duration::from_secs(20));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let shown = viewer.shown_since(from).count();
    assert!(shown > 20 * 30 * 95 / 100, "{shown} frames");
    // Sound is not sent again.
    let stats = world.shards[0].stats().media;
    assert!(stats.recovered > 100, "{stats:?}");
    assert!(stats.lost < 100, "{stats:?}");
}

#[test]
fn reordered_and_doubled_packets_make_no_difference() {
    let mut world = World::new(30, 1);
    let host = world.go_live(0, Camera::simple());
    let viewer = world.watch(0);
    let wild = Line {
        jitter: ms(25),
        doubled: 0.05,
        ..Line::good()
    };
    world.hosts[host].client.up = wild;
    world.viewers[viewer].client.down = wild;
    world.run(Duration::from_secs(2));
    let from = world.run(Duration::from_secs(15));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    assert!(viewer.shown_since(from).count() > 15 * 30 - 10);
    assert!(viewer.longest_freeze(from, world.now) < ms(200));
}

#[test]
fn joining_over_a_bad_line_takes_little_longer() {
    for seed in 40..50 {
        let mut world = World::new(seed, 1);
        world.go_live(0, Camera::simple());
        world.run(Duration::from_secs(3));
        let viewer = world.watch(0);
        // The client never sends its last handshake flight again, so upward nothing is lost.
        let late = Line {
            jitter: ms(30),
            ..Line::good()
        };
        world.viewers[viewer].client.up = late;
        world.viewers[viewer].client.down = Line { loss: 0.1, ..late };
        world.run_until(Duration::from_secs(10), "a picture over a bad line", |world| {
            world.viewers[viewer].screen.shown.len() > 30
        });
        world.viewers[viewer].assert_seamless();
    }
}

#[test]
fn a_line_gone_dark_for_a_while_comes_back_by_itself() {
    let mut world = World::new(60, 1);
    world.go_live(0, Camera::simple());
    let viewer = world.watch(0);
    world.run(Duration::from_secs(3));
    let client = &mut world.viewers[viewer].client;
    (client.up, client.down) = (Line::cut(), Line::cut());
    world.run(Duration::from_secs(4));
    let client = &mut world.viewers[viewer].client;
    (client.up, client.down) = (Line::good(), Line::good());
    let from = world.run(Duration::from_secs(8));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let freeze = viewer.longest_freeze(from, world.now);
    assert!(
        freeze < Duration::from_secs(3),
        "{freeze:?} until the picture moved"
    );
}

#[test]
fn a_narrow_line_gets_a_small_picture_and_a_wide_one_the_large() {
    let mut world = World::new(70, 1);
    world.go_live(0, Camera::simulcast());
    world.run(Duration::from_secs(3));
    let (narrow, wide) = (world.watch(0), world.watch(0));
    world.viewers[narrow].client.down = Line::with_rate(500_000);
    world.run(Duration::from_secs(20));
    let from = world.run(Duration::from_secs(20));
    for (viewer, largest) in [(narrow, 0), (wide, 2)] {
        let viewer = &world.viewers[viewer];
        viewer.assert_seamless();
        let shown: Vec<u8> = viewer.shown_since(from).map(|shown| shown.stamp.layer).collect();
        let fitting = shown.iter().filter(|layer| **layer == largest).count();
        assert!(
            fitting * 10 >= shown.len() * 8 && shown.len() > 20 * 30 * 8 / 10,
            "{fitting} of {} frames are of layer {largest}",
            shown.len()
        );
    }
}

#[test]
fn a_line_that_widens_gets_the_larger_picture_back() {
    let mut world = World::new(80, 1);
    world.go_live(0, Camera::simulcast());
    let viewer = world.watch(0);
    world.viewers[viewer].client.down = Line::with_rate(400_000);
    world.run(Duration::from_secs(20));
    world.viewers[viewer].client.down = Line::with_rate(8_000_000);
    world.run_until(Duration::from_secs(40), "the largest layer", |world| {
        let last = world.viewers[viewer].screen.shown.last();
        last.is_some_and(|shown| shown.stamp.layer == 2)
    });
    world.viewers[viewer].assert_seamless();
}

#[test]
fn a_network_changed_under_a_session_needs_one_restart() {
    let mut world = World::new(90, 1);
    world.go_live(0, Camera::simple());
    let viewer = world.watch(0);
    world.run(Duration::from_secs(3));
    world.restart_ice(viewer);
    let from = world.run(Duration::from_secs(5));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    // The client itself takes nothing until its new check is answered.
    let freeze = viewer.longest_freeze(from, world.now);
    assert!(freeze < ms(500), "{freeze:?}");
    assert_eq!(viewer.asked, 0);
}

#[test]
fn a_viewer_gets_the_layer_it_asks_for() {
    let mut world = World::new(95, 1);
    world.go_live(0, Camera::simulcast());
    let viewer = world.watch(0);
    world.run(Duration::from_secs(5));
    let pinned = LayerLimit {
        rid: Label::new(b"r1"),
        ..LayerLimit::default()
    };
    let small = LayerLimit {
        max_side: Some(400),
        ..LayerLimit::default()
    };
    for (limit, layer) in [(pinned, 1), (small, 0), (LayerLimit::default(), 2)] {
        world.set_limit(viewer, limit);
        world.run(Duration::from_secs(6));
        let shown = world.viewers[viewer].screen.shown.last().unwrap();
        assert_eq!(shown.stamp.layer, layer, "{limit:?}");
    }
    world.viewers[viewer].assert_seamless();
}
