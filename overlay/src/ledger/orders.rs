//! What becomes of an order: paid, given back, run out, refunded.

use super::books::of;
use super::decide::Work;
use super::pricing;
use super::provider::Payment;
use super::rows::{OrderRow, OutboxRow};
use super::stock::{self, Movement, Place};
use super::{Decided, Decision, MAX_ORDERS, Refusal, promos, waitlist};
use crate::message::{OrderState, Sale};

pub(super) fn cancel(work: &mut Work<'_>, subject: &str, buy: &str) -> Decided {
    let order = own_show(work, buy)
        .filter(|order| order.subject == subject)
        .cloned();
    let Some(order) = order else {
        return Err(Refusal::NotFound(format!("order {buy} of yours")));
    };
    if matches!(
        order.state,
        OrderState::Waitlisted | OrderState::Held | OrderState::CheckoutOpen
    ) {
        end(work, &order, OrderState::Cancelled);
    }
    Ok(Decision::Done)
}

fn own_show<'w>(work: &'w Work<'_>, buy: &str) -> Option<&'w OrderRow> {
    work.books.orders.get(buy).filter(|order| order.show == work.show)
}

/// What a host decides by hand.
pub(super) fn settle(work: &mut Work<'_>, buy: &str, state: OrderState, restock: bool) -> Decided {
    let Some(order) = own_show(work, buy).cloned() else {
        return Err(Refusal::NotFound(format!("order {buy}")));
    };
    if order.state == state {
        return Ok(Decision::Done);
    }
    match (order.state, state) {
        (
            OrderState::Held | OrderState::Released | OrderState::CheckoutOpen | OrderState::Releasing,
            OrderState::Paid,
        ) => pay(work, &order),
        (OrderState::Waitlisted | OrderState::Held | OrderState::CheckoutOpen, OrderState::Cancelled) => {
            end(work, &order, state);
        }
        (OrderState::Paid | OrderState::RefundDue, OrderState::Refunded) => refund(work, &order, restock),
        (now, wanted) => {
            let (now, wanted) = (now.name(), wanted.name());
            return Err(Refusal::NotPossible(format!(
                "a {now} order cannot become {wanted}"
            )));
        }
    }
    Ok(Decision::Done)
}

/// What a provider says. It may say it again, and late: whatever it says is taken, the order says what is to be done.
pub(super) fn take_payment(work: &mut Work<'_>, buy: &str, event: Payment) -> Decided {
    let Some(order) = own_show(work, buy).cloned() else {
        return Err(Refusal::NotFound(format!("order {buy}")));
    };
    match (event, order.state) {
        (
            Payment::Paid,
            OrderState::Held | OrderState::CheckoutOpen | OrderState::Releasing | OrderState::Released,
        ) => pay(work, &order),
        // Nobody wants it any more, or never could pay it: the money has to go back.
        (Payment::Paid, OrderState::Cancelled | OrderState::Waitlisted) => {
            change_state(work, buy, OrderState::RefundDue);
        }
        (Payment::Closed, OrderState::Held | OrderState::Releasing | OrderState::CheckoutOpen) => {
            end(work, &order, OrderState::Released);
        }
        (Payment::Refunded { restock }, OrderState::Paid | OrderState::RefundDue) => {
            refund(work, &order, restock);
        }
        _ => {}
    }
    Ok(Decision::Done)
}

/// The money is there. An order without units takes them, if they are to be had; else the money has to go back.
fn pay(work: &mut Work<'_>, order: &OrderRow) {
    let has_units = Place::of(order.state) == Place::Held;
    let is_free = work.books.lines(&order.buy).iter().all(|line| {
        let row = work.books.variants.get(&of(&work.show, &line.variant));
        row.is_some_and(|row| stock::free(work.books, row, (0, 0)) - row.waiting >= line.quantity)
    });
    let state = if has_units || is_free {
        OrderState::Paid
    } else {
        OrderState::RefundDue
    };
    change_state(work, &order.buy, state);
}

fn refund(work: &mut Work<'_>, order: &OrderRow, restock: bool) {
    let to = if restock { Place::Available } else { Place::Gone };
    // An order whose refund is due has no units.
    let to = if order.state == OrderState::Paid {
        to
    } else {
        Place::Available
    };
    move_to(work, order, OrderState::Refunded, to);
    serve_all(work, order);
}

/// Ends an order that keeps nothing; those who wait are next.
pub(super) fn end(work: &mut Work<'_>, order: &OrderRow, state: OrderState) {
    change_state(work, &order.buy, state);
    serve_all(work, order);
}

