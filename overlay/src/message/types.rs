//! What messages are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount in minor units of an ISO 4217 currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Minor units: cents, yen.
    pub minor: i64,
    /// The currency's three letters.
    pub currency: String,
    /// Digits after the point: 0, 2 or 3.
    pub exponent: u8,
}

/// Decimals of a currency's minor units (ISO 4217, list one): 0, 2 or 3.
pub(crate) fn exponent_of(currency: &str) -> u8 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Where a show is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Grows with every change but those of the stock.
    #[serde(default)]
    pub version: i64,
}

/// One thing with a stock of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// What comes first: the hold or the payment.
    #[serde(default, skip_serializing_if = "Mode::is_hold")]
    pub mode: Mode,
    /// How long a buyer has to pay, in seconds; the shop's own time when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<i64>,
    /// Units of the stock that are for this show, whatever is on hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allotment: Option<i64>,
    /// A flash sale that runs or is to come. While it runs, `price` is its price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash: Option<FlashSale>,
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

/// What comes first when something is sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The units are kept for the buyer, who then has a time to pay.
    #[default]
    Hold,
    /// Nothing is kept: the units are taken when the payment is there, and the money goes back when they are gone.
    PayFirst,
}

impl Mode {
    /// The name in messages and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Hold => "hold",
            Mode::PayFirst => "pay_first",
        }
    }

    /// The mode of a name.
    pub fn from_name(name: &str) -> Option<Mode> {
        [Mode::Hold, Mode::PayFirst]
            .into_iter()
            .find(|mode| mode.name() == name)
    }

    fn is_hold(&self) -> bool {
        *self == Mode::Hold
    }
}

/// Another price for a time, and perhaps for so many units only. Its clock is the server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlashSale {
    /// The price while it runs.
    pub price: Money,
    /// The price before and after.
    pub standing: Money,
    /// Unix milliseconds.
    pub starts_at: i64,
    /// Unix milliseconds; the price is the standing one from then on.
    pub ends_at: i64,
    /// Units at this price, held and sold ones together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// Units one customer may have in open and paid orders together, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_customer: Option<i64>,
    /// Whether it runs.
    pub running: bool,
}

/// What a promo code takes off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discount {
    /// Hundredths of a percent of the lines' sum, 1 to 10000; half a minor unit and more is rounded up.
    BasisPoints(i64),
    /// An amount, never more than the lines' sum.
    Amount(Money),
}

/// A promo code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promo {
    /// What buyers type, in capitals.
    pub code: String,
    /// What it takes off.
    #[serde(flatten)]
    pub discount: Discount,
    /// Orders that may use it, open and paid ones together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The same for one customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_customer: Option<i64>,
    /// Unix milliseconds; before, it is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<i64>,
    /// Unix milliseconds; from then on it is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
    /// Open and paid orders that use it.
    #[serde(default)]
    pub used: i64,
}

/// A line of a cart as it would be bought now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CartLine {
    /// Which variant.
    pub variant: String,
    /// How many.
    pub quantity: i64,
    /// For one.
    pub price: Money,
    /// Whether there are as many now.
    pub is_available: bool,
}

/// A variant's stock, absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockItem {
    /// Which.
    pub variant: String,
    /// Units to be had.
    pub available: i64,
    /// Grows with every change; a lower one is old news.
    pub version: i64,
}

/// A variant's whole count, for hosts: `on_hand = available + held + sold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockCount {
    /// Which.
    pub variant: String,
    /// Everything counted in and not given back.
    pub on_hand: i64,
    /// On hand, neither held nor sold.
    pub available: i64,
    /// Kept for buyers who have not paid.
    pub held: i64,
    /// Paid.
    pub sold: i64,
    /// Wanted by those who wait.
    pub waiting: i64,
    /// What can be bought now: `available`, or less where the allotment or a flash sale's quantity is less.
    pub for_sale: i64,
    /// Grows with every change; a lower one is old news.
    pub version: i64,
}

impl StockCount {
    /// What everybody may know.
    pub fn item(&self) -> StockItem {
        StockItem {
            variant: self.variant.clone(),
            available: self.for_sale,
            version: self.version,
        }
    }
}

/// Who says something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// The shop's customer id or an anonymous one.
    pub id: String,
    /// The name shown.
    pub name: String,
    /// `viewer`, `host` or `moderator`.
    pub role: String,
}

/// A show in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
