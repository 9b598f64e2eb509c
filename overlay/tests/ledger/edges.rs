//! What is only seen at the edge: a millisecond, a unit, an order more or less.

use overlay::ledger::{Action, Decision, Payment};
use overlay::message::{
    BuyMessage, Discount, HostCommand, Mode, OfferCommand, OrderState, Product, Promo, Terms,
};

use crate::till::{HOLD, NOW, Till, buys, message, queue};

fn terms(till: &mut Till, variant: &str, per_customer: Option<i64>, allotment: Option<i64>) {
    let terms = Terms {
        per_customer,
        allotment,
        ..Terms::default()
    };
    let variant = variant.into();
    till.offer(OfferCommand::SetTerms { variant, terms }).unwrap();
}

fn flash(till: &mut Till, variant: &str, quantity: Option<i64>, per_customer: Option<i64>) {
    let start = OfferCommand::StartFlash {
        variant: variant.into(),
        minor: 100,
        starts_at: None,
        lasts_ms: 3_600_000,
        quantity,
        per_customer,
    };
    till.offer(start).unwrap();
}

/// A buy at whatever price it is.
fn outcome(till: &mut Till, subject: &str, id: &str, variant: &str, quantity: i64) -> &'static str {
    buy_with(till, subject, message(id, variant, quantity))
}

fn buy_with(till: &mut Till, subject: &str, buy: BuyMessage) -> &'static str {
    let price_version = i64::MAX;
    till.receipt(buys(subject, BuyMessage { price_version, ..buy }))
        .outcome
        .name()
}

pub(crate) fn what_is_paid_counts_for_a_customers_limit(till: &mut Till) {
    terms(till, "candle", Some(2), None);
    assert_eq!(outcome(till, "ann", "1", "candle", 2), "held");
    till.settle("1", OrderState::Paid).unwrap();
    assert_eq!(outcome(till, "ann", "2", "candle", 1), "limit_reached");
    assert_eq!(outcome(till, "bob", "3", "candle", 3), "limit_reached");
    assert_eq!(outcome(till, "bob", "4", "candle", 2), "held");
}

pub(crate) fn a_flash_sale_has_a_limit_of_its_own(till: &mut Till) {
    flash(till, "candle", None, Some(1));
    assert_eq!(outcome(till, "ann", "1", "candle", 2), "limit_reached");
    assert_eq!(outcome(till, "ann", "2", "candle", 1), "held");
    assert_eq!(outcome(till, "ann", "3", "candle", 1), "limit_reached");
}

pub(crate) fn a_hold_lasts_to_its_last_millisecond(till: &mut Till) {
    assert_eq!(outcome(till, "ann", "1", "candle", 1), "held");
    till.wait(HOLD - 1);
    assert_eq!(till.state("1"), "held");
    till.wait(1);
    assert_eq!(till.state("1"), "released");
}

pub(crate) fn a_late_payment_does_not_overtake_those_who_wait(till: &mut Till) {
    assert_eq!(outcome(till, "ann", "1", "tote-ink", 1), "held");
    till.wait(HOLD);
    assert_eq!(outcome(till, "bob", "2", "tote-ink", 2), "held");
    // One is left, and two are waited for.
    let waits = till.receipt(queue("cid", "3", "tote-ink", 2));
    assert_eq!(waits.outcome.name(), "waitlisted");
    till.settle("1", OrderState::Paid).unwrap();
    assert_eq!(till.state("1"), "refund_due");
    till.check();
}

pub(crate) fn what_is_sold_and_what_is_exchanged_counts_for_an_allotment(till: &mut Till) {
    terms(till, "candle", None, Some(3));
    assert_eq!(outcome(till, "ann", "1", "candle", 2), "held");
    till.settle("1", OrderState::Paid).unwrap();
    assert_eq!(outcome(till, "bob", "2", "candle", 2), "sold_out");
    assert_eq!(outcome(till, "bob", "3", "candle", 1), "held");
    let again = BuyMessage {
        replaces: Some("3".into()),
        ..message("4", "candle", 1)
    };
    assert_eq!(
        buy_with(till, "bob", again),
        "held",
        "its own unit is given back for it"
    );
    terms(till, "candle", None, Some(4));
    let more = BuyMessage {
        replaces: Some("4".into()),
        ..message("5", "candle", 2)
    };
    assert_eq!(buy_with(till, "bob", more), "held", "and counts for more of them");
    till.check();
}