fn serve_all(work: &mut Work<'_>, order: &OrderRow) {
    for line in work.books.lines(&order.buy) {
        waitlist::serve(work, &line.variant);
    }
}

/// Holds that ran out, and waitlists that wait for nothing but their turn.
pub(super) fn expire(work: &mut Work<'_>) -> Decided {
    let now = work.now;
    let is_due = |order: &&OrderRow| {
        order.expires_at <= now && matches!(order.state, OrderState::Held | OrderState::CheckoutOpen)
    };
    // Orders that are here for another reason may lack their variants; their time comes with the next tick.
    let is_whole = |order: &&OrderRow| {
        let mut lines = work.books.lines(&order.buy).into_iter();
        lines.all(|line| work.books.variants.get(&of(&order.show, &line.variant)).is_some())
    };
    let due = work.books.orders.iter().filter(is_due).filter(is_whole);
    let mut due: Vec<OrderRow> = due.cloned().collect();
    due.sort_by(|a, b| (a.expires_at, &a.buy).cmp(&(b.expires_at, &b.buy)));
    for order in due {
        work.show = order.show.clone();
        if order.state == OrderState::Held && work.provider.must_confirm_release() {
            change_state(work, &order.buy, OrderState::Releasing);
        } else {
            end(work, &order, OrderState::Released);
        }
    }
    let stuck = work.books.variants.iter();
    let stuck = stuck.filter(|row| row.is_stuck());
    let stuck: Vec<_> = stuck.map(|row| (row.show.clone(), row.id.clone())).collect();
    for (show, variant) in stuck {
        work.show = show;
        waitlist::serve(work, &variant);
    }
    Ok(Decision::Done)
}

/// Changes an order's state, moves its units accordingly and tells the world.
pub(super) fn change_state(work: &mut Work<'_>, buy: &str, state: OrderState) {
    if let Some(order) = work.books.orders.get(buy).cloned() {
        move_to(work, &order, state, Place::of(state));
    }
}

fn move_to(work: &mut Work<'_>, order: &OrderRow, state: OrderState, to: Place) {
    let from = Place::of(order.state);
    if order.state == OrderState::Waitlisted {
        work.books.leave_waitlist(order);
    }
    for line in work.books.lines(&order.buy) {
        let movement = Movement::between(from, to, line.quantity);
        if movement != Movement::default() {
            if let Some(flash) = &line.flash
                && let Some(flash) = work.books.change_flash(&order.show, flash)
            {
                flash.taken -= movement.available + i64::from(to == Place::Gone) * line.quantity;
            }
            stock::shift(work, &line.variant, movement, state.name(), Some(&order.buy));
        }
        if order.state == OrderState::Waitlisted {
            if let Some(row) = work.books.variants.change(&of(&order.show, &line.variant)) {
                row.waiting -= line.quantity;
                row.waiters -= 1;
            }
            work.recount(&line.variant);
        }
    }
    let uses = i64::from(promos::uses(state)) - i64::from(promos::uses(order.state));
    if uses != 0
        && let Some(code) = &order.promo
        && let Some(promo) = work.books.promos.change(&of(&order.show, code))
    {
        promo.used += uses;
    }
    if let Some(row) = work.books.orders.change(&order.buy) {
        row.state = state;
    }
    tell(work, &order.buy);
}

/// Tells what an order is now: in the answer, and in the outbox for the world outside.
pub(super) fn tell(work: &mut Work<'_>, buy: &str) {
    let Some(order) = work.books.orders.change(buy) else {
        return;
    };
    order.step += 1;
    let order = order.clone();
    let sale = pricing::sale(work.books, &order);
    work.books.note_outbox(OutboxRow {
        at: work.now,
        show: order.show.clone(),
        buy: order.buy.clone(),
        step: order.step,
        state: order.state,
        body: serde_json::json!({
            "show": &*order.show, "at": work.now, "step": order.step, "order": &sale,
        })
        .to_string(),
    });
    work.orders.push((order.show, sale));
}

pub(super) fn list(work: &mut Work<'_>) -> Decided {
    let of_show = work.books.orders.iter().filter(|order| order.show == work.show);
    let mut orders: Vec<&OrderRow> = of_show.collect();
    orders.sort_by(|a, b| (b.created_at, &b.buy).cmp(&(a.created_at, &a.buy)));
    orders.truncate(MAX_ORDERS);
    let sales: Vec<Sale> = orders
        .into_iter()
        .map(|order| pricing::sale(work.books, order))
        .collect();
    Ok(Decision::Orders(sales))
}
