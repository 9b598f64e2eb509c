//! Publishers as they are: what Chromium, OBS and ffmpeg do, scripted, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtp::show::{FRAME, Show};
use rtp::{Packet, VIDEO_PT, begin, publisher_media};
use sfu::media::{EncodingHealth, Faults, MediaConfig, Publication};
use sfu::negotiation::{Codec, Feedback, ReceivedMedia};
use sfu::rtcp;

/// The longest time between two pictures as the viewer's clock shows them, in milliseconds.
fn longest_freeze(show: &Show, from: usize) -> u32 {
    let times: Vec<u32> = show.packets(0x2000)[from..]
        .iter()
        .map(|p| p.timestamp())
        .collect();
    let steps = times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    steps.max().unwrap() / 90
}

#[test]
fn chromium_switches_a_layer_off_and_its_viewers_move_without_a_freeze_and_back() {
    let mut show = Show::new();
    show.join();
    show.frames(100, 50);
    let high = show.playback.layer();
    let before = show.packets(0x2000).len();
    show.off[0] = true;
    show.frames(50, 1000);
    assert_ne!(show.playback.layer(), high, "nothing comes of it");
    show.off[0] = false;
    show.frames(200, 1000);
    assert_eq!(show.playback.layer(), high, "it came back");
    show.check_video();
    let freeze = longest_freeze(&show, before - 1);
    assert!(freeze <= 500, "{freeze} ms");
}

#[test]
fn obs_reports_one_layer_only_and_sound_stays_with_the_picture_in_all() {
    let mut show = Show::new();
    show.frames(25, 50);
    for step in 0..8u32 {
        // Sound and the large layer are reported, the small one never.
        let frame = show.frames;
        show.report(0xaa, (77 + u64::from(step)) << 32, frame * 3600 + 0xaa);
        show.report(0xcc, (77 + u64::from(step)) << 32, frame * 1920);
        match step {
            0 => show.join(),
            2 | 6 => show.playback.set_limit(rtp::pinned("l")),
            4 => show.playback.set_limit(rtp::pinned("h")),
            _ => {}
        }
        show.frames(75, 50);
        let behind = show.sound_behind();
        assert!(behind.abs() <= 45, "step {step}: {behind} ms");
    }
    assert_eq!(show.playback.stats().layer_switches, 4);
    show.check_video();
    assert!(longest_freeze(&show, 0) <= 200);
}

/// One H.264 stream as its encoder sends it, and what the host is told.
struct Encoder {
    begin: Instant,
    now: Instant,
    sequence: u16,
    publication: Publication,
    keyframe_requests: usize,
    nacked: Vec<u16>,
}

impl Encoder {
    fn new(feedback: Feedback) -> Encoder {
        let mut media: Vec<ReceivedMedia> = publisher_media();
        let video = media.last_mut().unwrap();
        video.rids.clear();
        video.ssrcs = vec![(0xaa, None)];
        video.payloads[0].codec = Codec::H264 {
            profile_level_id: [0x42, 0xe0, 0x1f],
            packetization_mode: 1,
        };
        video.payloads[0].rtx = None;
        video.payloads[0].feedback = feedback;
        let now = begin();
        Encoder {
            begin: now,
            now,
            sequence: 0,
            publication: Publication::new(Arc::new(media), MediaConfig::default(), 1, now),
            keyframe_requests: 0,
            nacked: Vec::new(),
        }
    }

    /// As OBS offers it.
    fn obs() -> Encoder {
        Encoder::new(Feedback {
            nack: true,
            pli: true,
            ..Feedback::default()
        })
    }

    /// One unit of a picture that is shown at a time after the beginning.
    fn send(&mut self, unit: &[u8], shown: Duration) {
        let timestamp = (shown.as_millis() * 90) as u32;
        let packet = Packet::new(VIDEO_PT, self.sequence, timestamp, 0xaa).payload(unit);
        self.publication.handle_rtp(self.now, &packet.bytes());
        self.sequence += 1;
    }

    /// Plain pictures for a while, with a keyframe at each `group`; somebody wants one all the time.
    fn run(&mut self, seconds: u64, group: Duration) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            let shown = self.now - self.begin;
            let is_key = !group.is_zero() && shown.as_millis() % group.as_millis() < FRAME.as_millis();
            if is_key {
                self.send(&[0x67, 0x64, 0x00, 0x1f], shown);
                self.send(&[0x65, 0x88, 0x84], shown);
            } else {
                self.send(&[0x41, 0x9a, 0x24], shown);
            }
            let video = self.publication.tracks().last().unwrap().encodings[0].id;
            self.publication.request_keyframe(self.now, video);
            self.listen();
            self.now += FRAME;
        }
    }

    fn listen(&mut self) {
        self.publication.handle_timeout(self.now);
        let mut compound = Vec::new();
        while self.publication.poll_rtcp(self.now, &mut compound) {
            for packet in rtcp::parse(&compound) {
                self.keyframe_requests +=
                    usize::from(rtcp::as_type::<PictureLossIndication>(&*packet).is_some());
                if let Some(nack) = rtcp::as_type::<TransportLayerNack>(&*packet) {
                    self.nacked
                        .extend(nack.nacks.iter().flat_map(|pair| pair.into_iter()));
                }
            }
            compound.clear();
        }
    }

    fn health(&mut self) -> EncodingHealth {
        self.publication.health(self.now).pop().unwrap()
    }

    fn faults(&mut self) -> Faults {
        self.health().faults
    }
}

