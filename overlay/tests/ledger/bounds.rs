//! Bounds of the ledger's own, at them and one beyond.

use overlay::ledger::{Action, Decision, Refusal};
use overlay::message::{Discount, HostCommand, Money, OfferCommand, Product, Promo, Terms, Variant};

use crate::till::{HOLD, Till, buy, queue};

fn eur(minor: i64) -> Money {
    Money {
        minor,
        currency: "EUR".into(),
        exponent: 2,
    }
}

fn product(id: &str, variants: usize) -> Product {
    let variant = |number| Variant {
        id: format!("{id}-{number}"),
        title: "One".into(),
        price: eur(100),
        ..Variant::default()
    };
    Product {
        id: id.into(),
        title: id.into(),
        description: None,
        images: Vec::new(),
        variants: (0..variants).map(variant).collect(),
        version: 0,
    }
}

fn put(till: &mut Till, product: &Product) -> Result<Decision, Refusal> {
    till.host(HostCommand::PutProduct(Box::new(product.clone())))
}

fn refused(decision: Result<Decision, Refusal>, why: &str) {
    match decision {
        Err(Refusal::NotPossible(text)) => assert!(text.contains(why), "{text}"),
        other => panic!("{other:?}"),
    }
}

fn all_at_once(till: &mut Till, commands: Vec<HostCommand>) {
    for answer in till.decide(commands.into_iter().map(Action::Change).collect()) {
        assert!(answer.decision.is_ok(), "{:?}", answer.decision);
    }
}

pub(crate) fn a_show_has_as_many_products_and_variants_as_fit_one(till: &mut Till) {
    let show = till.ledger.shows().unwrap().remove(0);
    let products = show.products.len();
    let new = |number: usize| product(&format!("new{number}"), 1);
    let fill = (products..500).map(|number| HostCommand::PutProduct(Box::new(new(number))));
    all_at_once(till, fill.collect());
    refused(put(till, &new(500)), "at most 500 products");
    assert!(put(till, &new(499)).is_ok(), "one that is there is changed");
    till.host(HostCommand::RemoveProduct {
        product: "new499".into(),
    })
    .unwrap();
    assert!(put(till, &new(500)).is_ok());
    // Variants: those that were removed count, they have their orders.
    let variants = show
        .products
        .iter()
        .map(|product| product.variants.len())
        .sum::<usize>()
        + 501
        - products;
    let mut left = 5000 - variants;
    let mut wide = Vec::new();
    for number in products..499 {
        let more = left.min(49);
        left -= more;
        wide.push(HostCommand::PutProduct(Box::new(product(
            &format!("new{number}"),
            1 + more,
        ))));
    }
    assert_eq!(left, 0);
    all_at_once(till, wide);
    let mut one_more = new(500);
    one_more.variants.push(product("x", 1).variants.remove(0));
    refused(put(till, &one_more), "at most 5000 variants");
    assert!(put(till, &new(500)).is_ok(), "those that are there are changed");
    till.check();
}

pub(crate) fn the_oldest_pins_make_room(till: &mut Till) {
    for number in 0..13 {
        let id = format!("new{number}");
        put(till, &product(&id, 1)).unwrap();
        let pinned = till.host(HostCommand::Pin {
            product: id,
            featured: false,
        });
        let Ok(Decision::Show(show)) = pinned else {
            panic!("{pinned:?}")
        };
        assert!(show.pinned.len() <= 12);
        assert_eq!(show.pinned[0], format!("new{number}"));
    }
    let show = till.ledger.shows().unwrap().remove(0);
    assert_eq!(show.pinned.len(), 12);
    assert_eq!(show.pinned.last().map(String::as_str), Some("new1"));
}

