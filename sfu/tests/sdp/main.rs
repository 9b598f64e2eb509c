//! Offers as real clients write them, and what is answered. Chromium's, Firefox's and that of GStreamer's player are theirs to
//! the letter, the others are written after their sources.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod fragment;
mod hostile;
mod publishers;
mod refusals;
mod viewers;

use std::net::SocketAddr;

use rtc_sdp::SessionDescription;
use sfu::negotiation::{AgreedMedia, Fingerprint, IceCredentials, MediaKind, ReceivedMedia, SentMedia};
use sfu::sdp::{AnswerParams, Direction, Offer};

const OBS: &str = include_str!("../offers/obs-simulcast.sdp");
const FFMPEG: &str = include_str!("../offers/ffmpeg.sdp");
const GSTREAMER: &str = include_str!("../offers/gstreamer.sdp");
const AIORTC: &str = include_str!("../offers/aiortc-play.sdp");
const GSTREAMER_PLAY: &str = include_str!("../offers/gstreamer-play.sdp");
const SAFARI: &str = include_str!("../offers/safari-play.sdp");
const CHROMIUM_PUBLISH: &str = include_str!("../offers/chromium-publish.sdp");
const CHROMIUM_SIMULCAST: &str = include_str!("../offers/chromium-simulcast.sdp");
const CHROMIUM_PLAY: &str = include_str!("../offers/chromium-play.sdp");
const FIREFOX_PUBLISH: &str = include_str!("../offers/firefox-publish.sdp");
const FIREFOX_SIMULCAST: &str = include_str!("../offers/firefox-simulcast.sdp");
const FIREFOX_PLAY: &str = include_str!("../offers/firefox-play.sdp");

const PUBLISHERS: [&str; 7] = [
    OBS,
    FFMPEG,
    GSTREAMER,
    CHROMIUM_PUBLISH,
    CHROMIUM_SIMULCAST,
    FIREFOX_PUBLISH,
    FIREFOX_SIMULCAST,
];
const VIEWERS: [&str; 5] = [AIORTC, GSTREAMER_PLAY, SAFARI, CHROMIUM_PLAY, FIREFOX_PLAY];

fn publish(text: &str) -> Offer {
    Offer::parse(text, Direction::Publish, 1).unwrap()
}

fn play(text: &str) -> Offer {
    Offer::parse(text, Direction::Play, 1).unwrap()
}

fn received(offer: &Offer, kind: MediaKind) -> &ReceivedMedia {
    match &offer.media {
        AgreedMedia::Publisher(media) => media.iter().find(|media| media.kind == kind).unwrap(),
        AgreedMedia::Viewer(_) => panic!("a viewer"),
    }
}

fn sent(offer: &Offer, kind: MediaKind) -> &SentMedia {
    match &offer.media {
        AgreedMedia::Viewer(media) => media.iter().find(|media| media.kind == kind).unwrap(),
        AgreedMedia::Publisher(_) => panic!("a publisher"),
    }
}

fn credentials() -> IceCredentials {
    IceCredentials {
        ufrag: "srvUfrag".into(),
        pwd: "0123456789abcdefghijklmn".into(),
    }
}

fn answer_with(offer: &Offer, candidates: u16) -> String {
    let ice = credentials();
    let addresses: Vec<SocketAddr> = (0..candidates)
        .map(|place| format!("[2001:db8:ffff:ffff:ffff:ffff:ffff:{place:x}]:{}", 49_152 + place))
        .map(|address| address.parse().unwrap())
        .collect();
    offer.answer(&AnswerParams {
        ice: &ice,
        fingerprint: Fingerprint([0xab; 32]),
        udp: &addresses,
        tcp: &addresses,
        stream: "vitrine",
        max_message: 16 << 10,
    })
}

fn answer(offer: &Offer) -> String {
    answer_with(offer, 2)
}

fn section<'a>(answer: &'a str, kind: &str) -> &'a str {
    let start = answer.find(&format!("m={kind} ")).unwrap();
    let rest = &answer[start..];
    rest[2..].find("\r\nm=").map_or(rest, |end| &rest[..end + 4])
}

fn has_line(text: &str, line: &str) -> bool {
    text.split("\r\n").any(|known| known == line)
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(has_line(text, line), "no \"{line}\" in:\n{text}");
    }
}

fn reparse(answer: &str) -> SessionDescription {
    SessionDescription::unmarshal(&mut std::io::Cursor::new(answer)).unwrap()
}

#[test]
fn every_answer_is_small_valid_and_complete() {
    let offers = PUBLISHERS.map(publish).into_iter().chain(VIEWERS.map(play));
    for offer in offers {
        for candidates in [1, 8, 40] {
            let answer = answer_with(&offer, candidates);
            assert!(answer.len() < 8192, "{} bytes", answer.len());
            let parsed = reparse(&answer);
            assert!(parsed.has_attribute("ice-lite"));
            for section in &parsed.media_descriptions {
                for key in ["mid", "ice-ufrag", "ice-pwd", "fingerprint", "setup"] {
                    assert!(section.has_attribute(key), "no {key} in:\n{answer}");
                }
                assert!(section.media_name.media == "application" || section.has_attribute("rtcp-mux"));
            }
            assert_eq!(answer.matches("a=end-of-candidates").count(), 1);
            if candidates <= 8 {
                assert_eq!(
                    answer.matches(" tcptype passive").count(),
                    usize::from(candidates)
                );
            }
        }
    }
}