#[test]
fn obs_with_keyframes_every_two_seconds_is_told_nothing() {
    let mut obs = Encoder::obs();
    obs.run(11, Duration::from_secs(2));
    assert_eq!(obs.faults(), Faults::default());
    assert!(obs.keyframe_requests > 15, "it is asked and does not answer");
}

#[test]
fn obs_with_keyframes_every_eight_seconds_is_told_so() {
    let mut obs = Encoder::obs();
    obs.run(17, Duration::from_secs(8));
    let rare = obs.faults().rare_keyframes.unwrap();
    assert!((7.9..8.1).contains(&rare.as_secs_f32()), "{rare:?}");
    assert!(!obs.faults().no_keyframe);
}

#[test]
fn ffmpeg_is_asked_for_packets_and_never_for_keyframes() {
    let mut ffmpeg = Encoder::new(Feedback {
        nack: true,
        ..Feedback::default()
    });
    ffmpeg.run(2, Duration::from_secs(2));
    ffmpeg.sequence += 2;
    ffmpeg.run(2, Duration::from_secs(2));
    assert_eq!(ffmpeg.keyframe_requests, 0);
    ffmpeg.nacked.sort_unstable();
    ffmpeg.nacked.dedup();
    assert_eq!(ffmpeg.nacked.len(), 2);
    let health = ffmpeg.health();
    assert!(
        (10..=25).contains(&health.lost_permille),
        "2 of 106: {}",
        health.lost_permille
    );
    assert_eq!(ffmpeg.health().lost_permille, 0, "since the last look");
}

#[test]
fn a_browser_with_sound_is_told_nothing() {
    let mut show = Show::new();
    show.frames(300, 50);
    let health = show.publication.health(show.now);
    assert_eq!(health.len(), 3);
    assert!(
        health.iter().all(|encoding| encoding.faults == Faults::default()),
        "{health:#?}"
    );
}

#[test]
fn whoever_sends_no_keyframe_is_told_after_ten_seconds() {
    let mut encoder = Encoder::obs();
    encoder.run(9, Duration::ZERO);
    assert_eq!(encoder.faults(), Faults::default());
    encoder.run(2, Duration::ZERO);
    assert!(encoder.faults().no_keyframe);
}

#[test]
fn b_frames_are_seen_by_their_slices_and_by_their_times() {
    // A B slice: first_mb 0, slice_type 1.
    for (slice, order) in [(0x9a, [0u64, 80, 40]), (0xa8, [0, 40, 80])] {
        let mut encoder = Encoder::obs();
        encoder.send(&[0x67, 0x64, 0x00, 0x1f], Duration::ZERO);
        for shown in order {
            encoder.send(&[0x41, slice, 0x24], Duration::from_millis(shown));
        }
        assert!(encoder.faults().reordered, "{order:?}");
    }
    let mut plain = Encoder::obs();
    [0u64, 40, 80]
        .into_iter()
        .for_each(|shown| plain.send(&[0x41, 0x9a, 0x24], Duration::from_millis(shown)));
    // What is only late on the way is no B-frame.
    plain.sequence += 1;
    plain.send(&[0x41, 0x9a, 0x24], Duration::from_millis(160));
    plain.sequence -= 2;
    plain.send(&[0x41, 0x9a, 0x24], Duration::from_millis(120));
    assert_eq!(plain.faults(), Faults::default());
}

#[test]
fn a_profile_that_browsers_do_not_play_is_named() {
    let mut encoder = Encoder::obs();
    encoder.send(&[0x67, 0x64, 0x00, 0x1f], Duration::ZERO);
    assert_eq!(encoder.faults().profile, None);
    for profile in [110, 122, 244] {
        encoder.send(&[0x67, profile, 0x00, 0x1f], Duration::ZERO);
        assert_eq!(encoder.faults().profile, Some(profile));
    }
}

#[test]
fn jitter_of_the_way_is_measured() {
    let mut encoder = Encoder::obs();
    for number in 0..200u64 {
        let shown = FRAME * number as u32;
        encoder.now = encoder.begin + shown + Duration::from_millis(if number % 2 == 0 { 0 } else { 15 });
        encoder.send(&[0x41, 0x9a, 0x24], shown);
    }
    let jitter = encoder.health().jitter;
    assert!((13..=16).contains(&jitter.as_millis()), "{jitter:?}");
}
