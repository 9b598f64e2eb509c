//! Encoders that begin anew in the midst of a show, and publishers whose wall clock is none: what a viewer gets goes on.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::sync::Arc;
use std::time::Duration;

use rtp::show::{Anew, FRAME, Sent, Show};
use rtp::{MID_ID, Packet, RID_ID, RTX_PT, VIDEO_PT};
use sfu::media::{Encoding, MediaConfig, Publication, RtpPacket};
use sfu::playback::{Playback, PlaybackConfig};
use sfu::relay::Generation;

/// What the viewer gets under an SSRC: no number is left out, and no time stands or leaps.
fn check(show: &Show, ssrc: u32, longest: u32) {
    for pair in show.packets(ssrc).windows(2) {
        assert_eq!(pair[1].sequence(), pair[0].sequence().wrapping_add(1), "no hole");
        let step = pair[1].timestamp().wrapping_sub(pair[0].timestamp());
        assert!(step <= longest, "{ssrc:x}: a step of {step}");
    }
}

/// Eight seconds of a show whose encoder begins anew in the midst of them.
fn begins_anew(anew: Anew, keyframe: bool) -> Show {
    let mut show = Show::new();
    show.frames(25, 50);
    show.join();
    show.frames(75, 50);
    let before = (show.packets(0x1000).len(), show.packets(0x2000).len());
    show.anew = anew;
    if keyframe {
        show.frame(true);
    }
    show.frames(99, 1000);
    let (sound, picture) = (show.packets(0x1000), show.packets(0x2000));
    assert!(sound.len() - before.0 >= 195, "sound: {}", sound.len() - before.0);
    assert!(
        picture.len() - before.1 >= 390,
        "pictures: {}",
        picture.len() - before.1
    );
    check(&show, 0x1000, 48_000 / 10);
    check(&show, 0x2000, 90_000 / 10);
    show
}

#[test]
fn another_source_in_the_same_place_goes_on_where_the_one_before_was() {
    // Its numbers are ahead, behind, and just behind those before.
    for number in [20_000, 45_000, 0u16.wrapping_sub(400)] {
        let anew = Anew {
            number,
            timestamp: 0xc000_0000,
            ssrc: 0x100,
        };
        let show = begins_anew(anew, true);
        let layers = show.publication.tracks()[1].encodings.iter();
        assert!(layers.map(|layer| layer.epoch().numbers).eq([1, 1]));
    }
}

#[test]
fn numbers_that_leap_ahead_lose_nothing_of_the_picture_that_they_begin_with() {
    let anew = Anew {
        number: 30_000,
        ..Anew::default()
    };
    let mut show = begins_anew(anew, true);
    let stats = show.publication.stats();
    assert_eq!(
        (stats.packets, stats.dropped),
        (200 * 7, 0),
        "the first of each was taken"
    );
    assert!(
        show.publication
            .health(show.now)
            .iter()
            .all(|encoding| encoding.active)
    );
}

#[test]
fn a_clock_that_leaps_is_not_seen() {
    for timestamp in [
        10 * 90_000,
        0x7000_0000,
        0x9000_0000,
        0u32.wrapping_sub(10 * 90_000),
    ] {
        for ssrc in [0, 0x100] {
            let anew = Anew {
                timestamp,
                ssrc,
                ..Anew::default()
            };
            begins_anew(anew, ssrc > 0);
        }
    }
}

#[test]
fn what_a_source_sent_before_it_began_anew_comes_too_late() {
    let mut show = begins_anew(
        Anew {
            number: 45_000,
            timestamp: 0,
            ssrc: 0x100,
        },
        true,
    );
    let taken = show.publication.stats().packets;
    let late = |number: u16| {
        let packet = Packet::new(VIDEO_PT, number, 3600, 0xaa).extension(MID_ID, b"1");
        packet.extension(RID_ID, b"h").vp8(false).bytes()
    };
    show.publication.handle_rtp(show.now, &late(7));
    assert_eq!(show.publication.stats().packets, taken, "the new one is there");
    let later = show.now + Duration::from_secs(1);
    show.publication.handle_rtp(later, &late(8));
    assert_eq!(show.publication.stats().packets, taken + 1, "it is gone");
}

#[test]
fn a_replica_follows_an_encoder_that_begins_anew() {
    let mut show = Show::new();
    show.frames(10, 50);
    let media = show.publication.media().clone();
    let mut replica = Publication::replica(media, MediaConfig::default(), show.begin);
    show.publication.set_relaying(true);
    let mut all = show.publication.cached();
    for ssrc in [0, 0x100] {
        show.anew.number = show.anew.number.wrapping_add(30_000);
        show.anew.ssrc = ssrc;
        show.frame(true);
        show.frames(10, 1000);
        while let Some(item) = show.publication.poll_relayed() {
            all.push(item);
        }
    }
    all.into_iter().for_each(|item| replica.handle_relayed(item));
    assert_eq!(replica.stats().dropped, 0);
    for (here, there) in show.publication.tracks()[1]
        .encodings
        .iter()
        .zip(&replica.tracks()[1].encodings)
    {
        assert_eq!(here.epoch(), there.epoch());
        assert_eq!(here.epoch().numbers, 2);
        let kept = |encoding: &Encoding| encoding.history.end() - encoding.history.keyframe().unwrap();
        assert_eq!(kept(here), kept(there));
    }
}

