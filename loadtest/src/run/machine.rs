//! This machine, as a report names it.

use crate::report::Machine;

/// What the system tells; "unknown" where it does not.
pub(super) fn this() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let unknown = |text: &str| {
        if text.is_empty() {
            "unknown".to_owned()
        } else {
            text.to_owned()
        }
    };
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Machine {
        name: unknown(read("/proc/sys/kernel/hostname").trim()),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        cpu: unknown(model.map_or("", |(_, model)| model.trim())),
    }
}
