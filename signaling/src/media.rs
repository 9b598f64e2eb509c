//! The media side as the door sees it: offers in, answers out. SDP is opaque text here.

use std::future::Future;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A media session's number, given by the media side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MediaSession(pub u64);

/// An accepted offer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The session.
    pub session: MediaSession,
    /// The SDP answer.
    pub sdp: String,
    /// The place of the picture's m-line in it.
    pub video: Option<usize>,
}

/// What a PATCH with an sdpfrag did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patched {
    /// Candidates were taken in: 204.
    Trickled,
    /// ICE restarted (RFC 9725 §4.3.3): 200 with this fragment and a new ETag.
    Restarted(String),
}

/// Why the media side refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// 400.
    #[error("{0}")]
    Malformed(String),
    /// 422.
    #[error("{0}")]
    Unacceptable(String),
    /// 503 with Retry-After.
    #[error("{why}")]
    Unavailable {
        /// In words, with the key of the bound that is met.
        why: &'static str,
        /// Seconds.
        retry_after: u32,
    },
    /// 409 with Retry-After: the room has a publisher whom others may not replace now.
    #[error("{why}")]
    Taken {
        /// In words.
        why: &'static str,
        /// Seconds.
        retry_after: u32,
    },
    /// 404.
    #[error("no such session")]
    Gone,
    /// The fragment restarts ICE but the request did not allow that (If-Match was not `*`): 412.
    #[error("an ICE restart needs If-Match: *")]
    RestartNotAllowed,
}

/// Which way a session's media flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// WHIP.
    Whip,
    /// WHEP.
    Whep,
}

/// A viewer's wish for a layer; all absent means automatic. Read as WHEP's extension writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerWish {
    /// Pin this rid. Earlier drafts call it `encodingId`.
    #[serde(alias = "encodingId")]
    pub rid: Option<String>,
    /// Pin the highest spatial layer of an encoding that has several.
    pub spatial_layer_id: Option<u8>,
    /// Pin the highest temporal layer.
    pub temporal_layer_id: Option<u8>,
    /// No spatial layer above this.
    pub max_spatial_layer_id: Option<u8>,
    /// No temporal layer above this.
    pub max_temporal_layer_id: Option<u8>,
    /// No picture larger than this, pixels.
    pub max_width: Option<u32>,
    /// No picture larger than this, pixels.
    pub max_height: Option<u32>,
}

/// One layer of a room's picture, as WHEP's `layers` event writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Its rid, when simulcast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Of its encoding: 0 for the only one or the lowest.
    #[serde(rename = "spatialLayerId")]
    pub spatial_layer_id: u8,
    /// The highest temporal layer a viewer gets, where there are several.
    #[serde(rename = "temporalLayerId", skip_serializing_if = "Option::is_none")]
    pub temporal_layer_id: Option<u8>,
    /// Bits per second now; absent when the layer is inactive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u64>,
    /// Coded pixels, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
    /// Coded pixels, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u16>,
}

/// A room's media, for those who follow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomMedia {
    /// Whether media flows.
    pub live: bool,
    /// Viewers with a session.
    pub viewers: u64,
    /// The layers of the picture, in the host's order.
    pub layers: Vec<Layer>,
}

/// What a player tells of itself; whatever is absent keeps what was said before. Nothing depends on it but statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayerReport {
    /// From its start to the first frame shown, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_frame_ms: Option<u32>,
    /// Times the picture stood still, since the session's begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freezes: Option<u32>,
    /// How long in all, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze_ms: Option<u64>,
    /// What the player holds back before it shows it, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playout_delay_ms: Option<u32>,
}

/// Why a viewer gets its layer and not the one above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerReason {
    /// It has none yet.
    #[default]
    Joining,
    /// It asked for this one.
    Pinned,
    /// It asked for nothing larger.
    Limited,
    /// Its line has not shown room for more.
    Line,
    /// There is nothing above.
    Best,
}

/// One viewer, for operators. Times in milliseconds, rates in bits per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "API.md tells what each is")]
pub struct ViewerReport {
    pub viewer: u64,
    pub shard: u16,
    pub age_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    pub reason: LayerReason,
    pub estimate: u64,
    pub round_trip_ms: u64,
    pub lost_percent: f32,
    pub lost: u64,
    pub switches: u64,
    pub stills: u64,
    pub retransmitted: u64,
    pub keyframe_requests: u64,
    pub player: PlayerReport,
}

/// A room's viewers, for operators.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RoomViewers {
    /// How many there are.
    pub count: usize,
    /// Some of them, where there are many.
    pub viewers: Vec<ViewerReport>,
}

/// The media side.
pub trait Media: Send + Sync + 'static {
    /// Opens a session for an offer.
    fn open(
        &self,
        door: Door,
        room: &str,
        offer: String,
        from: IpAddr,
    ) -> impl Future<Output = Result<Answer, MediaError>> + Send;
    /// Takes an sdpfrag. `may_restart` is true when If-Match was `*`.
    fn patch(
        &self,
        session: MediaSession,
        fragment: String,
        may_restart: bool,
    ) -> impl Future<Output = Result<Patched, MediaError>> + Send;
    /// Sets a viewer's layer limit.
    fn limit(
        &self,
        session: MediaSession,
        wish: LayerWish,
    ) -> impl Future<Output = Result<(), MediaError>> + Send;
    /// Takes what a viewer's player tells.
    fn report(&self, session: MediaSession, report: PlayerReport);
    /// A room's media from now on.
    fn follow(&self, room: &str) -> watch::Receiver<RoomMedia>;
    /// A room's viewers, at most `most` of them one by one.
    fn viewers(&self, room: &str, most: usize) -> impl Future<Output = RoomViewers> + Send;
    /// Whether a session still lives: its peer may have left, or its line broken, without a DELETE.
    fn is_open(&self, session: MediaSession) -> bool;
    /// Closes a session.
    fn close(&self, session: MediaSession) -> impl Future<Output = ()> + Send;
}
