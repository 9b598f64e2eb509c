//! Which protocol a datagram of the shared port belongs to.

/// What a first byte stands for (RFC 7983 §7).
pub(super) enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Unknown,
}

/// What a datagram is, by its first bytes.
pub(super) fn kind(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        // RTCP packet types 192 to 223 (RFC 5761 §4).
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}
