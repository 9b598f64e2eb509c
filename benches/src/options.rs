//! What a bench is told on the command line.

use std::time::Duration;

use vitrine::media::pause::TURN_INTERVAL;

/// Flags behind `--`; cargo's own are passed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Less of everything, for CI.
    pub quick: bool,
    /// Readers take whole runs (UDP_GRO), as if a network card cut them up: the sender saves that work.
    pub offload: bool,
    /// A count of viewers instead of the usual ones.
    pub viewers: Option<usize>,
    /// An audio stream, too.
    pub sound: bool,
    /// No audio stream, where there is one by default.
    pub silent: bool,
    /// One rate of the picture instead of the usual ones, kbit/s.
    pub kbps: Option<u32>,
    /// The longest hold in milliseconds instead of the usual one.
    pub hold_ms: Option<u64>,
    /// Another time from turn to turn of a busy shard in microseconds, or 0: it wakes for every datagram.
    pub turn_us: Option<u64>,
}

impl Options {
    /// Reads the command line.
    pub fn read() -> Options {
        let mut options = Options::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|number| number.parse().ok());
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--offload" => options.offload = true,
                "--sound" => options.sound = true,
                "--silent" => options.silent = true,
                "--kbps" => options.kbps = number().map(|number| number as u32),
                "--viewers" => options.viewers = number(),
                "--hold-ms" => options.hold_ms = number().map(|number| number as u64),
                "--turn-us" => options.turn_us = number().map(|number| number as u64),
                _ => {}
            }
        }
        options
    }

    /// From turn to turn of a busy shard.
    pub fn turn_interval(&self) -> Duration {
        self.turn_us.map_or(TURN_INTERVAL, Duration::from_micros)
    }

    /// What of it changes the meaning of the figures.
    pub fn note(&self) -> &'static str {
        if self.offload {
            ", runs cut up by the receiver"
        } else {
            ", runs cut up by the kernel"
        }
    }
}
