//! Charts over time as inline SVG. Colours and letters come from the page's style.

use std::fmt::Write;

use super::number::short;
use super::page::escape;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 190.0;
/// Room for the numbers on the left, the times below and the phases above.
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 20.0;
const TOP: f64 = 16.0;
/// Colours in the style.
const COLOURS: usize = 6;

/// A chart over the time of a run.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    pub(super) lines: Vec<Line>,
    /// Areas on top of each other instead of lines.
    pub(super) is_stacked: bool,
    /// Seconds of the whole time axis.
    pub(super) seconds: f64,
    /// Stretches with a name: where each begins, seconds.
    pub(super) marks: Vec<(String, f64)>,
    /// The most that is accepted, as a dashed line.
    pub(super) limit: Option<f64>,
}

/// One line: its name and a value per step of time.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) values: Vec<Option<f64>>,
}

impl Line {
    pub(super) fn new(name: impl Into<String>, values: Vec<Option<f64>>) -> Self {
        Self {
            name: name.into(),
            values,
        }
    }

    fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }

    fn most(&self) -> f64 {
        self.values.iter().flatten().copied().fold(0.0, f64::max)
    }
}

impl Chart<'_> {
    /// The figure; empty when there is nothing to show.
    pub(super) fn figure(&self) -> String {
        let lines: Vec<_> = self.lines.iter().filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return String::new();
        }
        let highest = if self.is_stacked {
            stacked(&lines)
        } else {
            lines.iter().map(|line| line.most()).fold(0.0, f64::max)
        };
        let (step, top) = scale(highest);
        let mut svg = String::new();
        let title = escape(self.title);
        let _ = write!(
            svg,
            "<figure><figcaption><b>{title}</b> <span>{}</span></figcaption>",
            escape(self.unit)
        );
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">"
        );
        self.grid(&mut svg, step, top);
        if self.is_stacked {
            areas(&mut svg, &lines, top);
        } else {
            for (n, line) in lines.iter().enumerate() {
                path(&mut svg, line, n, top);
            }
        }
        if let Some(limit) = self.limit.filter(|limit| *limit <= top) {
            let y = height_of(limit, top);
            let _ = write!(svg, "<path class=\"limit\" d=\"M{LEFT} {y:.1}H{WIDTH}\"/>");
        }
        svg.push_str("</svg>");
        if lines.len() > 1 {
            svg.push_str("<ul>");
            for (n, line) in lines.iter().enumerate() {
                let _ = write!(svg, "<li class=\"c{}\">{}</li>", n % COLOURS, escape(&line.name));
            }
            svg.push_str("</ul>");
        }
        svg.push_str("</figure>");
        svg
    }

    fn grid(&self, svg: &mut String, step: f64, top: f64) {
        let mut value = 0.0;
        while value <= top * 1.001 {
            let y = height_of(value, top);
            let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{WIDTH}\"/>");
            let _ = write!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" class=\"left\">{}</text>",
                LEFT - 6.0,
                y + 3.5,
                short(value)
            );
            value += step;
        }
        let (every, unit, name) = time_step(self.seconds);
        let mut at = 0.0;
        while at <= self.seconds {
            let x = self.place_of(at);
            let anchor = if x > WIDTH - 20.0 { "end" } else { "middle" };
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}{name}</text>",
                HEIGHT - 5.0,
                short(at / unit)
            );
            at += every;
        }
        let mut free_from = 0.0;
        for (name, from) in &self.marks {
            let x = self.place_of(*from);
            let _ = write!(
                svg,
                "<path class=\"mark\" d=\"M{x:.1} {}V{:.1}\"/>",
                TOP - 4.0,
                HEIGHT - BOTTOM
            );
            // Names that would lie upon each other are left out.
            if x >= free_from {
                let _ = write!(svg, "<text x=\"{:.1}\" y=\"10\">{}</text>", x + 3.0, escape(name));
                free_from = x + 12.0 + name.chars().count() as f64 * 6.0;
            }
        }
    }

    fn place_of(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT) * (at / self.seconds.max(0.001)).clamp(0.0, 1.0)
    }
}

/// The middle of step `n` of `count`.
fn step_place(n: usize, count: usize) -> f64 {
    LEFT + (WIDTH - LEFT) * (n as f64 + 0.5) / count.max(1) as f64
}

fn height_of(value: f64, top: f64) -> f64 {
    let room = HEIGHT - TOP - BOTTOM;
    HEIGHT - BOTTOM - room * (value / top).clamp(0.0, 1.0)
}

