//! The page of a run: one file that needs nothing else.

use std::fmt::Write;

use super::number::{grouped, several, short, with_unit};
use super::result::{End, Run, Verdict};
use crate::measure::{Counter, Figure, Timing, Window};

const STYLE: &str = include_str!("style.css");

/// The figures at the top of a page.
const HEADLINES: &[&str] = &[
    "viewers",
    "watching_percent",
    "first_picture_p95_ms",
    "loss_percent",
    "one_way_p95_ms",
    "frozen_percent",
    "kbps_per_viewer",
    "server_us_per_packet",
];
/// The times of the table.
const RANKS: &[(&str, f64)] = &[("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("longest", 1.0)];

/// Letters that mean something in HTML are written so that they do not.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The frame of every page.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

impl Run {
    /// The whole report as one HTML file.
    pub fn to_html(&self) -> String {
        let window = self.window();
        let mut body = self.head();
        body.push_str(&headlines(&window));
        body.push_str(&self.remarks());
        body.push_str(&self.tries());
        body.push_str(&verdicts(&self.verdicts()));
        body.push_str(&self.charts());
        body.push_str(&times(&window));
        body.push_str(&self.groups_table());
        body.push_str(&self.reasons());
        body.push_str(&self.publishers());
        body.push_str(&self.audited());
        body.push_str(&self.foot());
        page(&format!("Load test: {}", self.scenario.name), &body)
    }

    fn head(&self) -> String {
        let machines = match self.machines.len() {
            0 | 1 => String::new(),
            several => format!(" by {several} load machines"),
        };
        format!(
            "<header>\n<p class=\"kicker\">Load test <b>{}</b>{machines} {}</p>\n\
             <h1>{}</h1>\n<p class=\"about\">{}</p>\n</header>\n",
            escape(&self.scenario.name),
            self.badge(),
            escape(&self.sentence()),
            escape(&self.scenario.about),
        )
    }

    /// Whether it passed.
    pub(super) fn badge(&self) -> String {
        let (class, word) = match (self.has_passed(), self.end) {
            (_, End::Interrupted) => ("stopped", "stopped early"),
            (true, End::Finished) => ("passed", "passed"),
            (false, End::Finished) => ("failed", "did not pass"),
        };
        format!("<span class=\"badge {class}\">{word}</span>")
    }

    /// When it was, how long, and where to.
    pub(super) fn place(&self) -> String {
        format!(
            "{} · {} s against {}",
            date(self.started_unix_ms),
            short(self.seconds),
            escape(&self.scenario.server.url),
        )
    }

    fn remarks(&self) -> String {
        let items: String = self
            .remarks
            .iter()
            .map(|remark| format!("<li>{}</li>", escape(remark)))
            .collect();
        if items.is_empty() {
            items
        } else {
            format!("<ul class=\"remarks\">{items}</ul>\n")
        }
    }

    /// Every try of a search.
    fn tries(&self) -> String {
        let Some(found) = &self.search else {
            return String::new();
        };
        let mut rows = String::new();
        for tried in &found.tries {
            let (class, word) = if tried.has_held() {
                ("ok", "held")
            } else {
                ("bad", "did not hold")
            };
            let figures: Vec<_> = tried
                .verdicts
                .iter()
                .map(|verdict| {
                    let unit = Figure::named(&verdict.figure).map_or("", Figure::unit);
                    let value = verdict
                        .value
                        .map_or("not measured".into(), |value| with_unit(value, unit));
                    let value = if verdict.is_ok {
                        value
                    } else {
                        format!("<b class=\"bad\">{value}</b>")
                    };
                    format!("<td>{value}</td>")
                })
                .collect();
            let _ = write!(
                rows,
                "<tr><td>{}</td><td class=\"{class}\">{word}</td>{}</tr>",
                grouped(tried.viewers.into()),
                figures.concat()
            );
        }
        let names = found
            .tries
            .first()
            .map(|tried| &tried.verdicts[..])
            .unwrap_or_default();
        let names: String = names
            .iter()
            .map(|verdict| {
                let says =
                    Figure::named(&verdict.figure).map_or_else(|| verdict.figure.clone(), Figure::says);
                format!(
                    "<th>{}<br><small>{}</small></th>",
                    escape(&says),
                    escape(&verdict.allowed())
                )
            })
            .collect();
        section(
            "The search",
            &table(&format!("<th>viewers</th><th></th>{names}"), &rows),
        )
    }

    /// Groups beside each other, where there are several.
    fn groups_table(&self) -> String {
        if self.groups.len() < 2 {
            return String::new();
        }
        const COLUMNS: &[&str] = &[
            "viewers",
            "watching_percent",
            "first_picture_p95_ms",
            "loss_percent",
            "repaired_percent",
            "one_way_p95_ms",
            "frozen_percent",
            "frames_per_second",
            "kbps_per_viewer",
        ];
        let figures: Vec<_> = COLUMNS.iter().filter_map(|name| Figure::named(name)).collect();
        let mut rows = String::new();
        for group in &self.groups {
            let window = Window::whole([&group.measures], &[]);
            let values: String = figures
                .iter()
                .map(|figure| format!("<td>{}</td>", unbroken(&value(*figure, &window))))
                .collect();
            let injected = window.counter(Counter::InjectedLost);
            let injected = if injected > 0 {
                grouped(injected)
            } else {
                String::new()
            };
            let _ = write!(
                rows,
                "<tr><td>{}</td>{values}<td>{injected}</td></tr>",
                escape(&group.name)
            );
        }
        let names: String = figures
            .iter()
            .map(|figure| format!("<th>{}</th>", escape(&figure.says())))
            .collect();
        let mut body = table(&format!("<th>group</th>{names}<th>lost on purpose</th>"), &rows);
        if self.groups.iter().any(|group| group.is_canary) {
            body.push_str("<p class=\"note\">Canaries are viewers on another WebRTC implementation, to check the others against.</p>");
        }
        section("Groups", &body)
    }

    /// Why joins failed, and what buys came to.
    fn reasons(&self) -> String {
        let list = |title: &str, all: &mut dyn Iterator<Item = (&String, &u64)>| {
            let mut sums = std::collections::BTreeMap::<&str, u64>::new();
            for (text, n) in all {
                *sums.entry(text).or_default() += n;
            }
            let mut sums: Vec<_> = sums.into_iter().collect();
            sums.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            let rows: String = sums
                .iter()
                .map(|(text, n)| format!("<tr><td>{}</td><td>{}</td></tr>", escape(text), grouped(*n)))
                .collect();
            if rows.is_empty() {
                rows
            } else {
                section(title, &table("<th></th><th>how many</th>", &rows))
            }
        };
        let failures = list(
            "Why viewers failed",
            &mut self.crowd().flat_map(|measures| measures.failures()),
        );
        let receipts = list(
            "Receipts",
            &mut self.crowd().flat_map(|measures| measures.receipts()),
        );
        failures + &receipts
    }

    fn publishers(&self) -> String {
        if self.publishers.streams.is_empty() {
            return String::new();
        }
        let seconds = self.publishers.seconds.max(0.001);
        let rows: String = self
            .publishers
            .streams
            .iter()
            .map(|stream| {
                format!(
                    "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                    escape(&stream.name),
                    grouped(stream.packets),
                    short(stream.bytes as f64 * 0.008 / seconds),
                    grouped(stream.frames),
                    grouped(stream.keyframes),
                )
            })
            .collect();
        let note = format!(
            "<p class=\"note\">{}; {} asked for again, {} sent again; {} asked for.</p>",
            several(self.publishers.connections, "connection"),
            several(self.publishers.nacked, "packet"),
            grouped(self.publishers.repaired),
            several(self.publishers.keyframe_requests, "keyframe"),
        );
        let head = "<th>stream</th><th>packets</th><th>kbit/s</th><th>frames</th><th>keyframes</th>";
        section("Published", &(table(head, &rows) + &note))
    }

    fn audited(&self) -> String {
        let Some(audit) = &self.audit else {
            return String::new();
        };
        let class = if audit.is_ok { "ok" } else { "bad" };
        let word = if audit.is_ok {
            "The books are right"
        } else {
            "It failed"
        };
        let body = format!(
            "<p><b class=\"{class}\">{word}</b> <code>{}</code></p><pre>{}</pre>",
            escape(&audit.command.join(" ")),
            escape(&audit.said)
        );
        section("Audit", &body)
    }

    fn foot(&self) -> String {
        let machines: Vec<_> = self
            .machines
            .iter()
            .map(|machine| format!("{} ({} cores, {})", machine.name, machine.cores, machine.cpu))
            .collect();
        format!(
            "<details><summary>The scenario, with every value</summary><pre>{}</pre></details>\n\
             <footer>{} · {} · from {}</footer>\n",
            escape(&self.scenario.to_toml()),
            escape(&self.tool),
            self.place(),
            escape(&machines.join(", ")),
        )
    }
}

fn headlines(window: &Window) -> String {
    let tile = |name: &&str| {
        let figure = Figure::named(name)?;
        let value = figure.value(window)?;
        let says = escape(&figure.says());
        Some(format!(
            "<div><b>{}</b> <i>{}</i><span>{says}</span></div>",
            short(value),
            figure.unit()
        ))
    };
    format!(
        "<div class=\"tiles\">{}</div>\n",
        HEADLINES.iter().filter_map(tile).collect::<String>()
    )
}

fn verdicts(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let row = |verdict: &Verdict| {
        let figure = Figure::named(&verdict.figure);
        let says = figure.map_or_else(|| verdict.figure.clone(), Figure::says);
        let value = verdict.value.map_or("not measured".into(), |value| {
            with_unit(value, figure.map_or("", Figure::unit))
        });
        let (class, word) = if verdict.is_ok {
            ("ok", "held")
        } else {
            ("bad", "did not hold")
        };
        format!(
            "<tr><td>{}</td><td class=\"{class}\">{word}</td><td>{}</td><td>{}</td></tr>",
            escape(&says),
            unbroken(&value),
            escape(&verdict.allowed())
        )
    };
    let rows: String = verdicts.iter().map(row).collect();
    section(
        "Thresholds",
        &table("<th></th><th></th><th>measured</th><th>accepted</th>", &rows),
    )
}

fn times(window: &Window) -> String {
    let mut rows = String::new();
    for what in Timing::ALL {
        let values: Vec<_> = RANKS
            .iter()
            .filter_map(|(_, share)| window.quantile(*what, *share))
            .collect();
        if values.is_empty() {
            continue;
        }
        let values: String = values
            .iter()
            .map(|time| format!("<td>{}</td>", short(time.as_secs_f64() * 1_000.0)))
            .collect();
        let _ = write!(rows, "<tr><td>{}</td>{values}</tr>", what.says());
    }
    if rows.is_empty() {
        return rows;
    }
    let names: String = RANKS.iter().map(|(name, _)| format!("<th>{name}</th>")).collect();
    section(
        "Times in milliseconds",
        &table(&format!("<th></th>{names}"), &rows),
    )
}

/// A figure's value, for a line of text.
pub(super) fn value(figure: Figure, window: &Window) -> String {
    figure
        .value(window)
        .map_or("–".into(), |value| with_unit(value, figure.unit()))
}

/// What stays on one line in a cell: a number with its unit.
pub(super) fn unbroken(text: &str) -> String {
    text.replace(' ', "&nbsp;")
}

pub(super) fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}\n</section>\n", escape(title))
}

pub(super) fn table(head: &str, rows: &str) -> String {
    format!("<div class=\"wide\"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>")
}

/// `2026-11-27 23:58 UTC`, by the civil calendar.
pub(super) fn date(unix_ms: u64) -> String {
    let (days, seconds) = (unix_ms / 86_400_000, unix_ms / 1_000 % 86_400);
    // Days since 0000-03-01, so that the leap day ends a year; eras of 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    let year = era * 400 + year + u64::from(month <= 2);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02} UTC",
        seconds / 3_600,
        seconds / 60 % 60
    )
}
