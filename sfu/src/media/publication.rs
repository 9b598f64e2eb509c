//! A publication: the tracks and encodings of one publisher, fed by its packets or by another shard's relay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::history::History;
use crate::negotiation::{Codec, Label, MediaKind, ReceivedMedia};
use crate::relay::{EncodingId, RelayedMedia};
use crate::stats::MediaStats;

/// Bounds and timings of ingest.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Bytes kept per encoding for joins and retransmissions.
    pub history_bytes: usize,
    /// How long packets are kept at most.
    pub history_time: Duration,
    /// At most one keyframe request per encoding in this time.
    pub keyframe_interval: Duration,
    /// An encoding without packets for this long is inactive.
    pub inactive_after: Duration,
}

impl Default for MediaConfig {
    fn default() -> Self {
        MediaConfig {
            history_bytes: 6 << 20,
            history_time: Duration::from_secs(12),
            keyframe_interval: Duration::from_millis(500),
            inactive_after: Duration::from_millis(500),
        }
    }
}

/// One simulcast stream of a track.
#[derive(Debug)]
pub struct Encoding {
    /// Its number in relay messages.
    pub id: EncodingId,
    /// Its rid, when simulcast.
    pub rid: Option<Label>,
    /// Its packets.
    pub history: History,
}

impl Encoding {
    /// Whether packets came lately.
    pub fn is_active(&self, now: Instant) -> bool {
        let _ = now;
        todo!()
    }

    /// Codec of the latest packet.
    pub fn codec(&self) -> Option<Codec> {
        todo!()
    }

    /// Bits per second metered over seconds (not bursts), headers included; 0 while unknown.
    pub fn bitrate(&self) -> u64 {
        todo!()
    }

    /// Coded size in pixels (width, height) where the keyframe told.
    pub fn size(&self) -> Option<(u16, u16)> {
        todo!()
    }

    /// The last sender report: when it came, NTP (32.32), RTP timestamp.
    pub fn report(&self) -> Option<(Instant, u64, u32)> {
        todo!()
    }
}

/// One m-section of a publication.
#[derive(Debug)]
pub struct Track {
    /// Audio or video.
    pub kind: MediaKind,
    /// Its encodings, best first once their rates or sizes are known; index is `EncodingId::layer`, which is stable.
    pub encodings: Vec<Encoding>,
}

impl Track {
    /// Active encodings from the lowest to the highest (by size, then by rate).
    pub fn ladder(&self, now: Instant) -> smallvec::SmallVec<[&Encoding; 4]> {
        let _ = now;
        todo!()
    }
}

/// Everything one publisher sends.
#[derive(Debug)]
pub struct Publication {}

impl Publication {
    /// A publication fed by a publisher's own packets.
    pub fn new(media: Arc<Vec<ReceivedMedia>>, config: MediaConfig, seed: u64, now: Instant) -> Publication {
        let _ = (media, config, seed, now);
        todo!()
    }

    /// The same on another shard, fed by [`Publication::handle_relayed`].
    pub fn replica(media: Arc<Vec<ReceivedMedia>>, config: MediaConfig, now: Instant) -> Publication {
        let _ = (media, config, now);
        todo!()
    }

    /// What was agreed with the publisher.
    pub fn media(&self) -> &Arc<Vec<ReceivedMedia>> {
        todo!()
    }

    /// Takes one decrypted RTP packet: finds its encoding (SSRC, or MID with RID or repaired RID), unwraps RTX,
    /// stores it. Unknown or malformed packets are dropped and counted.
    pub fn handle_rtp(&mut self, now: Instant, packet: &[u8]) {
        let _ = (now, packet);
        todo!()
    }

    /// Takes one decrypted compound RTCP packet.
    pub fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) {
        let _ = (now, compound);
        todo!()
    }

    /// Takes what the publisher's shard took in.
    pub fn handle_relayed(&mut self, item: RelayedMedia) {
        let _ = item;
        todo!()
    }

    /// From now on [`Publication::poll_relayed`] returns what comes in; off drops what waits.
    pub fn set_relaying(&mut self, on: bool) {
        let _ = on;
        todo!()
    }

    /// The next thing for the other shards.
    pub fn poll_relayed(&mut self) -> Option<RelayedMedia> {
        todo!()
    }

    /// What a shard that begins to watch must get first: reports and each encoding's current group of pictures.
    pub fn cached(&self) -> Vec<RelayedMedia> {
        todo!()
    }

    /// Asks for a keyframe; merged and limited per encoding, forgotten when one comes.
    pub fn request_keyframe(&mut self, now: Instant, encoding: EncodingId) {
        let _ = (now, encoding);
        todo!()
    }

    /// A replica's next request for its publisher's shard.
    pub fn poll_keyframe_request(&mut self, now: Instant) -> Option<EncodingId> {
        let _ = now;
        todo!()
    }

    /// Appends the next compound RTCP packet for the publisher (reports, NACK, PLI or FIR, transport feedback) to
    /// `out`, at most 1200 bytes; false when there is none now.
    pub fn poll_rtcp(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let _ = (now, out);
        todo!()
    }

    /// When [`Publication::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// Drives NACKs, reports, feedback, meters and inactivity.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// Whether media comes now.
    pub fn is_flowing(&self, now: Instant) -> bool {
        let _ = now;
        todo!()
    }

    /// The tracks, in the order of the m-sections.
    pub fn tracks(&self) -> &[Track] {
        todo!()
    }

    /// The track of a kind.
    pub fn track(&self, kind: MediaKind) -> Option<&Track> {
        let _ = kind;
        todo!()
    }

    /// What was counted so far.
    pub fn stats(&self) -> &MediaStats {
        todo!()
    }
}
