//! The shell of Vitrine: sockets, threads, clocks and metrics around the cores, and the wiring between them. No
//! protocol and no commerce is decided here.

pub mod app;
mod banner;
pub mod cli;
pub mod config;
mod contest;
pub mod directory;
pub mod media;
pub mod net;
mod open_files;
pub mod runtime;
mod secret;
pub mod shop;
pub mod telemetry;
