//! A result in a few lines, for a terminal.

use std::fmt::Write;

use super::number::short;
use super::result::Run;
use crate::measure::Figure;

/// Figures worth a line of their own.
const FIGURES: &[&str] = &[
    "kbps_per_viewer",
    "server_cpu_percent",
    "server_us_per_packet",
    "server_memory_mib",
    "client_us_per_packet",
];

/// A line for each figure, without pages.
pub fn summary(run: &Run) -> String {
    let window = run.window();
    let mut text = format!("{}\n", run.sentence());
    for verdict in run.verdicts() {
        let word = if verdict.is_ok { "held" } else { "DID NOT HOLD" };
        let _ = writeln!(text, "  {word:<12}  {}", verdict.says());
    }
    if let Some(found) = &run.search {
        for tried in &found.tries {
            let failed: Vec<_> = tried
                .verdicts
                .iter()
                .filter(|v| !v.is_ok)
                .map(|v| v.says())
                .collect();
            let word = if failed.is_empty() {
                "held".to_owned()
            } else {
                failed.join("; ")
            };
            let _ = writeln!(text, "  {:>8} viewers  {word}", tried.viewers);
        }
    }
    for name in FIGURES {
        if let Some((figure, value)) =
            Figure::named(name).and_then(|figure| Some((figure, figure.value(&window)?)))
        {
            let _ = writeln!(text, "  {}: {} {}", figure.says(), short(value), figure.unit());
        }
    }
    for (reason, n) in run.crowd().flat_map(|measures| measures.failures()) {
        let _ = writeln!(text, "  {n} failed: {reason}");
    }
    for remark in &run.remarks {
        let _ = writeln!(text, "  note: {remark}");
    }
    text
}
