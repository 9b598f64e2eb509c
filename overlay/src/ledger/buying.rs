//! A buy: judged once, in the transaction that holds its units; whoever repeats it gets the same receipt.

use super::books::of;
use super::decide::Work;
use super::pricing::{self, Customer, Priced};
use super::rows::{BuyRow, OrderRow};
use super::stock::{self, Movement, Place};
use super::{Buyer, Decided, Decision, Refusal, orders, waitlist};
use crate::message::{BuyMessage, Line, Mode, Money, OrderState, Outcome, Receipt, ShowState, VariantPrice};

pub(super) fn buy(work: &mut Work<'_>, buyer: &Buyer, buy: &BuyMessage, times: (i64, i64)) -> Decided {
    let body = body(work, buy);
    if let Some(earlier) = work.books.buy(&buy.id) {
        let outcome = if earlier.subject != buyer.subject || earlier.body != body {
            Outcome::Conflict
        } else {
            match serde_json::from_str::<Receipt>(&earlier.receipt) {
                Ok(receipt) => return Ok(Decision::Receipt(receipt)),
                Err(error) => {
                    tracing::error!(buy = buy.id, %error, "a stored receipt cannot be read");
                    return Err(Refusal::Failed);
                }
            }
        };
        return Ok(Decision::Receipt(Receipt {
            buy: buy.id.clone(),
            outcome,
        }));
    }
    let outcome = match judge(work, buyer, buy) {
        Ok(judged) => take(work, buyer, buy, judged, times),
        Err(refusal) => refusal,
    };
    let receipt = Receipt {
        buy: buy.id.clone(),
        outcome,
    };
    work.books.add_buy(BuyRow {
        id: buy.id.clone(),
        show: work.show.clone(),
        subject: buyer.subject.clone(),
        body,
        outcome: receipt.outcome.name().to_owned(),
        // Without a receipt it could not be repeated; a receipt always has a JSON.
        receipt: serde_json::to_string(&receipt).unwrap_or_default(),
        at: work.now,
    });
    Ok(Decision::Receipt(receipt))
}

/// What makes two buys the same.
fn body(work: &Work<'_>, buy: &BuyMessage) -> String {
    let mut lines: Vec<(&str, i64)> = buy
        .lines
        .iter()
        .map(|line| (line.variant.as_str(), line.quantity))
        .collect();
    lines.sort_unstable();
    let extras = (&buy.promo, &buy.affiliate, buy.waitlist, &buy.replaces);
    let text = if extras == (&None, &None, false, &None) {
        serde_json::to_string(&(&*work.show, lines, buy.price_version))
    } else {
        serde_json::to_string(&(&*work.show, lines, buy.price_version, extras))
    };
    text.unwrap_or_default()
}

/// What a buy that may be carried out becomes.
struct Judged {
    priced: Priced,
    state: OrderState,
    /// The own order that is given back for it.
    replaced: Option<OrderRow>,
}

fn judge(work: &Work<'_>, buyer: &Buyer, buy: &BuyMessage) -> Result<Judged, Outcome> {
    let books = &*work.books;
    let not_on_sale = |line: &Line| Outcome::NotOnSale {
        variant: line.variant.clone(),
    };
    let Some(first) = buy.lines.first() else {
        let reason = "a buy needs a line".to_owned();
        return Err(Outcome::Rejected { reason });
    };
    let show = books.shows.get(&work.show);
    if show.is_none_or(|show| show.state == ShowState::Ended) {
        return Err(not_on_sale(first));
    }
    for line in &buy.lines {
        if books.on_sale(&work.show, &line.variant).is_none() {
            return Err(not_on_sale(line));
        }
    }
    check_prices(work, buy)?;
    let replaced = buy.replaces.as_ref().and_then(|id| books.orders.get(id));
    let replaced = replaced.filter(|order| {
        order.show == work.show
            && order.subject == buyer.subject
            && matches!(
                order.state,
                OrderState::Waitlisted | OrderState::Held | OrderState::CheckoutOpen
            )
    });
    if buy.replaces.is_some() && replaced.is_none() {
        let reason = "the order to be replaced is not an open one of yours".to_owned();
        return Err(Outcome::Rejected { reason });
    }
    let customer = Customer {
        show: &work.show,
        subject: &buyer.subject,
        now: work.now,
        except: replaced.map(|order| order.buy.as_str()),
    };
    let priced = pricing::price(books, &customer, &buy.id, &buy.lines, buy.promo.as_deref())?;
    let state = judge_units(work, &customer, buy, &priced, replaced)?;
    Ok(Judged {
        priced,
        state,
        replaced: replaced.cloned(),
    })
}

