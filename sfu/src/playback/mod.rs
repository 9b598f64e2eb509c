//! A viewer's side of the media: which layer it gets, its own sequence, timestamp and picture-id space, its
//! retransmissions, reports and bandwidth.

use std::time::{Duration, Instant};

use crate::media::Publication;
use crate::negotiation::{Label, SentMedia};
use crate::relay::{EncodingId, Generation};
use crate::stats::PlaybackStats;
use crate::transport::RtpParts;

/// Bounds and timings of playback.
#[derive(Clone, Debug)]
pub struct PlaybackConfig {
    /// From keys to the first packet: a browser loses what comes right behind the handshake.
    pub start_delay: Duration,
    /// The pace of a burst from the cache, as a multiple of the encoding's rate, never below `burst_bitrate`.
    pub burst_factor: u32,
    /// Bits per second a burst gets at least.
    pub burst_bitrate: u64,
    /// Bits per second assumed before any feedback.
    pub initial_bitrate: u64,
    /// A viewer's keyframe request is served from the cache at most this often.
    pub replay_interval: Duration,
    /// Wall clock of `Instant` zero for NTP: nanoseconds since 1900 at the instant `epoch`.
    pub epoch: (Instant, u128),
}

/// Takes finished packets for one viewer.
pub trait RtpSink {
    /// Seals and queues one packet; false when it could not be queued.
    fn send(&mut self, packet: RtpParts<'_>) -> bool;
}

/// What a viewer asks for by itself (layer extension, its element's size).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerLimit {
    /// Pin this rid.
    pub rid: Option<Label>,
    /// No picture larger than this many pixels on the longer side.
    pub max_side: Option<u16>,
}

/// A viewer's subscriptions to a publication. Survives the publication: another one may follow, with other codecs
/// and encodings, in the same outgoing spaces.
pub struct Playback {}

impl Playback {
    /// A viewer that watches nothing yet.
    pub fn new(media: Vec<SentMedia>, config: PlaybackConfig, seed: u64, now: Instant) -> Playback {
        let _ = (media, config, seed, now);
        todo!()
    }

    /// The transport has keys: media may flow after the start delay.
    pub fn start(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// Media continues from the cached group of pictures of this publication, or pauses with `None`.
    pub fn attach(&mut self, now: Instant, publication: Option<(Generation, &Publication)>) {
        let _ = (now, publication);
        todo!()
    }

    /// Sends all that is due: retransmissions, audio, new and cached video, probing. Cheap when nothing is.
    /// `keyframes` gets encodings that need a keyframe from the publisher.
    pub fn forward(
        &mut self,
        now: Instant,
        publication: &Publication,
        sink: &mut impl RtpSink,
        keyframes: &mut Vec<EncodingId>,
    ) {
        let _ = (now, publication, sink, keyframes);
        todo!()
    }

    /// Takes one compound RTCP packet of the viewer. What it asks for leaves with the next [`Playback::forward`].
    pub fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) {
        let _ = (now, compound);
        todo!()
    }

    /// Appends the next compound RTCP packet for the viewer (sender reports with SDES) to `out`, at most 1200
    /// bytes; false when there is none now.
    pub fn poll_rtcp(&mut self, now: Instant, publication: Option<&Publication>, out: &mut Vec<u8>) -> bool {
        let _ = (now, publication, out);
        todo!()
    }

    /// When [`Playback::forward`] and [`Playback::poll_rtcp`] want to be called next even if nothing arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// Sets or clears the viewer's own limit.
    pub fn set_limit(&mut self, limit: LayerLimit) {
        let _ = limit;
        todo!()
    }

    /// The video layer the viewer gets now.
    pub fn layer(&self) -> Option<EncodingId> {
        todo!()
    }

    /// The estimate of the line, bits per second.
    pub fn estimate(&self) -> u64 {
        todo!()
    }

    /// What was counted so far.
    pub fn stats(&self) -> &PlaybackStats {
        todo!()
    }
}