pub(crate) fn units_of_another_price_are_none_of_a_flash_sales(till: &mut Till) {
    assert_eq!(outcome(till, "ann", "1", "candle", 2), "held");
    flash(till, "candle", Some(1), None);
    let cheaper = BuyMessage {
        replaces: Some("1".into()),
        ..message("2", "candle", 2)
    };
    assert_eq!(buy_with(till, "ann", cheaper), "sold_out");
    assert_eq!(till.state("1"), "held");
    till.check();
}

pub(crate) fn with_a_flash_sale_ends_what_kept_others_waiting(till: &mut Till) {
    flash(till, "candle", Some(1), None);
    assert_eq!(outcome(till, "ann", "1", "candle", 1), "held");
    let waits = till.receipt(queue("bob", "2", "candle", 1));
    assert_eq!(waits.outcome.name(), "waitlisted");
    let variant = "candle".into();
    till.offer(OfferCommand::EndFlash { variant }).unwrap();
    assert_eq!(till.state("2"), "held");
    till.check();
}

pub(crate) fn a_code_is_valid_from_its_first_to_its_last_millisecond_for_as_many_as_it_says(till: &mut Till) {
    let promo = Promo {
        code: "X".into(),
        discount: Discount::BasisPoints(1000),
        limit: Some(1),
        per_customer: None,
        starts_at: Some(NOW + 1000),
        ends_at: Some(NOW + 2000),
        used: 0,
    };
    till.offer(OfferCommand::PutPromo(promo)).unwrap();
    let with_code = |id: &str, replaces: Option<&str>| BuyMessage {
        promo: Some("X".into()),
        replaces: replaces.map(str::to_owned),
        ..message(id, "candle", 1)
    };
    till.now = NOW + 999;
    assert_eq!(buy_with(till, "ann", with_code("1", None)), "rejected");
    till.now = NOW + 1000;
    assert_eq!(buy_with(till, "ann", with_code("2", None)), "held");
    assert_eq!(buy_with(till, "bob", with_code("3", None)), "rejected", "used up");
    till.now = NOW + 1999;
    assert_eq!(
        buy_with(till, "ann", with_code("4", Some("2"))),
        "held",
        "its own use is given back"
    );
    till.cancel("ann", "4").unwrap();
    till.now = NOW + 2000;
    assert_eq!(buy_with(till, "bob", with_code("5", None)), "rejected");
    till.check();
}

pub(crate) fn a_code_that_is_put_again_has_been_used_as_often(till: &mut Till) {
    let promo = || Promo {
        code: "X".into(),
        discount: Discount::BasisPoints(1000),
        limit: Some(1),
        per_customer: None,
        starts_at: None,
        ends_at: None,
        used: 0,
    };
    till.offer(OfferCommand::PutPromo(promo())).unwrap();
    let with_code = |id: &str| BuyMessage {
        promo: Some("X".into()),
        ..message(id, "candle", 1)
    };
    assert_eq!(buy_with(till, "ann", with_code("1")), "held");
    till.offer(OfferCommand::PutPromo(promo())).unwrap();
    assert_eq!(buy_with(till, "bob", with_code("2")), "rejected", "used up");
    let more = Promo {
        limit: Some(2),
        ..promo()
    };
    till.offer(OfferCommand::PutPromo(more)).unwrap();
    assert_eq!(buy_with(till, "bob", with_code("3")), "held");
    assert_eq!(buy_with(till, "cid", with_code("4")), "rejected", "used up");
    till.check();
}

pub(crate) fn a_code_that_is_gone_at_the_turn_is_not_used(till: &mut Till) {
    let promo = Promo {
        code: "X".into(),
        discount: Discount::BasisPoints(1000),
        limit: None,
        per_customer: None,
        starts_at: None,
        ends_at: None,
        used: 0,
    };
    till.offer(OfferCommand::PutPromo(promo)).unwrap();
    assert_eq!(outcome(till, "ann", "1", "tote-ink", 3), "held");
    let waits = BuyMessage {
        waitlist: true,
        promo: Some("X".into()),
        ..message("2", "tote-ink", 1)
    };
    assert_eq!(buy_with(till, "bob", waits), "waitlisted");
    till.offer(OfferCommand::RemovePromo { code: "X".into() })
        .unwrap();
    till.cancel("ann", "1").unwrap();
    let order = till.order("2");
    assert_eq!(
        (order.state, order.promo, order.discount),
        (OrderState::Held, None, None)
    );
    assert_eq!(order.total.minor, 1900);
    till.check();
}

