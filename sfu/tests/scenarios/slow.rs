//! Messages to a viewer whose line is too slow for them.

use std::time::Duration;

use sfu::backlog::Urgency;
use sfu::playback::ClockMap;
use sfu::shard::Event;

use super::channels::{opened, three_channels};
use super::host::Camera;
use super::network::Line;
use super::world::{World, ms};

/// A viewer with its channels open.
fn connected(seed: u64) -> (World, usize) {
    let mut world = World::new(seed, 1);
    let viewer = world.watch_with(0, three_channels);
    world.run_until(Duration::from_secs(3), "three channels", |world| {
        opened(world) == 3
    });
    world.run(ms(500));
    (world, viewer)
}

fn cut(world: &mut World, viewer: usize) {
    let client = &mut world.viewers[viewer].client;
    (client.up, client.down) = (Line::cut(), Line::cut());
}

fn mend(world: &mut World, viewer: usize) {
    let client = &mut world.viewers[viewer].client;
    (client.up, client.down) = (Line::good(), Line::good());
}

fn texts(world: &World, viewer: usize) -> Vec<String> {
    let messages = world.viewers[viewer].client.messages.iter();
    messages
        .map(|(_, text)| text[..text.len().min(7)].to_owned())
        .collect()
}

fn kilobyte(number: usize) -> String {
    format!("{number:07}{}", "x".repeat(1000))
}

#[test]
fn a_receipt_overtakes_what_waits_for_a_clogged_line() {
    let (mut world, viewer) = connected(340);
    cut(&mut world, viewer);
    for number in 0..60 {
        assert!(world.send_as(viewer, "chat", &kilobyte(number), Urgency::Talk));
    }
    assert!(world.send_as(viewer, "shop", "receipt", Urgency::Answer));
    world.run(Duration::from_secs(1));
    mend(&mut world, viewer);
    world.run(Duration::from_secs(10));
    let mut came = texts(&world, viewer);
    assert_eq!(came.len(), 61);
    let at = came.iter().position(|text| text == "receipt").unwrap();
    assert!(at <= 17, "behind {at} of 60");
    came.remove(at);
    assert!(came.is_sorted(), "{came:?}");
}

#[test]
fn who_falls_behind_is_named_once_listens_no_more_and_catches_up() {
    let (mut world, viewer) = connected(341);
    let peer = world.viewers[viewer].client.peer;
    cut(&mut world, viewer);
    let taken = (0..400).filter(|number| world.send_as(viewer, "chat", &kilobyte(*number), Urgency::Talk));
    assert_eq!(taken.count(), 16 + 227, "what SCTP takes at once, and what waits");
    assert!(world.send_as(viewer, "shop", "receipt", Urgency::Answer));
    world.run(ms(100));
    let named = |world: &World, wanted: &Event| {
        let same = |(_, event): &&_| {
            matches!((event, wanted),
            (Event::Behind { peer: a }, Event::Behind { peer: b }) | (Event::CaughtUp { peer: a }, Event::CaughtUp { peer: b }) if a == b)
        };
        world.events.iter().filter(same).count()
    };
    assert_eq!(named(&world, &Event::Behind { peer }), 1);
    world.broadcast("chat", "not for it", Urgency::Talk);
    mend(&mut world, viewer);
    world.run(Duration::from_secs(8));
    assert_eq!(named(&world, &Event::CaughtUp { peer }), 1);
    let came = texts(&world, viewer);
    assert_eq!(came.last().map(String::as_str), Some("receipt"));
    assert_eq!(came.len(), 17, "what SCTP had, and the answer");
    world.broadcast("chat", "not for it either", Urgency::Talk);
    world.shards[0].listen(peer, true);
    world.broadcast("chat", "welcome", Urgency::Talk);
    world.run(ms(200));
    assert_eq!(texts(&world, viewer).split_off(17), ["welcome"]);
}

#[test]
fn a_viewer_is_told_what_its_picture_clock_means() {
    let mut world = World::new(342, 1);
    world.go_live(0, Camera::simple());
    let viewer = world.watch(0);
    world.run(Duration::from_secs(15));
    let peer = world.viewers[viewer].client.peer;
    let maps: Vec<ClockMap> = world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::ClockMap { peer: of, map } if *of == peer => Some(*map),
            _ => None,
        })
        .collect();
    let (first, last) = (maps[0], *maps.last().unwrap());
    assert!(maps.len() <= 6, "only news: {}", maps.len());
    assert!(
        last.at - first.at >= Duration::from_secs(9),
        "and now and then again"
    );
    // One line: the later point is where the earlier one leads.
    let ticks = (last.at - first.at).as_millis() as u32 * 90;
    let off = last.rtp.wrapping_sub(first.rtp.wrapping_add(ticks)) as i32;
    assert!(off.unsigned_abs() < 90 * 50, "{off} ticks");
}
