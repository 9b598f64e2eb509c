//! The shell of Vitrine: sockets, threads, clocks and metrics around the cores, and the wiring between them. No
//! protocol and no commerce is decided here.

pub mod net;