fn check_prices(work: &Work<'_>, buy: &BuyMessage) -> Result<(), Outcome> {
    let books = &*work.books;
    let rows = buy
        .lines
        .iter()
        .filter_map(|line| books.on_sale(&work.show, &line.variant));
    if rows.clone().all(|row| row.price_version <= buy.price_version) {
        return Ok(());
    }
    let prices = rows.map(|row| VariantPrice {
        variant: row.id.clone(),
        price: Money {
            minor: pricing::unit(books, &work.show, &row.id, row.minor).0,
            currency: row.currency.clone(),
            exponent: u8::try_from(row.exponent).unwrap_or(2),
        },
    });
    Err(Outcome::PriceChanged {
        price_version: books.shows.get(&work.show).map_or(0, |show| show.price_version),
        prices: prices.collect(),
    })
}

/// Whether the units may be had: by the customer's limit, by the stock, by those who wait.
fn judge_units(
    work: &Work<'_>,
    customer: &Customer<'_>,
    buy: &BuyMessage,
    priced: &Priced,
    replaced: Option<&OrderRow>,
) -> Result<OrderState, Outcome> {
    let books = &*work.books;
    let mut is_short = None;
    for line in &priced.lines {
        let Some(row) = books.on_sale(&work.show, &line.variant) else {
            continue;
        };
        let flash = books.running(&work.show, &line.variant);
        let limit = flash.and_then(|flash| flash.per_customer).or(row.per_customer);
        if let Some(limit) = limit
            && units_of(work, customer, &line.variant) + line.quantity > limit
        {
            let variant = line.variant.clone();
            return Err(Outcome::LimitReached { variant, limit });
        }
        let own = given_back(
            work,
            replaced,
            &line.variant,
            flash.map(|flash| flash.id.as_str()),
        );
        // What the customer gives back is not for those who wait: it is only exchanged.
        let exchanged = match flash.and_then(|flash| flash.quantity) {
            Some(_) => own.1,
            None => own.0,
        };
        if (stock::free(books, row, own) - row.waiting).max(exchanged) < line.quantity {
            is_short = is_short.or(Some((line, row)));
        }
    }
    let Some((line, row)) = is_short else {
        return Ok(match priced.mode {
            Mode::Hold => OrderState::Held,
            Mode::PayFirst => OrderState::CheckoutOpen,
        });
    };
    let can_wait = priced.lines.len() == 1
        && priced.mode == Mode::Hold
        && row.waiting + line.quantity <= waitlist::MAX_WAITING
        && line.quantity <= row.on_hand;
    if buy.waitlist && can_wait {
        return Ok(OrderState::Waitlisted);
    }
    Err(Outcome::SoldOut {
        variant: line.variant.clone(),
        waitlist: can_wait,
    })
}

/// Units of a variant in a customer's open and paid orders.
fn units_of(work: &Work<'_>, customer: &Customer<'_>, variant: &str) -> i64 {
    let orders = work.books.orders_of(customer.show, customer.subject);
    let counted = orders.filter(|order| {
        customer.except != Some(order.buy.as_str())
            && (order.state.is_open() || order.state == OrderState::Paid)
    });
    let lines = counted.flat_map(|order| work.books.lines(&order.buy));
    lines
        .filter(|line| line.variant == variant)
        .map(|line| line.quantity)
        .sum()
}

