//! A neighbour who does all it can, and a viewer of the same room who must not notice.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use rtc_rtcp::packet::Packet;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};
use sfu::sdp::{Direction, Offer};
use sfu::shard::{OpenError, PeerId, ShardStats};
use sfu::transport::Remote;

use super::channels::three_channels;
use super::host::Camera;
use super::screen::Stamp;
use super::world::{ROOM, World, credentials, ms};

const OFFER: &str = include_str!("../offers/chromium-play.sdp");

/// How long the neighbour keeps at it, with something new every millisecond.
const MISCHIEF: u64 = 3000;

/// What the honest viewer saw, and what it cost.
struct Evening {
    seen: Vec<(Duration, Stamp)>,
    sounds: usize,
    work: ShardStats,
}

/// As OBS sends: what its viewers ask for changes nothing.
fn camera() -> Camera {
    Camera {
        obeys: false,
        ..Camera::simple()
    }
}

/// An evening beside a neighbour.
fn evening(mut mischief: impl FnMut(&mut World, usize)) -> Evening {
    let mut world = World::new(400, 1);
    world.go_live(0, camera());
    let neighbour = world.watch_with(0, three_channels);
    let honest = world.watch_with(0, three_channels);
    let from = world.now + Duration::from_secs(3);
    world.run(Duration::from_secs(3));
    let before = world.shards[0].stats();
    for _ in 0..MISCHIEF {
        mischief(&mut world, neighbour);
        world.run(ms(1));
    }
    let after = world.shards[0].stats();
    world.run(ms(100));
    let viewer = &world.viewers[honest];
    viewer.assert_seamless();
    assert_eq!((viewer.asked, viewer.screen.holes), (0, 0));
    let shown = viewer.shown_since(from);
    Evening {
        seen: shown.map(|shown| (shown.at - from, shown.stamp)).collect(),
        sounds: viewer.speaker.packets,
        work: difference(after, before),
    }
}

/// What the mischief was answered with.
fn difference(after: ShardStats, before: ShardStats) -> ShardStats {
    let mut work = after;
    work.datagrams_out -= before.datagrams_out;
    work.bytes_out -= before.bytes_out;
    work.datagrams_refused -= before.datagrams_refused;
    work.datagrams_rejected -= before.datagrams_rejected;
    work.playback.retransmitted -= before.playback.retransmitted;
    work
}

/// The honest viewer sees and hears the same at the same times as beside a quiet neighbour. Returns what the two
/// evenings cost, the quiet one first.
#[track_caller]
fn assert_unnoticed(mischief: impl FnMut(&mut World, usize)) -> (ShardStats, ShardStats) {
    let (quiet, noisy) = (evening(|_, _| {}), evening(mischief));
    assert!(quiet.seen.len() > 85, "{} frames", quiet.seen.len());
    assert!(quiet.seen == noisy.seen, "other frames, or at other times");
    assert_eq!(quiet.sounds, noisy.sounds);
    (quiet.work, noisy.work)
}

fn remote(address: SocketAddr) -> Remote {
    Remote::Udp {
        peer: address,
        local: Some([10, 0, 0, 1].into()),
    }
}

fn handle(world: &mut World, from: SocketAddr, datagram: &mut [u8]) {
    let now: Instant = world.now;
    world.shards[0].handle_datagram(now, remote(from), datagram);
}

fn random_bytes(random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(0..200)];
    random.fill_bytes(&mut bytes);
    bytes
}

#[test]
fn noise() {
    let mut random = SmallRng::seed_from_u64(1);
    let (_, work) = assert_unnoticed(|world, neighbour| {
        let known = world.viewers[neighbour].client.address;
        for number in 0..20 {
            let stranger = SocketAddr::from(([10, 9, 0, number], 999));
            for from in [known, stranger] {
                handle(world, from, &mut random_bytes(&mut random));
            }
        }
    });
    // Of the neighbour's, a thousand a second are looked at and a burst of five hundred.
    assert!(work.datagrams_refused > 20 * MISCHIEF - 4000, "{work:?}");
    assert!(work.datagrams_rejected > 20 * MISCHIEF, "{work:?}");
}

