//! What clients are told.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use super::VERSION;
use super::notice::NoticeCode;
use super::orders::{OrderState, Receipt, Sale};
use super::talk::{ChatLine, Countdown, Poll, Question, Reaction};
use super::types::{CartLine, Money, Product, Promo, ShowInfo, ShowState, StockItem};
use crate::UnixMillis;

/// One message to clients.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "t", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "kinds and fields are explained in PROTOCOL.md, which a test holds against this"
)]
pub enum ServerMessage<'a> {
    Welcome(Box<Welcome<'a>>),
    Show {
        state: ShowState,
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        starts_at: Option<i64>,
        price_version: i64,
    },
    Product {
        product: &'a Product,
        price_version: i64,
    },
    ProductRemoved {
        product: &'a str,
    },
    Pins {
        pinned: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        featured: Option<&'a str>,
    },
    Price {
        variant: &'a str,
        price: &'a Money,
        #[serde(skip_serializing_if = "Option::is_none")]
        was: Option<&'a Money>,
        price_version: i64,
    },
    Availability {
        variant: &'a str,
        sold_out: bool,
    },
    Stock {
        items: Vec<StockItem>,
    },
    Viewers {
        count: u64,
    },
    OnAir {
        live: bool,
    },
    /// The viewer's own offer has no decoder for the picture on the air; without `codec` it has one again.
    Unplayable {
        #[serde(skip_serializing_if = "Option::is_none")]
        codec: Option<&'a str>,
    },
    Receipt(&'a Receipt),
    Order(OrderNotice<'a>),
    Promo {
        r#ref: &'a str,
        #[serde(flatten)]
        promo: &'a Promo,
    },
    Waitlist {
        buy: &'a str,
        variant: &'a str,
        place: i64,
    },
    HoldExpiring {
        buy: &'a str,
        expires_at: i64,
    },
    Cart {
        lines: Vec<CartLine>,
    },
    Chat(&'a ChatLine),
    ChatDeleted {
        id: &'a str,
    },
    ChatPinned {
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<&'a ChatLine>,
    },
    Question(&'a Question),
    Poll {
        poll: &'a Poll,
    },
    PollCounts {
        poll: &'a str,
        counts: &'a [u64],
    },
    Voted {
        poll: &'a str,
        option: usize,
    },
    Reactions {
        totals: &'a BTreeMap<Reaction, u64>,
    },
    Countdown {
        #[serde(skip_serializing_if = "Option::is_none")]
        countdown: Option<&'a Countdown>,
    },
    Recommendation {
        product: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
    },
    Moderation(Listed<'a>),
    Clock {
        rtp: u32,
        rate: u32,
        captured_at: i64,
    },
    ChatMode {
        slow_seconds: i64,
    },
    Announcement {
        text: &'a str,
    },
    Sale(&'a Sale),
    Health {
        encodings: &'a [EncodingStatus],
        warnings: Vec<String>,
    },
    Done {
        r#ref: &'a str,
    },
    Notice {
        code: NoticeCode,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<i64>,
    },
    Pong {
        n: i64,
    },
}

/// The answer to a hello.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "as for the messages")]
pub struct Welcome<'a> {
    pub epoch: &'a str,
    /// The number of the last event that is in here.
    #[serde(rename = "seq")]
    pub upto: u64,
    pub server_time: i64,
    pub you: You<'a>,
    pub limits: Limits,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Envelope>>")]
    pub deltas: Option<Vec<&'a serde_json::value::RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<usize>,
}

/// Who the client is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "as for the messages")]
pub struct You<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<&'a str>,
}

/// What the server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "as for the messages")]
pub struct Limits {
    pub message_bytes: usize,
}

/// A show as it is now, or one page of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "as for the messages")]
pub struct Snapshot<'a> {
    pub show: ShowInfo,
    pub products: Vec<&'a Product>,
    pub pinned: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub featured: Option<&'a str>,
    pub chat: Vec<&'a ChatLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_chat: Option<&'a ChatLine>,
    pub slow_seconds: i64,
    pub questions: Vec<&'a Question>,
    pub polls: Vec<&'a Poll>,
    /// The own votes: choices by poll.
    pub votes: BTreeMap<&'a str, usize>,
    pub reactions: &'a BTreeMap<Reaction, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub countdown: Option<&'a Countdown>,
    pub viewers: u64,
    pub orders: Vec<OpenOrder>,
    /// The latest own orders that are settled, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<OpenOrder>,
}

/// Those kept quiet or out, for the staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "as for the messages")]
pub struct Listed<'a> {
    pub muted: Vec<&'a str>,
    pub banned: Vec<&'a str>,
    pub words: &'a [String],
}

/// An own order that waits for payment: its receipt, and its state as `order` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "as for the messages")]
pub struct OpenOrder {
    pub state: OrderState,
    #[serde(flatten)]
    pub receipt: Receipt,
}

/// An own order, changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "as for the messages")]
pub struct OrderNotice<'a> {
    pub buy: &'a str,
    pub state: OrderState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// One encoding of the host's picture or sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "as for the messages")]
pub struct EncodingStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    pub codec: String,
    pub bitrate: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u16>,
    pub active: bool,
    pub lost_permille: u16,
    pub jitter_ms: u32,
    pub viewers: u32,
}

/// A message as it is sent.
#[derive(Serialize, JsonSchema)]
pub(super) struct Envelope<'a> {
    v: u32,
    at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    captured_at: Option<i64>,
    #[serde(flatten)]
    message: &'a ServerMessage<'a>,
}

/// The JSON of a message that is not numbered.
pub fn encode(message: &ServerMessage<'_>, at: UnixMillis) -> Bytes {
    write(&Envelope {
        v: VERSION,
        at: at.0,
        seq: None,
        captured_at: None,
        message,
    })
}

/// The JSON of an event of the show. `captured_at` is the moment before the camera that it belongs to, if it does.
pub fn encode_event(
    message: &ServerMessage<'_>,
    at: UnixMillis,
    seq: u64,
    captured_at: Option<i64>,
) -> Bytes {
    write(&Envelope {
        v: VERSION,
        at: at.0,
        seq: Some(seq),
        captured_at,
        message,
    })
}

fn write(envelope: &Envelope<'_>) -> Bytes {
    match serde_json::to_vec(envelope) {
        Ok(json) => json.into(),
        Err(error) => {
            // No message holds what JSON cannot: only a bug gets here, and a client ignores what is empty.
            tracing::error!(%error, "a message could not be written");
            Bytes::from_static(b"{}")
        }
    }
}
