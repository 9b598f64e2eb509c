//! Whole shards in virtual time: hosts and viewers of another WebRTC implementation (the sans-IO `rtc` crate) over a
//! seeded bad network. A minute of it takes a moment; one seed decides what the network does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod client;
mod ears;
mod host;
mod network;
mod screen;
mod viewer;
mod world;

mod busy;
mod channels;
mod hostile;
mod hosts;
mod joining;
mod lines;
mod shards;
mod slow;
mod telling;
mod watching;
