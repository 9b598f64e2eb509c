//! What somebody who watches a run is told, once a second.

use std::time::Duration;

use crate::measure::{Counter, Level, Measures, Sample, Timing, Window};

/// Shows a run while it goes on.
pub trait View: Send {
    /// How it stands; once a second.
    fn show(&mut self, status: &Status);

    /// It is over: viewers leave.
    fn leaving(&mut self);
}

/// How a run stands.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Since the start.
    pub at: Duration,
    /// How long it takes; none where a search decides.
    pub of: Option<Duration>,
    /// The phase, or what the search tries.
    pub doing: String,
    /// How much of that has passed, 0 to 1.
    pub passed: Option<f64>,
    /// Viewers there should be.
    pub wanted: u32,
    /// Viewers who have a picture.
    pub viewers: u64,
    /// Viewers who are joining.
    pub joining: u64,
    /// Joins that failed so far.
    pub failed: u64,
    /// The most frequent reason of failures.
    pub why: Option<String>,
    /// Received in the newest whole second, Mbit/s.
    pub mbps: f64,
    /// Lost in the last seconds, percent.
    pub loss_percent: Option<f64>,
    /// 95 % of packets needed less from the publisher, in the last seconds.
    pub one_way_p95: Option<Duration>,
    /// 95 % of joins took less, in the last seconds.
    pub first_picture_p95: Option<Duration>,
    /// Buys answered so far, and sent.
    pub receipts: (u64, u64),
    /// The server's CPU, percent of a core.
    pub server_cpu_percent: Option<f64>,
    /// The server's memory.
    pub server_memory: Option<u64>,
    /// Our own CPU, percent of a core.
    pub client_cpu_percent: f64,
    /// The load test itself was the limit, some time.
    pub is_client_limited: bool,
}

/// Rates are of so many seconds: one would flicker.
const RECENT: usize = 5;

impl Status {
    /// What the measures say.
    pub(super) fn of(groups: &[Measures], server: &[Sample], now: Duration) -> Status {
        // The newest second is not whole and may not have been told by every thread.
        let end = (now.as_secs() as usize).saturating_sub(1);
        let recent = Window::of(groups, end.saturating_sub(RECENT)..end, server);
        let last = groups
            .iter()
            .filter_map(|measures| measures.second(end.saturating_sub(1)));
        let level = |what| last.clone().map(|second| second.level(what).unwrap_or(0)).sum();
        let count = |what| groups.iter().map(|measures| measures.counter(what)).sum::<u64>();
        let bytes: u64 = last.clone().map(|second| second.counter(Counter::Bytes)).sum();
        let reasons = groups.iter().flat_map(Measures::failures);
        let (lost, came) = (recent.counter(Counter::Lost), recent.counter(Counter::Packets));
        Status {
            viewers: level(Level::Viewers),
            joining: level(Level::Joining),
            failed: count(Counter::JoinsFailed),
            why: reasons.max_by_key(|(_, n)| **n).map(|(why, _)| why.clone()),
            mbps: bytes as f64 * 8e-6,
            loss_percent: (came > 0).then(|| lost as f64 * 100.0 / (lost + came) as f64),
            one_way_p95: recent.quantile(Timing::OneWay, 0.95),
            first_picture_p95: recent.quantile(Timing::FirstPicture, 0.95),
            receipts: (count(Counter::Receipts), count(Counter::BuysSent)),
            server_cpu_percent: recent.server_cpu().map(|(used, took)| used / took * 100.0),
            server_memory: server.last().map(|sample| sample.memory_bytes),
            client_cpu_percent: recent.counter(Counter::ClientCpuUs) as f64 / 1e4 / recent.seconds().max(1.0),
            is_client_limited: count(Counter::ClientLimitedS) > 0,
            ..Status::default()
        }
    }
}
