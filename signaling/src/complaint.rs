//! What goes wrong again and again is said once a minute, with its number.

use std::time::{Duration, Instant};

/// Between two lines about the same: an operator sees that it lasts, and the log stays readable.
const SILENCE: Duration = Duration::from_secs(60);

/// One kind of thing that goes wrong.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    said: Option<Instant>,
    times: u64,
}

impl Complaint {
    /// It went wrong once more: how often since it was said last, where it is to be said now.
    pub(crate) fn again(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        let is_fresh = |said| now.saturating_duration_since(said) < SILENCE;
        if self.said.is_some_and(is_fresh) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_at_once_and_the_rest_once_a_minute() {
        let begin = Instant::now();
        let mut complaint = Complaint::default();
        let said: Vec<(u64, u64)> = (0..2600)
            .filter_map(|number| {
                let at = begin + Duration::from_millis(50) * number;
                Some((u64::from(number), complaint.again(at)?))
            })
            .collect();
        assert_eq!(said, [(0, 1), (1200, 1200), (2400, 1200)]);
    }
}
