//! Figures: the numbers that people compare and thresholds judge, each computed from a [`Window`].

use super::kinds::{Counter, Timing};
use super::window::Window;

/// A number about a stretch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// One of [`PLAIN`], by its place.
    Plain(usize),
    /// A percentile of a time, milliseconds.
    Time(Timing, Rank),
}

/// Which value of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Half are lower.
    P50,
    /// 95 % are lower.
    P95,
    /// 99 % are lower.
    P99,
    /// The highest.
    Max,
}

impl Rank {
    const ALL: [Rank; 4] = [Rank::P50, Rank::P95, Rank::P99, Rank::Max];

    fn name(self) -> &'static str {
        match self {
            Rank::P50 => "p50",
            Rank::P95 => "p95",
            Rank::P99 => "p99",
            Rank::Max => "max",
        }
    }

    /// As a share of 1.
    pub fn share(self) -> f64 {
        match self {
            Rank::P50 => 0.5,
            Rank::P95 => 0.95,
            Rank::P99 => 0.99,
            Rank::Max => 1.0,
        }
    }
}

struct Plain {
    name: &'static str,
    /// What it is, for people.
    says: &'static str,
    unit: &'static str,
    value: fn(&Window) -> Option<f64>,
}

/// Everything but percentiles.
const PLAIN: &[Plain] = &[
    Plain {
        name: "viewers",
        says: "most viewers at once",
        unit: "",
        value: |w| Some(w.most_viewers() as f64),
    },
    Plain {
        name: "watching_percent",
        says: "joins that ended in a picture",
        unit: "%",
        value: |w| percent(w.counter(Counter::Watching), w.counter(Counter::JoinsStarted)),
    },
    Plain {
        name: "joins_failed",
        says: "joins that failed",
        unit: "",
        value: |w| count(w, Counter::JoinsFailed),
    },
    Plain {
        name: "ended",
        says: "viewers cut off",
        unit: "",
        value: |w| count(w, Counter::Ended),
    },
    Plain {
        name: "loss_percent",
        says: "packets lost",
        unit: "%",
        value: |w| {
            percent(
                w.counter(Counter::Lost),
                w.counter(Counter::Lost) + w.counter(Counter::Packets),
            )
        },
    },
    Plain {
        name: "repaired_percent",
        says: "packets repaired",
        unit: "%",
        value: |w| percent(w.counter(Counter::Repaired), w.counter(Counter::Packets)),
    },
    Plain {
        name: "reordered_percent",
        says: "packets out of order",
        unit: "%",
        value: |w| percent(w.counter(Counter::Reordered), w.counter(Counter::Packets)),
    },
    Plain {
        name: "duplicates_percent",
        says: "packets that came twice",
        unit: "%",
        value: |w| percent(w.counter(Counter::Duplicates), w.counter(Counter::Packets)),
    },
    Plain {
        name: "not_authentic",
        says: "packets that failed authentication",
        unit: "",
        value: |w| count(w, Counter::NotAuthentic),
    },
    Plain {
        name: "freezes_per_viewer_hour",
        says: "freezes per hour of watching",
        unit: "",
        value: |w| {
            per(
                w.counter(Counter::Freezes) as f64 * 3_600.0,
                w.viewer_seconds() as f64,
            )
        },
    },
    Plain {
        name: "frozen_percent",
        says: "time frozen",
        unit: "%",
        value: |w| percent(w.counter(Counter::FrozenMs), w.viewer_seconds() * 1_000),
    },
    Plain {
        name: "frames_per_second",
        says: "whole pictures per viewer and second",
        unit: "",
        value: |w| per(w.counter(Counter::Frames) as f64, w.viewer_seconds() as f64),
    },
    Plain {
        name: "kbps_per_viewer",
        says: "received per viewer",
        unit: "kbit/s",
        value: |w| {
            per(
                w.counter(Counter::Bytes) as f64 * 0.008,
                w.viewer_seconds() as f64,
            )
        },
    },
    Plain {
        name: "mbps",
        says: "received by all",
        unit: "Mbit/s",
        value: |w| per(w.counter(Counter::Bytes) as f64 * 8e-6, w.seconds()),
    },
    Plain {
        name: "packets_per_second",
        says: "packets received by all, per second",
        unit: "",
        value: |w| per(w.counter(Counter::Packets) as f64, w.seconds()),
    },
    Plain {
        name: "held",
        says: "buys that got their units",
        unit: "",
        value: |w| Some(w.receipts("held") as f64),
    },
    Plain {
        name: "unanswered",
        says: "buys without a receipt",
        unit: "",
        value: |w| {
            Some(
                w.counter(Counter::BuysSent)
                    .saturating_sub(w.counter(Counter::Receipts)) as f64,
            )
        },
    },
    Plain {
        name: "contradictions",
        says: "buys with two different receipts",
        unit: "",
        value: |w| count(w, Counter::Contradictions),
    },
    Plain {
        name: "oversold",
        says: "units promised beyond the stock",
        unit: "",
        value: |w| w.oversold().map(|n| n as f64),
    },
    Plain {
        name: "chat_delivered",
        says: "chat lines received per line sent",
        unit: "",
        value: |w| {
            per(
                w.counter(Counter::ChatReceived) as f64,
                w.counter(Counter::ChatSent) as f64,
            )
        },
    },
    Plain {
        name: "server_cpu_percent",
        says: "server CPU, 100 % is one core",
        unit: "%",
        value: |w| w.server_cpu().map(|(used, took)| used / took * 100.0),
    },
    Plain {
        name: "server_us_per_packet",
        says: "server CPU per packet received by viewers",
        unit: "µs",
        value: |w| per(w.server_cpu()?.0 * 1e6, w.counter(Counter::Packets) as f64),
    },
    Plain {
        name: "server_memory_mib",
        says: "server memory",
        unit: "MiB",
        value: |w| w.server_memory().map(|bytes| bytes as f64 / f64::from(1 << 20)),
    },
    Plain {
        name: "client_cpu_percent",
        says: "load test CPU, 100 % is one core",
        unit: "%",
        value: |w| client_cpu(w).and_then(|used| per(used * 1e-4, w.seconds())),
    },
    Plain {
        name: "client_us_per_packet",
        says: "load test CPU per packet",
        unit: "µs",
        value: |w| client_cpu(w).and_then(|used| per(used, w.counter(Counter::Packets) as f64)),
    },
    Plain {
        name: "client_limited_s",
        says: "seconds in which the load test itself was the limit",
        unit: "s",
        value: |w| count(w, Counter::ClientLimitedS),
    },
];

