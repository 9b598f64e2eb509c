//! The viewer message format, version 1 (`PROTOCOL.md`): what clients may say, what they are told.

mod client;
mod fields;
mod offers;
mod orders;
mod schema;
mod server;
mod spelling;
mod talk;
mod types;

pub use client::{BuyMessage, ClientMessage, Hello, HostCommand, Resume, parse_command, parse_message};
pub use fields::BadMessage;
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

pub(crate) use client::{parse_product, parse_show, reference};
pub(crate) use spelling::one_spelling;
pub(crate) use types::exponent_of;

/// The longest message a client may send, in bytes.
pub const MAX_CLIENT_MESSAGE: usize = 4096;
/// The version spoken.
pub const VERSION: u32 = 1;
