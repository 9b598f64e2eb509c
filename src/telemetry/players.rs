//! What players tell of themselves.

use std::time::Duration;

use prometheus::{Counter, Histogram, HistogramOpts, IntCounter, Registry};
use signaling::PlayerReport;

use super::registered;

/// What players tell of themselves, of all rooms together.
#[derive(Clone)]
pub struct PlayerMetrics {
    first_frame: Histogram,
    freezes: IntCounter,
    frozen: Counter,
}

impl PlayerMetrics {
    /// At zero.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new(registry: &Registry) -> Result<PlayerMetrics, prometheus::Error> {
        let first_frame = HistogramOpts::new(
            "vitrine_player_first_frame_seconds",
            "From a player's start to the first frame it showed, as it told.",
        )
        .buckets(vec![
            0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0,
        ]);
        let counter = |name, help| registered(registry, IntCounter::new(name, help)?);
        Ok(PlayerMetrics {
            first_frame: registered(registry, Histogram::with_opts(first_frame)?)?,
            freezes: counter(
                "vitrine_player_freezes_total",
                "Times a picture stood still, as players told.",
            )?,
            frozen: registered(
                registry,
                Counter::new(
                    "vitrine_player_freeze_seconds_total",
                    "How long pictures stood still, as players told.",
                )?,
            )?,
        })
    }

    /// A player told more than before.
    pub fn reported(&self, before: &PlayerReport, now: &PlayerReport) {
        if let (None, Some(first)) = (before.first_frame_ms, now.first_frame_ms) {
            self.first_frame.observe(f64::from(first) / 1000.0);
        }
        let freezes = now
            .freezes
            .unwrap_or(0)
            .saturating_sub(before.freezes.unwrap_or(0));
        self.freezes.inc_by(freezes.into());
        let freeze_ms = now
            .freeze_ms
            .unwrap_or(0)
            .saturating_sub(before.freeze_ms.unwrap_or(0));
        self.frozen.inc_by(Duration::from_millis(freeze_ms).as_secs_f64());
    }
}
