//! The ledger under load: nothing is sold twice, whoever asks twice hears the same.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::HashSet;
use std::sync::Arc;

use overlay::UnixMillis;
use overlay::catalogue::demo;
use overlay::ledger::{Action, Answer, Buyer, Command, Decision, Ledger, Refusal, SqliteLedger, Ticket};
use overlay::message::{BuyMessage, HostCommand, Line, OrderState, Outcome, Receipt};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const HOLD: i64 = 60_000;

fn ledger() -> SqliteLedger {
    let mut ledger = SqliteLedger::in_memory().unwrap();
    assert!(ledger.seed(NOW, &demo().unwrap()).unwrap());
    ledger
}

fn buy(subject: &str, id: &str, variant: &str, quantity: i64) -> Action {
    Action::Buy {
        buyer: Buyer {
            subject: subject.into(),
            name: subject.into(),
        },
        buy: BuyMessage {
            id: id.into(),
            lines: vec![Line {
                variant: variant.into(),
                quantity,
            }],
            price_version: 1,
            ..BuyMessage::default()
        },
        hold_ms: HOLD,
        turn_ms: HOLD,
    }
}

fn decide(ledger: &mut SqliteLedger, now: UnixMillis, actions: Vec<Action>) -> Vec<Answer> {
    let commands = (0..).zip(actions).map(|(ticket, action)| Command {
        ticket: Ticket(ticket),
        show: Arc::from("demo"),
        action,
    });
    ledger.decide(now, commands.collect())
}

fn one(ledger: &mut SqliteLedger, action: Action) -> Result<Decision, Refusal> {
    decide(ledger, NOW, vec![action]).remove(0).decision
}

fn receipt(decision: Result<Decision, Refusal>) -> Receipt {
    match decision {
        Ok(Decision::Receipt(receipt)) => receipt,
        other => panic!("{other:?}"),
    }
}

fn outcome(ledger: &mut SqliteLedger, action: Action) -> &'static str {
    receipt(one(ledger, action)).outcome.name()
}

fn available(ledger: &mut SqliteLedger, variant: &str) -> i64 {
    let shows = ledger.shows().unwrap();
    let mut variants = shows[0].products.iter().flat_map(|product| &product.variants);
    variants.find(|known| known.id == variant).unwrap().available
}

fn check(ledger: &mut SqliteLedger) {
    assert_eq!(ledger.audit().unwrap().differences, []);
}

#[test]
fn thousands_want_a_hundred_and_a_hundred_are_sold() {
    let mut ledger = ledger();
    one(
        &mut ledger,
        Action::Change(HostCommand::AddStock {
            variant: "candle".into(),
            delta: 70,
        }),
    )
    .unwrap();
    let mut held = HashSet::new();
    let mut first = Vec::new();
    for batch in 0..30 {
        // Everybody asks twice, some in the same batch, some much later.
        let actions = (0..100).flat_map(|n| {
            let buyer = batch * 100 + n;
            let earlier = buyer / 2;
            [buyer, earlier].map(|who| buy(&format!("u{who}"), &format!("b{who}"), "candle", 1))
        });
        for answer in decide(&mut ledger, NOW, actions.collect()) {
            let receipt = receipt(answer.decision);
            if receipt.outcome.name() == "held" {
                held.insert(receipt.buy.clone());
            }
            first.push(receipt);
        }
    }
    assert_eq!(held.len(), 100);
    assert_eq!(available(&mut ledger, "candle"), 0);
    for earlier in first.iter().step_by(37) {
        let who = &earlier.buy[1..];
        let again = receipt(one(
            &mut ledger,
            buy(&format!("u{who}"), &earlier.buy, "candle", 1),
        ));
        assert_eq!(&again, earlier, "the same for ever");
    }
    check(&mut ledger);
}

