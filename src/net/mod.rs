//! Sockets: one UDP port per shard, and the addresses that candidates name.

mod batch;
pub mod connected;
pub mod framing;
pub mod interfaces;
mod outgoing;
mod overflow;
mod reader;
pub mod tcp;
pub mod udp;
