//! The ledger checked against itself, by SQL that shares nothing with the code that decides: stock recomputed from the
//! journal, holds, sales, waitlists and uses from the orders, orders from the outbox, receipts from both.

use super::LedgerError;
use super::store::Store;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Variants looked at.
    pub variants: u64,
    /// Orders looked at.
    pub orders: u64,
    /// Buys that were answered.
    pub buys: u64,
    /// Units held and sold.
    pub units: (i64, i64),
    /// What does not agree; empty when all is well.
    pub differences: Vec<Difference>,
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub place: String,
    /// What.
    pub what: String,
}

/// Each finds what must not be: a place and what is wrong there.
const CHECKS: [&str; 13] = [
    // The row against the sum of its movements.
    "SELECT v.show || '/' || v.id,
            'stock ' || v.available || '+' || v.held || '+' || v.sold || ' but the journal says '
            || COALESCE(SUM(j.available), 0) || '+' || COALESCE(SUM(j.held), 0) || '+' || COALESCE(SUM(j.sold), 0)
     FROM variants v LEFT JOIN journal j ON j.show = v.show AND j.variant = v.id
     GROUP BY v.show, v.id
     HAVING v.available <> COALESCE(SUM(j.available), 0) OR v.held <> COALESCE(SUM(j.held), 0)
         OR v.sold <> COALESCE(SUM(j.sold), 0)",
    // Held and sold against the orders.
    "SELECT v.show || '/' || v.id, v.held || ' held and ' || v.sold || ' sold, but the orders say '
            || COALESCE(o.held, 0) || ' and ' || COALESCE(o.sold, 0)
     FROM variants v LEFT JOIN (
        SELECT o.show AS show, l.variant AS variant,
               SUM(CASE WHEN o.state IN ('held', 'releasing') THEN l.quantity ELSE 0 END) AS held,
               SUM(CASE WHEN o.state = 'paid' THEN l.quantity ELSE 0 END) AS sold
        FROM orders o JOIN order_lines l ON l.buy = o.buy GROUP BY o.show, l.variant
     ) o ON o.show = v.show AND o.variant = v.id
     WHERE v.held <> COALESCE(o.held, 0) OR v.sold <> COALESCE(o.sold, 0)",
    // Waitlists against the orders.
    "SELECT v.show || '/' || v.id, v.waiters || ' wait for ' || v.waiting || ', but the orders say '
            || COALESCE(o.waiters, 0) || ' for ' || COALESCE(o.waiting, 0)
     FROM variants v LEFT JOIN (
        SELECT o.show AS show, o.waits_for AS variant, COUNT(*) AS waiters, SUM(l.quantity) AS waiting
        FROM orders o JOIN order_lines l ON l.buy = o.buy WHERE o.state = 'waitlisted' GROUP BY o.show, o.waits_for
     ) o ON o.show = v.show AND o.variant = v.id
     WHERE v.waiting <> COALESCE(o.waiting, 0) OR v.waiters <> COALESCE(o.waiters, 0)",
    // Every receipt of an order has its order, every order its receipt.
    "SELECT b.show || '/' || b.id, 'a receipt that says ' || b.outcome || ' without an order'
     FROM buys b LEFT JOIN orders o ON o.buy = b.id
     WHERE b.outcome IN ('held', 'checkout_open', 'waitlisted') AND o.buy IS NULL",
    "SELECT o.show || '/' || o.buy, 'an order without its receipt' FROM orders o LEFT JOIN buys b ON b.id = o.buy
     WHERE b.id IS NULL OR b.outcome NOT IN ('held', 'checkout_open', 'waitlisted') OR b.subject <> o.subject
        OR b.show <> o.show",
    // The total against the lines.
    "SELECT o.show || '/' || o.buy, 'a total of ' || o.minor || ' and a discount of ' || o.discount || ' but lines of '
            || COALESCE(SUM(l.quantity * l.minor), 0)
     FROM orders o LEFT JOIN order_lines l ON l.buy = o.buy GROUP BY o.buy
     HAVING o.minor + o.discount <> COALESCE(SUM(l.quantity * l.minor), -1)",
    // An order against what was told of it. Its first events may be forgotten by now, if they are old enough.
    "SELECT o.show || '/' || o.buy, 'the order is ' || o.state || ' after ' || o.step || ' steps, but ' ||
            COALESCE(l.state, 'nothing') || ' after ' || COALESCE(x.steps, 0) || ' was told'
     FROM orders o
     LEFT JOIN (SELECT buy, MIN(step) AS first, MAX(step) AS last, COUNT(*) AS steps FROM outbox GROUP BY buy) x
            ON x.buy = o.buy
     LEFT JOIN outbox l ON l.buy = o.buy AND l.step = x.last
     WHERE x.last <> o.step OR l.state <> o.state OR x.steps <> x.last - x.first + 1
        OR (COALESCE(x.first, 2) > 1
            AND o.created_at >= (SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'outbox_from'))",
    "SELECT x.show || '/' || x.buy, 'told of an order that is not there' FROM outbox x
     LEFT JOIN orders o ON o.buy = x.buy WHERE o.buy IS NULL AND x.step = 1",
    // An order's movements against its state.
    "SELECT o.show || '/' || o.buy || '/' || l.variant, 'a ' || o.state || ' order of ' || l.quantity
            || ' whose movements come to ' || COALESCE(j.held, 0) || ' held and ' || COALESCE(j.sold, 0) || ' sold'
     FROM orders o JOIN order_lines l ON l.buy = o.buy
     LEFT JOIN (SELECT buy, variant, SUM(held) AS held, SUM(sold) AS sold FROM journal WHERE buy IS NOT NULL
                GROUP BY buy, variant) j ON j.buy = o.buy AND j.variant = l.variant
     WHERE COALESCE(j.held, 0) <> CASE WHEN o.state IN ('held', 'releasing') THEN l.quantity ELSE 0 END
        OR COALESCE(j.sold, 0) <> CASE WHEN o.state = 'paid' THEN l.quantity ELSE 0 END",
    // Flash sales against the orders at their price.
    "SELECT f.show || '/' || f.id, f.taken || ' taken of the flash sale, but the orders say ' || COALESCE(o.taken, 0)
     FROM flash_sales f LEFT JOIN (
        SELECT o.show AS show, l.flash AS flash, SUM(l.quantity) AS taken
        FROM orders o JOIN order_lines l ON l.buy = o.buy
        WHERE o.state IN ('held', 'releasing', 'paid') AND l.flash IS NOT NULL GROUP BY o.show, l.flash
     ) o ON o.show = f.show AND o.flash = f.id
     WHERE f.taken <> COALESCE(o.taken, 0) OR f.taken > f.quantity",
    // Promo codes against the orders that use them.
    "SELECT p.show || '/' || p.code, p.used || ' uses of the code, but the orders say ' || COALESCE(o.used, 0)
     FROM promos p LEFT JOIN (
        SELECT show, promo, COUNT(*) AS used FROM orders
        WHERE state IN ('waitlisted', 'held', 'checkout_open', 'releasing', 'paid') AND promo IS NOT NULL
        GROUP BY show, promo
     ) o ON o.show = p.show AND o.promo = p.code
     WHERE p.used <> COALESCE(o.used, 0)",
    // Prices against their history.
    "SELECT o.show || '/' || o.buy || '/' || l.variant, 'sold at ' || l.minor || ', which never was its price'
     FROM orders o JOIN order_lines l ON l.buy = o.buy
     LEFT JOIN (SELECT DISTINCT show, variant, minor FROM prices) p
            ON p.show = o.show AND p.variant = l.variant AND p.minor = l.minor
     WHERE p.minor IS NULL",
    "SELECT v.show || '/' || v.id, 'shown with a former price of ' || v.was_minor || ', which never was its price'
     FROM variants v
     LEFT JOIN (SELECT DISTINCT show, variant, minor FROM prices) p
            ON p.show = v.show AND p.variant = v.id AND p.minor = v.was_minor
     WHERE v.was_minor IS NOT NULL AND p.minor IS NULL",
];

pub(super) fn audit(store: &mut dyn Store) -> Result<Audit, LedgerError> {
    let mut audit = Audit {
        variants: store.number("SELECT COUNT(*) FROM variants")?.unsigned_abs(),
        orders: store.number("SELECT COUNT(*) FROM orders")?.unsigned_abs(),
        buys: store.number("SELECT COUNT(*) FROM buys")?.unsigned_abs(),
        units: (
            store.number("SELECT CAST(COALESCE(SUM(held), 0) AS BIGINT) FROM variants")?,
            store.number("SELECT CAST(COALESCE(SUM(sold), 0) AS BIGINT) FROM variants")?,
        ),
        differences: Vec::new(),
    };
    for check in CHECKS {
        let found = store.pairs(check)?;
        audit
            .differences
            .extend(found.into_iter().map(|(place, what)| Difference { place, what }));
    }
    Ok(audit)
}
