//! What viewers offer, and how it is answered.

use sfu::negotiation::Codec;

use super::*;

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
    assert_eq!(is_firefox, [false, false, false, false, true]);
}

#[test]
fn aiortc_has_fingerprints_of_three_hashes() {
    assert_eq!(play(AIORTC).fingerprints.len(), 1);
}

#[test]
fn gstreamer_hears_opus_without_saying_its_channels() {
    let offer = play(GSTREAMER_PLAY);
    let audio = sent(&offer, MediaKind::Audio);
    assert_eq!(audio.payloads[0].codec, Codec::Opus);
    assert_lines(
        section(&answer(&offer), "audio"),
        &["m=audio 9 UDP/TLS/RTP/SAVPF 101 108", "a=rtpmap:101 opus/48000/2"],
    );
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
fn gstreamer_sees_h264_without_saying_all_of_its_form() {
    let stream = |profile_level_id| Codec::H264 {
        profile_level_id,
        packetization_mode: 1,
    };
    let (baseline, high) = (stream([0x42, 0xe0, 0x1f]), stream([0x64, 0x00, 0x1f]));
    let plays = |text: &str, codec| {
        let offer = play(text);
        let chosen = sent(&offer, MediaKind::Video).payload_for(codec).copied();
        (chosen.map(|payload| payload.payload_type), answer(&offer))
    };
    // The profile alone, as whepclientsrc does: one of them, in either packetization mode.
    let (chosen, answered) = plays(GSTREAMER_PLAY, baseline);
    assert_eq!(chosen, Some(97));
    let video = section(&answered, "video");
    assert_lines(
        video,
        &["a=fmtp:97 level-asymmetry-allowed=1;profile-level-id=42e016"],
    );
    assert_eq!(plays(GSTREAMER_PLAY, high).0, None);
    // Nothing at all, as whepsrc does.
    let silent = GSTREAMER_PLAY.replace("a=fmtp:97 profile-level-id=42e016\r\n", "");
    let (chosen, answered) = plays(&silent, high);
    assert_eq!(chosen, Some(97));
    assert!(!section(&answered, "video").contains("a=fmtp:97"));
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
