//! What operators see at `/metrics`: counters of every shard, of the lanes, of the shop and of the process, in Prometheus'
//! text form.

mod players;
mod process;
mod readings;
mod receive_drops;
mod shop;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Encoder, GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use sfu::relay::ShardId;
use sfu::shard::PeerEnd;
use sfu::transport::CloseReason;

use crate::media::command::ShardReport;
pub use players::PlayerMetrics;
use process::ProcessMetrics;
use readings::{COUNTERS, GAUGES, Reading, TIMES, TIMES_NOW};
use receive_drops::ReceiveDrops;
pub use shop::ShopMetrics;

/// The process's metrics.
pub struct Telemetry {
    registry: Registry,
    counters: Vec<(IntCounterVec, Reading)>,
    gauges: Vec<(IntGaugeVec, Reading)>,
    times: Vec<(CounterVec, Reading)>,
    times_now: Vec<(GaugeVec, Reading)>,
    /// Two readers at once would each add what came since the last.
    rendering: Mutex<()>,
    /// From a session's opening to its keys.
    join: Histogram,
    closed: IntCounterVec,
    process: ProcessMetrics,
    receive_drops: ReceiveDrops,
    /// Messages of clients by where they came from.
    pub shop: ShopMetrics,
    /// What players told.
    pub players: PlayerMetrics,
}

impl Telemetry {
    /// All metrics at zero. `ports` are the shards' UDP ports, the first one's first.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new(ports: &[u16]) -> Result<Telemetry, prometheus::Error> {
        let registry = Registry::new();
        let counters = per_shard(&registry, COUNTERS, IntCounterVec::new)?;
        let gauges = per_shard(&registry, GAUGES, IntGaugeVec::new)?;
        let times = per_shard(&registry, TIMES, CounterVec::new)?;
        let times_now = per_shard(&registry, TIMES_NOW, GaugeVec::new)?;
        let build = Opts::new("vitrine_build_info", "1; the label says which release this is.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        registered(&registry, IntGauge::with_opts(build)?)?.set(1);
        let join = HistogramOpts::new("vitrine_join_seconds", "From the answer to keys, per session.")
            .buckets(vec![0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0]);
        let join = registered(&registry, Histogram::with_opts(join)?)?;
        let closed = Opts::new(
            "vitrine_sessions_ended_total",
            "Sessions the peer or its line ended, by reason.",
        );
        let closed = registered(&registry, IntCounterVec::new(closed, &["reason"])?)?;
        let process = ProcessMetrics::new(&registry)?;
        let receive_drops = ReceiveDrops::new(&registry, ports)?;
        let shop = ShopMetrics::new(&registry)?;
        let players = PlayerMetrics::new(&registry)?;
        Ok(Telemetry {
            registry,
            counters,
            gauges,
            times,
            times_now,
            rendering: Mutex::new(()),
            join,
            closed,
            process,
            receive_drops,
            shop,
            players,
        })
    }

    /// Notes a session's way from opening to keys.
    pub fn joined(&self, took: Duration) {
        self.join.observe(took.as_secs_f64());
    }

    /// Notes a session's end.
    pub fn ended(&self, reason: PeerEnd) {
        let reason = match reason {
            PeerEnd::Transport(CloseReason::ByPeer) => "by_peer",
            PeerEnd::Transport(CloseReason::ConsentLost) => "consent_lost",
            PeerEnd::Transport(CloseReason::Excessive) => "excessive",
            PeerEnd::Transport(CloseReason::ConnectTimeout) => "connect_timeout",
            PeerEnd::Transport(CloseReason::DtlsFailed) => "dtls_failed",
            PeerEnd::TakenOver => "taken_over",
        };
        self.closed.with_label_values(&[reason]).inc();
    }