#[test]
fn a_wall_clock_that_cannot_be_right_moves_nothing() {
    // What the clocks of the picture and of the sound show so many milliseconds after the beginning, and from which of their
    // reports on that must not be seen: one alone does not tell that it stands.
    type Clock = fn(u64) -> (u64, u64);
    let clocks: [(&str, usize, Clock); 5] = [
        ("the picture's has just begun", 0, |ms| {
            (ntp(0, ms), ntp(3_900_000_000, ms))
        }),
        ("both stand", 1, |_| (77, 77)),
        ("one stands", 0, |ms| (ntp(77, 0), ntp(3_900_000_000, ms))),
        ("both are far in the future", 0, |ms| {
            (ntp(4_200_000_000, ms), ntp(4_200_000_000, ms))
        }),
        ("one was set", 0, |ms| {
            (ntp(3_900_000_000, ms), ntp(3_899_999_993, ms))
        }),
    ];
    for (name, from, clock) in clocks {
        let mut show = Show::new();
        show.frames(25, 50);
        for step in 0..8 {
            let (frame, at) = (show.frames, step as u64 * 3000);
            show.report(0xaa, clock(at).0, frame * 3600 + 0xaa);
            show.report(0xbb, clock(at).0, frame * 3600 + 0xbb);
            // They do not come together.
            show.frames(12, 50);
            show.report(0xcc, clock(at + 480).1, (frame + 12) * 1920);
            if step == 0 {
                show.join();
            }
            show.frames(63, 50);
            let behind = show.sound_behind();
            assert!(
                step < from || behind.abs() <= 45,
                "{name}, step {step}: {behind} ms"
            );
        }
        check(&show, 0x2000, 90_000 / 5);
    }
}

/// NTP time, 32.32 fixed point.
fn ntp(seconds: u64, ms: u64) -> u64 {
    (seconds << 32) + (ms << 32) / 1000
}

#[test]
fn of_several_sources_in_one_place_one_is_taken() {
    let mut media = rtp::publisher_media();
    let video = media.last_mut().unwrap();
    video.rids.clear();
    video.ssrcs = vec![(0xaa, None)];
    let begin = rtp::begin();
    let mut publication = Publication::new(Arc::new(media), MediaConfig::default(), 1, begin);
    let send = |publication: &mut Publication, payload_type, number: u16, picture: u16, ssrc| {
        let packet = Packet::new(payload_type, number, 3600 * u32::from(picture), ssrc);
        let packet = packet.extension(MID_ID, b"1").vp8_picture(picture == 0, picture);
        publication.handle_rtp(begin + FRAME * u32::from(picture), &packet.bytes());
    };
    for picture in 0..50 {
        send(&mut publication, VIDEO_PT, 100 + picture, picture, 0xaa);
        send(&mut publication, VIDEO_PT, 30_000 + picture, picture, 0xbb);
        // What comes again of the other one, two in their order.
        for number in [80 + picture * 2, 81 + picture * 2] {
            let again = Packet::new(RTX_PT, number, 0, 0xdd).extension(MID_ID, b"1");
            let again = again.payload(&[number.to_be_bytes(), [0x90, 0]].concat());
            publication.handle_rtp(begin + FRAME * u32::from(picture), &again.bytes());
        }
    }
    let encoding = &publication.tracks()[1].encodings[0];
    assert_eq!(encoding.epoch().numbers, 1, "the one that came last");
    let history = &encoding.history;
    let numbers = (history.start() + 1..history.end()).map(|at| history.get(at).unwrap().sequence as u16);
    assert!(numbers.eq(30_000..30_050));
}

#[test]
fn a_first_picture_without_an_id_is_followed_by_pictures_without_ids() {
    let mut media = rtp::publisher_media();
    media.last_mut().unwrap().rids.clear();
    let begin = rtp::begin();
    let mut publication = Publication::new(Arc::new(media), MediaConfig::default(), 1, begin);
    let config = PlaybackConfig {
        start_delay: Duration::ZERO,
        ..PlaybackConfig::new((begin, 0))
    };
    let mut playback = Playback::new(rtp::viewer_media(), config, 5, begin);
    playback.attach(begin, Some((Generation(1), &publication)));
    playback.start(begin);
    let mut sent = Sent::default();
    for picture in 0..8u8 {
        // As Pion numbers them: 0 is left out.
        let mut payload = if picture == 0 {
            vec![0x10]
        } else {
            vec![0x90, 0x80, picture]
        };
        let is_key = picture % 4 == 0;
        payload.extend([u8::from(!is_key), 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0, picture]);
        let packet = Packet::new(VIDEO_PT, picture.into(), 3600 * u32::from(picture), 0xaa).marker();
        let now = begin + FRAME * u32::from(picture);
        publication.handle_rtp(now, &packet.extension(MID_ID, b"1").payload(&payload).bytes());
        playback.forward(now, &publication, &mut sent, &mut Vec::new());
    }
    let starts: Vec<(u8, u8)> = sent
        .0
        .iter()
        .map(|bytes| RtpPacket::parse(bytes).unwrap())
        .filter(|packet| packet.ssrc() == 0x2000)
        .map(|packet| (packet.payload()[1], *packet.payload().last().unwrap()))
        .collect();
    // Behind the first byte the picture's tag, or a byte that tells of no extension.
    let expected = (0..8).map(|picture| (0, picture));
    assert!(starts.iter().copied().eq(expected), "{starts:x?}");
}
