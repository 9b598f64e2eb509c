//! Messages on the data channels of a viewer's own connection.

use std::time::Duration;

use rtc::data_channel::RTCDataChannelInit;
use sfu::backlog::Urgency;
use sfu::shard::Event;

use super::client::Client;
use super::host::Camera;
use super::network::Line;
use super::world::{World, ms};

pub(crate) fn three_channels(client: &mut Client) {
    client.open_channel("shop", None);
    client.open_channel(
        "live",
        Some(RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            ..Default::default()
        }),
    );
    client.open_channel("chat", None);
}

pub(crate) fn opened(world: &World) -> usize {
    let opened = world
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::ChannelOpen { .. }));
    opened.count()
}

#[test]
fn messages_pass_in_both_directions_beside_the_picture() {
    let mut world = World::new(300, 1);
    world.go_live(0, Camera::simple());
    let viewer = world.watch_with(0, three_channels);
    world.run_until(Duration::from_secs(3), "three channels", |world| {
        opened(world) == 3 && world.viewers[viewer].client.open.len() == 3
    });
    let now = world.now;
    world.viewers[viewer].client.say(now, "shop", "a buy");
    assert!(world.send(viewer, "shop", "a receipt"));
    assert!(world.send(viewer, "live", "stock"));
    world.run(ms(200));
    let came = world.events.iter().any(|(_, event)| {
        matches!(event, Event::Message { message, .. } if &*message.channel == "shop" && message.data == "a buy")
    });
    assert!(came);
    let mut messages = world.viewers[viewer].client.messages.clone();
    messages.sort();
    let text = |label: &str, text: &str| (label.to_owned(), text.to_owned());
    assert_eq!(messages, [text("live", "stock"), text("shop", "a receipt")]);
    world.run(Duration::from_secs(2));
    world.viewers[viewer].assert_seamless();
}

#[test]
fn messages_to_everybody_ride_behind_the_picture_and_never_wait_long() {
    let mut world = World::new(330, 1);
    let host = world.go_live(0, Camera::simple());
    let viewers = [
        world.watch_with(0, three_channels),
        world.watch_with(0, three_channels),
    ];
    world.run_until(Duration::from_secs(3), "six channels", |world| opened(world) == 6);
    world.run(Duration::from_secs(2));
    let tell = |world: &mut World, count: usize| {
        for number in 0..count {
            world.broadcast("live", &format!("{number}"), Urgency::Passing);
            world.run(ms(2));
            world.broadcast("live", "and another", Urgency::Passing);
            // At all moments between two pictures.
            world.run(ms(55));
        }
        viewers.map(|viewer| std::mem::take(&mut world.viewers[viewer].client.messages).len())
    };
    assert_eq!(tell(&mut world, 40), [80, 80]);
    // The others came with a picture whose last packet is short: that one ends its run.
    assert!(world.riders > 60, "{} of 80 ride", world.riders);

    // With nothing to ride behind they leave at once: 20 ms is the line.
    let peer = world.hosts[host].client.peer;
    world.close(0, peer);
    world.run(Duration::from_secs(3));
    world.broadcast("chat", "is it over?", Urgency::Talk);
    world.run(ms(21));
    assert!(
        viewers
            .iter()
            .all(|&viewer| world.viewers[viewer].client.messages.len() == 1)
    );
}

#[test]
fn a_lossy_line_delays_messages_and_loses_none() {
    let mut world = World::new(310, 1);
    let viewer = world.watch_with(0, three_channels);
    world.run_until(Duration::from_secs(3), "three channels", |world| {
        opened(world) == 3 && world.viewers[viewer].client.open.len() == 3
    });
    let client = &mut world.viewers[viewer].client;
    (client.up, client.down) = (Line::losing(0.1), Line::losing(0.1));
    for number in 0..100 {
        assert!(world.send(viewer, "shop", &format!("{number:03}")));
        let now = world.now;
        world.viewers[viewer]
            .client
            .say(now, "chat", &format!("{number:03}"));
        world.run(ms(50));
    }
    world.run(Duration::from_secs(5));
    let expected: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    let down: Vec<&str> = world.viewers[viewer]
        .client
        .messages
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(down, expected);
    let up: Vec<String> = world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Message { message, .. } => Some(String::from_utf8_lossy(&message.data).into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(up, expected);
}

#[test]
fn a_viewer_who_stops_reading_is_refused_messages_and_disturbs_nobody() {
    let mut world = World::new(320, 1);
    world.go_live(0, Camera::simple());
    let (deaf, other) = (
        world.watch_with(0, three_channels),
        world.watch_with(0, three_channels),
    );
    world.run_until(Duration::from_secs(3), "six channels", |world| opened(world) == 6);
    let client = &mut world.viewers[deaf].client;
    (client.up, client.down) = (Line::cut(), Line::cut());
    let text = "x".repeat(4000);
    let taken = (0..200).filter(|_| world.send(deaf, "shop", &text)).count();
    assert!((10..150).contains(&taken), "{taken} messages of 4 kB taken");
    assert!(world.send(other, "shop", "hello"));
    let from = world.run(Duration::from_secs(3));
    let other = &world.viewers[other];
    other.assert_seamless();
    assert_eq!(other.client.messages.len(), 1);
    assert!(other.longest_freeze(from, world.now) < ms(150));
}
