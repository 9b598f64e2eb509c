//! The shell of Vitrine: sockets, threads, clocks and metrics around the cores, and the wiring between them. No
//! protocol and no commerce is decided here.

pub mod directory;
pub mod media;
pub mod net;
pub mod runtime;
pub mod shop;
pub mod telemetry;
