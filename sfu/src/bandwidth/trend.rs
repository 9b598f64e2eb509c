//! Whether queueing delay grows: a line fitted to the latest group delays, against a threshold that adapts itself
//! (draft-ietf-rmcat-gcc-02 §5.3 to §5.5, with the trendline filter that libwebrtc has in place of the Kalman
//! filter; Carlucci et al., "Analysis and Design of the Google Congestion Control for WebRTC", 2016).

use super::groups::Step;

/// Group delays the line is fitted to (libwebrtc `TrendlineEstimatorSettings`).
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay (libwebrtc).
const SMOOTHING: f64 = 0.9;
/// What a slope is multiplied with, besides the number of groups, to be compared with the threshold (libwebrtc).
const GAIN: f64 = 4.0;
/// Groups that count at most (libwebrtc).
const MOST_GROUPS: u32 = 60;
/// The threshold in milliseconds at first, at least and at most (draft §5.4: 12.5, 6, 600).
const THRESHOLD: f64 = 12.5;
const LEAST_THRESHOLD: f64 = 6.0;
const MOST_THRESHOLD: f64 = 600.0;
/// How fast the threshold follows upward and downward, per millisecond (ibid. K_u, K_d; libwebrtc's values).
const FOLLOW_UP: f64 = 0.0087;
const FOLLOW_DOWN: f64 = 0.039;
/// Beyond the threshold by this much is a jump, not something to get used to (draft §5.4).
const JUMP: f64 = 15.0;
/// A longer time without groups does not count fully (libwebrtc).
const LONGEST_STEP_MS: f64 = 100.0;
/// The slope must be steep for this long (draft §5.4: overuse_time_th, 10 ms).
const OVERUSE_MS: f64 = 10.0;

/// What the delays say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    /// Neither.
    #[default]
    Normal,
    /// A queue grows.
    Over,
    /// A queue shrinks.
    Under,
}

#[derive(Clone, Debug)]
pub(super) struct Trend {
    /// Arrival and smoothed delay of the latest groups, in milliseconds.
    points: [(f64, f64); WINDOW],
    place: usize,
    groups: u32,
    begin: Option<i64>,
    delay: f64,
    smoothed: f64,
    threshold: f64,
    updated: Option<i64>,
    /// For how long, and in how many groups, the slope has been steep.
    steep: Option<(f64, u32)>,
    slope: f64,
    usage: Usage,
}

impl Trend {
    pub(super) fn new() -> Trend {
        Trend {
            points: [(0.0, 0.0); WINDOW],
            place: 0,
            groups: 0,
            begin: None,
            delay: 0.0,
            smoothed: 0.0,
            threshold: THRESHOLD,
            updated: None,
            steep: None,
            slope: 0.0,
            usage: Usage::Normal,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn add(&mut self, step: Step) {
        let ms = |us: i64| us as f64 / 1000.0;
        let begin = *self.begin.get_or_insert(step.at);
        self.delay += ms(step.arrived - step.sent);
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.delay;
        if let Some(point) = self.points.get_mut(self.place) {
            *point = (ms(step.at - begin), self.smoothed);
        }
        self.place = (self.place + 1) % WINDOW;
        self.groups = (self.groups + 1).min(MOST_GROUPS);
        let slope = if self.groups as usize >= WINDOW {
            slope(&self.points).unwrap_or(self.slope)
        } else {
            self.slope
        };
        self.judge(slope, ms(step.sent));
        self.adapt(step.at);
    }

    fn signal(&self) -> f64 {
        f64::from(self.groups) * self.slope * GAIN
    }

    fn judge(&mut self, slope: f64, sent_ms: f64) {
        let before = std::mem::replace(&mut self.slope, slope);
        let signal = self.signal();
        if self.groups < 2 {
            return;
        }
        if signal > self.threshold {
            // The first one is taken to have begun halfway.
            let (time, groups) = self.steep.unwrap_or((-sent_ms / 2.0, 0));
            let (time, groups) = (time + sent_ms, groups + 1);
            self.steep = Some((time, groups));
            if time > OVERUSE_MS && groups > 1 && slope >= before {
                self.steep = Some((0.0, 0));
                self.usage = Usage::Over;
            }
        } else {
            self.steep = None;
            self.usage = if signal < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
    }

    fn adapt(&mut self, at: i64) {
        let passed = self.updated.map_or(0.0, |before| (at - before) as f64 / 1000.0);
        self.updated = Some(at);
        let signal = self.signal().abs();
        if signal > self.threshold + JUMP {
            return;
        }
        let follow = if signal < self.threshold {
            FOLLOW_DOWN
        } else {
            FOLLOW_UP
        };
        self.threshold += follow * (signal - self.threshold) * passed.clamp(0.0, LONGEST_STEP_MS);
        self.threshold = self.threshold.clamp(LEAST_THRESHOLD, MOST_THRESHOLD);
    }
}

/// Least squares.
fn slope(points: &[(f64, f64); WINDOW]) -> Option<f64> {
    let count = WINDOW as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut above, mut below) = (0.0, 0.0);
    for (x, y) in points {
        above += (x - mean_x) * (y - mean_y);
        below += (x - mean_x) * (x - mean_x);
    }
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups every 20 ms, each later by `growth` microseconds.
    fn feed(trend: &mut Trend, at: &mut i64, groups: usize, growth: i64) -> Vec<Usage> {
        (0..groups)
            .map(|_| {
                *at += 20_000 + growth;
                trend.add(Step {
                    sent: 20_000,
                    arrived: 20_000 + growth,
                    at: *at,
                });
                trend.usage()
            })
            .collect()
    }

    #[test]
    fn growing_delay_is_overuse_and_shrinking_delay_is_not() {
        let (mut trend, mut at) = (Trend::new(), 0);
        assert!(
            feed(&mut trend, &mut at, 100, 0)
                .iter()
                .all(|usage| *usage == Usage::Normal)
        );
        let grows = feed(&mut trend, &mut at, 12, 4_000);
        let found = grows.iter().position(|usage| *usage == Usage::Over);
        assert!(found.is_some_and(|groups| groups < 10), "{grows:?}");
        let shrinks = feed(&mut trend, &mut at, 40, -2_000);
        assert!(shrinks.contains(&Usage::Under), "{shrinks:?}");
        let rests = feed(&mut trend, &mut at, 100, 0);
        assert_eq!(rests.last(), Some(&Usage::Normal));
    }
}