    /// Everything in the text form, with the shards as they were just reported.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn render(&self, reports: &[(ShardId, ShardReport)]) -> Result<String, prometheus::Error> {
        let _alone = self.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        for (ShardId(shard), report) in reports {
            let label = shard.to_string();
            for (counter, (_, _, read)) in &self.counters {
                let counter = counter.with_label_values(&[label.as_str()]);
                counter.inc_by(read(report).saturating_sub(counter.get()));
            }
            for (gauge, (_, _, read)) in &self.gauges {
                gauge
                    .with_label_values(&[label.as_str()])
                    .set(i64::try_from(read(report)).unwrap_or(i64::MAX));
            }
            let seconds = |read: fn(&ShardReport) -> u64| Duration::from_micros(read(report)).as_secs_f64();
            for (time, (_, _, read)) in &self.times {
                let time = time.with_label_values(&[label.as_str()]);
                time.inc_by((seconds(*read) - time.get()).max(0.0));
            }
            for (time, (_, _, read)) in &self.times_now {
                time.with_label_values(&[label.as_str()]).set(seconds(*read));
            }
        }
        self.process.read();
        self.receive_drops.read();
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// A metric of each shard for each reading.
fn per_shard<C: Collector + Clone + 'static>(
    registry: &Registry,
    readings: &[Reading],
    make: impl Fn(Opts, &[&str]) -> Result<C, prometheus::Error>,
) -> Result<Vec<(C, Reading)>, prometheus::Error> {
    let made = readings.iter().map(|&reading| {
        let metric = make(Opts::new(reading.0, reading.1), &["shard"])?;
        Ok((registered(registry, metric)?, reading))
    });
    made.collect()
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use signaling::PlayerReport;

    use super::*;

    #[test]
    fn reports_become_counters_that_follow_them() {
        let telemetry = Telemetry::new(&[]).unwrap();
        let mut report = ShardReport::default();
        report.shard.viewers = 3;
        report.shard.datagrams_in = 100;
        telemetry.render(&[(ShardId(0), report)]).unwrap();
        report.shard.viewers = 2;
        report.shard.datagrams_in = 150;
        report.shard.round_trips_us = 40_000;
        report.busy = Duration::from_millis(1500);
        telemetry.joined(Duration::from_millis(120));
        telemetry.ended(PeerEnd::Transport(CloseReason::ConsentLost));
        let mut told = PlayerReport::default();
        for (freezes, freeze_ms) in [(1, 400), (1, 400), (3, 900)] {
            let now = PlayerReport {
                first_frame_ms: Some(180),
                freezes: Some(freezes),
                freeze_ms: Some(freeze_ms),
                ..PlayerReport::default()
            };
            telemetry.players.reported(&told, &now);
            told = now;
        }
        let text = telemetry.render(&[(ShardId(0), report)]).unwrap();
        for line in [
            "vitrine_viewers{shard=\"0\"} 2",
            "vitrine_datagrams_received_total{shard=\"0\"} 150",
            "vitrine_join_seconds_bucket{le=\"0.2\"} 1",
            "vitrine_player_first_frame_seconds_count 1",
            "vitrine_player_freezes_total 3",
            "vitrine_player_freeze_seconds_total 0.9",
            "vitrine_shard_busy_seconds_total{shard=\"0\"} 1.5",
            "vitrine_viewers_round_trip_seconds{shard=\"0\"} 0.04",
            "vitrine_sessions_ended_total{reason=\"consent_lost\"} 1",
        ] {
            assert!(text.lines().any(|known| known == line), "no {line} in:\n{text}");
        }
    }

    #[test]
    fn metrics_are_named_as_prometheus_wants_them() {
        let telemetry = Telemetry::new(&[]).unwrap();
        let text = telemetry.render(&[(ShardId(0), ShardReport::default())]).unwrap();
        let types: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .collect();
        assert!(types.len() > 50, "{text}");
        for (name, kind) in types {
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            // Base units alone: https://prometheus.io/docs/practices/naming/#base-units
            let units = ["milliseconds", "microseconds", "_ms", "_us", "bits", "percent"];
            assert!(!units.iter().any(|unit| name.contains(unit)), "{name}");
        }
    }

    /// The metrics that a file asks for: words that begin as ours do, without what a histogram's parts end with.
    fn asked_for(file: &str) -> impl Iterator<Item = &str> {
        let words = file.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names = words.filter(|word| word.starts_with("vitrine_") || word.starts_with("process_"));
        names.map(|name| name.trim_end_matches("_bucket"))
    }

    #[test]
    fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
        let telemetry = Telemetry::new(&[7000]).unwrap();
        telemetry.ended(PeerEnd::TakenOver);
        telemetry.shop.buys.with_label_values(&["held"]).inc();
        let text = telemetry.render(&[(ShardId(0), ShardReport::default())]).unwrap();
        for file in [
            include_str!("../../docs/deploy/alerts.yml"),
            include_str!("../../docs/deploy/dashboard.json"),
        ] {
            assert!(asked_for(file).count() > 5);
            for name in asked_for(file) {
                assert!(text.contains(&format!("# TYPE {name} ")), "there is no {name}");
            }
        }
    }
}