#[test]
fn an_id_belongs_to_one_buy_of_one_buyer() {
    let mut ledger = ledger();
    assert_eq!(outcome(&mut ledger, buy("ann", "b", "mug-sand", 1)), "held");
    assert_eq!(outcome(&mut ledger, buy("ann", "b", "mug-sand", 2)), "conflict");
    assert_eq!(outcome(&mut ledger, buy("bob", "b", "mug-sand", 1)), "conflict");
    assert_eq!(outcome(&mut ledger, buy("ann", "b", "mug-sand", 1)), "held");
    assert_eq!(available(&mut ledger, "mug-sand"), 39);
}

#[test]
fn limits_prices_and_the_state_of_the_show_are_judged() {
    let mut ledger = ledger();
    assert_eq!(outcome(&mut ledger, buy("ann", "1", "lamp", 1)), "held");
    assert_eq!(outcome(&mut ledger, buy("ann", "2", "lamp", 1)), "limit_reached");
    assert_eq!(
        outcome(&mut ledger, buy("ann", "3", "scarf-night", 1)),
        "sold_out"
    );
    assert_eq!(outcome(&mut ledger, buy("ann", "4", "sofa", 1)), "not_on_sale");
    let price = HostCommand::SetPrice {
        variant: "candle".into(),
        minor: 2800,
        was_minor: Some(3200),
    };
    one(&mut ledger, Action::Change(price)).unwrap();
    assert_eq!(
        outcome(&mut ledger, buy("ann", "5", "notebook", 1)),
        "held",
        "its price is the same"
    );
    let changed = receipt(one(&mut ledger, buy("ann", "6", "candle", 1)));
    let Outcome::PriceChanged {
        price_version,
        prices,
    } = changed.outcome
    else {
        panic!()
    };
    assert_eq!((price_version, prices[0].price.minor), (2, 2800));
    one(
        &mut ledger,
        Action::Change(HostCommand::ShowState(overlay::message::ShowState::Ended)),
    )
    .unwrap();
    assert_eq!(
        outcome(&mut ledger, buy("ann", "7", "notebook", 1)),
        "not_on_sale"
    );
    check(&mut ledger);
}

#[test]
fn a_hold_runs_out_and_its_units_come_back() {
    let mut ledger = ledger();
    assert_eq!(outcome(&mut ledger, buy("ann", "1", "tote-ink", 3)), "held");
    assert_eq!(outcome(&mut ledger, buy("bob", "2", "tote-ink", 1)), "sold_out");
    let early = decide(&mut ledger, UnixMillis(NOW.0 + HOLD - 1), vec![Action::Tick]).remove(0);
    assert!(early.orders.is_empty());
    let late = decide(&mut ledger, UnixMillis(NOW.0 + HOLD), vec![Action::Tick]).remove(0);
    assert_eq!(
        (&*late.orders[0].0, late.orders[0].1.state),
        ("demo", OrderState::Released)
    );
    assert_eq!(late.stock[0].1.available, 3);
    assert_eq!(outcome(&mut ledger, buy("bob", "3", "tote-ink", 1)), "held");
    assert_eq!(
        outcome(&mut ledger, buy("ann", "1", "tote-ink", 3)),
        "held",
        "the receipt stays what it was"
    );
    check(&mut ledger);
}

#[test]
fn orders_go_where_they_may() {
    let mut ledger = ledger();
    for id in ["1", "2", "3"] {
        assert_eq!(outcome(&mut ledger, buy("ann", id, "candle", 2)), "held");
    }
    let settle = |buy: &str, state| {
        Action::Change(HostCommand::Settle {
            buy: buy.into(),
            state,
            restock: true,
        })
    };
    one(&mut ledger, settle("1", OrderState::Paid)).unwrap();
    one(&mut ledger, settle("1", OrderState::Paid)).unwrap();
    let cancel = |subject: &str, buy: &str| Action::Cancel {
        subject: subject.into(),
        buy: buy.into(),
    };
    assert!(matches!(
        one(&mut ledger, cancel("bob", "2")),
        Err(Refusal::NotFound(_))
    ));
    one(&mut ledger, cancel("ann", "2")).unwrap();
    one(&mut ledger, cancel("ann", "2")).unwrap();
    assert!(matches!(
        one(&mut ledger, settle("2", OrderState::Paid)),
        Err(Refusal::NotPossible(_))
    ));
    assert_eq!(available(&mut ledger, "candle"), 26);
    one(&mut ledger, settle("1", OrderState::Refunded)).unwrap();
    assert_eq!(available(&mut ledger, "candle"), 28);
    let Ok(Decision::Orders(orders)) = one(&mut ledger, Action::Orders) else {
        panic!()
    };
    let states: HashSet<_> = orders
        .iter()
        .map(|order| (order.buy.as_str(), order.state.name()))
        .collect();
    assert_eq!(
        states,
        HashSet::from([("1", "refunded"), ("2", "cancelled"), ("3", "held")])
    );
    check(&mut ledger);
}