pub(crate) fn a_refund_of_what_was_never_taken_leaves_the_stock_alone(till: &mut Till) {
    assert_eq!(outcome(till, "ann", "1", "candle", 2), "held");
    till.cancel("ann", "1").unwrap();
    let paid = Action::Payment {
        buy: "1".into(),
        event: Payment::Paid,
    };
    till.one(paid).unwrap();
    assert_eq!(till.state("1"), "refund_due");
    let refund = HostCommand::Settle {
        buy: "1".into(),
        state: OrderState::Refunded,
        restock: false,
    };
    till.host(refund).unwrap();
    let count = till.count("candle");
    assert_eq!((count.on_hand, count.available), (30, 30));
    till.check();
}

pub(crate) fn what_differs_is_bought_apart_and_kept_for_the_shorter_time(till: &mut Till) {
    let two = |id: &str| {
        let mut buy = message(id, "candle", 1);
        buy.lines.extend(message(id, "lamp", 1).lines);
        buy
    };
    let short = |variant: &str, mode, seconds| OfferCommand::SetTerms {
        variant: variant.into(),
        terms: Terms {
            mode,
            hold_seconds: Some(seconds),
            ..Terms::default()
        },
    };
    till.offer(short("candle", Mode::Hold, 20)).unwrap();
    till.offer(short("lamp", Mode::Hold, 10)).unwrap();
    assert_eq!(buy_with(till, "ann", two("1")), "held");
    assert_eq!(till.order("1").expires_at, till.now + 10_000);
    till.offer(short("lamp", Mode::PayFirst, 10)).unwrap();
    assert_eq!(buy_with(till, "ann", two("2")), "rejected", "one is paid first");
    till.offer(short("lamp", Mode::Hold, 10)).unwrap();
    let mut lamp = product(till, "lamp");
    lamp.variants[0].price.currency = "USD".into();
    till.host(HostCommand::PutProduct(Box::new(lamp))).unwrap();
    assert_eq!(buy_with(till, "ann", two("3")), "rejected", "two currencies");
    till.check();
}

fn product(till: &mut Till, id: &str) -> Product {
    let products = till.ledger.shows().unwrap().remove(0).products;
    products.into_iter().find(|product| product.id == id).unwrap()
}

pub(crate) fn a_product_that_is_put_again_is_what_it_says(till: &mut Till) {
    let mut mug = product(till, "mug");
    mug.variants[0].price.minor += 100;
    mug.variants[0].was = None;
    let left_out = mug.variants.remove(1);
    till.host(HostCommand::PutProduct(Box::new(mug.clone()))).unwrap();
    // Who has not seen the new price does not pay it.
    assert_eq!(till.outcome("ann", "1", &mug.variants[0].id, 1), "price_changed");
    assert_eq!(outcome(till, "ann", "2", &left_out.id, 1), "not_on_sale");
    let mut lamp = product(till, "lamp");
    lamp.variants.push(left_out);
    let taken = till.host(HostCommand::PutProduct(Box::new(lamp)));
    assert!(taken.is_err(), "a variant has one product for ever");
    till.check();
}

pub(crate) fn another_allotment_is_another_count(till: &mut Till) {
    let before = till.count("lamp");
    let mut lamp = product(till, "lamp");
    lamp.variants[0].allotment = Some(before.available - 1);
    let put = till.answer(Action::Change(HostCommand::PutProduct(Box::new(lamp.clone()))));
    let told: Vec<_> = put.stock.iter().map(|(_, count)| count.clone()).collect();
    let now = till.count("lamp");
    assert_eq!(told, std::slice::from_ref(&now), "everybody is told");
    assert_eq!(now.for_sale, before.for_sale - 1);
    assert!(
        now.version > before.version,
        "it is newer than what was told before"
    );
    // Put as it is, it is the same count.
    till.host(HostCommand::PutProduct(Box::new(lamp))).unwrap();
    assert_eq!(till.count("lamp").version, now.version);
    till.check();
}

pub(crate) fn a_key_is_known_for_a_day(till: &mut Till) {
    const DAY: i64 = 86_400_000;
    let add = |till: &mut Till| {
        let once = Action::ChangeOnce {
            key: Some("k".into()),
            if_version: None,
            command: HostCommand::AddStock {
                variant: "candle".into(),
                delta: 1,
            },
            body: "add one".into(),
        };
        let Ok(Decision::Stock(count)) = till.one(once) else {
            panic!("no count")
        };
        count.on_hand
    };
    assert_eq!(add(till), 31);
    till.wait(1000);
    assert_eq!(add(till), 31, "once");
    // Keys are looked through every ten minutes.
    till.now = NOW + DAY - 600_000;
    till.wait(600_000);
    assert_eq!(add(till), 31, "a day is not over");
    till.wait(600_000);
    assert_eq!(add(till), 32, "it is another change by now");
    till.check();
}
