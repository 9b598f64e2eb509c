//! What the longest freeze of a course is measured against: how long the picture that it waited for takes such a line by itself, and
//! what a sender would have done who is told the line's rate as soon as anybody can be.

use std::fmt;
use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::outcome::Outcome;
use super::world::World;

/// Nobody begins with a picture that would stop everything for longer, as far as is known.
const PATIENCE: Duration = Duration::from_millis(450);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Milliseconds from the last picture before a freeze.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Oracle {
    /// To the next one of the layer that was on its way, with nothing before it in the line.
    pub(crate) alone: u128,
    /// As one would see it who knows the line's rate a round trip and a feedback later, sends exactly as fast, and takes the lowest
    /// layer's picture instead where that is there sooner.
    pub(crate) informed: u128,
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "by itself {} ms, of one who is told the rate {} ms",
            self.alone, self.informed
        )
    }
}

impl World {
    /// Of the longest freeze of an outcome.
    pub(crate) fn oracle(&self, viewer: usize, outcome: &Outcome) -> Oracle {
        let seen = &self.viewers[viewer];
        let line = &self.lines[seen.line];
        let (from, to) = (outcome.frozen_at, outcome.frozen_at + outcome.longest_freeze);
        let shown = &seen.screen.shown;
        let last = shown.iter().rfind(|shown| shown.at <= from);
        let (frame, layer) = last.map_or((0, 0), |last| (last.stamp.frame, last.stamp.layer));
        let came = seen.screen.came.iter().filter(|(at, _)| (from..to).contains(at));
        let layer = came.map(|(_, layer)| *layer).max().unwrap_or(layer);
        let begins = Camera::time_of(frame + 1);
        let [bytes, least] = [layer, 0].map(|layer| self.camera.bytes(frame + 1, layer));
        let since = begins.saturating_sub(from) + line.delay;
        let alone = since + line.takes(begins, bytes);
        let informed = since
            + informed(
                line,
                begins,
                line.delay * 2 + seen.arrivals.interval,
                [bytes, least],
            );
        Oracle {
            alone: alone.as_millis(),
            informed: informed.as_millis(),
        }
    }
}

/// How long it takes until a picture of so many bytes, or the least there is, has come.
fn informed(line: &Bottleneck, begins: Duration, late: Duration, [bytes, least]: [usize; 2]) -> Duration {
    let mut at = begins;
    let whole = line.takes(begins, bytes);
    while at < begins + whole {
        let known = Bottleneck {
            plan: vec![(Duration::ZERO, line.rate(at.saturating_sub(late)))],
            ..line.clone()
        };
        let passed = at - begins;
        let left = bytes - (bytes as f64 * passed.as_secs_f64() / whole.as_secs_f64()) as usize;
        if left > least && passed + known.takes(at, left) > PATIENCE {
            return passed + line.takes(at, least);
        }
        at += LOOK;
    }
    whole
}
