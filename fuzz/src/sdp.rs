//! Session descriptions.

use sfu::negotiation::{Fingerprint, IceCredentials};
use sfu::sdp::{AnswerParams, Direction, Fragment, Offer};

/// Answers must stay below this (a bound of ours: clients have small buffers).
const MAX_ANSWER: usize = 8 << 10;

/// An offer to either door; one that is taken is answered, briefly and section by section.
pub(crate) fn offer(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for direction in [Direction::Publish, Direction::Play] {
        let Ok(offer) = Offer::parse(&text, direction, 7) else {
            continue;
        };
        let answer = with_params(|params| offer.answer(params));
        assert!(answer.len() < MAX_ANSWER, "an answer of {} bytes", answer.len());
        let sections = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
        assert_eq!(
            sections(&answer),
            sections(&text),
            "sections of the answer:\n{answer}"
        );
        with_params(|params| Fragment::restarted(offer.tag(), params));
    }
}

/// What a PATCH carries.
pub(crate) fn fragment(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(read) = Fragment::parse(&text) {
        assert!(read.ice.is_some() || read.candidates > 0 || read.end_of_candidates);
    }
}

fn with_params<T>(write: impl FnOnce(&AnswerParams<'_>) -> T) -> T {
    let ice = IceCredentials {
        ufrag: "ufragufragufrag0".to_owned(),
        pwd: "passwordpasswordpassword".to_owned(),
    };
    let address = ([192, 0, 2, 1], 7000).into();
    write(&AnswerParams {
        ice: &ice,
        fingerprint: Fingerprint([7; 32]),
        udp: &[address],
        tcp: &[address],
        stream: "vitrine",
        max_message: 16 << 10,
    })
}
