//! A publication: what a publisher sends, kept once for everybody who watches on this shard.

mod arrivals;
mod checkup;
mod encoding;
mod feedback;
mod health;
pub mod history;
mod keyframes;
mod layering;
mod meter;
mod parts;
pub mod payload;
mod picture_ids;
pub mod publication;
mod reception;
pub mod rtp_packet;
mod sequence;
mod streams;

pub use checkup::Faults;
pub use encoding::Encoding;
pub use health::{EncodingHealth, SpatialLayer};
pub use history::{Allowance, History, StoredPacket};
pub use publication::{MediaConfig, Publication, Track};
pub use rtp_packet::RtpPacket;

/// Where virtual time begins in tests.
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "an instant cannot be made in another way"
)]
pub(crate) fn begin() -> std::time::Instant {
    std::time::Instant::now()
}
