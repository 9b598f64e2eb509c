//! The viewer message format, version 1 (`PROTOCOL.md`): what clients may say, what they are told.

mod client;
mod fields;
mod hosting;
mod notice;
mod offers;
mod orders;
mod schema;
mod server;
mod spelling;
mod talk;
mod types;

pub use client::{BuyMessage, ClientMessage, Hello, Resume, parse_message};
pub use fields::BadMessage;
pub use hosting::{HostCommand, parse_command};
pub use notice::NoticeCode;
pub use offers::{OfferCommand, Terms};
pub use orders::{Bill, Line, OrderLine, OrderState, Outcome, Receipt, Sale, VariantPrice};
pub use schema::schemas;
pub use server::{
    EncodingStatus, Limits, Listed, OpenOrder, OrderNotice, ServerMessage, Snapshot, Welcome, You, encode,
    encode_event,
};
pub use talk::{
    ChatLine, Countdown, CountdownOf, MAX_OPTIONS, Poll, Question, QuestionState, Reaction, TalkCommand,
    TalkMessage,
};
pub use types::{
    CartLine, Discount, FlashSale, Mode, Money, Person, Product, Promo, ShowInfo, ShowState, StockCount,
    StockItem, Variant,
};

pub(crate) use client::reference;
pub(crate) use fields::is_uuid;
pub(crate) use hosting::{parse_product, parse_show};
pub(crate) use spelling::{one_spelling, spelled_command};
pub(crate) use types::exponent_of;

/// The longest message a client may send, in bytes.
pub const MAX_CLIENT_MESSAGE: usize = 4096;
/// The version spoken.
pub const VERSION: u32 = 1;
