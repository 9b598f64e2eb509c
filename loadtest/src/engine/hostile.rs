//! The parsers of what a server sends, for whoever feeds them nonsense.

use super::{answer, events, rtcp, rtp};
use crate::clip::keyframe::Codec;
use crate::clip::size;

/// An answer to a POST.
pub fn answer(text: &str) {
    if let Ok(answer) = answer::parse(text) {
        assert!(!answer.formats.is_empty(), "nothing could be played");
    }
}

/// An RTP packet: its header, and what is behind it as the beginning of a picture of every codec.
pub fn packet(bytes: &[u8]) {
    let Some(head) = rtp::Head::parse(bytes, Some(3)) else {
        return;
    };
    let payload = rtp::without_padding(bytes.get(head.len..).unwrap_or_default(), head.has_padding);
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
        let size = payload.and_then(|payload| size::of_keyframe(codec, payload));
        assert!(size.is_none_or(|(width, height)| width > 0 && height > 0));
    }
}

/// A decrypted compound of RTCP.
pub fn reports(bytes: &[u8]) {
    rtcp::read(bytes, |_| {});
}

/// A stream of events, in two pieces.
pub fn events(bytes: &[u8]) {
    let mut events = events::Events::default();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for piece in [first, second] {
        if !events.feed(piece) {
            return;
        }
        while events.next().is_some() {}
    }
}
