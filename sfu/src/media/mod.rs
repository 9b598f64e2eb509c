//! A publication: what a publisher sends, kept once for everybody who watches on this shard.

pub mod history;
pub mod publication;

pub use history::{History, StoredPacket};
pub use publication::{Encoding, MediaConfig, Publication, Track};
