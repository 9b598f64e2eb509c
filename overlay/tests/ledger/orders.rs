use std::collections::HashSet;

use overlay::ledger::{Action, Decision, Ledger, Payment, Provider, Refusal, SqliteLedger};
use overlay::message::{HostCommand, Mode, OfferCommand, OrderState, Outcome, Sale, Terms};

use crate::till::{HOLD, Till};

pub(crate) fn a_hold_runs_out_and_its_units_come_back(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "tote-ink", 3), "held");
    assert_eq!(till.outcome("bob", "2", "tote-ink", 1), "sold_out");
    assert!(till.wait(HOLD - 1).orders.is_empty());
    // The deadline is the ledger's: another process keeps it as well.
    till.restart();
    let late = till.wait(1);
    assert_eq!(
        (&*late.orders[0].0, late.orders[0].1.state),
        ("demo", OrderState::Released)
    );
    assert_eq!(late.stock[0].1.available, 3);
    assert_eq!(till.outcome("bob", "3", "tote-ink", 1), "held");
    assert_eq!(
        till.outcome("ann", "1", "tote-ink", 3),
        "held",
        "the receipt stays what it was"
    );
    till.check();
}

pub(crate) fn orders_go_where_they_may(till: &mut Till) {
    for id in ["1", "2", "3"] {
        assert_eq!(till.outcome("ann", id, "candle", 2), "held");
    }
    till.settle("1", OrderState::Paid).unwrap();
    till.settle("1", OrderState::Paid).unwrap();
    assert!(matches!(till.cancel("bob", "2"), Err(Refusal::NotFound(_))));
    till.cancel("ann", "2").unwrap();
    till.cancel("ann", "2").unwrap();
    assert!(matches!(
        till.settle("2", OrderState::Paid),
        Err(Refusal::NotPossible(_))
    ));
    assert_eq!(till.available("candle"), 26);
    till.settle("1", OrderState::Refunded).unwrap();
    assert_eq!(till.available("candle"), 28);
    let broken = HostCommand::Settle {
        buy: "3".into(),
        state: OrderState::Refunded,
        restock: false,
    };
    till.settle("3", OrderState::Paid).unwrap();
    till.host(broken).unwrap();
    let count = till.count("candle");
    assert_eq!(
        (count.available, count.on_hand),
        (28, 28),
        "two are gone for good"
    );
    let Ok(Decision::Orders(orders)) = till.one(Action::Orders) else {
        panic!()
    };
    let states: HashSet<_> = orders
        .iter()
        .map(|order| (order.buy.as_str(), order.state.name()))
        .collect();
    assert_eq!(
        states,
        HashSet::from([("1", "refunded"), ("2", "cancelled"), ("3", "refunded")])
    );
    till.check();
}

pub(crate) fn a_late_payment_takes_what_is_free_or_is_to_be_refunded(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "tote-ink", 2), "held");
    assert_eq!(till.outcome("bob", "2", "tote-ink", 1), "held");
    till.wait(HOLD);
    assert_eq!(till.outcome("cid", "3", "tote-ink", 2), "held");
    till.settle("2", OrderState::Paid).unwrap();
    assert_eq!(till.state("2"), "paid", "one was free");
    till.settle("1", OrderState::Paid).unwrap();
    assert_eq!(till.state("1"), "refund_due");
    till.settle("1", OrderState::Refunded).unwrap();
    let count = till.count("tote-ink");
    assert_eq!((count.available, count.held, count.sold), (0, 2, 1));
    // A payment for what its buyer gave back is none the shop keeps.
    till.cancel("cid", "3").unwrap();
    let paid = Action::Payment {
        buy: "3".into(),
        event: Payment::Paid,
    };
    till.one(paid.clone()).unwrap();
    till.one(paid).unwrap();
    assert_eq!(till.state("3"), "refund_due");
    till.check();
}

pub(crate) fn what_is_paid_first_is_taken_with_the_payment(till: &mut Till) {
    let terms = Terms {
        mode: Mode::PayFirst,
        hold_seconds: Some(30),
        ..Terms::default()
    };
    till.offer(OfferCommand::SetTerms {
        variant: "tote-ink".into(),
        terms,
    })
    .unwrap();
    let Outcome::CheckoutOpen(bill) = till.buy("ann", "1", "tote-ink", 3) else {
        panic!()
    };
    assert_eq!(bill.expires_at, till.now + 30_000, "the offer's own time");
    assert_eq!(till.outcome("bob", "2", "tote-ink", 2), "checkout_open");
    assert_eq!(till.outcome("cid", "3", "tote-ink", 4), "sold_out");
    assert_eq!(till.available("tote-ink"), 3, "nothing is kept");
    till.settle("2", OrderState::Paid).unwrap();
    till.settle("1", OrderState::Paid).unwrap();
    assert_eq!((till.state("2"), till.state("1")), ("paid", "refund_due"));
    assert_eq!(till.outcome("dan", "4", "tote-ink", 1), "checkout_open");
    till.wait(30_000);
    assert_eq!(till.state("4"), "released");
    let count = till.count("tote-ink");
    assert_eq!((count.available, count.held, count.sold), (1, 0, 2));
    till.check();
}

