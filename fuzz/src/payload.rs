//! The first bytes of each codec's payload.

use sfu::media::payload::av1::{Av1Units, frame_size};
use sfu::media::payload::dependency::{DependencyDescriptor, Templates};
use sfu::media::payload::frame_marking::FrameMarking;
use sfu::media::payload::h264::{H264Units, picture_size};
use sfu::media::payload::red::RedHeader;
use sfu::media::payload::vp8::Vp8Descriptor;
use sfu::media::payload::vp9::Vp9Descriptor;

use crate::pieces;

/// RFC 7741 §4.2; the descriptor lies inside the payload.
pub(crate) fn vp8(input: &[u8]) {
    if let Some(read) = Vp8Descriptor::parse(input) {
        assert!(usize::from(read.len) <= input.len());
    }
}

/// RFC 9628 §4.2.
pub(crate) fn vp9(input: &[u8]) {
    if let Some(read) = Vp9Descriptor::parse(input) {
        let _ = (read.frame_start(), read.keyframe_start());
    }
}

/// RFC 2198 §3: what is renamed lies before the block that is found.
pub(crate) fn red(input: &[u8]) {
    if let Some(read) = RedHeader::parse(input) {
        assert!(read.primary() < input.len());
        assert!(read.renamed(input, 111).len() <= read.primary());
    }
}

/// RFC 6184 §5.2: single units, aggregates and fragments, and the parameter set within.
pub(crate) fn h264(input: &[u8]) {
    let _ = H264Units::parse(input);
    let _ = picture_size(input);
}

/// The AV1 RTP payload and the sequence header within.
pub(crate) fn av1(input: &[u8]) {
    let _ = Av1Units::parse(input);
    let _ = frame_size(input);
}

/// A stream of dependency descriptors, the later ones read with the earlier ones' templates.
pub(crate) fn dependency_descriptor(input: &[u8]) {
    let mut templates = Templates::default();
    for value in pieces(input) {
        let _ = DependencyDescriptor::parse(value, &mut templates);
    }
}

/// RFC 9626 §3.
pub(crate) fn frame_marking(input: &[u8]) {
    if let Some(read) = FrameMarking::parse(input) {
        assert!(read.temporal < 8);
    }
}
