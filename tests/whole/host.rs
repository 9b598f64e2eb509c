//! A publisher with a right and keys of its own who does all that RTP lets it, on the whole binary, while others watch
//! another room and somebody watches its own.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use reqwest::StatusCode;

use super::keyed::{Keyed, Wish};
use super::peer::Party;
use super::server::Server;
use super::viewer::Viewer;

/// How long it keeps at it, and packets a millisecond.
const MISCHIEF: Duration = Duration::from_secs(3);
const PER_MS: usize = 20;
/// A picture that pauses longer would be seen to stand still, even on a machine with other work.
const PAUSE: Duration = Duration::from_secs(3);
/// Bytes that the server may have more meanwhile: a history of six megabytes on each of two shards, and what is on its
/// way to viewers.
const MEMORY: usize = 24 << 20;

/// Payload types of Chromium's offer.
const OPUS: u8 = 111;
const RED: u8 = 63;
const VP8: u8 = 96;
const RTX: u8 = 97;
const VIDEO: [u8; 11] = [96, 97, 102, 104, 108, 114, 116, 39, 45, 98, 100];
/// What the offer names for the picture, its repairs and the sound.
const SSRCS: [u32; 3] = [2_737_457_687, 2_476_594_045, 3_259_242_839];
/// Ids of its header extensions.
const MID: u8 = 4;
const EXTENSIONS: u8 = 14;

struct Host {
    keyed: Keyed,
    step: u32,
    sequence: u16,
    timestamp: u32,
}

impl Host {
    /// A packet with its next number.
    fn send(&mut self, kind: u8, ssrc: u32, payload: &[u8]) {
        self.send_with(kind, ssrc, &[], payload);
    }

