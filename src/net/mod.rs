//! Sockets: one UDP port per shard, and the addresses that candidates name.

pub mod interfaces;
pub mod tcp;
pub mod udp;
