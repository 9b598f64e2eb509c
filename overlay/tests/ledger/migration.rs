//! A ledger as version 1 left it is opened, and nothing that was answered is lost.

use overlay::ledger::{Action, Decision, SqliteLedger};
use overlay::message::OrderState;

use crate::server::Postgres;
use crate::till::{NOW, Place, Till, buy};

/// What version 1 wrote: two orders, of which one was paid.
const BOOKS: &str = r#"
INSERT INTO shows VALUES ('demo', 'Old', 'live', NULL, 1, 'mug');
INSERT INTO products VALUES ('demo', 'mug', 1, 'Mug', NULL, '[]', 0), ('demo', 'hat', 2, 'Hat', NULL, '[]', 0);
INSERT INTO variants VALUES ('demo', 'mug', 'mug', 0, 'One', 2400, 2900, 'EUR', 2, 1, 3, 10, 7, 2, 1, 4, 0);
INSERT INTO pins VALUES ('demo', 'hat', 1), ('demo', 'mug', 2);
INSERT INTO buys VALUES
    ('b1', 'demo', 'ann', '["demo",[["mug",2]],1]', '{"buy":"b1","outcome":"held","order_lines":[{"variant":"mug","quantity":2,"price":{"minor":2400,"currency":"EUR","exponent":2}}],"total":{"minor":4800,"currency":"EUR","exponent":2},"expires_at":1790000060000,"pay":"manual"}', 1789999999000),
    ('b2', 'demo', 'bob', '["demo",[["mug",1]],1]', '{"buy":"b2","outcome":"held","order_lines":[{"variant":"mug","quantity":1,"price":{"minor":2400,"currency":"EUR","exponent":2}}],"total":{"minor":2400,"currency":"EUR","exponent":2},"expires_at":1790000060000,"pay":"manual"}', 1789999999000),
    ('b3', 'demo', 'cid', '["demo",[["mug",99]],1]', '{"buy":"b3","outcome":"sold_out","variant":"mug"}', 1789999999000);
INSERT INTO orders VALUES ('b1', 'demo', 'ann', 'Ann', 'held', 4800, 'EUR', 2, 1790000060000, 1789999999000),
    ('b2', 'demo', 'bob', 'Bob', 'paid', 2400, 'EUR', 2, 1790000060000, 1789999999001);
INSERT INTO order_lines VALUES ('b1', 'mug', 2, 2400), ('b2', 'mug', 1, 2400);
INSERT INTO journal (at, show, variant, cause, buy, available, held, sold) VALUES
    (1, 'demo', 'mug', 'count', NULL, 10, 0, 0), (2, 'demo', 'mug', 'hold', 'b1', -2, 2, 0),
    (3, 'demo', 'mug', 'hold', 'b2', -1, 1, 0), (4, 'demo', 'mug', 'paid', 'b2', 0, -1, 1);
INSERT INTO prices (at, show, variant, minor) VALUES (1, 'demo', 'mug', 2900), (2, 'demo', 'mug', 2400);
PRAGMA user_version = 1;
"#;

/// Opens a ledger that older servers left like this.
fn till_after(statements: &[&str]) -> Till {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    for sql in statements {
        old.execute_batch(sql).unwrap();
    }
    drop(old);
    let mut till = Till {
        ledger: Box::new(SqliteLedger::open(&path).unwrap()),
        place: Place::File(folder),
        now: NOW,
    };
    till.check();
    till
}

#[test]
fn a_ledger_of_version_1_goes_on() {
    let mut till = till_after(&[include_str!("../../src/ledger/sqlite/1.sql"), BOOKS]);
    let show = till.ledger.shows().unwrap().remove(0);
    assert_eq!(show.pinned, ["mug", "hat"], "the newest first");
    assert_eq!((show.products.len(), show.open_orders.len()), (2, 1));
    assert_eq!(till.outcome("ann", "b1", "mug", 2), "held");
    assert_eq!(till.outcome("ann", "b1", "mug", 1), "conflict");
    assert_eq!(till.outcome("cid", "b3", "mug", 99), "sold_out");
    assert_eq!(till.receipt(buy("dan", "b4", "mug", 3)).outcome.name(), "held");
    till.settle("b2", OrderState::Refunded).unwrap();
    till.wait(60_000);
    assert_eq!(till.state("b1"), "released");
    assert!(matches!(till.one(Action::Orders), Ok(Decision::Orders(orders)) if orders.len() == 3));
    assert_eq!(till.available("mug"), 10);
    till.check();
}

#[test]
fn a_ledger_of_version_2_goes_on() {
    let mut till = till_after(&[
        include_str!("../../src/ledger/sqlite/1.sql"),
        BOOKS,
        include_str!("../../src/ledger/sqlite/2.sql"),
        "PRAGMA user_version = 2",
    ]);
    assert_eq!(till.outcome("ann", "b1", "mug", 2), "held");
    assert_eq!(till.ledger.undelivered(10).unwrap().len(), 2);
    till.wait(60_000);
    assert_eq!(till.state("b1"), "released");
    till.check();
}

#[test]
fn a_ledger_of_version_2_on_postgresql_goes_on() {
    let server = Postgres::start();
    let url = server.database();
    let mut old = postgres::Client::connect(&url, postgres::NoTls).unwrap();
    old.batch_execute(include_str!("../../src/ledger/postgres/2.sql"))
        .unwrap();
    old.batch_execute(
        "CREATE TABLE ledger_version (version BIGINT NOT NULL); INSERT INTO ledger_version VALUES (2)",
    )
    .unwrap();
    let mut till = Till::postgres(&url);
    assert_eq!(till.outcome("ann", "1", "candle", 2), "held");
    till.check();
    let version: i64 = old
        .query_one("SELECT version FROM ledger_version", &[])
        .unwrap()
        .get(0);
    assert_eq!(version, 3);
}

#[test]
fn a_ledger_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(SqliteLedger::open(&path).unwrap());
    let later = rusqlite::Connection::open(&path).unwrap();
    later.pragma_update(None, "user_version", 99).unwrap();
    let Err(error) = SqliteLedger::open(&path) else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("version 99"), "{error}");
}
