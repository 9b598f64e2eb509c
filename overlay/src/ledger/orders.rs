//! What becomes of an order: paid, given back, run out, refunded.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::sqlite::{Decided, Work};
use super::stock::{self, Movement};
use super::{Decision, LedgerError, MAX_ORDERS, Refusal, keeps_units};
use crate::message::{Money, OrderLine, OrderState, Sale};

/// Holds released in one go; the rest follows with the next.
const MAX_EXPIRED: usize = 1000;

pub(super) fn insert(work: &Work<'_>, sale: &Sale) -> Result<(), LedgerError> {
    let mut order = work.tx.prepare_cached(
        "INSERT INTO orders (buy, show, subject, name, state, minor, currency, exponent, expires_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    order.execute(params![
        sale.buy,
        &*work.show,
        sale.user,
        sale.name,
        sale.state.name(),
        sale.total.minor,
        sale.total.currency,
        sale.total.exponent,
        sale.expires_at,
        work.now
    ])?;
    let mut line = work
        .tx
        .prepare_cached("INSERT INTO order_lines (buy, variant, quantity, minor) VALUES (?1, ?2, ?3, ?4)")?;
    for each in &sale.lines {
        line.execute(params![sale.buy, each.variant, each.quantity, each.price.minor])?;
    }
    Ok(())
}

/// Units of a variant in a customer's open and paid orders.
pub(super) fn units_of(work: &Work<'_>, subject: &str, variant: &str) -> Result<i64, LedgerError> {
    let mut statement = work.tx.prepare_cached(
        "SELECT COALESCE(SUM(quantity), 0) FROM orders JOIN order_lines USING (buy)
         WHERE show = ?1 AND subject = ?2 AND variant = ?3 AND state IN ('held', 'paid')",
    )?;
    Ok(statement.query_row(params![&*work.show, subject, variant], |row| row.get(0))?)
}

/// The show's price version.
pub(super) fn price_version(work: &Work<'_>) -> Result<i64, LedgerError> {
    let mut statement = work
        .tx
        .prepare_cached("SELECT price_version FROM shows WHERE id = ?1")?;
    Ok(statement.query_row(params![&*work.show], |row| row.get(0))?)
}

pub(super) fn cancel(work: &mut Work<'_>, subject: &str, buy: &str) -> Decided {
    match load(work, buy)? {
        Some(sale) if sale.user == subject => {
            if sale.state == OrderState::Held {
                change_state(work, sale, OrderState::Cancelled)?;
            }
            Ok(Ok(Decision::Done))
        }
        _ => Ok(Err(Refusal::NotFound(format!("order {buy} of yours")))),
    }
}

pub(super) fn settle(work: &mut Work<'_>, buy: &str, state: OrderState) -> Decided {
    let Some(sale) = load(work, buy)? else {
        return Ok(Err(Refusal::NotFound(format!("order {buy}"))));
    };
    if sale.state == state {
        return Ok(Ok(Decision::Done));
    }
    let is_possible = matches!(
        (sale.state, state),
        (OrderState::Held, OrderState::Paid | OrderState::Cancelled)
            // A payment that came too late.
            | (OrderState::Released, OrderState::Paid)
            | (OrderState::Paid, OrderState::Refunded)
    );
    if !is_possible {
        let (now, wanted) = (sale.state.name(), state.name());
        return Ok(Err(Refusal::NotPossible(format!(
            "a {now} order cannot become {wanted}"
        ))));
    }
    if sale.state == OrderState::Released
        && let Some(gone) = missing(work, &sale)?
    {
        return Ok(Err(Refusal::NotPossible(format!(
            "the units of {gone} went to others meanwhile: refund the payment"
        ))));
    }
    change_state(work, sale, state)?;
    Ok(Ok(Decision::Done))
}

/// A variant of which there are not enough units to take the order's again.
fn missing(work: &Work<'_>, sale: &Sale) -> Result<Option<String>, LedgerError> {
    for line in &sale.lines {
        let row = stock::row(work, &line.variant)?;
        if row.is_none_or(|row| row.available < line.quantity) {
            return Ok(Some(line.variant.clone()));
        }
    }
    Ok(None)
}

