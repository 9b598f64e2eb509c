//! What everybody in a talkative room is told leaves together, and nobody's order suffers.

use std::time::Duration;

use sfu::backlog::Urgency;

use super::channels::{opened, three_channels};
use super::host::Camera;
use super::world::{World, ms};

/// To send a message to so many takes a third of a millisecond, before anything else is known.
const CROWD: usize = 20;
/// Twenty times that.
const INTERVAL: Duration = Duration::from_millis(6);
/// A line, and the half of a millisecond by which timers may be late.
const LINE: Duration = Duration::from_millis(21);

fn crowd(seed: u64) -> World {
    crowd_of(CROWD, seed)
}

/// Viewers whom nothing is shown, with their channels open.
fn crowd_of(count: usize, seed: u64) -> World {
    let mut world = World::new(seed, 1);
    for _ in 0..count {
        world.watch_with(0, three_channels);
    }
    world.run_until(Duration::from_secs(3), "channels", |world| {
        opened(world) == 3 * count
    });
    world.run(ms(500));
    world
}

fn heard(world: &World, viewer: usize) -> Vec<&str> {
    let messages = world.viewers[viewer].client.messages.iter();
    messages.map(|(_, text)| text.as_str()).collect()
}

#[test]
fn what_follows_soon_leaves_together_and_waits_no_longer_than_it_must() {
    let mut world = crowd(360);
    let before = world.runs;
    for number in 0..120 {
        world.broadcast("chat", &format!("{number:03}"), Urgency::Talk);
        world.run(ms(1));
        let least = (number + 1_usize).saturating_sub((INTERVAL + LINE).as_millis() as usize);
        assert!(heard(&world, CROWD - 1).len() >= least, "{number}");
    }
    world.run(INTERVAL + LINE);
    for viewer in 0..CROWD {
        let heard = heard(&world, viewer);
        assert!(heard.len() == 120 && heard.is_sorted(), "{heard:?}");
    }
    let times = (world.runs - before) / CROWD;
    assert!((18..=22).contains(&times), "{times} times in 120 ms");
}

#[test]
fn what_is_said_now_and_then_leaves_at_once() {
    let mut world = crowd(361);
    for number in 1..=5 {
        world.broadcast("chat", "hello", Urgency::Talk);
        world.run(LINE);
        assert!((0..CROWD).all(|viewer| heard(&world, viewer).len() == number));
    }
}

#[test]
fn what_is_a_viewers_own_leaves_at_once_and_behind_what_was_said_before() {
    let mut world = crowd(362);
    world.broadcast("shop", "one", Urgency::State);
    world.run(ms(1));
    world.broadcast("shop", "two", Urgency::State);
    assert!(world.send_as(3, "shop", "a receipt", Urgency::Answer));
    world.broadcast("shop", "three", Urgency::State);
    world.run(LINE - ms(1));
    assert_eq!(heard(&world, 3), ["one", "two", "a receipt"]);
    assert_eq!(heard(&world, 4), ["one"]);
    world.run(INTERVAL);
    assert_eq!(heard(&world, 3), ["one", "two", "a receipt", "three"]);
    assert_eq!(heard(&world, 4), ["one", "two", "three"]);
}

#[test]
fn a_viewer_gets_what_is_said_while_it_listens_and_nothing_else() {
    let mut world = crowd(363);
    let peer = world.viewers[3].client.peer;
    world.broadcast("chat", "one", Urgency::Talk);
    world.run(ms(1));
    world.broadcast("chat", "two", Urgency::Talk);
    world.shards[0].listen(peer, false);
    world.broadcast("chat", "three", Urgency::Talk);
    world.shards[0].listen(peer, true);
    world.broadcast("chat", "four", Urgency::Talk);
    let late = world.watch_with(0, three_channels);
    world.run(INTERVAL + LINE);
    assert_eq!(heard(&world, 3), ["one", "two", "four"]);
    assert_eq!(heard(&world, 4), ["one", "two", "three", "four"]);
    world.run_until(Duration::from_secs(3), "channels", |world| {
        opened(world) == 3 * CROWD + 3
    });
    world.run(ms(200));
    world.broadcast("chat", "five", Urgency::Talk);
    world.run(LINE);
    assert_eq!(heard(&world, late), ["five"]);
}

#[test]
fn more_than_may_wait_does_not() {
    let mut world = crowd(364);
    let text = |number: usize| format!("{number:02}{}", "x".repeat(3000));
    let before = world.runs;
    (0..12).for_each(|number| world.broadcast("chat", &text(number), Urgency::Talk));
    world.run(ms(1));
    (12..24).for_each(|number| world.broadcast("chat", &text(number), Urgency::Talk));
    // Each of the first twelve is three datagrams, and SCTP begins with some.
    world.run(ms(500));
    assert!(world.runs > before);
    for viewer in 0..CROWD {
        let heard = heard(&world, viewer);
        assert!(heard.len() == 24 && heard.is_sorted(), "{}", heard.len());
    }
}

#[test]
fn hosts_are_told_once_and_at_once() {
    let mut world = World::new(365, 1);
    let host = world.go_live_with(0, Camera::simple(), three_channels);
    for _ in 0..3 {
        world.watch_with(0, three_channels);
    }
    world.run_until(Duration::from_secs(3), "channels", |world| opened(world) == 12);
    world.run(ms(500));
    for count in 1..=3 {
        world.broadcast("chat", "hello", Urgency::Talk);
        assert!(world.send_to_host(host, "chat", "you"));
        world.run(LINE);
        assert_eq!(world.hosts[host].client.messages.len(), 2 * count);
    }
    world.run(ms(100));
    assert!((0..3).all(|viewer| heard(&world, viewer).len() == 3));
    assert_eq!(world.hosts[host].client.messages.len(), 6);
}

#[test]
fn what_many_viewers_are_sent_one_by_one_leaves_in_turns() {
    const MANY: usize = 2 * CROWD;
    let mut world = crowd_of(MANY, 366);
    for _ in 0..10 {
        world.broadcast("chat", "hello", Urgency::Talk);
        world.run(ms(50));
    }
    // It seems to take the thread the most that is believed for a packet, and a turn has time for 25 of these.
    world.shards[0].set_load(0.5, Duration::from_secs(100));
    assert!((0..MANY).all(|viewer| world.send(viewer, "shop", "yours")));
    let (now, shard) = (world.now, &mut world.shards[0]);
    let mut sent = Vec::new();
    for is_rest in [true, false] {
        shard.flush_through(now, &mut |_| {});
        sent.push(shard.outbox().runs().count());
        shard.outbox().clear();
        assert_eq!(shard.poll_timeout() == Some(now), is_rest);
    }
    assert_eq!(sent, [25, MANY - 25]);
}

#[test]
fn what_waits_for_the_window_leaves_with_the_acknowledgement() {
    let mut world = crowd_of(1, 367);
    let long = "x".repeat(15_000);
    for _ in 0..3 {
        assert!(world.send(0, "shop", &long));
        // Four round trips of a window that doubles, and no timeout among them.
        world.run(4 * 2 * ms(20));
        assert_eq!(heard(&world, 0).pop().map(str::len), Some(long.len()));
        world.viewers[0].client.messages.clear();
    }
}
