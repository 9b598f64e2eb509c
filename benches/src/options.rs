//! What a bench is told on the command line.

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
    /// The longest hold in milliseconds instead of the usual one.
    pub hold_ms: Option<u64>,
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
                "--viewers" => options.viewers = number(),
                "--hold-ms" => options.hold_ms = number().map(|number| number as u64),
                _ => {}
            }
        }
        options
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
