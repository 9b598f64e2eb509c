//! Media sessions: shards on their threads, the lanes between them, and the service that opens, changes and closes
//! sessions for the HTTP door.

pub mod advice;
pub mod bulletin;
pub mod command;
mod credentials;
pub mod lanes;
mod load;
pub mod news;
pub mod pause;
pub mod service;
mod sessions;
pub mod shard_thread;
mod unreached;
