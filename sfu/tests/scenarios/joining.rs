//! Joins over lines that cannot carry the cached group of pictures at once, and hosts that switch layers off.

use std::time::Duration;

use sfu::negotiation::Label;
use sfu::playback::{LayerLimit, LayerReason};
use sfu::shard::Event;

use super::client::Picture;
use super::host::Camera;
use super::network::Line;
use super::world::{ROOM, World, ms};

/// What an encoder that answers no requests sends: one layer of 6 Mbit/s, a keyframe every four seconds.
fn stubborn() -> Camera {
    Camera {
        layers: vec![(1920, 1080, 6_000_000)],
        gop: Duration::from_secs(4),
        obeys: false,
        ..Camera::simple()
    }
}

#[test]
fn a_long_group_is_a_still_with_live_sound_until_the_next_keyframe() {
    let mut world = World::new(200, 1);
    let host = world.go_live(0, stubborn());
    world.run(ms(3200));
    let viewer = world.watch(0);
    world.viewers[viewer].client.down = Line::with_rate(20_000_000);
    world.run(ms(600));
    assert!(world.first_picture_after(viewer, host) < ms(250));
    let shown = &world.viewers[viewer].screen.shown;
    assert!(
        shown.len() == 1 && shown[0].stamp.keyframe,
        "a still: {}",
        shown.len()
    );
    world.run(Duration::from_secs(4));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    assert_eq!(viewer.screen.holes, 0);
    let second = viewer.screen.shown[1];
    assert!(second.stamp.keyframe, "then the next keyframe");
    let captured = world.begin + ms(second.stamp.captured_ms.into());
    assert!(second.at - captured < ms(250), "{:?} late", second.at - captured);
    assert!(viewer.longest_freeze(second.at, world.now) < ms(250));
    let gap = viewer.speaker.longest_gap();
    assert!(gap < ms(100), "sound waited {gap:?}");
}

#[test]
fn sound_does_not_wait_behind_a_burst_that_the_line_does_not_carry() {
    let mut world = World::new(210, 1);
    let host = world.go_live(0, stubborn());
    // A second into its group of pictures: it would be worth it, on a better line than this.
    world.run(ms(5500));
    let viewer = world.watch(0);
    world.viewers[viewer].client.down = Line::with_rate(8_000_000);
    world.run(Duration::from_secs(6));
    assert!(world.first_picture_after(viewer, host) < ms(400));
    let viewer = &world.viewers[viewer];
    viewer.assert_seamless();
    let gap = viewer.speaker.longest_gap();
    assert!(gap < ms(300), "sound waited {gap:?}");
    let last = viewer.screen.shown.last().unwrap();
    let captured = world.begin + ms(last.stamp.captured_ms.into());
    assert!(last.at - captured < ms(400), "{:?} late", last.at - captured);
}

#[test]
fn a_layer_that_its_host_switches_off_is_left_without_a_freeze_and_taken_again() {
    let mut world = World::new(220, 1);
    let host = world.go_live(0, Camera::simulcast());
    let viewer = world.watch(0);
    let largest = |world: &World| {
        world.viewers[viewer]
            .screen
            .shown
            .last()
            .map(|shown| shown.stamp.layer)
    };
    world.run_until(Duration::from_secs(15), "the large layer", |world| {
        largest(world) == Some(2)
    });
    for off in [1, 2] {
        world.hosts[host].switch_off(3 - off..3);
        let from = world.run(Duration::from_secs(5));
        assert_eq!(largest(&world), Some(2 - off as u8));
        let freeze = world.viewers[viewer].longest_freeze(from, world.now);
        assert!(freeze < ms(500), "{freeze:?}");
        world.hosts[host].switch_off(3..3);
        let from = world.now;
        world.run_until(Duration::from_secs(12), "the large layer again", |world| {
            largest(world) == Some(2)
        });
        let freeze = world.viewers[viewer].longest_freeze(from, world.now);
        assert!(freeze < ms(250), "{freeze:?}");
    }
    world.viewers[viewer].assert_seamless();
}

#[test]
fn a_viewer_without_a_decoder_is_told_and_counted_until_there_is_a_picture_for_it() {
    let mut world = World::new(231, 1);
    let camera = Camera {
        picture: Picture::H264,
        ..Camera::simple()
    };
    world.go_live(0, camera);
    world.watch(0);
    let other = world.watch_playing(0, &[Picture::Vp8], |_| {});
    world.run(Duration::from_secs(4));
    let told = |world: &World| -> Vec<_> {
        let events = world.events.iter();
        let told = events.filter_map(|(_, event)| match event {
            Event::Unplayable { peer, codec } => Some((*peer, *codec)),
            _ => None,
        });
        told.collect()
    };
    let counted = |world: &World| {
        let mut events = world.events.iter().rev();
        events.find_map(|(_, event)| match event {
            Event::Audience { unplayable, .. } => Some(*unplayable),
            _ => None,
        })
    };
    let peer = world.viewers[other].client.peer;
    assert_eq!(told(&world), [(peer, Some("h264"))], "once, and nobody else");
    assert_eq!(counted(&world), Some(1));
    world.go_live(0, Camera::simple());
    world.run(Duration::from_secs(4));
    assert_eq!(told(&world)[1..], [(peer, None)]);
    assert_eq!(counted(&world), Some(0));
}

#[test]
fn every_viewer_is_counted_by_its_layer_and_told_one_by_one() {
    let mut world = World::new(230, 2);
    world.go_live(0, Camera::simulcast());
    let (free, small) = (world.watch(0), world.watch(1));
    let limit = LayerLimit {
        rid: Label::new(b"r0"),
        ..LayerLimit::default()
    };
    world.set_limit(small, limit);
    let largest = |world: &World| {
        world.viewers[free]
            .screen
            .shown
            .last()
            .map(|shown| shown.stamp.layer)
    };
    world.run_until(Duration::from_secs(15), "the large layer", |world| {
        largest(world) == Some(2)
    });
    world.run(Duration::from_secs(3));
    let told: Vec<u32> = world
        .events
        .iter()
        .rev()
        .filter_map(|(_, event)| match event {
            Event::Audience { layers, .. } => Some(layers.iter().map(|(_, viewers)| viewers).sum()),
            _ => None,
        })
        .take(2)
        .collect();
    assert_eq!(told, [1, 1], "each shard tells of its own");
    let stats = [world.shards[0].stats(), world.shards[1].stats()];
    assert_eq!(
        stats.map(|stats| (stats.viewers_best, stats.viewers_lower, stats.viewers_without)),
        [(1, 0, 0), (0, 1, 0)]
    );
    for (shard, size, reason) in [
        (0, (1280, 720), LayerReason::Best),
        (1, (320, 180), LayerReason::Pinned),
    ] {
        let (viewers, count) = world.shards[shard].viewers(world.now, ROOM, 10);
        assert_eq!((viewers.len(), count), (1, 1));
        let layer = viewers[0].layer.unwrap();
        assert_eq!((layer.size, viewers[0].reason), (Some(size), reason));
        assert!(layer.bitrate > 100_000 && viewers[0].estimate > layer.bitrate);
        assert!(
            (ms(38)..ms(60)).contains(&viewers[0].round_trip),
            "{:?}",
            viewers[0].round_trip
        );
        assert!(viewers[0].connected.unwrap() > ms(80) && viewers[0].pictured.unwrap() < ms(200));
        assert_eq!(
            world.shards[shard].viewers(world.now, ROOM, 0).1,
            1,
            "counted, not told"
        );
    }
}