pub(super) fn expire(work: &mut Work<'_>) -> Decided {
    let due: Vec<(String, String)> = work
        .tx
        .prepare_cached("SELECT show, buy FROM orders WHERE state = 'held' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2")?
        .query_map(params![work.now, MAX_EXPIRED as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (show, buy) in due {
        work.show = show.into();
        if let Some(sale) = load(work, &buy)? {
            change_state(work, sale, OrderState::Released)?;
        }
    }
    Ok(Ok(Decision::Done))
}

/// Changes an order's state and moves its units accordingly.
fn change_state(work: &mut Work<'_>, mut sale: Sale, state: OrderState) -> Result<(), LedgerError> {
    let was = sale.state;
    for line in &sale.lines {
        let units = line.quantity;
        let mut movement = Movement::default();
        match was {
            OrderState::Held => movement.held -= units,
            OrderState::Paid => movement.sold -= units,
            _ => {}
        }
        match state {
            OrderState::Paid => movement.sold += units,
            state if !keeps_units(state) => movement.available += units,
            _ => {}
        }
        if !keeps_units(was) {
            movement.available -= units;
        }
        stock::shift(work, &line.variant, movement, state.name(), Some(&sale.buy))?;
    }
    work.tx
        .prepare_cached("UPDATE orders SET state = ?2 WHERE buy = ?1")?
        .execute(params![sale.buy, state.name()])?;
    sale.state = state;
    work.orders.push((work.show.clone(), sale));
    Ok(())
}

const COLUMNS: &str = "buy, subject, name, state, minor, currency, exponent, expires_at";

fn load(work: &Work<'_>, buy: &str) -> Result<Option<Sale>, LedgerError> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE buy = ?1 AND show = ?2");
    let mut statement = work.tx.prepare_cached(&sql)?;
    let found = statement.query_row(params![buy, &*work.show], read).optional()?;
    found.map(|sale| with_lines(work.tx, sale?)).transpose()
}

pub(super) fn list(work: &mut Work<'_>) -> Decided {
    let sql =
        format!("SELECT {COLUMNS} FROM orders WHERE show = ?1 ORDER BY created_at DESC, buy DESC LIMIT ?2");
    let mut statement = work.tx.prepare_cached(&sql)?;
    let rows = statement.query_map(params![&*work.show, MAX_ORDERS as i64], read)?;
    let mut sales = Vec::new();
    for sale in rows {
        sales.push(with_lines(work.tx, sale??)?);
    }
    Ok(Ok(Decision::Orders(sales)))
}

/// A show's orders that wait for payment.
pub(super) fn open(connection: &Connection, show: &str) -> Result<Vec<Sale>, LedgerError> {
    let sql =
        format!("SELECT {COLUMNS} FROM orders WHERE show = ?1 AND state = 'held' ORDER BY created_at, buy");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![show], read)?;
    rows.map(|sale| with_lines(connection, sale??)).collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<Sale, LedgerError>> {
    let state: String = row.get(3)?;
    let Some(state) = OrderState::from_name(&state) else {
        return Ok(Err(LedgerError::Content(format!("order state {state}"))));
    };
    Ok(Ok(Sale {
        buy: row.get(0)?,
        user: row.get(1)?,
        name: row.get(2)?,
        state,
        total: Money {
            minor: row.get(4)?,
            currency: row.get(5)?,
            exponent: row.get(6)?,
        },
        expires_at: row.get(7)?,
        promo: None,
        discount: None,
        affiliate: None,
        queue: None,
        lines: Vec::new(),
    }))
}

fn with_lines(connection: &Connection, mut sale: Sale) -> Result<Sale, LedgerError> {
    let mut statement = connection
        .prepare_cached("SELECT variant, quantity, minor FROM order_lines WHERE buy = ?1 ORDER BY variant")?;
    let lines = statement.query_map(params![sale.buy], |row| {
        Ok(OrderLine {
            variant: row.get(0)?,
            quantity: row.get(1)?,
            price: Money {
                minor: row.get(2)?,
                currency: sale.total.currency.clone(),
                exponent: sale.total.exponent,
            },
        })
    })?;
    sale.lines = lines.collect::<Result<_, _>>()?;
    Ok(sale)
}
