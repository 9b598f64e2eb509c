//! What the process takes, under the names that Prometheus' client libraries give it in every language. Linux tells; where
//! nobody does, the values stay at zero.

use std::fs;

use prometheus::{Counter, Gauge, Registry};

use super::registered;

/// Ticks of `/proc/self/stat` per second: USER_HZ, which Linux fixes at 100 for user space (proc_pid_stat(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time, memory and files.
pub(super) struct ProcessMetrics {
    /// In hundredths: the library's own collector counts whole seconds, too coarse for a test of some seconds.
    cpu: Counter,
    memory: Gauge,
    files: Gauge,
}

impl ProcessMetrics {
    pub(super) fn new(registry: &Registry) -> Result<ProcessMetrics, prometheus::Error> {
        let cpu = Counter::new(
            "process_cpu_seconds_total",
            "User and system CPU time of the process, seconds.",
        )?;
        let memory = Gauge::new(
            "process_resident_memory_bytes",
            "Resident memory of the process, bytes.",
        )?;
        Ok(ProcessMetrics {
            cpu: registered(registry, cpu)?,
            memory: registered(registry, memory)?,
            files: registered(
                registry,
                Gauge::new("process_open_fds", "Files and sockets that are open.")?,
            )?,
        })
    }

    /// Takes all as they are now.
    pub(super) fn read(&self) {
        let text = |name| fs::read_to_string(name).ok();
        if let Some(cpu) = text("/proc/self/stat").as_deref().and_then(cpu_seconds) {
            self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
        }
        if let Some(bytes) = text("/proc/self/status").as_deref().and_then(resident_bytes) {
            self.memory.set(bytes);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // The folder that is read is one of them.
            self.files.set(files.count().saturating_sub(1) as f64);
        }
    }
}

/// The name in parentheses may hold anything; user and system time are the 12th and 13th field behind it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 51 0 0 20 0 1 0 100 1000 200";
        assert_eq!(cpu_seconds(stat), Some(2.01));
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"),
            Some(2_097_152.0)
        );
        assert_eq!((cpu_seconds("42 (a) S"), resident_bytes("")), (None, None));
    }

    #[test]
    fn this_process_has_all() {
        let metrics = ProcessMetrics::new(&Registry::new()).unwrap();
        // A tick is ten milliseconds of work.
        while metrics.cpu.get() < 0.01 {
            metrics.read();
        }
        assert!(metrics.memory.get() > 1_048_576.0);
        assert!(metrics.files.get() >= 3.0);
    }
}
