//! Runs side by side: one server before and after, or two servers.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::chart::{Chart, Line};
use super::number;
use super::page::{escape, page, section, table, unbroken, value};
use super::result::Run;
use super::series::Steps;
use crate::measure::{Counter, Figure, Level, Timing, Window};

/// Differences below this are the noise of any two runs.
const NOISE_PERCENT: f64 = 5.0;
/// Figures of all viewers together: with more of them there is more of it, which is neither better nor worse.
const OF_ALL: &[&str] = &["server_cpu_percent", "server_memory_mib", "client_cpu_percent"];
/// More beside each other than this is not read.
pub const MOST_RUNS: usize = 6;

/// Runs beside each other; the first is what the others are compared with.
#[derive(Debug)]
pub struct Comparison<'a> {
    runs: &'a [(String, Run)],
    windows: Vec<Window>,
}

/// One figure of all runs.
struct Row {
    figure: Figure,
    values: Vec<Option<f64>>,
}

impl Row {
    /// How much a run differs from the first, percent.
    fn change(&self, n: usize) -> Option<f64> {
        let (first, this) = ((*self.values.first()?)?, (*self.values.get(n)?)?);
        (first != 0.0).then(|| (this - first) * 100.0 / first.abs())
    }

    fn is_of_all(&self) -> bool {
        OF_ALL.iter().any(|name| Figure::named(name) == Some(self.figure))
    }

    fn verdict(&self, n: usize) -> &'static str {
        let value = |n: usize| self.values.get(n).copied().flatten();
        let (Some(first), Some(this), Some(low)) = (value(0), value(n), self.figure.is_better_low()) else {
            return "";
        };
        // Beside nothing at all, anything is a difference.
        let is_noise = self.change(n).is_some_and(|change| change.abs() < NOISE_PERCENT);
        match this.total_cmp(&first) {
            Ordering::Equal => "",
            _ if is_noise || self.is_of_all() => "",
            order if order.is_lt() == low => "better",
            _ => "worse",
        }
    }
}

impl<'a> Comparison<'a> {
    /// Takes runs with their names.
    pub fn new(runs: &'a [(String, Run)]) -> Self {
        Self {
            windows: runs.iter().map(|(_, run)| run.window()).collect(),
            runs,
        }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |figure: Figure| Row {
            values: self.windows.iter().map(|window| figure.value(window)).collect(),
            figure,
        };
        // What is nothing in every run is not worth a line.
        let says_something = |row: &Row| row.values.iter().flatten().any(|value| *value != 0.0);
        Figure::all().map(row).filter(says_something).collect()
    }

