//! A viewer's stream in virtual time: whatever happens to the publisher, its numbers and times go on.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::time::Duration;

use proptest::prelude::*;
use rtc::shared::marshal::Unmarshal;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtp::show::Show;
use sfu::media::RtpPacket;
use sfu::negotiation::MediaKind;
use sfu::playback::{LayerLimit, LayerReason, PlayoutDelay};
use sfu::rtcp;

/// The viewer asks for a packet again.
fn ask(show: &mut Show, number: u16) {
    show.playback.handle_rtcp(show.now, &rtp::nack(0x2000, number));
    show.forward();
}

/// The viewer reports on what came under an SSRC.
fn report_on(show: &mut Show, ssrc: u32) {
    let reports = vec![ReceptionReport {
        ssrc,
        ..ReceptionReport::default()
    }];
    let report = ReceiverReport {
        reports,
        ..ReceiverReport::default()
    };
    let mut compound = Vec::new();
    assert!(rtcp::append(&mut compound, &[Box::new(report)]));
    show.playback.handle_rtcp(show.now, &compound);
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
    assert_eq!(video.len(), 55, "all of the group, in the lowest layer");
    assert!(show.keyframes > 0, "a better one is asked for");
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
    show.frames(60, 20);
    let high = show.playback.layer();
    assert_eq!(show.playback.reason(), LayerReason::Best);
    show.playback.set_limit(LayerLimit {
        rid: Some(rtp::label("l")),
        ..LayerLimit::default()
    });
    show.frames(40, 20);
    assert_ne!(show.playback.layer(), high);
    assert_eq!(show.playback.reason(), LayerReason::Pinned);
    show.playback.set_limit(LayerLimit::default());
    show.frames(90, 20);
    assert_eq!(show.playback.layer(), high);
    assert_eq!(
        show.playback.stats().layer_switches,
        3,
        "the first one up from where it began"
    );
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
    for _ in 0..3 {
        ask(&mut show, lost.sequence());
    }
    let repairs = show.packets(0x2001);
    assert_eq!(repairs.len(), 1, "not again within a round trip");
    assert_eq!(repairs[0].payload_type(), 121);
    assert_eq!(repairs[0].payload()[..2], lost.sequence().to_be_bytes());
    assert_eq!(&repairs[0].payload()[2..], lost.payload());
    assert_eq!(repairs[0].timestamp(), lost.timestamp(), "even of a burst");
}

#[test]
fn repairs_name_their_section_until_the_viewer_reports_on_them() {
    let mut show = Show::new();
    show.frames(10, 100);
    show.join();
    show.frames(10, 100);
    report_on(&mut show, 0x2000);
    show.frames(10, 100);
    let numbers: Vec<u16> = show.packets(0x2000).iter().map(RtpPacket::sequence).collect();
    assert_eq!(show.packets(0x2000).last().unwrap().extension(9), None);
    ask(&mut show, numbers[2]);
    assert_eq!(
        show.packets(0x2001)[0].extension(9),
        Some(&b"v"[..]),
        "what the viewer knows of the media does not tell it of these"
    );
    report_on(&mut show, 0x2001);
    ask(&mut show, numbers[3]);
    assert_eq!(show.packets(0x2001)[1].extension(9), None);
}

#[test]
fn a_viewers_wish_for_a_keyframe_is_served_from_the_cache() {
    let mut show = Show::new();
    show.playback.set_limit(rtp::pinned("h"));
    show.join();
    show.frames(20, 100);
    let mut compound = Vec::new();
    let pli = PictureLossIndication {
        sender_ssrc: 1,
        media_ssrc: 0x2000,
    };
    assert!(rtcp::append(&mut compound, &[Box::new(pli)]));
    let before = show.packets(0x2000).len();
    (0..5).for_each(|_| assert!(show.playback.handle_rtcp(show.now, &compound)));
    show.frames(10, 100);
    let video = show.packets(0x2000);
    assert_eq!(video[before].payload()[6] & 1, 0, "a keyframe again");
    assert_eq!(video.len(), before + 30 * 4, "once");
    assert_eq!(show.keyframes, 0, "the publisher hears nothing of it");
    show.check_video();
}

#[test]
fn a_group_too_long_for_the_line_is_a_still_with_sound_until_the_next_keyframe() {
    // A hundred frames are 210 kB: three megabits carry 187 kB in half a second.
    let mut show = Show::with(|config| config.burst_bitrate = 3_000_000);
    show.playback.set_limit(rtp::pinned("h"));
    show.frames(95, 120);
    show.join();
    show.frames(20, 120);
    let video = show.packets(0x2000);
    assert_eq!(video.len(), 4, "its keyframe alone");
    assert_eq!(video[0].payload()[6] & 1, 0);
    assert!(show.packets(0x1000).len() > 35, "sound goes on");
    assert!(show.keyframes > 0, "a new one is asked for");
    assert_eq!(show.playback.stats().stills, 1);
    show.frames(20, 120);
    show.check_video();
    let video = show.packets(0x2000);
    assert_eq!(video.len(), 4 + 15 * 4, "live from the next keyframe on");
    let pause = video[4].timestamp().wrapping_sub(video[0].timestamp());
    let passed = 25 * 3600 - 4500;
    assert!(
        pause.abs_diff(passed) < 3600,
        "the still's time counts: {pause} of {passed}"
    );
}

#[test]
fn players_are_told_how_long_to_hold_a_picture() {
    let delay = PlayoutDelay::new(Duration::ZERO, Duration::from_millis(200));
    let mut show = Show::with(|config| config.playout_delay = Some(delay));
    show.join();
    show.frames(30, 20);
    for packet in show.packets(0x2000) {
        assert_eq!(
            packet.extension(6),
            Some(&[0, 0, 20][..]),
            "the viewer has confirmed nothing"
        );
    }
    report_on(&mut show, 0x2000);
    let before = show.packets(0x2000).len();
    show.frames(30, 20);
    for packet in show.packets(0x2000).iter().skip(before) {
        let starts = packet.payload()[0] == 0x90 && packet.payload()[6] & 1 == 0;
        assert_eq!(packet.extension(6).is_some(), starts, "again with each keyframe");
    }
    assert!(
        show.packets(0x1000)
            .iter()
            .all(|packet| packet.extension(6).is_none())
    );
}

#[test]
fn reports_put_sound_and_picture_on_one_line() {
    let mut show = Show::new();
    show.playback.set_limit(rtp::pinned("h"));
    show.frames(5, 100);
    // The publisher says what both clocks read at one instant: its sound comes 120 ms later than its picture.
    show.report(0xaa, 77 << 32, 4 * 3600 + 0xaa);
    show.report(0xcc, 77 << 32, 4 * 1920 + 5_760);
    show.join();
    show.frames(30, 100);
    // The last packets of both left together; by the reports sound must read 120 ms later.
    let late = show.sound_behind();
    assert!((late - 120).abs() <= 25, "{late} ms");
}

#[test]
fn another_implementation_reads_what_is_sent() {
    let mut show = Show::new();
    show.playback.set_limit(rtp::pinned("h"));
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
