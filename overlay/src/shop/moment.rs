//! When something happened.

use crate::UnixMillis;

/// A host's page and its camera are a little behind what it says; more than this is a mistake. Milliseconds.
const LONGEST_AGO: i64 = 10_000;
/// Clocks that were compared over a network differ by so much at most.
const AHEAD: i64 = 1000;

/// The time, and the moment before the camera that what happens belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: UnixMillis,
    pub(super) captured_at: Option<i64>,
}

impl Moment {
    /// What a host says it did before the camera at `captured_at`; a time that cannot be is left out.
    pub(super) fn captured(now: UnixMillis, captured_at: Option<i64>) -> Moment {
        let plausible = now.0 - LONGEST_AGO..=now.0 + AHEAD;
        let captured_at = captured_at.filter(|at| plausible.contains(at));
        Moment { now, captured_at }
    }
}

impl From<UnixMillis> for Moment {
    fn from(now: UnixMillis) -> Moment {
        Moment {
            now,
            captured_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_long_ago_or_to_come_is_none() {
        let now = UnixMillis(1_000_000);
        let claimed = |at| Moment::captured(now, Some(at)).captured_at;
        assert_eq!(claimed(990_000), Some(990_000));
        assert_eq!(claimed(1_001_000), Some(1_001_000));
        assert_eq!((claimed(989_999), claimed(1_001_001)), (None, None));
    }
}
