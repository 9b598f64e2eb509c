//! Shows that last: numbers and times that roll over.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::collections::HashSet;

use rtp::show::{Anew, Sent, Show};
use rtp::{nack, viewer_media};
use sfu::media::RtpPacket;
use sfu::playback::{Playback, PlaybackConfig};
use sfu::relay::Generation;

const SOUND: (u32, u32) = (0x1000, 48_000);
const PICTURE: (u32, u32) = (0x2000, 90_000);
const REPAIRS: u32 = 0x2001;

fn viewer(show: &Show, seed: u64) -> Playback {
    let config = PlaybackConfig::new((show.begin, 3_900_000_000_000_000_000));
    Playback::new(viewer_media(), config, seed, show.now)
}

/// The first number and time of a stream for each of so many viewers, whose seeds count from zero.
fn starts(viewers: u64, ssrc: u32) -> Vec<(u16, u32)> {
    let mut show = Show::new();
    show.frames(25, 50);
    let join = |seed| {
        let mut playback = viewer(&show, seed);
        playback.attach(show.now, Some((Generation(1), &show.publication)));
        playback.start(show.now);
        playback
    };
    let mut playbacks: Vec<Playback> = (0..viewers).map(join).collect();
    let mut found = vec![None; playbacks.len()];
    for _ in 0..5 {
        show.frame(false);
        for (playback, found) in playbacks.iter_mut().zip(&mut found) {
            let (mut sent, mut keyframes) = (Sent::default(), Vec::new());
            playback.forward(show.now, &show.publication, &mut sent, &mut keyframes);
            let mut packets = sent.0.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
            let first = packets.find(|packet| packet.ssrc() == ssrc);
            *found = found.or(first.map(|packet| (packet.sequence(), packet.timestamp())));
        }
    }
    found.into_iter().map(Option::unwrap).collect()
}

/// What a viewer gets under an SSRC goes on number by number, and its clock as time does. How often number and clock rolled over.
fn rollovers(show: &Show, (ssrc, rate): (u32, u32)) -> (usize, usize) {
    let (mut numbers, mut clocks) = (0, 0);
    for pair in show.packets(ssrc).windows(2) {
        assert_eq!(pair[1].sequence(), pair[0].sequence().wrapping_add(1), "no hole");
        let step = pair[1].timestamp().wrapping_sub(pair[0].timestamp());
        assert!(step <= rate / 10, "{ssrc:x}: a step of {step}");
        numbers += usize::from(pair[1].sequence() < pair[0].sequence());
        clocks += usize::from(pair[1].timestamp() < pair[0].timestamp());
    }
    (numbers, clocks)
}

#[test]
fn a_viewer_who_loses_the_first_packets_cannot_miss_a_rollover() {
    for ssrc in [SOUND.0, PICTURE.0] {
        let numbers: HashSet<u16> = starts(200, ssrc).iter().map(|(number, _)| *number).collect();
        assert!(numbers.iter().all(|number| *number < 1 << 15), "{numbers:?}");
        assert!(numbers.len() > 190, "each has its own");
    }
    for seed in 0..50 {
        let mut show = Show::new();
        show.playback = viewer(&show, seed);
        show.frames(25, 50);
        show.join();
        show.frames(3, 50);
        let asked = show.packets(PICTURE.0).last().unwrap().sequence();
        show.playback.handle_rtcp(show.now, &nack(PICTURE.0, asked));
        show.frames(1, 50);
        let repair = show.packets(REPAIRS).first().unwrap().sequence();
        assert!(repair < 1 << 15, "{seed}: {repair}");
    }
}

/// The day of a publisher's clock at 90 kHz has 13 hours and 15 minutes, that of sound 24 hours and 51, and a viewer's begin anywhere.
#[test]
fn clocks_roll_over_and_nobody_sees_it() {
    for stream in [SOUND, PICTURE] {
        let mut show = Show::new();
        show.anew = Anew {
            timestamp: 0u32.wrapping_sub(90_000 * 20),
            ..Anew::default()
        };
        show.frames(25, 50);
        // One that begins less than a minute before its clock rolls over.
        let is_late = |(_, time): &(u16, u32)| *time > u32::MAX - 60 * stream.1;
        let seed = starts(4000, stream.0).iter().position(is_late).unwrap();
        show.playback = viewer(&show, seed as u64);
        show.join();
        show.frames(25 * 70, 50);
        assert_eq!(rollovers(&show, stream).1, 1, "of the viewer's clock");
        rollovers(&show, SOUND);
        rollovers(&show, PICTURE);
        assert!(show.packets(SOUND.0).len() >= 2 * 25 * 69 && show.packets(PICTURE.0).len() >= 4 * 25 * 69);
        let behind = show.sound_behind();
        assert!(behind.abs() <= 40, "sound and picture are {behind} ms apart");
    }
}

/// GStreamer's encoders number pictures so when asked to.
#[test]
fn picture_ids_of_seven_bits_roll_over_and_nobody_sees_it() {
    let mut show = Show::new();
    show.short_ids = true;
    show.frames(25, 50);
    show.join();
    show.frames(400, 50);
    let packets = show.packets(PICTURE.0).len();
    assert!(packets >= 4 * 350, "{packets}");
    show.check_video();
}

#[test]
fn numbers_roll_over_and_nobody_sees_it() {
    let mut show = Show::new();
    show.frames(25, 50);
    show.join();
    let (mut rolled, mut repaired) = (0, 0);
    for _ in 0..175 {
        show.frames(100, 50);
        rolled += rollovers(&show, PICTURE).0;
        rollovers(&show, SOUND);
        // One of the last hundred, on whichever side of a rollover, is asked for again.
        let packets = show.packets(PICTURE.0);
        let asked = &packets[packets.len() - 90];
        let (number, wanted) = (asked.sequence(), asked.payload().to_vec());
        show.playback.handle_rtcp(show.now, &nack(PICTURE.0, number));
        show.frames(1, 50);
        let repairs = show.packets(REPAIRS);
        repaired += repairs
            .iter()
            .filter(|repair| repair.payload()[2..] == wanted)
            .count();
        let last = show
            .sent
            .0
            .iter()
            .rposition(|bytes| bytes[8..12] == PICTURE.0.to_be_bytes())
            .unwrap();
        let sound = show
            .sent
            .0
            .iter()
            .rposition(|bytes| bytes[8..12] == SOUND.0.to_be_bytes())
            .unwrap();
        show.sent.0 = vec![show.sent.0[last].clone(), show.sent.0[sound].clone()];
    }
    assert!(rolled >= 1, "{rolled}");
    let layers = show.publication.tracks()[1].encodings.iter();
    assert!(
        layers.map(|layer| layer.epoch().numbers).eq([0, 0]),
        "nothing began anew"
    );
    assert_eq!(repaired, 175);
}
