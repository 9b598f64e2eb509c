//! The charts of a run.

use super::chart::{Chart, Line};
use super::page::section;
use super::result::Run;
use super::series::Steps;
use crate::measure::{Counter, Level, Timing};

impl Run {
    /// Everything that was measured, over time.
    pub(super) fn charts(&self) -> String {
        let steps = Steps::of(self);
        let marks: Vec<_> = self
            .marks
            .iter()
            .map(|mark| (mark.name.clone(), mark.from_s))
            .collect();
        let limit = |figure: &str| {
            let search = self.scenario.search.as_ref().map(|plan| &plan.limits);
            let all = [Some(&self.scenario.thresholds), search];
            all.into_iter()
                .flatten()
                .find_map(|bounds| bounds.0.get(figure)?.max)
        };
        let chart = |title, unit, lines, is_stacked, limit| {
            let marks = marks.clone();
            Chart {
                title,
                unit,
                lines,
                is_stacked,
                seconds: self.seconds,
                marks,
                limit,
            }
            .figure()
        };
        let line = |name: &str, values| Line::new(name, values);
        let ranks = |what| {
            let rank = |(name, share): (&str, f64)| line(name, steps.time(what, share));
            [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)].map(rank).into()
        };
        let layers = steps.heights().into_iter().map(|height| {
            let name = if height == 0 {
                "unknown".to_owned()
            } else {
                format!("{height} lines")
            };
            Line::new(name, steps.layer(height))
        });
        let (cpu, memory) = steps.server(self);
        let viewers = vec![
            line("watching", steps.level(Level::Viewers)),
            line("joining", steps.level(Level::Joining)),
        ];
        let came = [Counter::Packets, Counter::Lost];
        let mut loss = vec![line("lost", steps.percent(Counter::Lost, &came))];
        if self.window().counter(Counter::Repaired) > 0 {
            loss.push(line("repaired", steps.percent(Counter::Repaired, &came)));
        }
        let changes = vec![
            line("joins", steps.rate(Counter::JoinsStarted, 1.0)),
            line("failed", steps.rate(Counter::JoinsFailed, 1.0)),
            line("cut off", steps.rate(Counter::Ended, 1.0)),
        ];
        let has_client = self.window().counter(Counter::ClientCpuUs) > 0;
        let client = if has_client {
            steps.rate(Counter::ClientCpuUs, 1e-4)
        } else {
            Vec::new()
        };
        let charts = [
            chart("Viewers", "", viewers, true, None),
            chart("Joins", "per second", changes, false, None),
            chart(
                "Request to first picture",
                "ms",
                ranks(Timing::FirstPicture),
                false,
                limit("first_picture_p95_ms"),
            ),
            chart(
                "Publisher to viewer",
                "ms",
                ranks(Timing::OneWay),
                false,
                limit("one_way_p95_ms"),
            ),
            chart("Packets lost", "%", loss, false, limit("loss_percent")),
            chart(
                "Received by all",
                "Mbit/s",
                vec![line("", steps.rate(Counter::Bytes, 8e-6))],
                false,
                None,
            ),
            chart("Layer received", "viewers", layers.collect(), true, None),
            chart(
                "Freezes",
                "per second, all viewers",
                vec![line("", steps.rate(Counter::Freezes, 1.0))],
                false,
                None,
            ),
            chart(
                "Buy to receipt",
                "ms",
                ranks(Timing::Receipt),
                false,
                limit("receipt_p99_ms"),
            ),
            chart(
                "Message to its receiver",
                "ms",
                ranks(Timing::Message),
                false,
                limit("message_p95_ms"),
            ),
            chart(
                "CPU",
                "% of a core",
                vec![line("server", cpu), line("load test", client)],
                false,
                None,
            ),
            chart("Server memory", "MiB", vec![line("", memory)], false, None),
        ];
        section(
            "Over time",
            &format!("<div class=\"charts\">{}</div>", charts.concat()),
        )
    }
}
