//! The shop side as the door sees it: requests in, JSON out.

use std::future::Future;
use std::net::IpAddr;

use bytes::Bytes;

/// A room as the list shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RoomSummary {
    /// Its name.
    pub room: String,
    /// Whether a host's media is there.
    pub live: bool,
    /// Whether that is no host's but the server's own, which gives way to any: the demo's.
    pub stand_in: bool,
    /// Whether a host is connected, live or not, as one whose camera is off.
    pub host: bool,
    /// Viewers now.
    pub viewers: u64,
    /// The show's title.
    pub title: String,
    /// Where the show is in its life: `scheduled`, `live`, `paused` or `ended`.
    pub state: &'static str,
    /// When it is to begin, unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<i64>,
    /// The address of a picture of what is shown, else of what there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// One shop message for an SSE client; JSON.
pub type ShopMessage = Bytes;

/// What a shop request came to, JSON for the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShopReply {
    /// 200.
    Ok(Bytes),
    /// 200, with the version of what it is about.
    Versioned(Bytes, i64),
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

/// A host's change by HTTP; the caller's right was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRequest {
    /// The `do` object of a `host` message.
    pub command: Bytes,
    /// The asker's own name for it: repeated, it is done once and answered alike.
    pub key: Option<String>,
    /// Only when what it changes is at this version.
    pub if_version: Option<i64>,
}

/// A list of a room's shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopList {
    /// Orders, for its host.
    Orders,
    /// Counts of every variant, for its host.
    Stock,
    /// Promo codes, for its host.
    Promos,
    /// Products, as viewers see them.
    Products,
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
    /// A host's change.
    fn command(&self, room: &str, request: HostRequest) -> impl Future<Output = ShopReply> + Send;
    /// One of the room's lists; whoever asks may see it.
    fn list(&self, room: &str, list: ShopList) -> impl Future<Output = ShopReply> + Send;
}