#[test]
fn stock_is_counted_in_with_compare_and_set() {
    let mut ledger = ledger();
    assert_eq!(outcome(&mut ledger, buy("ann", "1", "candle", 4)), "held");
    let set = |on_hand, version| {
        Action::Change(HostCommand::SetStock {
            variant: "candle".into(),
            on_hand,
            version,
        })
    };
    assert_eq!(one(&mut ledger, set(50, Some(1))), Err(Refusal::Stale(2)));
    let Ok(Decision::Stock(item)) = one(&mut ledger, set(50, Some(2))) else {
        panic!()
    };
    assert_eq!((item.available, item.version), (46, 3));
    assert!(matches!(
        one(&mut ledger, set(3, None)),
        Err(Refusal::NotPossible(_))
    ));
    assert_eq!(available(&mut ledger, "candle"), 46);
    check(&mut ledger);
}

#[test]
fn what_was_answered_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = SqliteLedger::open(&path).unwrap();
    ledger.seed(NOW, &demo().unwrap()).unwrap();
    let first = receipt(one(&mut ledger, buy("ann", "1", "lamp", 1)));
    drop(ledger);
    let mut ledger = SqliteLedger::open(&path).unwrap();
    assert!(
        !ledger.seed(NOW, &demo().unwrap()).unwrap(),
        "it is there already"
    );
    assert_eq!(receipt(one(&mut ledger, buy("ann", "1", "lamp", 1))), first);
    assert_eq!(available(&mut ledger, "lamp"), 9);
    check(&mut ledger);
}

#[test]
fn an_audit_finds_what_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = SqliteLedger::open(&path).unwrap();
    ledger.seed(NOW, &demo().unwrap()).unwrap();
    receipt(one(&mut ledger, buy("ann", "1", "lamp", 1)));
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute(
            "UPDATE variants SET available = available + 1, on_hand = on_hand + 1 WHERE id = 'candle'",
            [],
        )
        .unwrap();
    database.execute("UPDATE orders SET state = 'paid'", []).unwrap();
    let places: Vec<String> = ledger
        .audit()
        .unwrap()
        .differences
        .into_iter()
        .map(|found| found.place)
        .collect();
    assert_eq!(places, ["demo/candle", "demo/lamp"]);
    let oversold = database.execute("UPDATE variants SET available = -1, held = held + 1", []);
    assert!(oversold.is_err(), "the table itself refuses");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_happens_the_books_are_right(steps in proptest::collection::vec((0u8..7, 0u8..4, 1i64..5, 0u8..30), 1..60)) {
        let mut ledger = ledger();
        let variants = ["tote-ink", "candle", "lamp", "mug-sand"];
        let mut now = NOW.0;
        for (step, which, quantity, id) in steps {
            let variant = variants[usize::from(which)].to_owned();
            let (buyer, id) = (format!("u{}", id % 5), format!("b{id}"));
            let action = match step {
                0..=2 => buy(&buyer, &id, &variant, quantity),
                3 => Action::Cancel { subject: buyer, buy: id },
                4 => Action::Change(HostCommand::Settle { buy: id, state: OrderState::Paid, restock: true }),
                5 => Action::Change(HostCommand::AddStock { variant, delta: quantity - 3 }),
                _ => { now += HOLD / 3; Action::Tick }
            };
            decide(&mut ledger, UnixMillis(now), vec![action]);
        }
        check(&mut ledger);
    }
}
