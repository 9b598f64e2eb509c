//! A viewer's stream in virtual time: whatever happens to the publisher, its numbers and times go on.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rtc::shared::marshal::Unmarshal;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};
use rtp::{AUDIO_PT, MID_ID, Packet, RID_ID, VIDEO_PT, begin, publisher_media, viewer_media};
use sfu::media::{MediaConfig, Publication, RtpPacket};
use sfu::negotiation::MediaKind;
use sfu::playback::{LayerLimit, Playback, PlaybackConfig, RtpSink};
use sfu::relay::Generation;
use sfu::rtcp;
use sfu::transport::RtpParts;

const FRAME: Duration = Duration::from_millis(40);

/// What left, as whole packets.
#[derive(Default)]
struct Sent(Vec<Vec<u8>>);

impl RtpSink for Sent {
    fn send(&mut self, packet: RtpParts<'_>) -> bool {
        let mut bytes = [packet.header, packet.lead, packet.body].concat();
        bytes.extend(std::iter::repeat_n(packet.padding, packet.padding.into()));
        self.0.push(bytes);
        true
    }
}

/// One publisher with two layers and sound, and one viewer.
struct Show {
    begin: Instant,
    now: Instant,
    publication: Publication,
    generation: u64,
    frames: u32,
    base: u16,
    playback: Playback,
    sent: Sent,
    keyframes: usize,
}

impl Show {
    fn new() -> Show {
        let now = begin();
        let config = PlaybackConfig {
            start_delay: Duration::from_millis(50),
            burst_factor: 15,
            burst_bitrate: 30_000_000,
            initial_bitrate: 3_000_000,
            replay_interval: Duration::from_millis(400),
            epoch: (now, 3_900_000_000_000_000_000),
        };
        Show {
            begin: now,
            now,
            publication: Publication::new(Arc::new(publisher_media()), MediaConfig::default(), 1, now),
            generation: 1,
            frames: 0,
            base: 65_000,
            playback: Playback::new(viewer_media(), config, 5, now),
            sent: Sent::default(),
            keyframes: 0,
        }
    }

    /// Another publisher with numbers of its own takes over.
    fn replace_publisher(&mut self) {
        self.publication = Publication::new(Arc::new(publisher_media()), MediaConfig::default(), 2, self.now);
        self.generation += 1;
        self.base = 1234;
        self.attach();
    }

    fn attach(&mut self) {
        let source = Some((Generation(self.generation), &self.publication));
        self.playback.attach(self.now, source);
    }

    fn join(&mut self) {
        self.attach();
        self.playback.start(self.now);
    }

    /// One frame of both layers (the low one smaller), two packets of sound, 40 ms.
    fn frame(&mut self, keyframe: bool) {
        let number = self.base.wrapping_add(self.frames as u16);
        for (rid, ssrc, packets) in [(b"h", 0xaa, 4u16), (b"l", 0xbb, 1)] {
            for part in 0..packets {
                let sequence = number.wrapping_mul(packets).wrapping_add(part);
                let mut packet = Packet::new(VIDEO_PT, sequence, self.frames * 3600 + ssrc, ssrc)
                    .extension(MID_ID, b"1")
                    .extension(RID_ID, rid)
                    .vp8_part(keyframe, number & 0x7fff, part);
                if part + 1 == packets {
                    packet = packet.marker();
                }
                self.publication.handle_rtp(self.now, &packet.bytes());
            }
        }
        for half in 0..2u32 {
            let sequence = number.wrapping_mul(2).wrapping_add(half as u16);
            let packet =
                Packet::new(AUDIO_PT, sequence, self.frames * 1920 + half * 960, 0xcc).payload(&[1; 80]);
            self.publication.handle_rtp(self.now, &packet.bytes());
        }
        self.frames += 1;
        self.publication.handle_timeout(self.now);
        let until = self.now + FRAME;
        while self.now < until {
            self.forward();
            self.now += Duration::from_millis(5);
        }
    }

    fn forward(&mut self) {
        let mut keyframes = Vec::new();
        self.playback
            .forward(self.now, &self.publication, &mut self.sent, &mut keyframes);
        self.keyframes += keyframes.len();
    }

    fn frames(&mut self, count: u32, group: u32) {
        for _ in 0..count {
            self.frame(self.frames.is_multiple_of(group));
        }
    }

