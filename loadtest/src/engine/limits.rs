//! What the client itself costs, and whether it is what limits.

use std::fs;
use std::time::Duration;

/// CPU time of the calling thread, where the system tells.
pub(super) fn thread_cpu() -> Option<Duration> {
    // Nanoseconds on a CPU come first (Documentation/scheduler/sched-stats.rst).
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Datagrams the kernel dropped in front of sockets with these local ports, since they were opened.
pub(super) fn dropped(ports: &[u16]) -> u64 {
    let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
    let texts = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
    texts.map(|text| dropped_in(&text, ports)).sum()
}

/// The second column holds address and port in hexadecimal, the last one the drops.
fn dropped_in(table: &str, ports: &[u16]) -> u64 {
    let rows = table.lines().skip(1).filter_map(|row| {
        let mut columns = row.split_ascii_whitespace();
        let (_, port) = columns.nth(1)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        ports
            .contains(&port)
            .then(|| columns.last()?.parse::<u64>().ok())?
    });
    rows.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_by_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            338: 00000000:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 17\n\
            339: 00000000:1F91 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 4\n";
        assert_eq!(dropped_in(table, &[8080]), 17);
        assert_eq!(dropped_in(table, &[8080, 8081]), 21);
        assert_eq!(dropped_in(table, &[80]), 0);
    }

    #[test]
    fn a_threads_cpu_time_grows() {
        let before = thread_cpu().unwrap();
        let sum = (0..10_000_000_u64).fold(0, |sum: u64, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(sum);
        assert!(thread_cpu().unwrap() > before);
    }
}
