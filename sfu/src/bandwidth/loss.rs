//! Loss that says the line is full, told from loss that is the line's own (after the ideas of libwebrtc's
//! `LossBasedBweV2`, without its search: a viewer's rate moves in a few steps only).
//!
//! A line may lose a few percent by itself, and a slow one more. What is above that, in several windows one after
//! the other, is taken for congestion. If it is as much after the rate has gone down, it was the line's own.

/// Shortest window, microseconds (libwebrtc: ObservationDurationLowerBound, 250 ms), and least packets in it.
const WINDOW_US: i64 = 250_000;
const LEAST_PACKETS: u32 = 30;
/// Loss of its own that any line may have, and bits per second that, divided by the rate, may add to it (libwebrtc:
/// InherentLossUpperBoundOffset 0.05, InherentLossUpperBoundBwBalance 75 kbps).
const OWN_LOSS: f32 = 0.05;
const OWN_BALANCE: f32 = 75_000.0;
/// No line has more loss of its own than this.
const MOST_OWN: f32 = 0.3;
/// Weight of the newest window: single bursts of loss pass.
const WEIGHT: f32 = 0.2;
/// Windows above the limit before it is congestion; one that loses this much counts twice.
const WINDOWS: u8 = 4;
const SEVERE: f32 = 0.25;
/// A rate below this part of the one that was too much shows whether the loss was due to it.
const LOWER: f32 = 0.7;
/// Fraction of the loss that must stay then.
const STAYS: f32 = 0.7;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    packets: u32,
    lost: u32,
    began: Option<i64>,
    fraction: f32,
    own: f32,
    above: u8,
    /// Rate and loss at the last cut.
    cut: Option<(f32, f32)>,
}

impl Loss {
    pub(super) fn count(&mut self, came: u32, lost: u32) {
        self.packets += came + lost;
        self.lost += lost;
    }

    /// Of 1, over seconds.
    pub(super) fn fraction(&self) -> f32 {
        self.fraction
    }

    /// Whether the last windows were all right.
    pub(super) fn is_calm(&self) -> bool {
        self.above == 0
    }

    /// Closes a window when it is long enough; true when the line is full. `rate` is what is sent, bits per second.
    pub(super) fn is_congestion(&mut self, now: i64, rate: u64) -> bool {
        let began = *self.began.get_or_insert(now);
        if now - began < WINDOW_US || self.packets < LEAST_PACKETS {
            return false;
        }
        let lost = self.lost as f32 / self.packets as f32;
        (self.packets, self.lost, self.began) = (0, 0, Some(now));
        self.fraction += (lost - self.fraction) * WEIGHT;
        let rate = rate.max(1) as f32;
        if let Some((cut_rate, cut_loss)) = self.cut
            && rate < cut_rate * LOWER
        {
            if lost >= cut_loss * STAYS {
                self.own = lost.min(MOST_OWN);
            }
            // One look is enough: later loss has later causes.
            self.cut = None;
        }
        self.own = self.own.min(self.fraction.max(lost));
        let limit = (OWN_LOSS + OWN_BALANCE / rate).max(self.own * 1.3).min(MOST_OWN);
        self.above = match lost > limit {
            true => self.above + 1 + u8::from(lost > SEVERE),
            false => 0,
        };
        if self.above < WINDOWS || self.fraction <= limit {
            return false;
        }
        self.above = 0;
        self.cut = Some((rate, lost));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of 100 packets with so many lost.
    fn windows(loss: &mut Loss, at: &mut i64, rate: u64, lost: &[u32]) -> usize {
        let mut found = 0;
        for lost in lost {
            *at += 300_000;
            loss.count(100 - lost, *lost);
            found += usize::from(loss.is_congestion(*at, rate));
        }
        found
    }

    #[test]
    fn a_few_percent_and_single_bursts_are_borne() {
        let (mut loss, mut at) = (Loss::default(), 0);
        assert_eq!(windows(&mut loss, &mut at, 2_500_000, &[5; 40]), 0);
        assert_eq!(
            windows(&mut loss, &mut at, 2_500_000, &[0, 0, 30, 0, 0, 0, 25, 12, 0]),
            0
        );
    }

    #[test]
    fn much_loss_is_congestion_unless_it_stays_when_less_is_sent() {
        let (mut loss, mut at) = (Loss::default(), 0);
        assert_eq!(windows(&mut loss, &mut at, 2_500_000, &[20; 5]), 1);
        // Less helps.
        assert_eq!(windows(&mut loss, &mut at, 1_000_000, &[0; 10]), 0);
        assert_eq!(windows(&mut loss, &mut at, 2_500_000, &[20; 5]), 1);
        // Less does not help: it is the line's.
        assert_eq!(windows(&mut loss, &mut at, 1_000_000, &[20; 40]), 0);
    }
}
