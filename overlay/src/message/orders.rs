//! What is wanted, what is answered, and what becomes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::types::Money;

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Which variant.
    pub variant: String,
    /// How many.
    pub quantity: i64,
}

/// What somebody has, and for how much each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLine {
    /// Which variant.
    pub variant: String,
    /// How many.
    pub quantity: i64,
    /// For one.
    pub price: Money,
}

/// A variant's price now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VariantPrice {
    /// Which.
    pub variant: String,
    /// For one.
    pub price: Money,
}

/// The answer to a buy: the same for the same buy, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The client's id of the buy.
    pub buy: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What is to be paid, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bill {
    /// What, how many, for how much.
    pub order_lines: Vec<OrderLine>,
    /// For all, less the discount.
    pub total: Money,
    /// The promo code that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promo: Option<String>,
    /// What it took off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Money>,
    /// Unix milliseconds.
    pub expires_at: i64,
    /// The payment provider: `manual`, the host settles.
    pub pay: String,
    /// Where to pay, when the provider has a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<String>,
}

/// What came of a buy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The units are the buyer's until the bill's `expires_at`.
    Held(Bill),
    /// Nothing is kept: the units are the buyer's when the payment is there before `expires_at` and before others'.
    CheckoutOpen(Bill),
    /// Not enough of this one.
    SoldOut {
        /// Which.
        variant: String,
        /// Whether a buy with `waitlist` would be put on the list.
        #[serde(default)]
        waitlist: bool,
    },
    /// On the list; when it is its turn, the order becomes `held`.
    Waitlisted {
        /// For what.
        variant: String,
        /// How many.
        quantity: i64,
        /// The place when it came: 1 is next.
        place: i64,
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
            Outcome::Held(_) => "held",
            Outcome::CheckoutOpen(_) => "checkout_open",
            Outcome::Waitlisted { .. } => "waitlisted",
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// On the list, without units.
    Waitlisted,
    /// Has its units, waits for payment.
    Held,
    /// Waits for payment, without units (pay-first).
    CheckoutOpen,
    /// Paid.
    Paid,
    /// The time is over; has its units until the provider says that no payment can come any more.
    Releasing,
    /// The hold ran out.
    Released,
    /// Given back by the buyer or the host.
    Cancelled,
    /// Paid, but its units are gone: the money has to go back.
    RefundDue,
    /// Money and units went back.
    Refunded,
}

impl OrderState {
    /// Every state.
    pub const ALL: [OrderState; 9] = [
        OrderState::Waitlisted,
        OrderState::Held,
        OrderState::CheckoutOpen,
        OrderState::Paid,
        OrderState::Releasing,
        OrderState::Released,
        OrderState::Cancelled,
        OrderState::RefundDue,
        OrderState::Refunded,
    ];

    /// The name in messages and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            OrderState::Waitlisted => "waitlisted",
            OrderState::Held => "held",
            OrderState::CheckoutOpen => "checkout_open",
            OrderState::Paid => "paid",
            OrderState::Releasing => "releasing",
            OrderState::Released => "released",
            OrderState::Cancelled => "cancelled",
            OrderState::RefundDue => "refund_due",
            OrderState::Refunded => "refunded",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<OrderState> {
        OrderState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether something is still to come of it without anybody's mistake: its buyer sees it as open.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            OrderState::Waitlisted | OrderState::Held | OrderState::CheckoutOpen | OrderState::Releasing
        )
    }
}

/// An order as its host sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// When the hold ends, unix milliseconds; 0 on the waitlist.
    pub expires_at: i64,
    /// The promo code that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promo: Option<String>,
    /// What it took off; `total` is without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Money>,
    /// Who sent the buyer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affiliate: Option<String>,
    /// Its number on the variant's waitlist: the lower is served first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<i64>,
}
