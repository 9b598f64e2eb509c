//! The HTTP door of Vitrine: WHIP, WHEP, the shop API, tokens and pages (`API.md`). SDP is opaque text here; what
//! stands behind the door is reached through two traits that the shell implements.

use std::future::Future;
use std::net::IpAddr;

use bytes::Bytes;

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
    /// Closes a session.
    fn close(&self, session: MediaSession) -> impl Future<Output = ()> + Send;
}

/// A room as the list shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RoomSummary {
    /// Its name.
    pub room: String,
    /// Whether a host's media is there.
    pub live: bool,
    /// Viewers now.
    pub viewers: u64,
    /// The show's title.
    pub title: String,
}

/// One shop message for an SSE client; JSON.
pub type ShopMessage = Bytes;

/// What a shop request came to, JSON for the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShopReply {
    /// 200.
    Ok(Bytes),
    /// 204.
    Done,
    /// 400.
    Bad(String),
    /// 404.
    NotFound(String),
    /// 409.
    Conflict(String),
    /// 412.
    Stale(String),
    /// 429.
    TooMany {
        /// Milliseconds.
        retry_after_ms: u64,
    },
    /// 503.
    Unavailable,
}

/// A stream of a client without data channels.
pub struct ShopStream {
    /// Secret id that later POSTs name in `X-Client`.
    pub client: u64,
    /// Its messages; ends when the shop lets the client go. Dropping it disconnects.
    pub messages: tokio::sync::mpsc::Receiver<ShopMessage>,
}

/// The shop side.
pub trait Shop: Send + Sync + 'static {
    /// Rooms that are live or have viewers or a show.
    fn rooms(&self) -> impl Future<Output = Vec<RoomSummary>> + Send;
    /// One room; a quiet one when nothing is known of it.
    fn room(&self, room: &str) -> impl Future<Output = RoomSummary> + Send;
    /// Whether watching the room needs a token.
    fn is_private(&self, room: &str) -> bool;
    /// Connects an SSE client and says its hello (a protocol message) for it.
    fn connect(
        &self,
        room: &str,
        hello: Bytes,
        from: IpAddr,
    ) -> impl Future<Output = Result<ShopStream, ShopReply>> + Send;
    /// A message of an SSE client.
    fn message(&self, client: u64, message: Bytes) -> impl Future<Output = ShopReply> + Send;
    /// A buy by HTTP: body is a `buy` message, `token` proves the buyer. The reply is the receipt.
    fn buy(
        &self,
        room: &str,
        token: Option<String>,
        buy: Bytes,
        from: IpAddr,
    ) -> impl Future<Output = ShopReply> + Send;
    /// A host command by HTTP (`do` object of a `host` message); the caller's right was checked.
    fn command(&self, room: &str, command: Bytes) -> impl Future<Output = ShopReply> + Send;
    /// The room's orders for its host.
    fn orders(&self, room: &str) -> impl Future<Output = ShopReply> + Send;
}
