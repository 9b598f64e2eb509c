//! What hosts say of offers: their terms, flash sales, promo codes.

use schemars::JsonSchema;
use serde_json::Value;

use super::fields::{BadMessage, Fields};
use super::hosting::{MAX_MINOR, MAX_QUANTITY, MAX_STOCK, money};
use super::types::{Discount, Mode, Promo};

/// The longest flash sale, in milliseconds: a day.
const MAX_FLASH: i64 = 86_400_000;
/// Characters of a promo code.
const MAX_CODE: usize = 32;
/// Uses of a promo code.
const MAX_USES: i64 = 1_000_000_000;

/// A change of how something is offered.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(tag = "op")]
pub enum OfferCommand {
    /// `offer.set`: all terms of a variant; what is left out is without limit.
    #[schemars(rename = "offer.set")]
    SetTerms {
        /// Which.
        variant: String,
        /// How.
        #[schemars(flatten)]
        terms: Terms,
    },
    /// `flash.start`
    #[schemars(rename = "flash.start")]
    StartFlash {
        /// Which.
        variant: String,
        /// Minor units, in the currency of the variant.
        minor: i64,
        /// Unix milliseconds; at once when there is none.
        starts_at: Option<i64>,
        /// How long it runs, in milliseconds.
        #[schemars(rename = "seconds", range(min = 1, max = 86400))]
        lasts_ms: i64,
        /// Units at this price.
        quantity: Option<i64>,
        /// Units of one customer.
        per_customer: Option<i64>,
    },
    /// `flash.end`: at once.
    #[schemars(rename = "flash.end")]
    EndFlash {
        /// Which.
        variant: String,
    },
    /// `promo.put`; a code that is there keeps its count of uses.
    #[schemars(rename = "promo.put")]
    PutPromo(Promo),
    /// `promo.remove`
    #[schemars(rename = "promo.remove")]
    RemovePromo {
        /// Which.
        code: String,
    },
}

/// How a variant is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
pub struct Terms {
    /// Units of one customer.
    pub per_customer: Option<i64>,
    /// Units for this show.
    pub allotment: Option<i64>,
    /// What comes first.
    #[schemars(with = "Option<Mode>")]
    pub mode: Mode,
    /// How long a buyer has to pay.
    pub hold_seconds: Option<i64>,
}

/// Operations of [`OfferCommand`], for the error that names them all.
pub(super) const OPERATIONS: &str = "offer.set, flash.start, flash.end, promo.put, promo.remove";

/// Reads a host's command; `None` when it is of another kind.
pub(super) fn command(op: &str, fields: Fields<'_>) -> Result<Option<OfferCommand>, BadMessage> {
    let variant = || fields.id("variant");
    Ok(Some(match op {
        "offer.set" => OfferCommand::SetTerms {
            variant: variant()?,
            terms: Terms {
                per_customer: fields.optional_integer("per_customer", 1, MAX_QUANTITY)?,
                allotment: fields.optional_integer("allotment", 0, MAX_STOCK)?,
                mode: mode(fields)?,
                hold_seconds: hold_seconds(fields)?,
            },
        },
        "flash.start" => OfferCommand::StartFlash {
            variant: variant()?,
            minor: fields.integer("minor", 0, MAX_MINOR)?,
            starts_at: fields.optional_integer("starts_at", 0, i64::MAX - MAX_FLASH)?,
            lasts_ms: fields.integer("seconds", 1, MAX_FLASH / 1000)? * 1000,
            quantity: fields.optional_integer("quantity", 1, MAX_STOCK)?,
            per_customer: fields.optional_integer("per_customer", 1, MAX_QUANTITY)?,
        },
        "flash.end" => OfferCommand::EndFlash { variant: variant()? },
        "promo.put" => OfferCommand::PutPromo(promo(fields)?),
        "promo.remove" => OfferCommand::RemovePromo {
            code: code(fields, "code")?,
        },
        _ => return Ok(None),
    }))
}

fn promo(fields: Fields<'_>) -> Result<Promo, BadMessage> {
    let discount = match (fields.get("basis_points"), fields.get("amount")) {
        (Some(_), None) => Discount::BasisPoints(fields.integer("basis_points", 1, 10_000)?),
        (None, Some(_)) => Discount::Amount(money(fields.object("amount")?)?),
        _ => {
            return fields.bad(
                "basis_points",
                "either basis_points (100 are a percent) or amount",
            );
        }
    };
    Ok(Promo {
        code: code(fields, "code")?,
        discount,
        limit: fields.optional_integer("limit", 1, MAX_USES)?,
        per_customer: fields.optional_integer("per_customer", 1, MAX_USES)?,
        starts_at: fields.optional_integer("starts_at", 0, i64::MAX)?,
        ends_at: fields.optional_integer("ends_at", 0, i64::MAX)?,
        used: 0,
    })
}

/// A promo code as it is compared: in capitals, without the blanks that come with copying.
pub(super) fn code(fields: Fields<'_>, field: &str) -> Result<String, BadMessage> {
    let typed = fields.get(field).and_then(Value::as_str).map(str::trim);
    let is_code = |code: &str| {
        (1..=MAX_CODE).contains(&code.len())
            && code
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_%".contains(&b))
    };
    match typed {
        Some(code) if is_code(code) => Ok(code.to_ascii_uppercase()),
        _ => fields.bad(field, "a code of 1 to 32 characters out of A-Z 0-9 - _ %"),
    }
}

pub(super) fn optional_code(fields: Fields<'_>, field: &str) -> Result<Option<String>, BadMessage> {
    match fields.get(field) {
        None => Ok(None),
        Some(_) => code(fields, field).map(Some),
    }
}

pub(super) fn mode(fields: Fields<'_>) -> Result<Mode, BadMessage> {
    match fields.get("mode") {
        None => Ok(Mode::default()),
        Some(value) => match value.as_str().and_then(Mode::from_name) {
            Some(mode) => Ok(mode),
            None => fields.bad("mode", "hold or pay_first"),
        },
    }
}

pub(super) fn hold_seconds(fields: Fields<'_>) -> Result<Option<i64>, BadMessage> {
    fields.optional_integer("hold_seconds", 5, 86_400)
}