/// A binding request in somebody's name with a MESSAGE-INTEGRITY that is not.
fn forged_check(ufrag: &str) -> Vec<u8> {
    let username = format!("{ufrag}:abcd");
    let padded = username.len().next_multiple_of(4);
    let mut check = vec![0, 1];
    check.extend((4 + padded as u16 + 24).to_be_bytes());
    check.extend([0x21, 0x12, 0xa4, 0x42]);
    check.extend([7; 12]);
    check.extend([0, 6]);
    check.extend((username.len() as u16).to_be_bytes());
    check.extend(username.bytes());
    check.resize(20 + 4 + padded, 0);
    check.extend([0, 8, 0, 20]);
    check.extend([9; 20]);
    check
}

#[test]
fn checks_in_the_names_of_others() {
    let (quiet, work) = assert_unnoticed(|world, neighbour| {
        let names: Vec<String> = world
            .viewers
            .iter()
            .map(|viewer| format!("ufrag{:011}", viewer.client.peer.0))
            .collect();
        for number in 0..20 {
            let from = SocketAddr::from(([10, 9, 0, number], 999));
            for name in &names {
                handle(world, from, &mut forged_check(name));
            }
        }
        let _ = neighbour;
    });
    // A hundred a second for each of two names, and as many at once.
    assert!(work.datagrams_refused > 40 * MISCHIEF - 900, "{work:?}");
    assert_eq!(work.datagrams_out, quiet.datagrams_out, "nobody is answered");
}

fn write_rtcp(world: &mut World, viewer: usize, packets: Vec<Box<dyn Packet>>) {
    let now = world.now;
    let connection = &mut world.viewers[viewer].client.connection;
    let receiver = connection.get_receivers().last().unwrap();
    connection
        .rtp_receiver(receiver)
        .unwrap()
        .write_rtcp(now, packets)
        .unwrap();
}

#[test]
fn nacks_for_everything_at_every_moment() {
    let mut base = 0_u16;
    let (quiet, work) = assert_unnoticed(|world, neighbour| {
        let media_ssrc = world.viewers[neighbour].picture_ssrc().unwrap();
        base = base.wrapping_add(17 * 64);
        let nacks = (0..64).map(|pair| NackPair {
            packet_id: base.wrapping_add(pair * 17),
            lost_packets: 0xffff,
        });
        let nack = TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc,
            nacks: nacks.collect(),
        };
        write_rtcp(world, neighbour, vec![Box::new(nack)]);
    });
    let extra = work.bytes_out - quiet.bytes_out;
    // Half of what its line carries, which is taken to be 3 Mbit/s, and what is allowed at once.
    assert!(extra < 3 * 3_000_000 / 16 + (128 << 10), "{extra} bytes");
}

#[test]
fn keyframes_wanted_all_the_time() {
    let (quiet, work) = assert_unnoticed(|world, neighbour| {
        let media_ssrc = world.viewers[neighbour].picture_ssrc().unwrap();
        let request = PictureLossIndication {
            sender_ssrc: 1,
            media_ssrc,
        };
        write_rtcp(world, neighbour, vec![Box::new(request)]);
    });
    // Each would be a whole group of pictures, two seconds of a megabit.
    let extra = work.bytes_out - quiet.bytes_out;
    assert!(extra < 3 * 250_000, "{extra} bytes");
}

#[test]
fn messages_without_end() {
    // Each fills a datagram.
    let spam = "spam".repeat(250);
    let (_, work) = assert_unnoticed(|world, neighbour| {
        let now = world.now;
        for _ in 0..4 {
            world.viewers[neighbour].client.say(now, "chat", &spam);
        }
    });
    // Two hundred pieces of messages a second are taken, and 256 at once; its own SCTP takes the rest for lost.
    let most = MISCHIEF / 5 + 256;
    assert!((500..=most + 10).contains(&work.messages_in), "{work:?}");
    assert!(work.datagrams_rejected > 0, "{work:?}");
}

