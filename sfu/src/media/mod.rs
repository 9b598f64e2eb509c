//! A publication: what a publisher sends, kept once for everybody who watches on this shard.

pub mod history;
pub mod publication;

pub use history::{History, StoredPacket};
pub use publication::{Encoding, MediaConfig, Publication, Track};

/// Where virtual time begins in tests.
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "an instant cannot be made in another way"
)]
pub(crate) fn begin() -> std::time::Instant {
    std::time::Instant::now()
}