    /// The same with extensions of one byte each (RFC 8285 §4.2).
    fn send_with(&mut self, kind: u8, ssrc: u32, extensions: &[u8], payload: &[u8]) {
        let mut header = vec![if extensions.is_empty() { 0x80 } else { 0x90 }, kind];
        header.extend(self.sequence.to_be_bytes());
        header.extend(self.timestamp.to_be_bytes());
        header.extend(ssrc.to_be_bytes());
        if !extensions.is_empty() {
            let padded = extensions.len().next_multiple_of(4);
            header.extend([0xbe, 0xde]);
            header.extend(((padded / 4) as u16).to_be_bytes());
            header.extend(extensions);
            header.resize(16 + padded, 0);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.step += 1;
        self.keyed.send(&header, payload);
    }

    fn anything(&mut self, most: usize) -> Vec<u8> {
        self.keyed.random_bytes(most)
    }
}

/// The first packet of a keyframe of VP8 (RFC 7741 §4.2, RFC 6386 §9.1), and a later one.
const FIRST: [u8; 11] = [0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0];
const LATER: [u8; 2] = [0, 0];
const MARKER: u8 = 0x80;

fn keyframes(host: &mut Host) {
    host.timestamp = host.timestamp.wrapping_add(90);
    host.send(VP8 | MARKER, SSRCS[0], &FIRST);
}

fn large_keyframes(host: &mut Host) {
    let first = host.step.is_multiple_of(4000);
    if first {
        host.timestamp = host.timestamp.wrapping_add(3000);
    }
    let payload = [&FIRST[..], &[7; 1100]].concat();
    host.send(VP8, SSRCS[0], if first { &payload } else { &payload[9..] });
}

fn a_picture_without_end(host: &mut Host) {
    let payload: &[u8] = if host.step == 0 { &FIRST } else { &LATER };
    host.send(VP8, SSRCS[0], payload);
}

fn a_group_without_end(host: &mut Host) {
    host.timestamp = host.timestamp.wrapping_add(90);
    let payload: &[u8] = if host.step == 0 { &FIRST } else { &[0x10, 1, 0] };
    host.send(VP8 | MARKER, SSRCS[0], payload);
}

fn holes(host: &mut Host) {
    host.sequence = host.sequence.wrapping_add(990);
    keyframes(host);
}

fn restarts(host: &mut Host) {
    if host.step.is_multiple_of(2) {
        host.sequence = host.sequence.wrapping_add(20_000);
    }
    keyframes(host);
}

fn disorder(host: &mut Host) {
    let number = host.sequence;
    host.sequence = number.wrapping_sub(host.keyed.random.random_range(0..900));
    keyframes(host);
    host.sequence = number.wrapping_add(1);
}

fn times_that_jump(host: &mut Host) {
    host.timestamp = host.keyed.random.random();
    keyframes(host);
}

fn streams_without_number(host: &mut Host) {
    let ssrc = host.step % 12;
    let mid = [MID << 4, b'0' + (host.step % 3) as u8];
    host.timestamp = host.timestamp.wrapping_add(90);
    host.send_with(VP8 | MARKER, ssrc, &mid, &FIRST);
}

fn extensions_of_anything(host: &mut Host) {
    let mut extensions = Vec::new();
    while extensions.len() < 60 {
        let len = host.keyed.random.random_range(1..=16);
        extensions.push(host.keyed.random.random_range(1..=EXTENSIONS) << 4 | (len - 1));
        let mut value = vec![0; usize::from(len)];
        host.keyed.random.fill_bytes(&mut value);
        extensions.extend(value);
    }
    host.timestamp = host.timestamp.wrapping_add(90);
    host.send_with(VP8 | MARKER, SSRCS[0], &extensions, &FIRST);
}

fn pictures_of_anything(host: &mut Host) {
    let kind = VIDEO[host.keyed.random.random_range(0..VIDEO.len())];
    let payload = host.anything(200);
    host.timestamp = host
        .timestamp
        .wrapping_add(host.keyed.random.random_range(0..2) * 3000);
    let marker = host.keyed.random.random_range(0..2) * MARKER;
    host.send(kind | marker, SSRCS[0], &payload);
}

fn repairs_of_anything(host: &mut Host) {
    let payload = host.anything(100);
    host.send(RTX, SSRCS[1], &payload);
}

fn sound_of_anything(host: &mut Host) {
    let payload = host.anything(100);
    let kind = [OPUS, RED][host.step as usize % 2];
    host.timestamp = host.timestamp.wrapping_add(960);
    host.send(kind, SSRCS[2], &payload);
}

fn reports_of_anything(host: &mut Host) {
    let ssrc = SSRCS[host.step as usize % 3];
    let mut words = ssrc.to_be_bytes().to_vec();
    words.extend(host.anything(24));
    words.resize(24, 0xff);
    let mut report = vec![0x80, 200];
    report.extend(((words.len() / 4) as u16).to_be_bytes());
    report.extend(words);
    host.keyed.report(&report);
    keyframes(host);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_who_does_all_it_can_disturbs_nobody_in_another_room() {
    let server = Server::start(&[]);
    server.on_air().await;
    let viewer = Viewer::watch(&server).await;
    let token = server.token_for("publish");
    let party = Party::new();
    let room = "market";
    let mut number = 0;
    for (what, mischief) in [
        ("keyframes", keyframes as fn(&mut Host)),
        ("large keyframes", large_keyframes),
        ("a picture without end", a_picture_without_end),
        ("a group without end", a_group_without_end),
        ("holes", holes),
        ("restarts", restarts),
        ("disorder", disorder),
        ("times", times_that_jump),
        ("streams", streams_without_number),
        ("extensions", extensions_of_anything),
        ("pictures", pictures_of_anything),
        ("repairs", repairs_of_anything),
        ("sound", sound_of_anything),
        ("reports", reports_of_anything),
    ] {
        let mut enter = async |wish| {
            number += 1;
            Keyed::enter_as(&server, &party, number, wish).await
        };
        let keyed = enter(Wish::Publish { room, token: &token }).await;
        let mut watching = [
            enter(Wish::Watch { room }).await,
            enter(Wish::Watch { room }).await,
        ];
        let mut host = Host {
            keyed,
            step: 0,
            sequence: 0,
            timestamp: 0,
        };
        let (memory, worked, began) = (server.memory(), server.worked(), Instant::now());
        let mut most = memory;
        while began.elapsed() < MISCHIEF {
            for _ in 0..PER_MS {
                mischief(&mut host);
            }
            host.keyed.read();
            watching.iter_mut().for_each(Keyed::read);
            most = most.max(server.memory());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let pause = viewer.longest_pause(began);
        let share = (server.worked() - worked).as_secs_f64() / began.elapsed().as_secs_f64();
        let told = format!(
            "{what}: {} packets, {pause:?}, {} KiB more, {share:.2} of a core",
            host.step,
            (most - memory) >> 10
        );
        println!("{told}");
        assert!(pause < PAUSE && most - memory < MEMORY, "{told}");
        host.keyed.goodbye();
    }
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
}

/// Packets of a group of pictures: of 6 Mbit/s with a keyframe every eight seconds, as of OBS, there are five thousand.
const GROUP: u32 = 5000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_viewers_of_every_media_thread_get_the_whole_group() {
    let server = Server::start(&["--no-demo"]);
    let (token, party, room) = (server.token_for("publish"), Party::new(), "market");
    let keyed = Keyed::enter_as(&server, &party, 1, Wish::Publish { room, token: &token }).await;
    let mut host = Host {
        keyed,
        step: 0,
        sequence: 0,
        timestamp: 0,
    };
    while host.step < GROUP {
        a_group_without_end(&mut host);
        host.keyed.read();
        if host.step.is_multiple_of(10) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for number in 2..6 {
        Keyed::enter_as(&server, &party, number, Wish::Watch { room }).await;
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        host.keyed.read();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.counter("vitrine_relay_media_dropped_total").await, 0.0);
    assert!(server.counter("vitrine_ingest_packets_total").await >= f64::from(GROUP * 9 / 10));
}
