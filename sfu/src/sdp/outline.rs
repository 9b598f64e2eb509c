//! What an answer repeats of its offer besides what was agreed: order, protocol names, format parameters.

use crate::negotiation::{Extension, Label};

/// The m-section whose transport carries all others (the answerer-tagged one, RFC 8843 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its media and protocol as in an m-line.
    pub(super) kind: SectionKind,
    /// Its `a=mid`.
    pub(super) mid: Label,
}

/// What an m-section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionKind {
    Audio,
    Video,
    Data,
}

impl SectionKind {
    /// The first word of its m-line.
    pub(super) fn name(self) -> &'static str {
        match self {
            SectionKind::Audio => "audio",
            SectionKind::Video => "video",
            SectionKind::Data => "application",
        }
    }
}

/// The shape of the answer.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    pub(super) tag: Tag,
    /// Whether the offer has a BUNDLE group; one that has only one m-section may have none.
    pub(super) bundled: bool,
    /// In the offer's order.
    pub(super) sections: Vec<SectionOutline>,
}

/// The shape of one m-section of the answer.
#[derive(Clone, Debug)]
pub(super) struct SectionOutline {
    pub(super) kind: SectionKind,
    pub(super) mid: Label,
    /// The protocol of the m-line, repeated (RFC 3264 §6).
    pub(super) protocol: &'static str,
    /// `a=rtcp-rsize` was offered (RFC 5506 §5.1).
    pub(super) reduced_size_rtcp: bool,
    /// `a=extmap-allow-mixed` was offered (RFC 8285 §6). Without it in the answer browsers leave out the dependency
    /// descriptor altogether, because its structure does not fit the one-byte form.
    pub(super) mixed_extensions: bool,
    /// `a=fmtp` values, for payloads that have one.
    pub(super) formats: Vec<(u8, String)>,
    /// Header extensions with the suffix their answer has, empty for both ways.
    pub(super) extensions: Vec<(u8, Extension, &'static str)>,
}
