//! A short try on a line of which only reports tell, perhaps once a second: the sender report that leaves behind it waits for all that
//! it made wait, and the next report says how long that was (RFC 3550 §6.4.1, LSR and DLSR).

/// A sender report that left so much later than the end, microseconds, has waited for less.
const BEHIND_US: i64 = 50_000;
/// And not any more after this.
const PATIENCE_US: i64 = 3_000_000;
/// A queue shorter than this is none: packets come unevenly.
const NONE_US: i64 = 25_000;
/// What has gone on for so long and made a queue of this tells enough, microseconds: the sender report may be lost in it.
const LEAST_US: i64 = 50_000;
const MUCH_US: i64 = 150_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Brief {
    rate: u64,
    began: i64,
    bytes: u64,
    /// And how many bytes it took.
    ended: Option<(i64, u64)>,
}

/// What has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is not known yet.
    Nothing,
    /// The line carries so much, bits per second, and had to be waited for or not.
    Carries(u64, bool),
    /// Nobody will say.
    Unanswered,
}

impl Brief {
    /// From now on this rate leaves; so many bytes have left before.
    pub(super) fn new(now: i64, rate: u64, bytes: u64) -> Brief {
        Brief {
            rate,
            began: now,
            bytes,
            ended: None,
        }
    }

    /// It is over, and a sender report follows. False where it was before.
    pub(super) fn end(&mut self, now: i64, bytes: u64) -> bool {
        let is_first = self.ended.is_none();
        self.ended.get_or_insert((now, bytes.saturating_sub(self.bytes)));
        is_first
    }

    /// What a report says by which a sender report that left then has waited for so long, microseconds.
    pub(super) fn judge(&self, now: i64, left: i64, waited: i64) -> Found {
        let Some((ended, bytes)) = self.ended else {
            return Found::Nothing;
        };
        if left > ended + BEHIND_US || now > ended + PATIENCE_US {
            return Found::Unanswered;
        }
        // Units of report times are 15 µs.
        if left + 100 < ended {
            return Found::Nothing;
        }
        if waited < NONE_US {
            return Found::Carries(self.rate, false);
        }
        Found::Carries(self.carries(ended, bytes, waited), true)
    }

    /// The same by a packet that left amid it, when so many bytes had, and that has waited so long, perhaps for longer.
    pub(super) fn judge_early(&self, left: i64, bytes: u64, waited: i64) -> Found {
        let bytes = bytes.saturating_sub(self.bytes);
        if left < self.began + LEAST_US || waited < MUCH_US {
            return Found::Nothing;
        }
        Found::Carries(self.carries(left, bytes, waited), true)
    }

    fn carries(&self, until: i64, bytes: u64, waited: i64) -> u64 {
        let took = (until - self.began).max(1).unsigned_abs();
        let bits = (bytes * 8).max(self.rate * took / 1_000_000);
        bits * 1_000_000 / (took + waited.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_behind_a_try_tells_what_the_line_carries() {
        let mut brief = Brief::new(0, 800_000, 5_000);
        assert_eq!(brief.judge(100_000, 90_000, 0), Found::Nothing, "it goes on");
        assert!(brief.end(200_000, 25_000) && !brief.end(300_000, 40_000));
        for (now, left, waited, found) in [
            (250_000, 100_000, 0, Found::Nothing),
            (900_000, 200_000, 10_000, Found::Carries(800_000, false)),
            (900_000, 210_000, 200_000, Found::Carries(400_000, true)),
            (900_000, 400_000, 0, Found::Unanswered),
            (4_000_000, 200_000, 0, Found::Unanswered),
        ] {
            assert_eq!(brief.judge(now, left, waited), found, "{now} {left} {waited}");
        }
        // A large picture came amid it.
        let mut brief = Brief::new(0, 800_000, 0);
        brief.end(200_000, 40_000);
        assert_eq!(
            brief.judge(900_000, 200_000, 200_000),
            Found::Carries(800_000, true)
        );
    }
}
