//! A buy: judged once, in the transaction that holds its units; whoever repeats it gets the same receipt.

use rusqlite::{OptionalExtension, params};

use super::sqlite::{Decided, Work};
use super::stock::{self, Movement, Row};
use super::{Buyer, Decision, LedgerError, orders};
use crate::message::{
    Bill, BuyMessage, Line, Money, OrderLine, OrderState, Outcome, Receipt, Sale, ShowState, VariantPrice,
};

pub(super) fn buy(work: &mut Work<'_>, buyer: &Buyer, buy: &BuyMessage, hold_ms: i64) -> Decided {
    let body = body(work, buy)?;
    if let Some(receipt) = earlier(work, buyer, buy, &body)? {
        return Ok(Ok(Decision::Receipt(receipt)));
    }
    let outcome = judge(work, buyer, buy, hold_ms)?;
    let receipt = Receipt {
        buy: buy.id.clone(),
        outcome,
    };
    let json = serde_json::to_string(&receipt).map_err(|error| LedgerError::Content(error.to_string()))?;
    work.tx
        .prepare_cached(
            "INSERT INTO buys (id, show, subject, body, receipt, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![buy.id, &*work.show, buyer.subject, body, json, work.now])?;
    if let Outcome::Held(Bill {
        order_lines,
        total,
        expires_at,
        ..
    }) = &receipt.outcome
    {
        let sale = Sale {
            buy: buy.id.clone(),
            user: buyer.subject.clone(),
            name: buyer.name.clone(),
            lines: order_lines.clone(),
            total: total.clone(),
            state: OrderState::Held,
            expires_at: *expires_at,
            promo: None,
            discount: None,
            affiliate: None,
            queue: None,
        };
        orders::insert(work, &sale)?;
        for line in order_lines {
            let held = Movement {
                available: -line.quantity,
                held: line.quantity,
                sold: 0,
            };
            stock::shift(work, &line.variant, held, "hold", Some(&buy.id))?;
        }
        work.orders.push((work.show.clone(), sale));
    }
    Ok(Ok(Decision::Receipt(receipt)))
}

/// What makes two buys the same.
fn body(work: &Work<'_>, buy: &BuyMessage) -> Result<String, LedgerError> {
    let mut lines: Vec<(&str, i64)> = buy
        .lines
        .iter()
        .map(|line| (line.variant.as_str(), line.quantity))
        .collect();
    lines.sort_unstable();
    serde_json::to_string(&(&*work.show, lines, buy.price_version))
        .map_err(|error| LedgerError::Content(error.to_string()))
}

fn earlier(
    work: &Work<'_>,
    buyer: &Buyer,
    buy: &BuyMessage,
    body: &str,
) -> Result<Option<Receipt>, LedgerError> {
    let mut statement = work
        .tx
        .prepare_cached("SELECT subject, body, receipt FROM buys WHERE id = ?1")?;
    let found: Option<(String, String, String)> = statement
        .query_row(params![buy.id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((subject, known, receipt)) = found else {
        return Ok(None);
    };
    if subject != buyer.subject || known != body {
        return Ok(Some(Receipt {
            buy: buy.id.clone(),
            outcome: Outcome::Conflict,
        }));
    }
    serde_json::from_str(&receipt)
        .map(Some)
        .map_err(|error| LedgerError::Content(format!("receipt of {}: {error}", buy.id)))
}

fn judge(work: &mut Work<'_>, buyer: &Buyer, buy: &BuyMessage, hold_ms: i64) -> Result<Outcome, LedgerError> {
    let not_on_sale = |line: &Line| Outcome::NotOnSale {
        variant: line.variant.clone(),
    };
    let Some(first) = buy.lines.first() else {
        let reason = "a buy needs a line".to_owned();
        return Ok(Outcome::Rejected { reason });
    };
    let state: Option<String> = work
        .tx
        .prepare_cached("SELECT state FROM shows WHERE id = ?1")?
        .query_row(params![&*work.show], |row| row.get(0))
        .optional()?;
    if state
        .as_deref()
        .and_then(ShowState::from_name)
        .is_none_or(|state| state == ShowState::Ended)
    {
        return Ok(not_on_sale(first));
    }
    let mut rows: Vec<(&Line, Row)> = Vec::with_capacity(buy.lines.len());
    for line in &buy.lines {
        match stock::row(work, &line.variant)? {
            Some(row) => rows.push((line, row)),
            None => return Ok(not_on_sale(line)),
        }
    }
    if rows.iter().any(|(_, row)| row.price_version > buy.price_version) {
        let prices = rows.iter().map(|(line, row)| VariantPrice {
            variant: line.variant.clone(),
            price: price(row, row.minor),
        });
        return Ok(Outcome::PriceChanged {
            price_version: orders::price_version(work)?,
            prices: prices.collect(),
        });
    }
    for (line, row) in &rows {
        if let Some(limit) = row.per_customer
            && orders::units_of(work, &buyer.subject, &line.variant)? + line.quantity > limit
        {
            let variant = line.variant.clone();
            return Ok(Outcome::LimitReached { variant, limit });
        }
        if row.available < line.quantity {
            let variant = line.variant.clone();
            return Ok(Outcome::SoldOut {
                variant,
                waitlist: false,
            });
        }
    }
    Ok(held(work.now, hold_ms, &rows))
}

fn held(now: i64, hold_ms: i64, rows: &[(&Line, Row)]) -> Outcome {
    let rejected = |reason: &str| Outcome::Rejected {
        reason: reason.to_owned(),
    };
    let Some((_, first)) = rows.first() else {
        return rejected("a buy needs a line");
    };
    if rows
        .iter()
        .any(|(_, row)| (&row.currency, row.exponent) != (&first.currency, first.exponent))
    {
        return rejected("all lines of a buy must be in one currency");
    }
    let sum = rows.iter().try_fold(0i64, |sum, (line, row)| {
        row.minor
            .checked_mul(line.quantity)
            .and_then(|amount| sum.checked_add(amount))
    });
    let Some(sum) = sum else {
        return rejected("the total is too large");
    };
    let order_lines = rows.iter().map(|(line, row)| OrderLine {
        variant: line.variant.clone(),
        quantity: line.quantity,
        price: price(row, row.minor),
    });
    Outcome::Held(Bill {
        order_lines: order_lines.collect(),
        total: price(first, sum),
        promo: None,
        discount: None,
        expires_at: now + hold_ms,
        pay: "manual".to_owned(),
        checkout: None,
    })
}

fn price(row: &Row, minor: i64) -> Money {
    Money {
        minor,
        currency: row.currency.clone(),
        exponent: row.exponent,
    }
}
