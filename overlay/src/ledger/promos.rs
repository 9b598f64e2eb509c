//! Promo codes: what they take off, and for whom they are valid.

use super::books::{Books, of};
use super::decide::Work;
use super::pricing::Customer;
use super::rows::PromoRow;
use super::{Decided, Decision, Refusal};
use crate::message::{Discount, Money, OrderState, Promo};

/// Promo codes of one show, those that were removed with them: orders tell of them.
const MAX_PROMOS: usize = 1000;

/// Whether an order in this state uses up its code.
pub(super) fn uses(state: OrderState) -> bool {
    state.is_open() || state == OrderState::Paid
}

/// The code, when the customer may use it now.
pub(super) fn valid<'b>(
    books: &'b Books,
    customer: &Customer<'_>,
    code: &str,
) -> Result<&'b PromoRow, String> {
    let row = books.promos.get(&of(customer.show, code));
    let Some(row) = row.filter(|row| !row.removed) else {
        return Err(format!("there is no code {code}"));
    };
    if row.starts_at.is_some_and(|at| customer.now < at) {
        return Err(format!("the code {code} is not valid yet"));
    }
    if row.ends_at.is_some_and(|at| customer.now >= at) {
        return Err(format!("the code {code} is not valid any more"));
    }
    let of_code = |order: &&super::rows::OrderRow| {
        order.promo.as_deref() == Some(code)
            && uses(order.state)
            && customer.except != Some(order.buy.as_str())
    };
    let mut own = books.orders_of(customer.show, customer.subject).filter(of_code);
    let except = customer.except.and_then(|buy| books.orders.get(buy));
    let given_back =
        i64::from(except.is_some_and(|order| order.promo.as_deref() == Some(code) && uses(order.state)));
    if row.uses.is_some_and(|limit| row.used - given_back >= limit) {
        return Err(format!("the code {code} is used up"));
    }
    let limit = row.per_customer.and_then(|limit| usize::try_from(limit).ok());
    if limit.is_some_and(|limit| own.by_ref().count() >= limit) {
        return Err(format!("you have used the code {code} already"));
    }
    Ok(row)
}

/// What a code takes off a sum, in minor units: never more than there is. Of rates, half a minor unit and more is
/// rounded up, in the buyer's favour.
pub(super) fn discount(promo: &PromoRow, sum: i64, currency: &str) -> Result<i64, String> {
    if let Some(basis_points) = promo.basis_points {
        let share = (i128::from(sum) * i128::from(basis_points) + 5000) / 10_000;
        return Ok(i64::try_from(share).unwrap_or(sum).min(sum));
    }
    if promo.currency.as_deref() != Some(currency) {
        return Err(format!("the code {} is not for {currency}", promo.code));
    }
    Ok(promo.minor.unwrap_or(0).min(sum))
}

pub(super) fn check(work: &mut Work<'_>, subject: &str, code: &str) -> Decided {
    let customer = Customer {
        show: &work.show,
        subject,
        now: work.now,
        except: None,
    };
    match valid(work.books, &customer, code) {
        Ok(row) => Ok(Decision::Promo(promo(row))),
        Err(why) => Err(Refusal::NotPossible(why)),
    }
}

pub(super) fn list(work: &mut Work<'_>) -> Decided {
    let rows = work.books.promos.of_show(&work.show).filter(|row| !row.removed);
    Ok(Decision::Promos(rows.map(promo).collect()))
}

fn promo(row: &PromoRow) -> Promo {
    let amount = || {
        Discount::Amount(Money {
            minor: row.minor.unwrap_or(0),
            currency: row.currency.clone().unwrap_or_default(),
            exponent: row
                .exponent
                .and_then(|exponent| u8::try_from(exponent).ok())
                .unwrap_or(2),
        })
    };
    Promo {
        code: row.code.clone(),
        discount: row.basis_points.map_or_else(amount, Discount::BasisPoints),
        limit: row.uses,
        per_customer: row.per_customer,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        used: row.used,
    }
}

pub(super) fn put(work: &mut Work<'_>, promo: &Promo) -> Decided {
    let key = of(&work.show, &promo.code);
    let (basis_points, amount) = match &promo.discount {
        Discount::BasisPoints(points) => (Some(*points), None),
        Discount::Amount(amount) => (None, Some(amount)),
    };
    let known = work.books.promos.get(&key);
    if known.is_none() && work.books.promos.of_show(&work.show).count() >= MAX_PROMOS {
        return Err(Refusal::NotPossible(format!(
            "a show has at most {MAX_PROMOS} promo codes, those removed with them"
        )));
    }
    let row = PromoRow {
        show: work.show.clone(),
        code: promo.code.clone(),
        basis_points,
        minor: amount.map(|amount| amount.minor),
        currency: amount.map(|amount| amount.currency.clone()),
        exponent: amount.map(|amount| amount.exponent.into()),
        uses: promo.limit,
        per_customer: promo.per_customer,
        starts_at: promo.starts_at,
        ends_at: promo.ends_at,
        used: known.map_or(0, |known| known.used),
        removed: false,
        rev: known.map_or(0, |known| known.rev),
    };
    match work.books.promos.change(&key) {
        Some(known) => *known = row,
        None => work.books.promos.insert(key, row),
    }
    Ok(Decision::Done)
}

pub(super) fn remove(work: &mut Work<'_>, code: &str) -> Decided {
    match work.books.promos.change(&of(&work.show, code)) {
        Some(row) if !row.removed => {
            row.removed = true;
            Ok(Decision::Done)
        }
        _ => Err(Refusal::NotFound(format!("code {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_cent_is_rounded_for_the_buyer_and_nothing_costs_less_than_nothing() {
        let row = |basis_points, minor| PromoRow {
            show: "demo".into(),
            code: "X".to_owned(),
            basis_points,
            minor,
            currency: Some("EUR".to_owned()),
            exponent: Some(2),
            uses: None,
            per_customer: None,
            starts_at: None,
            ends_at: None,
            used: 0,
            removed: false,
            rev: 1,
        };
        let percent = |points, sum| discount(&row(Some(points), None), sum, "EUR").unwrap();
        assert_eq!(percent(1000, 1999), 200, "199.9");
        assert_eq!(percent(1000, 1994), 199, "199.4");
        assert_eq!(percent(1000, 1995), 200, "199.5");
        assert_eq!(percent(10_000, 1995), 1995);
        assert_eq!(percent(1, i64::MAX), 922_337_203_685_478);
        assert_eq!(discount(&row(None, Some(500)), 300, "EUR"), Ok(300));
        assert!(discount(&row(None, Some(500)), 300, "USD").is_err());
    }
}