#[test]
fn coming_and_going_all_the_time() {
    let (mut step, mut gone) = (0, Vec::new());
    let (_, work) = assert_unnoticed(|world, _| {
        step += 1;
        if step % 20 == 0 {
            world.watch(0);
        }
        // Some leave before they have said anything, some while they connect, and some when they have begun to watch.
        let stay = if step == MISCHIEF { 0 } else { step / 100 };
        while world.viewers.len() as u64 > 2 + stay {
            let client = world.viewers.remove(2).client;
            gone.push((client.address, client.is_connected()));
            world.close(0, client.peer);
        }
        if step == MISCHIEF {
            assert_strangers(world, &gone);
        }
    });
    let connected = gone.iter().filter(|(_, connected)| *connected).count();
    assert_eq!(gone.len() as u64, MISCHIEF / 20);
    assert!((15..130).contains(&connected), "{connected}");
    assert_eq!(work.viewers, 2);
}

/// Nothing of those who are gone is left: what comes from their addresses is nobody's.
#[track_caller]
fn assert_strangers(world: &mut World, gone: &[(SocketAddr, bool)]) {
    let before = world.shards[0].stats().datagrams_rejected;
    for &(address, _) in gone {
        handle(world, address, &mut [0x80; 40]);
    }
    let rejected = world.shards[0].stats().datagrams_rejected - before;
    assert_eq!(rejected, gone.len() as u64);
}

#[test]
fn a_crowd_at_the_door_waits_for_its_turn() {
    let mut world = World::new(410, 1);
    world.go_live(0, camera());
    let honest = world.watch(0);
    let from = world.run(Duration::from_secs(3));
    let crowd: Vec<usize> = (0..90).map(|_| world.watch(0)).collect();
    // Less than until the first repetition of a hello.
    world.run(ms(900));
    let stats = world.shards[0].stats();
    assert!(stats.handshakes_delayed > 0 && stats.handshakes_refused == 0);
    let inside = crowd
        .iter()
        .filter(|&&viewer| world.viewers[viewer].client.is_connected());
    assert_eq!(
        inside.count(),
        crowd.len(),
        "whoever was put off comes in a moment later"
    );
    let honest = &world.viewers[honest];
    honest.assert_seamless();
    assert!(honest.longest_freeze(from + ms(500), world.now) < ms(100));
}

#[test]
fn sessions_that_never_go_on_shut_nobody_out() {
    let mut world = World::new(411, 1);
    world.go_live(0, camera());
    let honest = world.watch(0);
    world.run(Duration::from_secs(1));
    // All places but one are taken by those who ask and never come.
    let ask = |world: &mut World, number: u64| {
        let offer = Offer::parse(OFFER, Direction::Play, number).unwrap();
        let ice = credentials(10_000 + number);
        world.shards[0].open_viewer(world.now, PeerId(10_000 + number), ROOM.into(), offer, ice)
    };
    let taken = (0..200)
        .take_while(|number| ask(&mut world, *number).is_ok())
        .count();
    assert_eq!(taken, 98);
    world.run(Duration::from_secs(4));
    assert_eq!(
        ask(&mut world, 300),
        Err(OpenError::Full),
        "they may only be slow"
    );
    world.run(Duration::from_secs(1));
    let late = world.watch(0);
    world.run(Duration::from_secs(1));
    assert!(world.viewers[late].shown_since(world.begin).count() > 10);
    world.viewers[honest].assert_seamless();
    let stats = world.shards[0].stats();
    assert_eq!(stats.viewers, 99);
    world.run(Duration::from_secs(30));
    assert_eq!(world.shards[0].stats().viewers, 2, "the others end by themselves");
}
