//! The shop of Vitrine: shows, products, stock, holds, orders, chat, and the message format between them and the
//! pages (`PROTOCOL.md`). Sans-IO: messages, outcomes and the time go in, messages and ledger commands come out.
//! Nothing here knows RTP, peers or HTTP; clients are numbers the caller gives, whatever carries their bytes.
//!
//! - [`message`]: the message types, the source of the protocol.
//! - [`Shop`]: shows and their clients; decides what everybody is told.
//! - [`ledger`]: stock, holds, orders and receipts; the only judge of a buy.
//! - [`catalogue`]: shows written as files, and the demo show.

pub mod catalogue;
pub mod ledger;
pub mod message;
mod shop;

use bytes::Bytes;

pub use shop::{RoomState, Shop, ShopConfig};

/// Milliseconds since 1970, UTC; the caller's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

/// A connected client, numbered by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// The channel a message belongs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Reliable, ordered: state, buys, receipts.
    Shop,
    /// Unordered, no retransmits: the latest wins.
    Live,
    /// Reliable, ordered: chat.
    Chat,
}

/// What goes first where a client's line is too thin for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Answers somebody waits for: receipts, orders, notices.
    Receipt,
    /// The show's state.
    State,
    /// What the next one replaces.
    Live,
    /// What people say.
    Chat,
}

impl Priority {
    /// That of what everybody is told on a channel.
    pub fn of(channel: Channel) -> Priority {
        match channel {
            Channel::Shop => Priority::State,
            Channel::Live => Priority::Live,
            Channel::Chat => Priority::Chat,
        }
    }
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Watches and buys.
    Viewer,
    /// Sells.
    Host,
    /// Keeps order in the chat.
    Moderator,
}

/// Who somebody is, as a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The shop's customer id, or `anon-…`.
    pub subject: String,
    /// The name shown in chat.
    pub name: String,
    /// What they may do in this room.
    pub role: Role,
    /// Whether the server made the id itself.
    pub anonymous: bool,
}

/// Turns tokens into identities; the caller knows keys and clocks.
pub trait Identities: Send {
    /// The identity a token proves for the room; the error is for the client.
    ///
    /// # Errors
    /// What is wrong with the token, in words.
    fn verify(&self, token: &str, room: &str) -> Result<Identity, String>;
    /// A new anonymous identity and the token that proves it later. `name` is the wish of its owner.
    fn anonymous(&self, room: &str, name: Option<&str>) -> (Identity, String);
}

/// What the caller must do for the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send to one client.
    Send {
        /// The client.
        client: ClientId,
        /// On which channel.
        channel: Channel,
        /// What it may overtake.
        priority: Priority,
        /// The encoded message.
        message: Bytes,
    },
    /// Whether a client gets what is broadcast from now on. Before its welcome that is of no use to it.
    Listen {
        /// The client.
        client: ClientId,
        /// Whether it does.
        listens: bool,
    },
    /// Send to everybody in the room who listens.
    Broadcast {
        /// The room.
        room: std::sync::Arc<str>,
        /// On which channel.
        channel: Channel,
        /// The encoded message.
        message: Bytes,
    },
    /// Let the client go.
    Disconnect {
        /// The client.
        client: ClientId,
    },
    /// Answer a request.
    Reply {
        /// Which.
        request: RequestId,
        /// What came of it.
        reply: Reply,
    },
    /// Have the ledger decide; its answer goes to [`Shop::handle_answer`].
    Ledger(ledger::Command),
}

/// A request of the caller's that is answered once, numbered by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// How a requested change is to be understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The asker's own name for it: repeated, it is done once and answered alike.
    pub key: Option<String>,
    /// Only when what it changes is at this version.
    pub if_version: Option<i64>,
}

/// A list of a show that can be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Orders, the newest first.
    Orders,
    /// Counts of every variant.
    Stock,
    /// Promo codes.
    Promos,
    /// Products, as viewers see them.
    Products,
}

/// What a request came to. Bodies are JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done, with a body.
    Ok(Bytes),
    /// Done, with a body and the version of what it is about.
    Versioned(Bytes, i64),
    /// Done.
    Done,
    /// Not understood, or not possible as asked; in words.
    Bad(String),
    /// There is no such thing; in words.
    NotFound(String),
    /// As things are it cannot be done; in words.
    Conflict(String),
    /// The version named is not the current one; in words.
    Stale(String),
    /// Too fast.
    TooMany {
        /// Milliseconds to wait.
        retry_after_ms: i64,
    },
    /// The ledger is out of order.
    Unavailable,
}
