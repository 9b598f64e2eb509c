//! The whole binary from outside: what comes in over its sockets, and what happens when it ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod buying;
mod channels;
mod chunks;
mod codecs;
mod crash;
mod cut;
mod demo;
mod ending;
mod fleet;
mod folder;
mod following;
mod frames;
mod host;
mod hostile;
mod keyed;
mod line;
mod neighbour;
mod once;
mod operating;
#[path = "../../benches/src/peer.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    reason = "the benches' peer, which can do more"
)]
mod peer;
#[path = "../../overlay/tests/server/mod.rs"]
mod postgres_server;
mod revolving;
mod sale;
mod scenarios;
mod server;
mod shared;
mod silent;
mod stage;
mod storm;
mod truth;
mod viewer;
