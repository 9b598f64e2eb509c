//! The view of a run in a terminal: a few lines that are redrawn, or one line now and then where there is no terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::run::{Status, View};

/// Without a terminal, a line comes this often: a log of an hour stays readable.
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR: usize = 30;

/// Writes to standard error: standard output is for results.
pub struct Terminal {
    is_live: bool,
    /// Lines of the last drawing, to be overwritten.
    drawn: usize,
    last_line: Option<Duration>,
}

impl Terminal {
    /// Live where standard error is a terminal.
    pub fn new() -> Self {
        Self {
            is_live: std::io::stderr().is_terminal(),
            drawn: 0,
            last_line: None,
        }
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl View for Terminal {
    fn show(&mut self, status: &Status) {
        let mut out = std::io::stderr().lock();
        if self.is_live {
            let lines = lines(status);
            let _ = out.write_all(drawing(&lines, self.drawn).as_bytes());
            self.drawn = lines.len();
        } else if self.last_line.is_none_or(|last| status.at >= last + LINE_EVERY) {
            self.last_line = Some(status.at);
            let _ = writeln!(out, "{}", line(status));
        }
        let _ = out.flush();
    }

    fn leaving(&mut self) {
        let _ = writeln!(std::io::stderr(), "everybody leaves");
        self.drawn = 0;
    }
}

/// Draws over the lines of the last time. What does not fit a narrow terminal is cut off, not wrapped: the next drawing
/// goes up by lines (DECAWM, ECMA-48 EL and ED).
fn drawing(lines: &[String], drawn: usize) -> String {
    let mut text = String::from("\x1b[?7l\r");
    if drawn > 0 {
        text += &format!("\x1b[{drawn}A");
    }
    for line in lines {
        text += line;
        text += "\x1b[K\n";
    }
    text += "\x1b[J\x1b[?7h";
    text
}

/// What is drawn.
fn lines(status: &Status) -> Vec<String> {
    let time = match status.of {
        Some(of) => format!("{} of {}", clock(status.at), clock(of)),
        None => clock(status.at),
    };
    let passed = status
        .passed
        .map(|passed| format!("  {}", bar(passed)))
        .unwrap_or_default();
    let mut lines = vec![
        format!("  {time}  \x1b[1m{}\x1b[0m{passed}", status.doing),
        format!(
            "  viewers {} of {}, {} joining, {} failed   {:.1} Mbit/s",
            status.viewers, status.wanted, status.joining, status.failed, status.mbps
        ),
        format!(
            "  lost {}   to viewer p95 {}   join p95 {}",
            status
                .loss_percent
                .map_or("-".into(), |loss| format!("{loss:.2} %")),
            millis(status.one_way_p95),
            millis(status.first_picture_p95),
        ),
        format!("  {}", machines(status)),
    ];
    if status.receipts.1 > 0 {
        lines.push(format!(
            "  {} of {} buys answered",
            status.receipts.0, status.receipts.1
        ));
    }
    if let Some(why) = &status.why {
        lines.push(format!(
            "  most joins that failed: {}",
            why.chars().take(90).collect::<String>()
        ));
    }
    if status.is_client_limited {
        lines.push("  \x1b[33mthe load test itself is the limit\x1b[0m".into());
    }
    lines
}

/// The same in one line.
fn line(status: &Status) -> String {
    format!(
        "{}  {}: {} of {} viewers, {} failed, {:.1} Mbit/s, lost {}, to viewer p95 {}, {}",
        clock(status.at),
        status.doing,
        status.viewers,
        status.wanted,
        status.failed,
        status.mbps,
        status
            .loss_percent
            .map_or("-".into(), |loss| format!("{loss:.2} %")),
        millis(status.one_way_p95),
        machines(status),
    )
}

fn machines(status: &Status) -> String {
    let server = match (status.server_cpu_percent, status.server_memory) {
        (Some(cpu), Some(memory)) => format!("server {cpu:.0} % CPU, {} MiB; ", memory >> 20),
        _ => String::new(),
    };
    format!("{server}load test {:.0} % CPU", status.client_cpu_percent)
}

fn bar(passed: f64) -> String {
    let full = ((passed.clamp(0.0, 1.0) * BAR as f64).round() as usize).min(BAR);
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 3_600 {
        format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    } else {
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }
}

fn millis(time: Option<Duration>) -> String {
    time.map_or("-".into(), |time| {
        format!("{:.0} ms", time.as_secs_f64() * 1_000.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_fits_a_terminal_and_says_what_is_wrong() {
        let mut status = Status {
            at: Duration::from_secs(75),
            of: Some(Duration::from_secs(3_700)),
            doing: "hold".into(),
            passed: Some(0.5),
            wanted: 1_000,
            viewers: 990,
            loss_percent: Some(0.034),
            one_way_p95: Some(Duration::from_micros(12_400)),
            ..Status::default()
        };
        let text = lines(&status).join("\n");
        assert!(
            text.contains("1:15 of 1:01:40") && text.contains("viewers 990 of 1000"),
            "{text}"
        );
        assert!(
            text.contains("lost 0.03 %   to viewer p95 12 ms   join p95 -"),
            "{text}"
        );
        assert_eq!(text.matches('█').count(), BAR / 2);
        assert!(!text.contains("limit"));
        status.is_client_limited = true;
        status.why = Some("x".repeat(500));
        let all = lines(&status);
        assert!(all.iter().all(|line| line.chars().count() < 130), "{all:?}");
        assert!(all.iter().any(|line| line.contains("limit")));
        assert!(!line(&status).contains('\n'));
        let first = drawing(&all, 0);
        let next = drawing(&all[..1], all.len());
        assert_eq!(first.matches('\n').count(), all.len());
        assert!(
            !first.contains('A') && next.contains(&format!("\x1b[{}A", all.len())),
            "{next:?}"
        );
    }
}
