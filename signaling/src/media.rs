//! The media side as the door sees it: offers in, answers out. SDP is opaque text here.

use std::future::Future;
use std::net::IpAddr;

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
    #[error("the server is full or stopping")]
    Unavailable {
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

/// A viewer's wish for a layer; all absent means automatic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerWish {
    /// Pin this rid.
    pub rid: Option<String>,
    /// No picture larger than this, pixels.
    pub max_width: Option<u32>,
    /// No picture larger than this, pixels.
    pub max_height: Option<u32>,
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
    /// Whether a session still lives: its peer may have left, or its line broken, without a DELETE.
    fn is_open(&self, session: MediaSession) -> bool;
    /// Closes a session.
    fn close(&self, session: MediaSession) -> impl Future<Output = ()> + Send;
}
