//! What hosts offer, and how it is answered.

use sfu::negotiation::{Codec, DtlsRole, Extension};

use super::*;

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
fn a_group_of_sources_is_taken_as_layers() {
    let sources: String = (1..=8).map(|ssrc| format!("a=ssrc:{ssrc} cname:x\r\n")).collect();
    let offer = |groups: &str| {
        let offer = publish(&format!("{FFMPEG}{groups}{sources}"));
        received(&offer, MediaKind::Video).ssrcs.clone()
    };
    let old = [(1938475601, Some(1938475602))];
    assert_eq!(offer(""), old, "several sources are one after the other");
    let layers = "a=ssrc-group:SIM 3 1 2\r\na=ssrc-group:FID 1 5\r\na=ssrc-group:FID 3 7\r\n";
    assert_eq!(offer(layers), [(3, Some(7)), (1, Some(5)), (2, None)]);
    assert_eq!(
        offer("a=ssrc-group:SIM 4 3 2 1\r\n"),
        [(4, None), (3, None), (2, None)],
        "three at most"
    );
    assert_eq!(offer("a=ssrc-group:SIM 2\r\n"), old);
    assert_eq!(
        offer("a=ssrc-group:SIM 2 99\r\n"),
        old,
        "one that is not announced is none"
    );
    // Where there are rids, these decide.
    let named = publish(&OBS.replace("a=mid:1", "a=mid:1\r\na=ssrc-group:SIM 1203040507 1203040508"));
    assert_eq!(received(&named, MediaKind::Video).rids.len(), 3);
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
fn layers_that_nothing_would_tell_apart_are_one() {
    let unmarked: String = OBS
        .split_inclusive('\n')
        .filter(|line| !line.contains("rtp-stream-id"))
        .collect();
    let offer = publish(&unmarked);
    assert!(received(&offer, MediaKind::Video).rids.is_empty());
    assert!(!answer(&offer).contains("simulcast"));
}

#[test]
fn feedback_for_all_payloads_may_use_a_star() {
    let offer = publish(&FFMPEG.replace("rtcp-fb:106 nack", "rtcp-fb:* nack pli"));
    assert!(received(&offer, MediaKind::Video).payloads[0].feedback.pli);
}