    /// What keeps the runs from being compared as they stand.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let differ = |of: &dyn Fn(&Run) -> String| {
            let mut all = self.runs.iter().map(|(_, run)| of(run));
            let first = all.next();
            all.any(|other| Some(other) != first)
        };
        if differ(&|run| run.scenario.name.clone()) {
            remarks.push("The runs are of different scenarios.".to_owned());
        }
        if let Some(viewers) = Figure::named("viewers")
            && let [least, .., most] = &self.sorted(viewers)[..]
            && most - least > most * NOISE_PERCENT / 100.0
        {
            remarks.push(format!(
                "The runs had different numbers of viewers, {} to {}: with them differs what all cost together.",
                number::short(*least),
                number::short(*most)
            ));
        }
        remarks
    }

    /// A figure of all runs, the lowest first.
    fn sorted(&self, figure: Figure) -> Vec<f64> {
        let mut values: Vec<f64> = self
            .windows
            .iter()
            .filter_map(|window| figure.value(window))
            .collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// For a terminal.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, run) in self.runs {
            let _ = writeln!(text, "{name}: {}", run.sentence());
        }
        for remark in self.remarks() {
            let _ = writeln!(text, "note: {remark}");
        }
        let names = self
            .runs
            .iter()
            .map(|(name, _)| format!("{:>22}", name.chars().take(20).collect::<String>()));
        let _ = writeln!(text, "\n{:<48}{}", "", names.collect::<String>());
        for row in self.rows() {
            let _ = write!(text, "{:<48}", row.figure.says());
            for n in 0..self.runs.len() {
                let value = self
                    .windows
                    .get(n)
                    .map_or_else(String::new, |window| value(row.figure, window));
                let change = row
                    .change(n)
                    .filter(|_| n > 0)
                    .map(|change| format!(" {}", number::change(change)))
                    .unwrap_or_default();
                let _ = write!(text, "{:>22}", value + &change);
            }
            let last = self.runs.len().saturating_sub(1);
            let _ = writeln!(text, "  {}", if last == 1 { row.verdict(1) } else { "" });
        }
        text
    }

    /// For programs: every figure of every run, by its name in thresholds.
    pub fn to_json(&self) -> Value {
        let runs: Vec<Value> = self
            .runs
            .iter()
            .zip(&self.windows)
            .map(|((name, run), window)| {
                let figures: BTreeMap<String, f64> = Figure::all()
                    .filter_map(|figure| Some((figure.name(), figure.value(window)?)))
                    .collect();
                json!({"name": name, "passed": run.has_passed(), "says": run.sentence(), "figures": figures})
            })
            .collect();
        json!({"runs": runs, "notes": self.remarks()})
    }

    /// As one HTML file.
    pub fn to_html(&self) -> String {
        let mut body = String::from("<header><p class=\"kicker\">Load tests compared</p>\n");
        for (name, run) in self.runs {
            let _ = writeln!(
                body,
                "<h1>{} {} <small>{}</small></h1>\n<p class=\"about\">{} · {}</p>",
                escape(name),
                run.badge(),
                escape(&run.sentence()),
                escape(&run.scenario.name),
                run.place(),
            );
        }
        body.push_str("</header>\n");
        let remarks: String = self
            .remarks()
            .iter()
            .map(|remark| format!("<li>{}</li>", escape(remark)))
            .collect();
        if !remarks.is_empty() {
            let _ = writeln!(body, "<ul class=\"remarks\">{remarks}</ul>");
        }
        body.push_str(&self.charts());
        let mut rows = String::new();
        for row in self.rows() {
            let _ = write!(rows, "<tr><td>{}</td>", escape(&row.figure.says()));
            for (n, window) in self.windows.iter().enumerate() {
                let _ = write!(rows, "<td>{}</td>", unbroken(&value(row.figure, window)));
                if n > 0 {
                    let change = row.change(n).map(number::change).unwrap_or_default();
                    let verdict = row.verdict(n);
                    let class = if verdict == "better" {
                        "ok"
                    } else if verdict == "worse" {
                        "bad"
                    } else {
                        ""
                    };
                    let change = unbroken(&change);
                    let _ = write!(rows, "<td class=\"{class}\">{change} {verdict}</td>");
                }
            }
            rows.push_str("</tr>");
        }
        let names = self.runs.iter().enumerate().map(|(n, (name, _))| {
            let change = if n > 0 { "<th>change</th>" } else { "" };
            format!("<th>{}</th>{change}", escape(name))
        });
        body.push_str(&section(
            "Figures",
            &table(&format!("<th></th>{}", names.collect::<String>()), &rows),
        ));
        page("Load tests compared", &body)
    }

    fn charts(&self) -> String {
        let longest = self.runs.iter().map(|(_, run)| run.seconds).fold(0.0, f64::max);
        let all: Vec<_> = self
            .runs
            .iter()
            .map(|(name, run)| (name, run, Steps::of(run)))
            .collect();
        let chart = |title, unit, pick: &dyn Fn(&Run, &Steps) -> Vec<Option<f64>>| {
            let line = |(name, run, steps): &(&String, &Run, Steps)| {
                Line::new(
                    (*name).clone(),
                    stretched(pick(run, steps), steps.length, longest),
                )
            };
            Chart {
                title,
                unit,
                lines: all.iter().map(line).collect(),
                is_stacked: false,
                seconds: longest,
                marks: Vec::new(),
                limit: None,
            }
            .figure()
        };
        let charts = [
            chart("Viewers", "", &|_, steps| steps.level(Level::Viewers)),
            chart("Request to first picture, p95", "ms", &|_, steps| {
                steps.time(Timing::FirstPicture, 0.95)
            }),
            chart("Publisher to viewer, p95", "ms", &|_, steps| {
                steps.time(Timing::OneWay, 0.95)
            }),
            chart("Packets lost", "%", &|_, steps| {
                steps.percent(Counter::Lost, &[Counter::Lost, Counter::Packets])
            }),
            chart("Server CPU", "% of a core", &|run, steps| steps.server(run).0),
            chart("Server memory", "MiB", &|run, steps| steps.server(run).1),
        ];
        section(
            "Over time",
            &format!("<div class=\"charts\">{}</div>", charts.concat()),
        )
    }
}

/// Values of steps of `length` seconds, one a second, up to the longest run: all runs have one time axis.
fn stretched(values: Vec<Option<f64>>, length: usize, seconds: f64) -> Vec<Option<f64>> {
    let seconds = seconds.ceil() as usize;
    let every = seconds.div_ceil(600).max(1);
    (0..seconds)
        .step_by(every)
        .map(|at| values.get(at / length.max(1)).copied().flatten())
        .collect()
}