/// Units that come free with the replaced order, and those of them at a flash sale's price.
fn given_back(
    work: &Work<'_>,
    replaced: Option<&OrderRow>,
    variant: &str,
    flash: Option<&str>,
) -> (i64, i64) {
    let Some(order) = replaced.filter(|order| Place::of(order.state) == Place::Held) else {
        return (0, 0);
    };
    let lines = work.books.lines(&order.buy).into_iter();
    lines
        .filter(|line| line.variant == variant)
        .fold((0, 0), |(all, of_flash), line| {
            let is_of_flash = flash.is_some() && line.flash.as_deref() == flash;
            (
                all + line.quantity,
                of_flash + if is_of_flash { line.quantity } else { 0 },
            )
        })
}

/// Makes the order.
fn take(
    work: &mut Work<'_>,
    buyer: &Buyer,
    buy: &BuyMessage,
    judged: Judged,
    (hold_ms, turn_ms): (i64, i64),
) -> Outcome {
    let Judged {
        priced,
        state,
        replaced,
    } = judged;
    if let Some(replaced) = &replaced {
        orders::change_state(work, &replaced.buy, OrderState::Cancelled);
    }
    let waits_for = match priced.lines.first() {
        Some(line) if state == OrderState::Waitlisted => Some(line.variant.clone()),
        _ => None,
    };
    let variant = waits_for
        .as_ref()
        .and_then(|variant| work.books.variants.change(&of(&work.show, variant)));
    let queue = variant.map(|variant| {
        variant.next_queue += 1;
        variant.next_queue
    });
    let is_waiting = state == OrderState::Waitlisted;
    work.books.add_order(OrderRow {
        buy: buy.id.clone(),
        show: work.show.clone(),
        subject: buyer.subject.clone(),
        name: buyer.name.clone(),
        state,
        minor: priced.total,
        currency: priced.currency,
        exponent: priced.exponent,
        expires_at: if is_waiting {
            0
        } else {
            work.now + priced.hold_ms.unwrap_or(hold_ms)
        },
        created_at: work.now,
        promo: priced.promo,
        discount: priced.discount,
        affiliate: buy.affiliate.clone(),
        provider: work.provider.name().to_owned(),
        waits_for,
        queue,
        turn_ms,
        step: 0,
        rev: 0,
    });
    take_units(work, buy, state, priced.lines);
    orders::tell(work, &buy.id);
    let outcome = outcome(work, buy, state);
    if let Some(replaced) = &replaced {
        for line in work.books.lines(&replaced.buy) {
            waitlist::serve(work, &line.variant);
        }
    }
    outcome
}

fn take_units(work: &mut Work<'_>, buy: &BuyMessage, state: OrderState, lines: Vec<super::rows::LineRow>) {
    for line in lines {
        let movement = Movement::between(Place::Available, Place::of(state), line.quantity);
        if movement != Movement::default() {
            if let Some(flash) = &line.flash
                && let Some(flash) = work.books.change_flash(&work.show, flash)
            {
                flash.taken += line.quantity;
            }
            stock::shift(work, &line.variant, movement, state.name(), Some(&buy.id));
        }
        if state == OrderState::Waitlisted {
            if let Some(row) = work.books.variants.change(&of(&work.show, &line.variant)) {
                row.waiting += line.quantity;
                row.waiters += 1;
            }
            work.recount(&line.variant);
        }
        work.books.put_line(line);
    }
    if let Some(code) = &buy.promo
        && let Some(promo) = work.books.promos.change(&of(&work.show, code))
    {
        promo.used += 1;
    }
}

fn outcome(work: &mut Work<'_>, buy: &BuyMessage, state: OrderState) -> Outcome {
    let Some(order) = work.books.orders.get(&buy.id) else {
        let reason = "the order is lost".to_owned();
        return Outcome::Rejected { reason };
    };
    let sale = pricing::sale(work.books, order);
    if state == OrderState::Waitlisted {
        let line = sale.lines.first();
        return Outcome::Waitlisted {
            variant: line.map(|line| line.variant.clone()).unwrap_or_default(),
            quantity: line.map_or(0, |line| line.quantity),
            place: line
                .and_then(|line| work.books.on_sale(&work.show, &line.variant))
                .map_or(1, |row| row.waiters),
        };
    }
    let bill = pricing::bill(&sale, work.provider.name(), work.provider.checkout(&sale));
    if state == OrderState::CheckoutOpen {
        return Outcome::CheckoutOpen(bill);
    }
    Outcome::Held(bill)
}
