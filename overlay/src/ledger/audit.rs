//! The ledger checked against itself: stock recomputed from the journal, holds and sales from the orders.

use rusqlite::Connection;

use super::LedgerError;

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
const CHECKS: [&str; 5] = [
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
               SUM(CASE WHEN o.state = 'held' THEN l.quantity ELSE 0 END) AS held,
               SUM(CASE WHEN o.state = 'paid' THEN l.quantity ELSE 0 END) AS sold
        FROM orders o JOIN order_lines l USING (buy) GROUP BY o.show, l.variant
     ) o ON o.show = v.show AND o.variant = v.id
     WHERE v.held <> COALESCE(o.held, 0) OR v.sold <> COALESCE(o.sold, 0)",
    // Every held receipt has its order, every order its held receipt.
    "SELECT b.show || '/' || b.id, 'a held receipt without an order' FROM buys b LEFT JOIN orders o ON o.buy = b.id
     WHERE json_extract(b.receipt, '$.outcome') = 'held' AND o.buy IS NULL",
    "SELECT o.show || '/' || o.buy, 'an order without a held receipt' FROM orders o LEFT JOIN buys b ON b.id = o.buy
     WHERE b.id IS NULL OR json_extract(b.receipt, '$.outcome') <> 'held'",
    // The total against the lines.
    "SELECT o.show || '/' || o.buy, 'a total of ' || o.minor || ' but lines of ' || COALESCE(SUM(l.quantity * l.minor), 0)
     FROM orders o LEFT JOIN order_lines l USING (buy) GROUP BY o.buy
     HAVING o.minor <> COALESCE(SUM(l.quantity * l.minor), 0)",
];

pub(super) fn audit(connection: &Connection) -> Result<Audit, LedgerError> {
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let mut audit = Audit {
        variants: count("SELECT COUNT(*) FROM variants")?.unsigned_abs(),
        orders: count("SELECT COUNT(*) FROM orders")?.unsigned_abs(),
        buys: count("SELECT COUNT(*) FROM buys")?.unsigned_abs(),
        units: (
            count("SELECT COALESCE(SUM(held), 0) FROM variants")?,
            count("SELECT COALESCE(SUM(sold), 0) FROM variants")?,
        ),
        differences: Vec::new(),
    };
    for check in CHECKS {
        let mut statement = connection.prepare(check)?;
        let found = statement.query_map([], |row| {
            Ok(Difference {
                place: row.get(0)?,
                what: row.get(1)?,
            })
        })?;
        audit.differences.extend(found.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(audit)
}
