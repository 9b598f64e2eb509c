//! What a PATCH may carry.

use sfu::sdp::{Fragment, OfferError};

use super::*;

#[test]
fn a_fragment_trickles_or_restarts() {
    let trickled = Fragment::parse(
        "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
         a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
         a=candidate:2 1 tcp 1 4fd4-mdns.local 9 typ host tcptype active\r\na=end-of-candidates\r\n",
    )
    .unwrap();
    assert_eq!(trickled.ice.unwrap().ufrag, "EsAw");
    assert_eq!(trickled.candidates, 2);
    assert!(trickled.end_of_candidates);
}

#[test]
fn a_broken_fragment_is_refused() {
    for text in [
        "",
        "hello",
        "a=mid:0\r\n",
        "a=ice-ufrag:EsAw\r\n",
        "a=candidate:1 1 udp\r\n",
        "a=ice-ufrag:EsAw\r\na=ice-pwd:short\r\n",
        "a=ice-ufrag:EsAw\r\na=ice-ufrag:Other\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n",
        &"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(600),
        &"a=x\r\n".repeat(1000),
    ] {
        assert!(
            matches!(Fragment::parse(text), Err(OfferError::Malformed(_))),
            "{text:?}"
        );
    }
}

#[test]
fn a_machine_with_many_bridges_names_hundreds_of_candidates() {
    let candidates = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(240);
    assert!(Fragment::parse(&candidates).is_ok());
}

#[test]
fn a_restart_is_answered_with_new_credentials_and_every_candidate() {
    let offer = play(CHROMIUM_PLAY);
    let ice = credentials();
    let udp = ["192.0.2.1:7000".parse().unwrap()];
    let fragment = Fragment::restarted(
        offer.tag(),
        &AnswerParams {
            ice: &ice,
            fingerprint: Fingerprint([0; 32]),
            udp: &udp,
            tcp: &[],
            stream: "vitrine",
            max_message: 1,
        },
    );
    let parsed = Fragment::parse(&fragment).unwrap();
    assert_eq!(parsed.ice, Some(ice));
    assert_eq!(parsed.candidates, 1);
    assert!(parsed.end_of_candidates);
    let first_answer = answer(&offer);
    for line in ["a=ice-lite", "a=ice-options:trickle", "a=mid:0"] {
        assert!(
            has_line(&fragment, line) && has_line(&first_answer, line),
            "{fragment}"
        );
    }
}