/// A provider whose pages take their time to close.
struct Slow;

impl Provider for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }
    fn checkout(&self, order: &Sale) -> Option<String> {
        Some(format!("https://pay.example/{}", order.buy))
    }
    fn must_confirm_release(&self) -> bool {
        true
    }
}

pub(crate) fn a_provider_that_must_confirm_keeps_the_units_until_it_has(till: &mut Till) {
    till.restart_paid_by(Box::new(Slow));
    let Outcome::Held(bill) = till.buy("ann", "1", "tote-ink", 2) else {
        panic!()
    };
    assert_eq!(
        (bill.pay.as_str(), bill.checkout.as_deref()),
        ("slow", Some("https://pay.example/1"))
    );
    assert_eq!(till.outcome("bob", "2", "tote-ink", 1), "held");
    till.wait(HOLD);
    assert_eq!((till.state("1"), till.state("2")), ("releasing", "releasing"));
    assert_eq!(till.available("tote-ink"), 0, "a payment may be on its way");
    let event = |buy: &str, event| Action::Payment {
        buy: buy.into(),
        event,
    };
    till.one(event("1", Payment::Closed)).unwrap();
    till.one(event("2", Payment::Paid)).unwrap();
    till.one(event("2", Payment::Closed)).unwrap();
    assert_eq!((till.state("1"), till.state("2")), ("released", "paid"));
    till.one(event("2", Payment::Refunded { restock: true })).unwrap();
    assert_eq!(till.available("tote-ink"), 3);
    till.check();
}

pub(crate) fn the_world_is_told_each_step_once_it_is_noted_no_more(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "candle", 2), "held");
    assert_eq!(till.outcome("bob", "2", "candle", 1), "held");
    till.settle("1", OrderState::Paid).unwrap();
    till.cancel("bob", "2").unwrap();
    let events = till.ledger.undelivered(100).unwrap();
    let told: Vec<(String, i64, String)> = events
        .iter()
        .map(|event| {
            let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
            let order = &body["order"];
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (
                text(&order["buy"]),
                body["step"].as_i64().unwrap(),
                text(&order["state"]),
            )
        })
        .collect();
    let step = |buy: &str, step, state: &str| (buy.to_owned(), step, state.to_owned());
    assert_eq!(
        told,
        [
            step("1", 1, "held"),
            step("2", 1, "held"),
            step("1", 2, "paid"),
            step("2", 2, "cancelled")
        ]
    );
    assert_eq!(
        till.ledger.undelivered(100).unwrap(),
        events,
        "until it is delivered"
    );
    till.ledger.delivered(&events[..3]).unwrap();
    till.restart();
    assert_eq!(till.ledger.undelivered(100).unwrap(), events[3..]);
    till.check();
}

pub(crate) fn what_became_of_orders_is_forgotten_after_its_time(till: &mut Till) {
    const DAY: i64 = 86_400_000;
    assert_eq!(till.outcome("ann", "1", "candle", 2), "held");
    till.settle("1", OrderState::Paid).unwrap();
    till.now += 20 * DAY;
    assert_eq!(till.outcome("bob", "2", "candle", 1), "held");
    till.settle("2", OrderState::Paid).unwrap();
    till.wait(10 * DAY);
    assert_eq!(till.ledger.undelivered(100).unwrap().len(), 4, "thirty days");
    assert!(
        till.sql("DELETE FROM outbox").is_err(),
        "nobody forgets what is not old enough"
    );
    till.wait(600_000);
    let left = till.ledger.undelivered(100).unwrap();
    assert_eq!(left.len(), 2, "delivered or not");
    assert!(left.iter().all(|event| event.body.contains(r#""buy":"2""#)));
    till.check();
    // The rest is as before: an order goes on, and its events from then on are whole.
    till.settle("1", OrderState::Refunded).unwrap();
    assert_eq!(till.ledger.undelivered(100).unwrap().len(), 3);
    till.check();
    let mut file = Vec::new();
    till.ledger.back_up(&mut file).unwrap();
    let mut elsewhere = SqliteLedger::in_memory().unwrap();
    elsewhere.restore(&mut file.as_slice()).unwrap();
    assert_eq!(elsewhere.undelivered(100).unwrap().len(), 3);
    // Whoever makes events go away that are not old enough is found out.
    till.sql("UPDATE orders SET step = step + 1, rev = rev + 1 WHERE buy = '2'")
        .unwrap();
    let found = till.audit().differences;
    assert!(found[0].what.contains("after 3 steps"), "{found:?}");
}
