//! What messages are made of.

use serde::{Deserialize, Serialize};

/// An amount in minor units of an ISO 4217 currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Minor units: cents, yen.
    pub minor: i64,
    /// The currency's three letters.
    pub currency: String,
    /// Digits after the point: 0, 2 or 3.
    pub exponent: u8,
}

/// Decimals of a currency's minor units (ISO 4217, list one): 0, 2 or 3.
pub(super) fn exponent_of(currency: &str) -> u8 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Where a show is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShowState {
    /// Announced; buying is open already.
    #[default]
    Scheduled,
    /// On.
    Live,
    /// A break.
    Paused,
    /// Over: nothing is sold any more.
    Ended,
}

impl ShowState {
    /// The name in messages and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            ShowState::Scheduled => "scheduled",
            ShowState::Live => "live",
            ShowState::Paused => "paused",
            ShowState::Ended => "ended",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<ShowState> {
        [
            ShowState::Scheduled,
            ShowState::Live,
            ShowState::Paused,
            ShowState::Ended,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }
}

/// A product as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its id, unique in the show.
    pub id: String,
    /// Its name.
    pub title: String,
    /// A sentence or two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Pictures, the first is the card's.
    #[serde(default)]
    pub images: Vec<String>,
    /// What can be bought; one that stands alone needs no choice.
    pub variants: Vec<Variant>,
}

/// One thing with a stock of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its id, unique in the show.
    pub id: String,
    /// Its name beside the product's.
    pub title: String,
    /// The price.
    pub price: Money,
    /// The price before, when it fell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Money>,
    /// Units one customer may have in open and paid orders together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_customer: Option<i64>,
    /// Units to be had now.
    #[serde(default)]
    pub available: i64,
    /// Grows with every change of the stock.
    #[serde(default)]
    pub version: i64,
    /// Whether none is to be had.
    #[serde(default)]
    pub sold_out: bool,
}

/// A variant's stock, absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockItem {
    /// Which.
    pub variant: String,
    /// Units to be had.
    pub available: i64,
    /// Grows with every change; a lower one is old news.
    pub version: i64,
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which variant.
    pub variant: String,
    /// How many.
    pub quantity: i64,
}

/// What somebody has, and for how much each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// Which variant.
    pub variant: String,
    /// How many.
    pub quantity: i64,
    /// For one.
    pub price: Money,
}

/// A variant's price now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantPrice {
    /// Which.
    pub variant: String,
    /// For one.
    pub price: Money,
}

/// The answer to a buy: the same for the same buy, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The client's id of the buy.
    pub buy: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a buy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The units are the buyer's until `expires_at`.
    Held {
        /// What, how many, for how much.
        order_lines: Vec<OrderLine>,
        /// For all.
        total: Money,
        /// Unix milliseconds.
        expires_at: i64,
        /// How to pay: `manual`, the host settles.
        pay: String,
    },
    /// Not enough of this one.
    SoldOut {
        /// Which.
        variant: String,
    },
    /// More than one customer may have.
    LimitReached {
        /// Which.
        variant: String,
        /// How many one may have.
        limit: i64,
    },
    /// A price is not the one the buyer saw.
    PriceChanged {
        /// To be named in the next buy.
        price_version: i64,
        /// Prices of the lines now.
        prices: Vec<VariantPrice>,
    },
    /// Not sold in this show, or the show is over.
    NotOnSale {
        /// Which.
        variant: String,
    },
    /// Refused for another reason.
    Rejected {
        /// In words.
        reason: String,
    },
    /// The id belongs to another buy.
    Conflict,
}

impl Outcome {
    /// Its name in messages and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Held { .. } => "held",
            Outcome::SoldOut { .. } => "sold_out",
            Outcome::LimitReached { .. } => "limit_reached",
            Outcome::PriceChanged { .. } => "price_changed",
            Outcome::NotOnSale { .. } => "not_on_sale",
            Outcome::Rejected { .. } => "rejected",
            Outcome::Conflict => "conflict",
        }
    }
}

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// Waits for payment.
    Held,
    /// Paid.
    Paid,
    /// The hold ran out.
    Released,
    /// Given back by the buyer or the host.
    Cancelled,
    /// Money and units went back.
    Refunded,
}

impl OrderState {
    /// The name in messages and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            OrderState::Held => "held",
            OrderState::Paid => "paid",
            OrderState::Released => "released",
            OrderState::Cancelled => "cancelled",
            OrderState::Refunded => "refunded",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<OrderState> {
        use OrderState::{Cancelled, Held, Paid, Refunded, Released};
        [Held, Paid, Released, Cancelled, Refunded]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// An order as its host sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// The buy's id.
    pub buy: String,
    /// The buyer's id.
    pub user: String,
    /// The buyer's name.
    pub name: String,
    /// What.
    pub lines: Vec<OrderLine>,
    /// For how much.
    pub total: Money,
    /// Where it is.
    pub state: OrderState,
    /// When the hold ends, unix milliseconds.
    pub expires_at: i64,
}

/// Who says something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The shop's customer id or an anonymous one.
    pub id: String,
    /// The name shown.
    pub name: String,
    /// `viewer`, `host` or `moderator`.
    pub role: String,
}

/// A line of chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatLine {
    /// The server's id.
    pub id: String,
    /// The sender's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Who.
    pub user: Person,
    /// What.
    pub text: String,
}

/// A show in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowInfo {
    /// The room's name.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Where it is in its life.
    pub state: ShowState,
    /// When it starts, unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<i64>,
    /// To be named in buys.
    pub price_version: i64,
    /// Whether a host's media is there.
    pub on_air: bool,
}
