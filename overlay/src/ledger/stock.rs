//! Movements of stock. Each is one row's update and one line of the journal, in the same transaction.

use rusqlite::{OptionalExtension, params};

use super::sqlite::{Decided, Work};
use super::{Decision, LedgerError, Refusal};
use crate::message::StockCount;

/// How a movement changes a variant's counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Movement {
    pub(super) available: i64,
    pub(super) held: i64,
    pub(super) sold: i64,
}

/// A variant's row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) available: i64,
    pub(super) held: i64,
    pub(super) sold: i64,
    pub(super) version: i64,
    pub(super) minor: i64,
    pub(super) currency: String,
    pub(super) exponent: u8,
    pub(super) price_version: i64,
    pub(super) per_customer: Option<i64>,
}

/// A variant that is on sale in the work's show.
pub(super) fn row(work: &Work<'_>, variant: &str) -> Result<Option<Row>, LedgerError> {
    let mut statement = work.tx.prepare_cached(
        "SELECT available, held, sold, version, minor, currency, exponent, price_version, per_customer
         FROM variants WHERE show = ?1 AND id = ?2 AND removed = 0",
    )?;
    let row = statement.query_row(params![&*work.show, variant], |row| {
        Ok(Row {
            available: row.get(0)?,
            held: row.get(1)?,
            sold: row.get(2)?,
            version: row.get(3)?,
            minor: row.get(4)?,
            currency: row.get(5)?,
            exponent: row.get(6)?,
            price_version: row.get(7)?,
            per_customer: row.get(8)?,
        })
    });
    Ok(row.optional()?)
}

/// Moves units of a variant, also of one that is no longer on sale. The table's own checks refuse what must not be.
pub(super) fn shift(
    work: &mut Work<'_>,
    variant: &str,
    movement: Movement,
    cause: &str,
    buy: Option<&str>,
) -> Result<StockCount, LedgerError> {
    let Movement {
        available,
        held,
        sold,
    } = movement;
    let mut update = work.tx.prepare_cached(
        "UPDATE variants SET available = available + ?3, held = held + ?4, sold = sold + ?5,
                on_hand = on_hand + ?3 + ?4 + ?5, version = version + 1
         WHERE show = ?1 AND id = ?2 RETURNING available, version, held, sold",
    )?;
    let item = update.query_row(params![&*work.show, variant, available, held, sold], |row| {
        let (available, held, sold): (i64, i64, i64) = (row.get(0)?, row.get(2)?, row.get(3)?);
        Ok(StockCount {
            variant: variant.to_owned(),
            on_hand: available + held + sold,
            available,
            held,
            sold,
            waiting: 0,
            for_sale: available,
            version: row.get(1)?,
        })
    })?;
    let mut journal = work.tx.prepare_cached(
        "INSERT INTO journal (at, show, variant, cause, buy, available, held, sold)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    journal.execute(params![
        work.now,
        &*work.show,
        variant,
        cause,
        buy,
        available,
        held,
        sold
    ])?;
    work.stock.push((work.show.clone(), item.clone()));
    Ok(item)
}

pub(super) fn set(work: &mut Work<'_>, variant: &str, on_hand: i64, version: Option<i64>) -> Decided {
    let Some(row) = row(work, variant)? else {
        return Ok(Err(Refusal::NotFound(format!("variant {variant}"))));
    };
    if version.is_some_and(|version| version != row.version) {
        return Ok(Err(Refusal::Stale(row.version)));
    }
    let taken = row.held + row.sold;
    count_in(work, variant, on_hand - taken - row.available, &row)
}

pub(super) fn add(work: &mut Work<'_>, variant: &str, delta: i64) -> Decided {
    let Some(row) = row(work, variant)? else {
        return Ok(Err(Refusal::NotFound(format!("variant {variant}"))));
    };
    count_in(work, variant, delta, &row)
}

fn count_in(work: &mut Work<'_>, variant: &str, delta: i64, row: &Row) -> Decided {
    if row.available + delta < 0 {
        let (held, sold) = (row.held, row.sold);
        return Ok(Err(Refusal::NotPossible(format!(
            "{held} of {variant} are held and {sold} sold: at least {} must be on hand",
            held + sold
        ))));
    }
    let movement = Movement {
        available: delta,
        ..Movement::default()
    };
    Ok(Ok(Decision::Stock(shift(
        work, variant, movement, "count", None,
    )?)))
}