    fn packets(&self, ssrc: u32) -> Vec<RtpPacket<'_>> {
        let all = self.sent.0.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
        all.filter(|packet| packet.ssrc() == ssrc).collect()
    }

    /// Everything a player relies on.
    fn check_video(&self) {
        let packets = self.packets(0x2000);
        for pair in packets.windows(2) {
            assert_eq!(pair[1].sequence(), pair[0].sequence().wrapping_add(1), "no hole");
            let step = pair[1].timestamp().wrapping_sub(pair[0].timestamp());
            assert!(step < 90_000 * 5, "time goes on: {step}");
            let pictures = [picture(&pair[0]), picture(&pair[1])];
            let same = pictures[0] == pictures[1];
            assert!(same || pictures[1] == (pictures[0] + 1) & 0x7fff, "{pictures:?}");
            assert_eq!(same, step == 0, "one picture, one time");
        }
    }
}

fn picture(packet: &RtpPacket<'_>) -> u16 {
    let payload = packet.payload();
    u16::from_be_bytes([payload[2] & 0x7f, payload[3]])
}

#[test]
fn a_joiner_begins_with_the_cached_keyframe_and_ends_at_the_live_edge() {
    let mut show = Show::new();
    show.frames(30, 100);
    show.join();
    show.forward();
    assert!(show.sent.0.is_empty(), "the browser is not ready");
    show.frames(25, 100);
    show.check_video();
    let video = show.packets(0x2000);
    assert_eq!(video.len(), 55 * 4, "all of the group, in the best layer");
    assert_eq!(video[0].payload()[6] & 1, 0, "a keyframe first");
    assert_eq!(video[0].payload_type(), 120);
    assert_eq!(video[0].extension(9), Some(&b"v"[..]));
    let newest = video
        .last()
        .unwrap()
        .timestamp()
        .wrapping_sub(video[0].timestamp());
    assert!(
        newest < 90_000 * 11 / 10,
        "only the time watched has passed: {newest}"
    );
    let sound = show.packets(0x1000);
    assert!(
        (45..=50).contains(&sound.len()),
        "sound begins live: {}",
        sound.len()
    );
    assert!(
        sound
            .windows(2)
            .all(|pair| pair[1].timestamp().wrapping_sub(pair[0].timestamp()) == 960)
    );
}

#[test]
fn a_layer_changes_at_a_keyframe_and_nothing_jumps() {
    let mut show = Show::new();
    show.join();
    show.frames(40, 20);
    let high = show.playback.layer();
    show.playback.set_limit(LayerLimit {
        rid: Some(rtp::label("l")),
        ..LayerLimit::default()
    });
    show.frames(40, 20);
    assert_ne!(show.playback.layer(), high);
    show.playback.set_limit(LayerLimit::default());
    show.frames(90, 20);
    assert_eq!(show.playback.layer(), high);
    assert_eq!(show.playback.stats().layer_switches, 2);
    show.check_video();
}

#[test]
fn another_publisher_goes_on_where_the_first_ended() {
    let mut show = Show::new();
    show.join();
    show.frames(30, 15);
    show.playback.attach(show.now, None);
    show.now += Duration::from_secs(2);
    show.forward();
    show.replace_publisher();
    show.frames(30, 15);
    show.check_video();
    let video = show.packets(0x2000);
    let span = video
        .last()
        .unwrap()
        .timestamp()
        .wrapping_sub(video[0].timestamp());
    let passed = (show.now - show.begin).as_millis() as u32 * 90;
    assert!(
        span.abs_diff(passed) < 90 * 200,
        "the pause counts: {span} of {passed}"
    );
}

#[test]
fn a_repair_is_the_packet_itself_with_its_number_in_front() {
    let mut show = Show::new();
    show.frames(10, 100);
    show.join();
    show.frames(10, 100);
    let originals: Vec<Vec<u8>> = show.packets(0x2000).iter().map(|p| p.bytes().to_vec()).collect();
    let lost = RtpPacket::parse(&originals[2]).unwrap();
    let nack = TransportLayerNack {
        sender_ssrc: 1,
        media_ssrc: 0x2000,
        nacks: vec![NackPair::new(lost.sequence())],
    };
    let mut compound = Vec::new();
    assert!(rtcp::append(&mut compound, &[Box::new(nack)]));
    for _ in 0..3 {
        show.playback.handle_rtcp(show.now, &compound);
        show.forward();
    }
    let repairs = show.packets(0x2001);
    assert_eq!(repairs.len(), 1, "not again within a round trip");
    assert_eq!(repairs[0].payload_type(), 121);
    assert_eq!(repairs[0].payload()[..2], lost.sequence().to_be_bytes());
    assert_eq!(&repairs[0].payload()[2..], lost.payload());
    assert_eq!(repairs[0].timestamp(), lost.timestamp(), "even of a burst");
}

