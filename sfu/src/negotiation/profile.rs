//! H.264 profiles as `profile-level-id` names them, and which receivers can be given which streams.

/// A family of H.264 profiles, the smaller contained in the larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// Baseline and constrained baseline: encoders for calls (x264 among them) never use what divides the two
    /// (FMO, ASO), and several write the constraint bits wrongly.
    Baseline,
    /// Main.
    Main,
    /// High and constrained high: a live encoder sends progressive pictures whatever bits it sets.
    High,
}

/// Table 5 of RFC 6184: profile_idc with the constraint bits that move a stream into a smaller profile.
fn family([idc, iop, _level]: [u8; 3]) -> Option<Family> {
    const SET1: u8 = 0x40;
    const SET0: u8 = 0x80;
    match idc {
        0x42 => Some(Family::Baseline),
        0x4d if iop & SET0 != 0 => Some(Family::Baseline),
        0x4d => Some(Family::Main),
        0x58 if iop & SET1 != 0 => Some(Family::Baseline),
        0x64 => Some(Family::High),
        // Extended, 4:2:2 and 4:4:4 play only where exactly they were offered.
        _ => None,
    }
}

/// Whether a receiver that offered `receiver` can decode a stream of profile `stream`. Levels are not compared:
/// browsers offer 3.1 and decode far more (`level-asymmetry-allowed`).
pub(super) fn decodes(receiver: [u8; 3], stream: [u8; 3]) -> bool {
    match (family(receiver), family(stream)) {
        (Some(receiver), Some(stream)) => stream <= receiver,
        (None, None) => is_same(receiver, stream),
        _ => false,
    }
}

/// Whether both name the same profile, levels aside.
pub(super) fn is_same([idc, iop, _]: [u8; 3], [other_idc, other_iop, _]: [u8; 3]) -> bool {
    (idc, iop) == (other_idc, other_iop)
}
