//! What the server's process costs: by `/proc` where it runs on this machine, or by its Prometheus metrics.

use std::time::Duration;

use reqwest::{Client, Url};

use super::tokens::Access;
use crate::measure::Sample;
use crate::scenario::Server;
use crate::{Error, session};

/// Ticks of `/proc/<pid>/stat` per second: USER_HZ, which Linux fixes at 100 for user space.
const TICKS_PER_SECOND: f64 = 100.0;
/// Names that Prometheus' own client libraries give these in every language.
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";
/// A server that takes longer for its metrics is looked at again in a second.
const SCRAPE_TIMEOUT: Duration = Duration::from_millis(800);
/// A page of metrics; more is not read.
const MAX_PAGE_BYTES: u64 = 4 << 20;

/// Reads a server's cost.
pub(super) enum Meter {
    Process(u32),
    Metrics(Client, Url),
    Nothing,
}

impl Meter {
    /// The way the scenario names.
    pub(super) fn new(server: &Server, access: &Access) -> Result<Self, Error> {
        if server.pid > 0 {
            let meter = Self::Process(server.pid);
            process(server.pid).map_err(|error| Error::Options(format!("server.pid: {error}")))?;
            return Ok(meter);
        }
        if server.metrics.is_empty() {
            return Ok(Self::Nothing);
        }
        let url = access.base.join(&server.metrics);
        let url = url.map_err(|error| Error::Options(format!("server.metrics: {error}")))?;
        Ok(Self::Metrics(session::client()?, url))
    }

    /// Reads; none where nothing can be read.
    pub(super) async fn read(&self, at: Duration) -> Option<Sample> {
        let (cpu_s, memory_bytes) = match self {
            Self::Process(pid) => process(*pid).ok()?,
            Self::Metrics(client, url) => {
                let response = client
                    .get(url.clone())
                    .timeout(SCRAPE_TIMEOUT)
                    .send()
                    .await
                    .ok()?;
                if response
                    .content_length()
                    .is_some_and(|length| length > MAX_PAGE_BYTES)
                {
                    return None;
                }
                page(&response.text().await.ok()?)?
            }
            Self::Nothing => return None,
        };
        Some(Sample {
            at_s: at.as_secs_f64(),
            cpu_s,
            memory_bytes,
        })
    }
}

/// CPU seconds and bytes of memory of a process.
fn process(pid: u32) -> Result<(f64, u64), String> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    };
    let cpu = cpu_of_stat(&read("stat")?).ok_or("an unknown format of /proc/pid/stat")?;
    Ok((cpu, memory_of_status(&read("status")?).unwrap_or(0)))
}

fn cpu_of_stat(stat: &str) -> Option<f64> {
    // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

fn memory_of_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// CPU seconds and bytes of memory as a Prometheus page tells them.
fn page(text: &str) -> Option<(f64, u64)> {
    let value = |name: &str| {
        let line = text.lines().find(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        })?;
        line.rsplit(' ')
            .next()?
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
    };
    Some((value(CPU)?, value(MEMORY).unwrap_or(0.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_from_proc_and_from_metrics() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 100 1000 200";
        assert_eq!(cpu_of_stat(stat), Some(2.0));
        assert_eq!(memory_of_status("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        let metrics = "# HELP process_cpu_seconds_total x\nprocess_cpu_seconds_total 12.5\n\
                       process_resident_memory_bytes 1.048576e+06\n";
        assert_eq!(page(metrics), Some((12.5, 1 << 20)));
        for text in [
            "",
            "process_cpu_seconds_total",
            "process_cpu_seconds_total_x 4",
            "process_cpu_seconds_total NaN",
        ] {
            assert_eq!(page(text), None, "{text}");
        }
        assert!(process(std::process::id()).is_ok_and(|(_, memory)| memory > 1 << 20));
    }
}
