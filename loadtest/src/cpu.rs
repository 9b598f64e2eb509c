//! What a server's process costs, seen from outside: CPU time by `/proc`, packets by its metrics.

use std::time::Duration;

use reqwest::Url;

use crate::{Error, session};

/// Ticks of `/proc/<pid>/stat` per second: USER_HZ, which Linux fixes at 100 for user space.
const TICKS_PER_SECOND: u64 = 100;
const PACKETS: &str = "vitrine_playback_packets_total";

/// A server's counters at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    cpu: Duration,
    packets: Option<u64>,
}

/// CPU between two readings.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Cost {
    /// Seconds of CPU.
    pub cpu_seconds: f64,
    /// Packets it sent to viewers, where its metrics tell.
    pub packets: Option<u64>,
    /// Microseconds of CPU per packet sent to a viewer, everything counted in.
    pub microseconds_per_packet: Option<f64>,
}

impl Reading {
    /// Reads a process on this machine, and its metrics at `server`.
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn take(pid: u32, server: &Url) -> Result<Reading, Error> {
        let path = format!("/proc/{pid}/stat");
        let stat =
            std::fs::read_to_string(&path).map_err(|error| Error::Options(format!("{path}: {error}")))?;
        // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Reading {
            cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
            packets: packets(server).await,
        })
    }

    /// What it cost since an earlier reading.
    pub fn since(&self, earlier: &Reading) -> Cost {
        let cpu = self.cpu.saturating_sub(earlier.cpu);
        let packets = self
            .packets
            .zip(earlier.packets)
            .map(|(now, then)| now.saturating_sub(then));
        Cost {
            cpu_seconds: cpu.as_secs_f64(),
            packets,
            microseconds_per_packet: packets
                .filter(|packets| *packets > 0)
                .map(|packets| cpu.as_secs_f64() * 1e6 / packets as f64),
        }
    }
}

async fn packets(server: &Url) -> Option<u64> {
    let text = session::client()
        .ok()?
        .get(server.join("/metrics").ok()?)
        .send()
        .await
        .ok()?
        .text()
        .await
        .ok()?;
    let values = text.lines().filter(|line| line.starts_with(PACKETS));
    let values: Vec<u64> = values
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .map(|value| value as u64)
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}
