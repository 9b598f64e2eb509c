//! Offers as real clients write them, and what is answered. Chromium's and Firefox's are theirs to the letter, the
//! others are written after their sources.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod fragment;
mod hostile;

use std::net::SocketAddr;

use rtc_sdp::SessionDescription;
use sfu::negotiation::{
    AgreedMedia, Codec, DtlsRole, Extension, Fingerprint, IceCredentials, MediaKind, ReceivedMedia, SentMedia,
};
use sfu::sdp::{AnswerParams, Direction, Offer, OfferError};

const OBS: &str = include_str!("../offers/obs-simulcast.sdp");
const FFMPEG: &str = include_str!("../offers/ffmpeg.sdp");
const GSTREAMER: &str = include_str!("../offers/gstreamer.sdp");
const AIORTC: &str = include_str!("../offers/aiortc-play.sdp");
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
const VIEWERS: [&str; 4] = [AIORTC, SAFARI, CHROMIUM_PLAY, FIREFOX_PLAY];

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

fn refusal(text: &str, direction: Direction) -> OfferError {
    Offer::parse(text, direction, 1).unwrap_err()
}

#[track_caller]
fn assert_unacceptable(text: &str, direction: Direction, says: &str) {
    match refusal(text, direction) {
        OfferError::Unacceptable(why) => assert!(why.contains(says), "{why}"),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn assert_malformed(text: &str, says: &str) {
    match refusal(text, Direction::Publish) {
        OfferError::Malformed(why) => assert!(why.contains(says), "{why}"),
        other => panic!("{other}"),
    }
}

#[test]
fn obs_keeps_all_three_layers() {
    let offer = publish(OBS);
    let video = received(&offer, MediaKind::Video);
    let rids: Vec<_> = video.rids.iter().map(|rid| rid.as_str()).collect();
    assert_eq!(rids, ["0", "1", "2"]);
    assert_eq!(video.extensions.id(Extension::Rid), Some(2));
    assert_eq!(video.ssrcs, [(1203040507, None)]);

    let answer = answer(&offer);
    assert_lines(
        section(&answer, "video"),
        &[
            "a=recvonly",
            "a=rid:0 recv",
            "a=rid:1 recv",
            "a=rid:2 recv",
            "a=simulcast:recv 0;1;2",
            "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            "a=setup:passive",
            "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        ],
    );
    assert_lines(&answer, &["a=group:BUNDLE 0 1", "a=ice-lite"]);
    assert!(!answer.replace("\r\n", "").contains(['\r', '\n']));
}

#[test]
fn ffmpeg_listens_and_so_the_server_begins_the_handshake() {
    let offer = publish(FFMPEG);
    assert_eq!(offer.role, DtlsRole::Client);
    let video = received(&offer, MediaKind::Video);
    let feedback = video.payloads[0].feedback;
    assert!(feedback.nack && !feedback.pli && !feedback.fir);
    assert_eq!(video.payloads[0].rtx, Some(105));
    assert_eq!(video.ssrcs, [(1938475601, Some(1938475602))]);

    let answer = answer(&offer);
    assert_lines(section(&answer, "audio"), &["a=setup:active"]);
    assert_lines(
        section(&answer, "video"),
        &["a=setup:active", "a=rtcp-fb:106 nack"],
    );
    assert!(!answer.contains("nack pli"));
    let first = answer
        .split("\r\n")
        .find(|line| line.starts_with("a=candidate:"))
        .unwrap();
    assert!(first.contains(" udp ") && first.ends_with(" typ host"), "{first}");

    let active = FFMPEG.replace("setup:passive", "setup:active");
    assert_eq!(publish(&active).role, DtlsRole::Server);
}

#[test]
fn gstreamer_bundles_a_second_section_without_a_port() {
    let offer = publish(GSTREAMER);
    let video = received(&offer, MediaKind::Video);
    assert_eq!(video.mid.as_str(), "video0");
    assert_eq!(
        video.payloads[0].codec,
        Codec::H264 {
            profile_level_id: [0x64, 0x00, 0x1f],
            packetization_mode: 1
        }
    );
    assert_eq!(received(&offer, MediaKind::Audio).payloads[0].codec, Codec::Opus);
    let answer = answer(&offer);
    assert!(answer.find("m=video").unwrap() < answer.find("m=audio").unwrap());
}

#[test]
fn browsers_offer_three_layers_in_their_order() {
    for text in [CHROMIUM_SIMULCAST, FIREFOX_SIMULCAST] {
        let offer = publish(text);
        let video = received(&offer, MediaKind::Video);
        let rids: Vec<_> = video.rids.iter().map(|rid| rid.as_str()).collect();
        assert_eq!(rids, ["h", "m", "l"]);
        assert!(video.extensions.id(Extension::Rid).is_some());
        assert!(video.extensions.id(Extension::RepairedRid).is_some());
        assert_eq!(video.payloads[0].codec, Codec::Vp8);
        assert!(video.payloads[0].rtx.is_some());
        assert!(offer.data_channels.is_some());
        assert_lines(&answer(&offer), &["a=simulcast:recv h;m;l"]);
    }
}

#[test]
fn arrivals_are_reported_in_one_way_and_it_is_transport_wide_feedback_where_there_is_a_choice() {
    let both = answer(&publish(FIREFOX_SIMULCAST));
    assert!(FIREFOX_SIMULCAST.contains("goog-remb") && both.contains("transport-cc"));
    assert!(!both.contains("goog-remb"));
    let older: String = FIREFOX_PLAY
        .split_inclusive('\n')
        .filter(|line| !line.contains("transport-cc"))
        .collect();
    assert!(answer(&play(&older)).contains("goog-remb"));
}

#[test]
fn an_extension_offered_one_way_is_answered_the_other() {
    let answer = answer(&publish(FIREFOX_SIMULCAST));
    assert_lines(
        section(&answer, "video"),
        &["a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"],
    );
    assert!(!answer.contains("playout-delay"), "offered for receiving only");
}

#[test]
fn firefox_has_its_fingerprint_at_session_level() {
    let offer = play(FIREFOX_PLAY);
    assert_eq!(offer.fingerprints.len(), 1);
    let channels = offer.data_channels.unwrap();
    assert_eq!(
        (channels.sctp_port, channels.max_message_size),
        (5000, 1_073_741_823)
    );
}

#[test]
fn firefox_tells_its_name() {
    let is_firefox = VIEWERS.map(|offer| play(offer).is_firefox);
    assert_eq!(is_firefox, [false, false, false, true]);
}

#[test]
fn aiortc_has_fingerprints_of_three_hashes() {
    assert_eq!(play(AIORTC).fingerprints.len(), 1);
}

#[test]
fn redundancy_is_agreed_where_all_of_it_is_the_opus_offered() {
    let codecs = |text: &str| -> Vec<Codec> {
        let offer = play(text);
        let audio = sent(&offer, MediaKind::Audio);
        audio.payloads.iter().map(|payload| payload.codec).collect()
    };
    let fmtp = "a=fmtp:63 111/111";
    assert!(CHROMIUM_PLAY.contains(fmtp));
    assert_eq!(codecs(CHROMIUM_PLAY), [Codec::Opus, Codec::RedundantOpus]);
    assert_eq!(codecs(FIREFOX_PLAY), [Codec::Opus]);
    for other in [
        "a=fmtp:63 111/0",
        "a=fmtp:63 63/63",
        "a=fmtp:63 ",
        "a=fmtp:63 111/",
        "a=x",
    ] {
        assert_eq!(
            codecs(&CHROMIUM_PLAY.replace(fmtp, other)),
            [Codec::Opus],
            "{other}"
        );
    }
}

#[test]
fn a_viewers_payload_order_and_streams_are_in_the_answer() {
    let offer = play(CHROMIUM_PLAY);
    let (audio, video) = (sent(&offer, MediaKind::Audio), sent(&offer, MediaKind::Video));
    assert_eq!(video.payloads.len(), 15);
    assert_eq!(video.payloads[1].codec, Codec::Vp9 { profile: 0 });
    let ssrcs = [audio.ssrc, audio.rtx_ssrc, video.ssrc, video.rtx_ssrc];
    assert!((1..4).all(|end| !ssrcs[..end].contains(&ssrcs[end])));

    let answer = answer(&offer);
    assert_lines(
        section(&answer, "audio"),
        &[
            "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
            "a=sendonly",
            "a=msid:vitrine audio",
            "a=fmtp:111 minptime=10;useinbandfec=1",
            "a=rtpmap:63 red/48000/2",
            "a=fmtp:63 111/111",
        ],
    );
    let (ssrc, rtx) = (video.ssrc, video.rtx_ssrc);
    assert_lines(
        section(&answer, "video"),
        &[
            "a=msid:vitrine video",
            &format!("a=ssrc-group:FID {ssrc} {rtx}"),
            &format!("a=ssrc:{ssrc} cname:vitrine"),
            "a=rtcp-rsize",
            "a=rtcp-fb:45 transport-cc",
            "a=fmtp:45 profile=0;level-idx=5;tier=0",
        ],
    );
    assert_lines(
        section(&answer, "application"),
        &[
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "a=sctp-port:5000",
            "a=max-message-size:16384",
        ],
    );
    assert!(
        video.ssrc
            != sent(
                &Offer::parse(CHROMIUM_PLAY, Direction::Play, 2).unwrap(),
                MediaKind::Video
            )
            .ssrc
    );
}

#[test]
fn safari_is_sent_high_profile_as_the_one_it_offers() {
    let offer = play(SAFARI);
    let high = Codec::H264 {
        profile_level_id: [0x64, 0x00, 0x32],
        packetization_mode: 1,
    };
    let chosen = sent(&offer, MediaKind::Video).payload_for(high).unwrap();
    assert_eq!(chosen.payload_type, 96);
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

#[test]
fn a_direction_that_cannot_flow_is_refused() {
    assert_unacceptable(FIREFOX_PLAY, Direction::Publish, "recvonly");
    assert_unacceptable(OBS, Direction::Play, "sendonly");
    assert_unacceptable(
        &OBS.replace("sendonly", "inactive"),
        Direction::Publish,
        "inactive",
    );
    publish(&OBS.replace("sendonly", "sendrecv"));
    play(&SAFARI.replace("recvonly", "sendrecv"));
}

#[test]
fn a_refusal_names_what_is_accepted() {
    assert_unacceptable(
        &FFMPEG.replace("H264/90000", "H265/90000"),
        Direction::Publish,
        "VP8, VP9, H264",
    );
    assert_unacceptable(
        &FFMPEG.replace("opus/48000/2", "PCMU/8000"),
        Direction::Publish,
        "opus/48000/2",
    );
    assert_unacceptable(
        &OBS.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        Direction::Publish,
        "UDP/TLS/RTP/SAVPF",
    );
    assert_unacceptable(&OBS.replace("sha-256", "sha-1"), Direction::Publish, "sha-256");
}

#[test]
fn one_transport_is_required() {
    assert_unacceptable(
        &OBS.replace("a=group:BUNDLE 0 1\r\n", ""),
        Direction::Publish,
        "BUNDLE",
    );
    assert_unacceptable(
        &OBS.replace("BUNDLE 0 1", "BUNDLE 0"),
        Direction::Publish,
        "BUNDLE",
    );
    assert_unacceptable(&OBS.replace("a=rtcp-mux\r\n", ""), Direction::Publish, "rtcp-mux");
    assert_malformed(&OBS.replace("BUNDLE 0 1", "BUNDLE 0 1 7"), "unknown mid");
    let (head, rest) = OBS.split_once("m=audio").unwrap();
    let (_, video) = rest.split_once("m=video").unwrap();
    let alone = format!("{head}m=video{video}").replace("a=group:BUNDLE 0 1\r\n", "");
    assert!(!answer(&publish(&alone)).contains("BUNDLE"));
}

#[test]
fn two_videos_are_refused() {
    let (_, video) = OBS.split_once("m=video").unwrap();
    let two = format!("{OBS}m=video{}", video.replace("mid:1", "mid:2"));
    assert_unacceptable(
        &two.replace("BUNDLE 0 1", "BUNDLE 0 1 2"),
        Direction::Publish,
        "two m=video",
    );
}

#[test]
fn broken_text_is_told_what_is_wrong() {
    assert_malformed("", "");
    assert_malformed("hello", "");
    assert_malformed(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
        "no m-section",
    );
    assert_malformed(
        &OBS.replace("a=ice-pwd:pG2v9dXbQm4sWz8yRc1hLf\r\n", ""),
        "ice-pwd",
    );
    assert_malformed(&OBS.replace("ice-ufrag:nT7k", "ice-ufrag:n"), "ice-ufrag");
    assert_malformed(&OBS.replace("sha-256 7A", "sha-256 7G"), "sha-256");
    assert_malformed(&OBS.replace("a=mid:1", "a=mid:0"), "a=mid:0");
    assert_malformed(&OBS.replace("a=mid:1\r\n", ""), "a=mid");
    assert_malformed(&OBS.replace("SAVPF 96", "SAVPF 96 96"), "twice");
    assert_malformed(&OBS.replace("SAVPF 96", "SAVPF 296"), "payload type");
    assert_malformed(
        &OBS.replace("a=simulcast:send 0;1;2", "a=simulcast:send 7;8"),
        "rid",
    );
    assert_malformed(&OBS.replace("setup:actpass", "setup:pass\u{7}"), "setup");
    assert_malformed(
        &CHROMIUM_PLAY
            .replace("sctp-port:5000", "sctp-port:0")
            .replace("recvonly", "sendonly"),
        "sctp-port",
    );
}

#[test]
fn size_is_bounded_in_every_dimension() {
    assert_malformed(&"a=x\r\n".repeat(300_000), "bytes");
    assert_malformed(
        &format!("{OBS}{}", "m=audio 9 X 0\r\n".repeat(2000)),
        "m-sections",
    );
    assert_malformed(&format!("{OBS}{}", "a=x\r\n".repeat(2000)), "lines");
    assert_malformed(
        &format!(
            "{OBS}{}",
            "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(300)
        ),
        "candidates",
    );
    let many: String = (0..40).map(|ssrc| format!("a=ssrc:{ssrc} cname:x\r\n")).collect();
    assert_malformed(&format!("{OBS}{many}"), "SSRC");
}

#[test]
fn more_than_three_layers_are_cut_to_three() {
    let five = OBS
        .replace(
            "a=rid:2 send\r\n",
            "a=rid:2 send\r\na=rid:3 send\r\na=rid:4 send\r\n",
        )
        .replace("send 0;1;2", "send 0,9;~1;2;3;4");
    assert_lines(&answer(&publish(&five)), &["a=simulcast:recv 0;1;2"]);
}

#[test]
fn feedback_for_all_payloads_may_use_a_star() {
    let offer = publish(&FFMPEG.replace("rtcp-fb:106 nack", "rtcp-fb:* nack pli"));
    assert!(received(&offer, MediaKind::Video).payloads[0].feedback.pli);
}

#[test]
fn the_longest_payload_list_is_cut_before_the_answer_is_too_long() {
    let mut many = CHROMIUM_PLAY.to_owned();
    let numbers: Vec<u8> = (1..9).chain(14..35).chain(50..63).collect();
    for number in &numbers {
        many = many.replace(
            "a=rtpmap:96 VP8/90000\r\n",
            &format!(
                "a=rtpmap:96 VP8/90000\r\na=rtpmap:{number} H264/90000\r\na=fmtp:{number} packetization-mode=1;\
                 profile-level-id=42e01f\r\na=rtcp-fb:{number} nack\r\n"
            ),
        );
        many = many.replace(" 96 97 ", &format!(" {number} 96 97 "));
    }
    let offer = play(&many.replace("a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:* nack\r\na=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\na=rtcp-fb:* goog-remb\r\na=rtcp-fb:* transport-cc\r\n"));
    assert_eq!(sent(&offer, MediaKind::Video).payloads.len(), 20);
    let answer = answer_with(&offer, 8);
    assert!(answer.len() < 8192, "{} bytes", answer.len());
    assert!(answer.contains("a=candidate:1 1 udp"));
}