pub(crate) fn a_show_has_at_most_a_thousand_codes(till: &mut Till) {
    let code = |number: usize| {
        let promo = Promo {
            code: format!("CODE{number}"),
            discount: Discount::BasisPoints(100),
            limit: None,
            per_customer: None,
            starts_at: None,
            ends_at: None,
            used: 0,
        };
        HostCommand::Offer(Box::new(OfferCommand::PutPromo(promo)))
    };
    all_at_once(till, (0..1000).map(code).collect());
    refused(till.host(code(1000)), "at most 1000 promo codes");
    assert!(till.host(code(999)).is_ok(), "one that is there is changed");
    let remove = OfferCommand::RemovePromo { code: "CODE0".into() };
    till.offer(remove).unwrap();
    refused(till.host(code(1000)), "those removed with them");
}

pub(crate) fn a_waitlist_has_its_length_and_stock_its_height(till: &mut Till) {
    till.add("candle", 1_000_000_000 - 30);
    let add = |delta| HostCommand::AddStock {
        variant: "candle".into(),
        delta,
    };
    refused(till.host(add(1)), "at most 1000000000 of candle");
    // Everything is for this show alone, and nothing of it: so everybody waits.
    let none = Terms {
        allotment: Some(0),
        ..Terms::default()
    };
    till.offer(OfferCommand::SetTerms {
        variant: "candle".into(),
        terms: none,
    })
    .unwrap();
    let names: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let waiting: Vec<Action> = names[..100]
        .iter()
        .map(|name| queue(name, name, "candle", 1000))
        .collect();
    for answer in till.decide(waiting) {
        assert_eq!(crate::till::receipt(answer.decision).outcome.name(), "waitlisted");
    }
    assert_eq!(till.count("candle").waiting, 100_000);
    let more = till.receipt(queue("more", "more", "candle", 1));
    assert_eq!(more.outcome.name(), "sold_out", "the list is full");
    till.cancel("0", "0").unwrap();
    let more = till.receipt(queue("more", "again", "candle", 1000));
    assert_eq!(more.outcome.name(), "waitlisted");
    till.host(add(-1_000_000_000)).unwrap();
    refused(till.host(add(-1)), "at least 0 must be on hand");
    till.check();
}

pub(crate) fn a_total_that_is_no_number_is_refused(till: &mut Till) {
    let price = |minor| HostCommand::SetPrice {
        variant: "notebook".into(),
        minor,
        was_minor: None,
    };
    till.add("notebook", 1000);
    till.host(price(i64::MAX / 2)).unwrap();
    let buy = |id: &str, quantity| {
        let mut buy = crate::till::message(id, "notebook", quantity);
        buy.price_version = i64::MAX;
        crate::till::buys("ann", buy)
    };
    assert_eq!(till.receipt(buy("2", 2)).outcome.name(), "held");
    let refused = till.receipt(buy("3", 3)).outcome;
    let overlay::message::Outcome::Rejected { reason } = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("too large"), "{reason}");
    till.check();
}

pub(crate) fn a_list_has_the_newest_five_hundred_orders(till: &mut Till) {
    till.add("notebook", 1000);
    let one = |number: usize| buy(&format!("u{number}"), &format!("{number:03}"), "notebook", 1);
    till.decide((0..501).map(one).collect());
    let Ok(Decision::Orders(orders)) = till.one(Action::Orders) else {
        panic!()
    };
    assert_eq!(orders.len(), 500);
    assert!(
        orders.iter().all(|order| order.buy != "000"),
        "the oldest is left out"
    );
}

pub(crate) fn a_tick_ends_a_thousand_holds(till: &mut Till) {
    till.add("notebook", 2000);
    let hold = |number: usize| buy(&format!("u{number}"), &format!("b{number}"), "notebook", 1);
    till.decide((0..1001).map(hold).collect());
    assert_eq!(till.count("notebook").held, 1001);
    till.wait(HOLD);
    assert_eq!(till.count("notebook").held, 1, "the rest follows");
    till.wait(1);
    assert_eq!(till.count("notebook").held, 0);
    till.check();
}

