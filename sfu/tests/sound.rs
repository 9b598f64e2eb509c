//! Sound on its way through: with redundancy, and with silence left out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_rtcp::sender_report::SenderReport;
use rtp::show::Sent;
use rtp::{AUDIO_PT, Packet, begin, publisher_media, viewer_media};
use sfu::media::{MediaConfig, Publication, RtpPacket};
use sfu::negotiation::{Codec, Feedback, Payload};
use sfu::playback::{Playback, PlaybackConfig};
use sfu::relay::Generation;
use sfu::rtcp;

const RED_PT: u8 = 99;
const VIEWERS_OPUS: u8 = 63;
const VIEWERS_RED: u8 = 64;
const SSRC: u32 = 0x1000;
const VIDEO_SSRC: u32 = 0x2000;

fn red(payload_type: u8) -> Payload {
    Payload {
        payload_type,
        codec: Codec::RedundantOpus,
        rtx: None,
        feedback: Feedback::default(),
    }
}

/// A publisher of sound and one viewer.
struct Talk {
    now: Instant,
    publication: Publication,
    playback: Playback,
    sent: Sent,
}

impl Talk {
    fn new(viewer_takes_redundancy: bool) -> Talk {
        let now = begin();
        let mut publisher = publisher_media();
        publisher[0].payloads.insert(0, red(RED_PT));
        let mut viewer = viewer_media();
        if viewer_takes_redundancy {
            viewer[0].payloads.push(red(VIEWERS_RED));
        }
        let config = PlaybackConfig::new((now, 3_900_000_000_000_000_000));
        let mut talk = Talk {
            now,
            publication: Publication::new(Arc::new(publisher), MediaConfig::default(), 1, now),
            playback: Playback::new(viewer, config, 5, now),
            sent: Sent::default(),
        };
        talk.playback
            .attach(now, Some((Generation(1), &talk.publication)));
        talk.playback.start(now);
        talk.now += Duration::from_secs(1);
        talk
    }

    fn say(&mut self, packet: &Packet) {
        self.publication.handle_rtp(self.now, &packet.bytes());
        self.publication.handle_timeout(self.now);
        let mut keyframes = Vec::new();
        self.playback
            .forward(self.now, &self.publication, &mut self.sent, &mut keyframes);
    }

    /// What the viewer got: payload type, sequence number, timestamp and payload.
    fn heard(&self) -> Vec<(u8, u16, u32, Vec<u8>)> {
        let packets = self.sent.0.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
        packets
            .map(|packet| {
                assert_eq!(packet.ssrc(), SSRC);
                let payload = packet.payload().to_vec();
                (
                    packet.payload_type(),
                    packet.sequence(),
                    packet.timestamp(),
                    payload,
                )
            })
            .collect()
    }

    /// The viewer reports that so many of 256 packets of the picture were lost (RFC 3550 §6.4.2).
    fn lose(&mut self, fraction: u8) {
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        report.extend_from_slice(&VIDEO_SSRC.to_be_bytes());
        report.push(fraction);
        report.resize(32, 0);
        self.playback.handle_rtcp(self.now, &report);
    }

    fn report(&mut self) -> SenderReport {
        let mut out = Vec::new();
        while self
            .playback
            .poll_rtcp(self.now, Some(&self.publication), &mut out)
        {}
        let packets = rtcp::parse(&out);
        let mut reports = packets
            .iter()
            .rev()
            .filter_map(|packet| rtcp::as_type::<SenderReport>(&**packet));
        reports.find(|report| report.ssrc == SSRC).unwrap().clone()
    }
}

/// The `n`th 20 ms of sound, with those before it once more.
fn redundant(n: u16) -> Packet {
    let older = 0x80 | AUDIO_PT;
    let header = [older, 0x0f, 0x00, 3, AUDIO_PT];
    let payload = [&header[..], &[n as u8 - 1; 3], &[n as u8; 4]].concat();
    Packet::new(RED_PT, n, u32::from(n) * 960, 0xcc).payload(&payload)
}

