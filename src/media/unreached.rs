//! Sessions that were answered and never connected, told to the operator: mostly a firewall, or an address that nobody
//! outside knows.

use std::time::{Duration, Instant};

/// Strangers may ask for sessions without end: the log hears of them this often at most.
const EVERY: Duration = Duration::from_secs(60);

/// How many there were since the log heard of it.
#[derive(Default)]
pub(super) struct Unreached {
    count: u64,
    told_at: Option<Instant>,
}

impl Unreached {
    /// One more. Returns how many there were when it is time to tell.
    pub(super) fn note(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        let is_due = self
            .told_at
            .is_none_or(|told| now.saturating_duration_since(told) >= EVERY);
        is_due.then(|| {
            self.told_at = Some(now);
            std::mem::take(&mut self.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_more_together_a_minute_later() {
        let mut unreached = Unreached::default();
        let start = Instant::now();
        assert_eq!(unreached.note(start), Some(1));
        for second in 1..60 {
            assert_eq!(unreached.note(start + Duration::from_secs(second)), None);
        }
        assert_eq!(unreached.note(start + EVERY), Some(60));
        assert_eq!(unreached.note(start + EVERY), None);
    }
}
