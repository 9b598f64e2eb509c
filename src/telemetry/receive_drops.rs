//! What the kernel dropped before it could be read, because a media port's receive buffer was full. Linux counts it for
//! each socket, at no cost for a packet, and tells it in `/proc/net/udp` and `udp6`; where nobody does it stays at zero.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use prometheus::{IntCounterVec, Opts, Registry};

use super::registered;

pub(super) struct ReceiveDrops {
    ports: Vec<u16>,
    counter: IntCounterVec,
    /// What each socket had when it was looked at last, by its inode: a port's common one and those of publishers, which
    /// come and go.
    seen: Mutex<HashMap<u64, u32>>,
}

/// A line of the kernel's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    port: u16,
    inode: u64,
    drops: u32,
}

impl ReceiveDrops {
    pub(super) fn new(registry: &Registry, ports: &[u16]) -> Result<ReceiveDrops, prometheus::Error> {
        let told = Opts::new(
            "vitrine_udp_receive_full_total",
            "Datagrams the kernel dropped because the port's receive buffer was full.",
        );
        let counter = registered(registry, IntCounterVec::new(told, &["shard"])?)?;
        for shard in 0..ports.len() {
            counter.with_label_values(&[shard.to_string()]);
        }
        Ok(ReceiveDrops {
            ports: ports.to_vec(),
            counter,
            seen: Mutex::default(),
        })
    }

    /// Adds what was dropped since the last look.
    pub(super) fn read(&self) {
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
        let tables: Vec<String> = tables
            .iter()
            .filter_map(|name| fs::read_to_string(name).ok())
            .collect();
        self.take(tables.iter().flat_map(|table| table.lines().filter_map(entry)));
    }

    fn take(&self, entries: impl Iterator<Item = Entry>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *seen);
        for Entry { port, inode, drops } in entries {
            let Some(shard) = self.ports.iter().position(|known| *known == port) else {
                continue;
            };
            // The kernel's count is of 32 bits and goes round.
            let more = drops.wrapping_sub(before.get(&inode).copied().unwrap_or(0));
            self.counter
                .with_label_values(&[shard.to_string()])
                .inc_by(more.into());
            seen.insert(inode, drops);
        }
    }
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ref pointer drops`
/// (proc_pid_net(5)), addresses and ports in hexadecimal.
fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.rsplit_once(':')?;
    Some(Entry {
        port: u16::from_str_radix(port, 16).ok()?,
        inode: fields.nth(7)?.parse().ok()?,
        drops: fields.nth(2)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 4243: 0100007F:1B58 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 88001 2 00000000a3c12b5d 7
 4243: 00000000000000000000000000000000:1B59 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 88002 2 000000001d2e3f40 30";

    #[test]
    fn the_kernels_table_is_read() {
        let entries: Vec<Entry> = TABLE.lines().filter_map(entry).collect();
        let of = |port, inode, drops| Entry { port, inode, drops };
        assert_eq!(entries, [of(7000, 88_001, 7), of(7001, 88_002, 30)]);
    }

    #[test]
    fn each_socket_counts_once_whatever_becomes_of_it() {
        let drops = ReceiveDrops::new(&Registry::new(), &[7000, 7001]).unwrap();
        let told = || ["0", "1"].map(|shard| drops.counter.with_label_values(&[shard]).get());
        let look = |entries: &[(u16, u64, u32)]| {
            let entries = entries
                .iter()
                .map(|&(port, inode, drops)| Entry { port, inode, drops });
            drops.take(entries);
            told()
        };
        assert_eq!(
            look(&[(7000, 1, 5), (7000, 2, 1), (7001, 3, u32::MAX), (53, 4, 9)]),
            [6, u64::from(u32::MAX)]
        );
        // A publisher's has gone, another has come, and one count has gone round.
        assert_eq!(
            look(&[(7000, 1, 5), (7000, 5, 2), (7001, 3, 1)]),
            [8, u64::from(u32::MAX) + 2]
        );
        assert_eq!(look(&[]), [8, u64::from(u32::MAX) + 2]);
    }
}
