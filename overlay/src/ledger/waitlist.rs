//! The waitlist of a variant: first in, first out. Whose turn it is has the units held, at the price of that moment, for a
//! time of its own.

use std::sync::Arc;

use super::books::{Books, of};
use super::decide::Work;
use super::pricing::{self, Customer};
use super::rows::{OrderRow, VariantRow};
use super::{orders, stock};
use crate::message::{Line, Mode, OrderState};

/// Units waited for at once, of one variant: longer lists promise what no show keeps.
pub(super) const MAX_WAITING: i64 = 100_000;

/// Lists that one tick looks at.
pub(super) const MAX_LISTS: usize = 100;

/// How far ticks are among the lists that wait for nothing but their turn: one whose first wants more than there is stays,
/// and must not hide those behind it.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Lists that were looked at and stayed.
    passed: usize,
    /// Show and variant of those that this tick looks at; none without a tick.
    lists: Option<Vec<(Arc<str>, String)>>,
}

impl Round {
    /// Lists that the tick passes over.
    pub(super) fn passed(&self) -> i64 {
        self.passed as i64
    }

    /// Lists that the tick looks at.
    pub(super) fn looks_at(&mut self, lists: Vec<(Arc<str>, String)>) {
        self.lists = Some(lists);
    }

    /// The batch is decided and written: the next tick goes on behind what stayed, and begins anew behind the last list.
    pub(super) fn go_on(&mut self, books: &Books) {
        let Some(lists) = self.lists.take() else {
            return;
        };
        if lists.len() < MAX_LISTS {
            self.passed = 0;
            return;
        }
        let rows = lists
            .iter()
            .filter_map(|(show, variant)| books.variants.get(&of(show, variant)));
        self.passed += rows.filter(|row| row.is_stuck()).count();
    }
}

impl VariantRow {
    /// Whether somebody waits although something is free: for a turn, or for more than that.
    pub(super) fn is_stuck(&self) -> bool {
        self.waiting > 0 && self.available > 0
    }
}

/// Gives what is free to those who wait, as far as it goes. The first waits until all of its units are there.
pub(super) fn serve(work: &mut Work<'_>, variant: &str) {
    loop {
        let Some(row) = work.books.on_sale(&work.show, variant) else {
            return;
        };
        if row.waiting == 0 || row.mode == Mode::PayFirst {
            return;
        }
        let free = stock::free(work.books, row, (0, 0));
        let Some(order) = work.books.next_waiting(&work.show, variant).cloned() else {
            return;
        };
        let wanted: i64 = work
            .books
            .lines(&order.buy)
            .iter()
            .map(|line| line.quantity)
            .sum();
        if free < wanted {
            return;
        }
        take_turn(work, order);
    }
}

fn take_turn(work: &mut Work<'_>, order: OrderRow) {
    let lines = work.books.lines(&order.buy).into_iter().map(|line| Line {
        variant: line.variant,
        quantity: line.quantity,
    });
    let lines: Vec<Line> = lines.collect();
    let show = work.show.clone();
    let customer = Customer {
        show: &show,
        subject: &order.subject,
        now: work.now,
        except: Some(&order.buy),
    };
    let price = |promo| pricing::price(work.books, &customer, &order.buy, &lines, promo);
    // A code that is over meanwhile does not cost the place.
    let priced = price(order.promo.as_deref()).or_else(|_| price(None));
    let Ok(priced) = priced else {
        // Unsaleable, as by a total too large: nobody behind it waits for that.
        orders::change_state(work, &order.buy, OrderState::Cancelled);
        return;
    };
    for mut line in priced.lines {
        let known = work.books.lines(&order.buy);
        line.rev = known
            .iter()
            .find(|known| known.variant == line.variant)
            .map_or(0, |known| known.rev);
        work.books.put_line(line);
    }
    if priced.promo.is_none()
        && let Some(code) = &order.promo
        && let Some(promo) = work.books.promos.change(&of(&show, code))
    {
        promo.used -= 1;
    }
    if let Some(row) = work.books.orders.change(&order.buy) {
        row.minor = priced.total;
        row.discount = priced.discount;
        row.promo = priced.promo;
        row.expires_at = work.now + row.turn_ms;
    }
    orders::change_state(work, &order.buy, OrderState::Held);
}