#[test]
fn a_viewers_wish_for_a_keyframe_is_served_from_the_cache() {
    let mut show = Show::new();
    show.join();
    show.frames(20, 100);
    let mut compound = Vec::new();
    let pli = PictureLossIndication {
        sender_ssrc: 1,
        media_ssrc: 0x2000,
    };
    assert!(rtcp::append(&mut compound, &[Box::new(pli)]));
    let before = show.packets(0x2000).len();
    (0..5).for_each(|_| show.playback.handle_rtcp(show.now, &compound));
    show.frames(10, 100);
    let video = show.packets(0x2000);
    assert_eq!(video[before].payload()[6] & 1, 0, "a keyframe again");
    assert_eq!(video.len(), before + 30 * 4, "once");
    assert_eq!(show.keyframes, 0, "the publisher hears nothing of it");
    show.check_video();
}

#[test]
fn reports_put_sound_and_picture_on_one_line() {
    let mut show = Show::new();
    show.frames(5, 100);
    // The publisher says what both clocks read at one instant: its sound comes 120 ms later than its picture.
    for (ssrc, rtp_time) in [(0xaa, 4 * 3600 + 0xaa), (0xcc, 4 * 1920 + 5_760)] {
        let mut compound = Vec::new();
        let report = SenderReport {
            ssrc,
            ntp_time: 77 << 32,
            rtp_time,
            ..SenderReport::default()
        };
        assert!(rtcp::append(&mut compound, &[Box::new(report)]));
        show.publication.handle_rtcp(show.now, &compound);
    }
    show.join();
    show.frames(30, 100);
    let mut out = Vec::new();
    assert!(
        show.playback
            .poll_rtcp(show.now, Some(&show.publication), &mut out)
    );
    let reports: Vec<SenderReport> = rtcp::parse(&out)
        .iter()
        .filter_map(|packet| rtcp::as_type::<SenderReport>(&**packet).cloned())
        .collect();
    let report = |ssrc| reports.iter().find(|report| report.ssrc == ssrc).unwrap();
    assert_eq!(report(0x1000).ntp_time, report(0x2000).ntp_time);
    // The last packets of both left together; by the reports sound must read 120 ms later.
    let behind = |ssrc: u32, rate: i64| {
        let last = show.packets(ssrc).last().unwrap().timestamp();
        i64::from(report(ssrc).rtp_time.wrapping_sub(last) as i32) * 1000 / rate
    };
    let late = behind(0x1000, 48_000) - behind(0x2000, 90_000);
    assert!((late - 120).abs() <= 25, "{late} ms");
}

#[test]
fn another_implementation_reads_what_is_sent() {
    let mut show = Show::new();
    show.join();
    show.frames(10, 5);
    assert!(show.sent.0.len() > 30);
    for bytes in &show.sent.0 {
        let ours = RtpPacket::parse(bytes).unwrap();
        let theirs = ::rtp::Packet::unmarshal(&mut bytes.as_slice()).unwrap();
        let header = &theirs.header;
        assert_eq!(
            (header.payload_type, header.marker, header.sequence_number),
            (ours.payload_type(), ours.marker(), ours.sequence())
        );
        assert_eq!((header.timestamp, header.ssrc), (ours.timestamp(), ours.ssrc()));
        for (id, value) in ours.extensions() {
            assert_eq!(header.get_extension(id).as_deref(), Some(value));
        }
        assert_eq!(&theirs.payload[..], ours.payload());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn numbers_and_times_go_on_whatever_happens(steps in proptest::collection::vec((0u8..6, 1u32..12), 1..24)) {
        let mut show = Show::new();
        show.join();
        for (step, frames) in steps {
            let rid = |rid| LayerLimit { rid: Some(rtp::label(rid)), ..LayerLimit::default() };
            match step {
                0 => show.playback.set_limit(rid("l")),
                1 => show.playback.set_limit(rid("h")),
                2 => show.playback.set_limit(LayerLimit::default()),
                3 => show.replace_publisher(),
                4 => show.now += Duration::from_millis(u64::from(frames) * 70),
                _ => {}
            }
            show.frames(frames, 7);
        }
        show.check_video();
        prop_assert!(show.publication.track(MediaKind::Video).is_some());
    }
}
