//! Lines of all kinds in virtual time: a real shard, a publisher relayed to it, and light viewers that speak the real
//! packets (DTLS, SRTP, transport-wide feedback, NACK) over a seeded model of a bottleneck. Each story prints what a
//! viewer would have felt.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod bindings;
mod bottleneck;
mod camera;
mod feedback;
mod outcome;
mod payloads;
mod screen;
mod told;
mod viewer;
mod world;

mod crowd;
mod entering;
mod golden;
mod holes;
mod narrow;
mod oracle;
mod outage;
mod phases;
mod ramps;
mod returning;
mod scalable;
mod sharing;
mod stories;
mod untold;
mod wraps;
