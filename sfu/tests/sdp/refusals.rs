//! What cannot be answered, and what is said then.

use sfu::sdp::OfferError;

use super::*;

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
            "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(2000)
        ),
        "bytes",
    );
    let many: String = (0..40).map(|ssrc| format!("a=ssrc:{ssrc} cname:x\r\n")).collect();
    assert_malformed(&format!("{OBS}{many}"), "SSRC");
}
