//! What a list of variants costs a customer now.

use std::sync::Arc;

use super::books::Books;
use super::promos;
use super::rows::{LineRow, OrderRow};
use crate::message::{Bill, Line, Mode, Money, OrderLine, Outcome, Sale};

/// A priced list.
pub(super) struct Priced {
    pub(super) lines: Vec<LineRow>,
    /// With the discount taken off.
    pub(super) total: i64,
    pub(super) discount: i64,
    pub(super) promo: Option<String>,
    pub(super) currency: String,
    pub(super) exponent: i64,
    pub(super) mode: Mode,
    /// The shortest time of its offers, if one has its own.
    pub(super) hold_ms: Option<i64>,
}

/// Who asks for a price.
pub(super) struct Customer<'c> {
    pub(super) show: &'c Arc<str>,
    pub(super) subject: &'c str,
    pub(super) now: i64,
    /// An own order that does not count.
    pub(super) except: Option<&'c str>,
}

fn rejected(reason: impl Into<String>) -> Outcome {
    Outcome::Rejected {
        reason: reason.into(),
    }
}

/// The price of one unit now, and the flash sale it is of.
pub(super) fn unit(books: &Books, show: &str, variant: &str, standing: i64) -> (i64, Option<String>) {
    match books.running(show, variant) {
        Some(flash) => (flash.minor, Some(flash.id.clone())),
        None => (standing, None),
    }
}

/// Prices a buy.
///
/// # Errors
/// The outcome that refuses it.
pub(super) fn price(
    books: &Books,
    customer: &Customer<'_>,
    buy: &str,
    lines: &[Line],
    promo: Option<&str>,
) -> Result<Priced, Outcome> {
    let mut rows = Vec::with_capacity(lines.len());
    let mut sum = 0i64;
    let mut offer: Option<(String, i64, Mode)> = None;
    let mut hold_ms: Option<i64> = None;
    for line in lines {
        let Some(row) = books.on_sale(customer.show, &line.variant) else {
            return Err(Outcome::NotOnSale {
                variant: line.variant.clone(),
            });
        };
        let (minor, flash) = unit(books, customer.show, &line.variant, row.minor);
        let amount = minor.checked_mul(line.quantity);
        sum = amount
            .and_then(|amount| sum.checked_add(amount))
            .ok_or_else(|| rejected("the total is too large"))?;
        let this = (row.currency.clone(), row.exponent, row.mode);
        match &offer {
            None => offer = Some(this),
            Some(known) if (&known.0, known.1) != (&this.0, this.1) => {
                return Err(rejected("all lines of a buy must be in one currency"));
            }
            Some(known) if known.2 != this.2 => {
                return Err(rejected(
                    "what is paid first and what is held first are bought apart",
                ));
            }
            Some(_) => {}
        }
        if let Some(seconds) = row.hold_seconds {
            hold_ms = Some(hold_ms.map_or(seconds * 1000, |known| known.min(seconds * 1000)));
        }
        rows.push(LineRow {
            buy: buy.to_owned(),
            variant: line.variant.clone(),
            quantity: line.quantity,
            minor,
            flash,
            rev: 0,
        });
    }
    let Some((currency, exponent, mode)) = offer else {
        return Err(rejected("a buy needs a line"));
    };
    let discount = match promo {
        None => 0,
        Some(code) => {
            let promo = promos::valid(books, customer, code).map_err(rejected)?;
            promos::discount(promo, sum, &currency).map_err(rejected)?
        }
    };
    Ok(Priced {
        lines: rows,
        total: sum - discount,
        discount,
        promo: promo.map(str::to_owned),
        currency,
        exponent,
        mode,
        hold_ms,
    })
}

/// An order as its host sees it.
pub(super) fn sale(books: &Books, order: &OrderRow) -> Sale {
    let money = |minor| Money {
        minor,
        currency: order.currency.clone(),
        exponent: u8::try_from(order.exponent).unwrap_or(2),
    };
    let lines = books.lines(&order.buy).into_iter().map(|line| OrderLine {
        variant: line.variant,
        quantity: line.quantity,
        price: money(line.minor),
    });
    Sale {
        buy: order.buy.clone(),
        user: order.subject.clone(),
        name: order.name.clone(),
        lines: lines.collect(),
        total: money(order.minor),
        state: order.state,
        expires_at: order.expires_at,
        promo: order.promo.clone(),
        discount: (order.discount > 0).then(|| money(order.discount)),
        affiliate: order.affiliate.clone(),
        queue: order.queue,
    }
}

/// What a buyer is told to pay.
pub(super) fn bill(sale: &Sale, pay: &str, checkout: Option<String>) -> Bill {
    Bill {
        order_lines: sale.lines.clone(),
        total: sale.total.clone(),
        promo: sale.promo.clone(),
        discount: sale.discount.clone(),
        expires_at: sale.expires_at,
        pay: pay.to_owned(),
        checkout,
    }
}
