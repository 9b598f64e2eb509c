//! What a datagram is before anything is known of its sender.

use sfu::transport::{Stun, is_client_hello, parse_dcep, parse_stun, rtp_header_len, stun_local_ufrag};

/// A STUN message. Both readers agree on whom it asks for.
pub(crate) fn stun(input: &[u8]) {
    let ufrag = stun_local_ufrag(input);
    if let Some(Stun::Request(request)) = parse_stun(input)
        && let Some((local, _)) = request.ufrags()
    {
        assert_eq!(ufrag, Some(local));
        let _ = request.use_candidate();
    }
}

/// The first flight of DTLS.
pub(crate) fn client_hello(input: &[u8]) {
    let _ = is_client_hello(input);
}

/// Where an SRTP packet's clear header ends: inside the packet.
pub(crate) fn srtp_header(input: &[u8]) {
    if let Some(len) = rtp_header_len(input) {
        assert!((12..=input.len()).contains(&len));
    }
}

/// A data channel's opening.
pub(crate) fn dcep(input: &[u8]) {
    let _ = parse_dcep(input);
}