fn count(window: &Window, what: Counter) -> Option<f64> {
    Some(window.counter(what) as f64)
}

fn per(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Microseconds; none where the crowd does not tell.
fn client_cpu(window: &Window) -> Option<f64> {
    Some(window.counter(Counter::ClientCpuUs) as f64).filter(|used| *used > 0.0)
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    per(part as f64 * 100.0, whole as f64)
}

impl Figure {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Figure> {
        let times = Timing::ALL
            .iter()
            .flat_map(|what| Rank::ALL.map(|rank| Figure::Time(*what, rank)));
        (0..PLAIN.len()).map(Figure::Plain).chain(times)
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Figure> {
        Figure::all().find(|figure| figure.name() == name)
    }

    /// The name in scenarios: `loss_percent`, `first_picture_p95_ms`.
    pub fn name(self) -> String {
        match self {
            Figure::Plain(at) => PLAIN.get(at).map_or("", |plain| plain.name).to_owned(),
            Figure::Time(what, rank) => format!("{}_{}_ms", what.name(), rank.name()),
        }
    }

    /// What it is, for people.
    pub fn says(self) -> String {
        match self {
            Figure::Plain(at) => PLAIN.get(at).map_or("", |plain| plain.says).to_owned(),
            Figure::Time(what, rank) => format!("{}, {}", what.says(), rank.name()),
        }
    }

    /// Its unit; empty for a number of things.
    pub fn unit(self) -> &'static str {
        match self {
            Figure::Plain(at) => PLAIN.get(at).map_or("", |plain| plain.unit),
            Figure::Time(..) => "ms",
        }
    }

    /// Whether less of it is better; none where neither is.
    pub fn is_better_low(self) -> Option<bool> {
        match self.name().as_str() {
            "viewers" | "held" | "kbps_per_viewer" | "mbps" | "packets_per_second" | "repaired_percent" => {
                None
            }
            "watching_percent" | "frames_per_second" | "chat_delivered" => Some(false),
            _ => Some(true),
        }
    }

    /// Whether only a shop brings it.
    pub fn is_of_shop(self) -> bool {
        match self {
            Figure::Time(what, _) => matches!(what, Timing::Message | Timing::Receipt | Timing::Stock),
            Figure::Plain(_) => matches!(
                self.name().as_str(),
                "held" | "unanswered" | "contradictions" | "oversold" | "chat_delivered"
            ),
        }
    }

    /// Its value; none when nothing of the kind was measured.
    pub fn value(self, window: &Window) -> Option<f64> {
        match self {
            Figure::Plain(at) => PLAIN.get(at).and_then(|plain| (plain.value)(window)),
            // Nobody froze: that is a length, too.
            Figure::Time(Timing::Freeze, _)
                if window.counter(Counter::Freezes) == 0 && window.counter(Counter::Frames) > 0 =>
            {
                Some(0.0)
            }
            Figure::Time(what, rank) => window
                .quantile(what, rank.share())
                .map(|time| time.as_secs_f64() * 1_000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{GroupId, Level, Recorder, Sample};
    use super::*;

    #[test]
    fn names_are_unique_and_nothing_measured_is_no_value() {
        let names: Vec<_> = Figure::all().map(Figure::name).collect();
        for figure in Figure::all() {
            assert_eq!(Figure::named(&figure.name()), Some(figure));
            assert!(!figure.says().is_empty());
        }
        assert_eq!(
            names.iter().collect::<std::collections::BTreeSet<_>>().len(),
            names.len()
        );
        assert_eq!(Figure::named("first_picture_p90_ms"), None);
        let value = |name: &str| Figure::named(name).unwrap().value(&Window::default());
        assert_eq!(
            (value("loss_percent"), value("one_way_p95_ms"), value("oversold")),
            (None, None, None)
        );
    }

    #[test]
    fn figures_of_the_run_and_of_a_part_of_it() {
        let (mut recorder, group) = (Recorder::new(), GroupId(0));
        for n in 0..10u64 {
            let at = Duration::from_secs(n);
            recorder.add(group, at, Counter::Packets, 990);
            recorder.add(group, at, Counter::Lost, if n < 5 { 0 } else { 10 });
            recorder.add(group, at, Counter::Bytes, 125_000);
            recorder.level(group, at, Level::Viewers, 2);
            recorder.time(group, at, Timing::OneWay, Duration::from_millis(10 + n));
        }
        for _ in 0..7 {
            recorder.receipt(group, "held");
        }
        let server: Vec<_> = (0..=10u32)
            .map(|n| Sample {
                at_s: f64::from(n),
                cpu_s: f64::from(n) / 4.0,
                memory_bytes: 3 << 20,
            })
            .collect();
        let whole = Window::whole(recorder.groups(), &server).with_shelf(Some((5, 1)));
        let part = Window::of(recorder.groups(), 5..10, &server);
        let value = |window: &Window, name: &str| Figure::named(name).unwrap().value(window).unwrap();
        assert!((value(&part, "loss_percent") - 1.0).abs() < 1e-9);
        assert!((value(&whole, "loss_percent") - 50.0 * 100.0 / 9_950.0).abs() < 1e-9);
        assert_eq!(value(&whole, "kbps_per_viewer"), 500.0);
        assert_eq!(value(&whole, "viewers"), 2.0);
        assert_eq!((value(&whole, "oversold"), value(&whole, "held")), (2.0, 7.0));
        assert!((value(&part, "server_cpu_percent") - 25.0).abs() < 1e-9);
        assert_eq!(value(&part, "server_memory_mib"), 3.0);
        assert!((value(&whole, "one_way_max_ms") - 19.0).abs() < 0.02);
        assert!((value(&part, "one_way_p50_ms") - 17.0).abs() < 1.1);
    }
}