#[test]
fn redundancy_passes_to_whoever_takes_it_and_needs_it_and_others_get_the_newest_block() {
    for (agreed, lost) in [(true, 3), (true, 2), (false, 3)] {
        let takes = agreed && lost == 3;
        let mut talk = Talk::new(agreed);
        talk.lose(lost);
        // The first one only shows that there is sound: it begins at the live edge.
        for n in 1..6 {
            talk.say(&redundant(n));
            talk.now += Duration::from_millis(20);
        }
        let plain = Packet::new(AUDIO_PT, 6, 6 * 960, 0xcc).payload(&[6; 4]);
        talk.say(&plain);
        let heard = talk.heard();
        assert_eq!(heard.len(), 5, "{takes}");
        for (place, (payload_type, sequence, timestamp, payload)) in heard.iter().enumerate() {
            let n = place as u8 + 2;
            let expected = match (takes, n) {
                (true, 2..6) => (
                    VIEWERS_RED,
                    [
                        &[0x80 | VIEWERS_OPUS, 0x0f, 0, 3, VIEWERS_OPUS][..],
                        &[n - 1; 3],
                        &[n; 4],
                    ]
                    .concat(),
                ),
                _ => (VIEWERS_OPUS, vec![n; 4]),
            };
            assert_eq!((*payload_type, payload.clone()), expected, "{takes} {n}");
            assert_eq!(sequence.wrapping_sub(heard[0].1), place as u16);
            assert_eq!(timestamp.wrapping_sub(heard[0].2), place as u32 * 960);
        }
        let octets: usize = heard.iter().map(|(.., payload)| payload.len()).sum();
        assert_eq!(talk.report().octet_count as usize, octets, "{takes}");
    }
}

#[test]
fn redundancy_comes_and_goes_with_loss() {
    let mut talk = Talk::new(true);
    let mut kinds = Vec::new();
    for (n, lost) in (1u16..).zip([0, 0, 3, 1, 0, 2, 3]) {
        talk.lose(lost);
        talk.say(&redundant(n));
        talk.now += Duration::from_millis(20);
        kinds = talk.heard().iter().map(|heard| heard.0).collect();
    }
    // The first packet only shows that there is sound.
    let [plain, red] = [VIEWERS_OPUS, VIEWERS_RED];
    assert_eq!(kinds, [plain, red, red, plain, plain, red]);
}

#[test]
fn redundancy_that_is_cut_off_is_dropped() {
    let mut talk = Talk::new(true);
    talk.say(&redundant(1));
    let dropped = talk.publication.stats().dropped;
    talk.say(&Packet::new(RED_PT, 2, 1920, 0xcc).payload(&[0x80 | AUDIO_PT, 0x0f, 0, 9, AUDIO_PT, 1]));
    talk.say(&redundant(3));
    assert_eq!(talk.publication.stats().dropped, dropped + 1);
    assert_eq!(talk.heard().len(), 1);
}

#[test]
fn silence_that_is_left_out_is_no_loss_and_the_clock_goes_on() {
    let mut talk = Talk::new(false);
    // Half a second of sound, then a packet every 400 ms (Opus DTX, RFC 7587 §3.1.3), and sound again.
    let mut spoken = Vec::new();
    let mut timestamp = 0u32;
    for n in 1..60u16 {
        let step = if (25..35).contains(&n) { 400 } else { 20 };
        talk.now += Duration::from_millis(step);
        timestamp += step as u32 * 48;
        talk.say(&Packet::new(AUDIO_PT, n, timestamp, 0xcc).payload(&[n as u8; 10]));
        spoken.push(timestamp);
        if n % 10 == 0 {
            let reported = talk.report().rtp_time;
            let last = talk.heard().last().unwrap().2;
            let ahead = reported.wrapping_sub(last) as i32;
            assert!((0..=480).contains(&ahead), "packet {n}: {ahead} ticks");
        }
    }
    let heard = talk.heard();
    assert_eq!(heard.len(), spoken.len() - 1);
    for (heard, spoken) in heard.windows(2).zip(spoken[1..].windows(2)) {
        assert_eq!(heard[1].1, heard[0].1.wrapping_add(1));
        assert_eq!(heard[1].2.wrapping_sub(heard[0].2), spoken[1] - spoken[0]);
    }
    let mut out = Vec::new();
    while talk.publication.poll_rtcp(talk.now, &mut out) {}
    let stats = talk.publication.stats();
    assert_eq!((stats.nacks_sent, stats.lost), (0, 0));
    talk.now += Duration::from_secs(1);
    let later = talk.report().rtp_time;
    let last = talk.heard().last().unwrap().2;
    assert!(
        later.wrapping_sub(last).abs_diff(48_000) <= 480,
        "a second of silence"
    );
}