pub(crate) fn a_tick_looks_at_a_hundred_lists(till: &mut Till) {
    let new = (0..101).map(|number| HostCommand::PutProduct(Box::new(product(&format!("new{number}"), 1))));
    all_at_once(till, new.collect());
    let on_hand = |number| HostCommand::AddStock {
        variant: format!("new{number}-0"),
        delta: 1,
    };
    all_at_once(till, (0..101).map(on_hand).collect());
    for who in ["has", "waits"] {
        let buy = |number| {
            let buy = format!("{who}{number}");
            queue(&buy, &buy, &format!("new{number}-0"), 1)
        };
        till.decide((0..101).map(buy).collect());
    }
    let left = |till: &mut Till| match till.one(Action::Counts) {
        Ok(Decision::Counts(counts)) => counts.iter().map(|count| count.waiting).sum::<i64>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(left(till), 101);
    // As after a batch that served the first two hundred of each: something is free, and somebody waits.
    let free = "UPDATE variants SET on_hand = on_hand + 1, available = available + 1, rev = rev + 1 WHERE waiting > 0";
    till.sql(free).unwrap();
    till.wait(1);
    assert_eq!(left(till), 1, "the rest follows");
    till.wait(1);
    assert_eq!(left(till), 0);
}

pub(crate) fn lists_that_stay_do_not_hide_others_from_the_tick(till: &mut Till) {
    let new =
        (0..201).map(|number| HostCommand::PutProduct(Box::new(product(&format!("new{number:03}"), 1))));
    all_at_once(till, new.collect());
    let on_hand = |number| HostCommand::AddStock {
        variant: format!("new{number:03}-0"),
        delta: 3,
    };
    all_at_once(till, (0..201).map(on_hand).collect());
    let has = |number| {
        buy(
            &format!("has{number}"),
            &format!("has{number}"),
            &format!("new{number:03}-0"),
            3,
        )
    };
    till.decide((0..201).map(has).collect());
    // Everywhere somebody waits for three; in the last list for one.
    let wait = |number| {
        let (buy, quantity) = (format!("waits{number}"), if number == 200 { 1 } else { 3 });
        queue(&buy, &buy, &format!("new{number:03}-0"), quantity)
    };
    till.decide((0..201).map(wait).collect());
    let left = |till: &mut Till| match till.one(Action::Counts) {
        Ok(Decision::Counts(counts)) => counts.iter().map(|count| count.waiting).sum::<i64>(),
        other => panic!("{other:?}"),
    };
    let free = |till: &mut Till| {
        let free = "UPDATE variants SET on_hand = on_hand + 1, available = available + 1, rev = rev + 1 WHERE waiting > 0";
        till.sql(free).unwrap();
    };
    assert_eq!(left(till), 601, "units");
    free(till);
    for _ in 0..2 {
        till.wait(1);
        assert_eq!(left(till), 601, "two hundred lists stay before it");
    }
    till.wait(1);
    assert_eq!(left(till), 600, "its turn in the third tick");
    // Behind the last list is the first: those who still want more are looked at again, when there is enough.
    free(till);
    free(till);
    for waiting in [300, 0] {
        till.wait(1);
        assert_eq!(left(till), waiting);
    }
}

pub(crate) fn five_thousand_events_are_forgotten_at_once(till: &mut Till) {
    const DAY: i64 = 86_400_000;
    till.add("notebook", 3000);
    // Each tells of two steps.
    let hold = |number: usize| buy(&format!("u{number}"), &format!("b{number}"), "notebook", 1);
    till.decide((0..2501).map(hold).collect());
    till.wait(HOLD);
    till.wait(1);
    till.wait(1);
    let left = |till: &mut Till| till.ledger.undelivered(10_000).unwrap().len();
    assert_eq!(left(till), 5002);
    till.wait(31 * DAY);
    assert_eq!(left(till), 2, "the rest follows");
    till.wait(1);
    assert_eq!(left(till), 0);
    till.check();
}
