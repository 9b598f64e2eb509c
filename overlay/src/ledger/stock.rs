//! Movements of stock, and what of it can be bought. Each movement is one line of the journal.

use super::books::{Books, of};
use super::decide::Work;
use super::rows::{JournalRow, VariantRow};
use super::{Decided, Decision, Refusal};
use crate::message::{OrderState, StockCount};

/// How a movement changes a variant's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Movement {
    pub(super) available: i64,
    pub(super) held: i64,
    pub(super) sold: i64,
}

/// Which count an order's units are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Available,
    Held,
    Sold,
    /// Not on hand any more.
    Gone,
}

impl Place {
    /// Where the units of an order are.
    pub(super) fn of(state: OrderState) -> Place {
        match state {
            OrderState::Held | OrderState::Releasing => Place::Held,
            OrderState::Paid => Place::Sold,
            OrderState::Waitlisted
            | OrderState::CheckoutOpen
            | OrderState::Released
            | OrderState::Cancelled
            | OrderState::RefundDue
            | OrderState::Refunded => Place::Available,
        }
    }
}

impl Movement {
    /// So many units from one place to another.
    pub(super) fn between(from: Place, to: Place, units: i64) -> Movement {
        let mut movement = Movement::default();
        for (place, units) in [(from, -units), (to, units)] {
            match place {
                Place::Available => movement.available += units,
                Place::Held => movement.held += units,
                Place::Sold => movement.sold += units,
                Place::Gone => {}
            }
        }
        movement
    }
}

/// Moves units of a variant, also of one that is no longer on sale.
pub(super) fn shift(work: &mut Work<'_>, variant: &str, movement: Movement, cause: &str, buy: Option<&str>) {
    let Movement {
        available,
        held,
        sold,
    } = movement;
    let Some(row) = work.books.variants.change(&of(&work.show, variant)) else {
        // Every variant of an order is loaded with it; without its row the journal would say what is not so.
        debug_assert!(false, "{variant} was not loaded");
        return;
    };
    row.available += available;
    row.held += held;
    row.sold += sold;
    row.on_hand += available + held + sold;
    row.version += 1;
    work.books.note_movement(JournalRow {
        at: work.now,
        show: work.show.clone(),
        variant: variant.to_owned(),
        cause: cause.to_owned(),
        buy: buy.map(str::to_owned),
        available,
        held,
        sold,
    });
    work.changed(variant);
}

/// Units that can be taken now, before those who wait. `own` are units, and of them those of the running flash sale, that
/// the same customer gives back meanwhile.
pub(super) fn free(books: &Books, row: &VariantRow, (own, own_flash): (i64, i64)) -> i64 {
    let mut free = row.available + own;
    if let Some(allotment) = row.allotment {
        free = free.min(allotment - row.held - row.sold + own);
    }
    if let Some(flash) = books.running(&row.show, &row.id)
        && let Some(quantity) = flash.quantity
    {
        free = free.min(quantity - flash.taken + own_flash);
    }
    free
}

/// A variant's whole count.
pub(super) fn count(books: &Books, row: &VariantRow) -> StockCount {
    StockCount {
        variant: row.id.clone(),
        on_hand: row.on_hand,
        available: row.available,
        held: row.held,
        sold: row.sold,
        waiting: row.waiting,
        for_sale: (free(books, row, (0, 0)) - row.waiting).max(0),
        version: row.version,
    }
}

pub(super) fn set(work: &mut Work<'_>, variant: &str, on_hand: i64, version: Option<i64>) -> Decided {
    let Some(row) = work.books.on_sale(&work.show, variant) else {
        return Err(Refusal::NotFound(format!("variant {variant}")));
    };
    if version.is_some_and(|version| version != row.version) {
        return Err(Refusal::Stale(row.version));
    }
    let delta = on_hand - row.on_hand;
    add(work, variant, delta)
}

pub(super) fn add(work: &mut Work<'_>, variant: &str, delta: i64) -> Decided {
    let Some(row) = work.books.on_sale(&work.show, variant) else {
        return Err(Refusal::NotFound(format!("variant {variant}")));
    };
    if row.available + delta < 0 {
        let (held, sold) = (row.held, row.sold);
        return Err(Refusal::NotPossible(format!(
            "{held} of {variant} are held and {sold} sold: at least {} must be on hand",
            held + sold
        )));
    }
    if row.on_hand + delta > MAX_ON_HAND {
        return Err(Refusal::NotPossible(format!(
            "at most {MAX_ON_HAND} of {variant} can be on hand"
        )));
    }
    let movement = Movement {
        available: delta,
        ..Movement::default()
    };
    shift(work, variant, movement, "count", None);
    super::waitlist::serve(work, variant);
    match work.books.on_sale(&work.show, variant) {
        Some(row) => Ok(Decision::Stock(count(work.books, row))),
        None => Err(Refusal::NotFound(format!("variant {variant}"))),
    }
}

/// Units of one variant on hand: sums of them, and their prices, stay far from overflow.
const MAX_ON_HAND: i64 = 1_000_000_000;