/// A line, broken where nothing was measured; a value between two breaks is a dot.
fn path(svg: &mut String, line: &Line, colour: usize, top: f64) {
    let count = line.values.len();
    let mut d = String::new();
    let mut last = None;
    for (n, value) in line.values.iter().enumerate() {
        if let Some(value) = value {
            let (x, y) = (step_place(n, count), height_of(*value, top));
            let is_next = last == n.checked_sub(1) && last.is_some();
            let _ = write!(d, "{}{x:.1} {y:.1}", if is_next { "L" } else { "M" });
            if !is_next {
                d.push_str("h0");
            }
            last = Some(n);
        }
    }
    let _ = write!(svg, "<path class=\"line c{}\" d=\"{d}\"/>", colour % COLOURS);
}

/// The highest sum of any step.
fn stacked(lines: &[&Line]) -> f64 {
    let count = lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    (0..count)
        .map(|n| lines.iter().map(|line| value_at(line, n)).sum())
        .fold(0.0, f64::max)
}

fn value_at(line: &Line, n: usize) -> f64 {
    line.values.get(n).copied().flatten().unwrap_or(0.0)
}

/// Areas, the first line lowest.
fn areas(svg: &mut String, lines: &[&Line], top: f64) {
    let count = lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let mut below = vec![0.0; count];
    for (colour, line) in lines.iter().enumerate() {
        let above: Vec<f64> = below
            .iter()
            .enumerate()
            .map(|(n, below)| below + value_at(line, n))
            .collect();
        let point =
            |(n, value): (usize, &f64)| format!("{:.1} {:.1}", step_place(n, count), height_of(*value, top));
        let over = above.iter().enumerate().map(point);
        let under = below.iter().enumerate().rev().map(point);
        let d = over.chain(under).collect::<Vec<_>>().join("L");
        let _ = write!(svg, "<path class=\"area c{}\" d=\"M{d}Z\"/>", colour % COLOURS);
        below = above;
    }
}

/// The distance of grid lines and the highest of them: three to five lines at round numbers.
fn scale(highest: f64) -> (f64, f64) {
    if highest.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) || !highest.is_finite() {
        return (1.0, 1.0);
    }
    let rough = highest / 4.0;
    let size = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|n| n * size)
        .into_iter()
        .find(|step| *step >= rough);
    let step = step.unwrap_or(size * 10.0);
    (step, step * (highest / step).ceil())
}

/// The distance of times on the axis in seconds, what one unit of their name is, and the name.
fn time_step(seconds: f64) -> (f64, f64, &'static str) {
    let steps = [
        1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0,
    ];
    let every = steps
        .into_iter()
        .find(|step| seconds / step <= 7.0)
        .unwrap_or(43_200.0);
    if every >= 3_600.0 {
        (every, 3_600.0, " h")
    } else if every >= 60.0 {
        (every, 60.0, " min")
    } else {
        (every, 1.0, " s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(lines: Vec<Line>, is_stacked: bool) -> String {
        Chart {
            title: "A & B",
            unit: "ms",
            lines,
            is_stacked,
            seconds: 100.0,
            marks: vec![
                ("join".into(), 0.0),
                ("<hold>".into(), 50.0),
                ("too near".into(), 52.0),
            ],
            limit: Some(3.0),
        }
        .figure()
    }

    #[test]
    fn a_chart_shows_what_was_measured_and_leaves_gaps_where_nothing_was() {
        assert_eq!(chart(vec![], false), "");
        assert_eq!(chart(vec![Line::new("x", vec![None, None])], false), "");
        let values = vec![Some(1.0), Some(4.0), None, Some(2.0)];
        let svg = chart(
            vec![Line::new("a<b", values.clone()), Line::new("c", values)],
            false,
        );
        assert!(svg.contains("A &amp; B") && svg.contains("a&lt;b") && svg.contains("&lt;hold&gt;"));
        assert!(!svg.contains("too near") && svg.contains("class=\"limit\""));
        let line = svg
            .split("class=\"line c0\" d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!(
            (line.matches('M').count(), line.matches('L').count()),
            (2, 1),
            "{line}"
        );
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }

    #[test]
    fn areas_lie_upon_each_other() {
        let svg = chart(
            vec![
                Line::new("a", vec![Some(3.0); 4]),
                Line::new("b", vec![Some(5.0); 4]),
            ],
            true,
        );
        assert_eq!(svg.matches("class=\"area").count(), 2);
        assert!(svg.contains(">8<"), "the scale reaches the sum: {svg}");
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for highest in [0.003, 0.7, 1.0, 3.3, 9.99, 42.0, 180.0, 99_999.0] {
            let (step, top) = scale(highest);
            assert!(top >= highest * 0.999 && top <= highest * 2.0, "{highest}: {top}");
            assert!(
                (2..=5).contains(&((top / step).round() as i32)),
                "{highest}: {step} {top}"
            );
        }
        assert_eq!(scale(0.0), (1.0, 1.0));
        assert_eq!(scale(f64::NAN), (1.0, 1.0));
    }
}
