use std::collections::HashSet;

use overlay::message::{BuyMessage, HostCommand, Line, Outcome, ShowState};

use crate::till::{Till, buy, buys, message, receipt};

pub(crate) fn thousands_want_a_hundred_and_a_hundred_are_sold(till: &mut Till) {
    till.add("candle", 70);
    let mut held = HashSet::new();
    let mut first = Vec::new();
    for batch in 0..30 {
        // Everybody asks twice, some in the same batch, some much later.
        let actions = (0..100).flat_map(|n| {
            let buyer = batch * 100 + n;
            let earlier = buyer / 2;
            [buyer, earlier].map(|who| buy(&format!("u{who}"), &format!("b{who}"), "candle", 1))
        });
        for answer in till.decide(actions.collect()) {
            let receipt = receipt(answer.decision);
            if receipt.outcome.name() == "held" {
                held.insert(receipt.buy.clone());
            }
            first.push(receipt);
        }
    }
    assert_eq!(held.len(), 100);
    assert_eq!(till.available("candle"), 0);
    for earlier in first.iter().step_by(37) {
        let who = &earlier.buy[1..];
        let again = till.receipt(buy(&format!("u{who}"), &earlier.buy, "candle", 1));
        assert_eq!(&again, earlier, "the same for ever");
    }
    till.check();
}

pub(crate) fn an_id_belongs_to_one_buy_of_one_buyer(till: &mut Till) {
    assert_eq!(till.outcome("ann", "b", "mug-sand", 1), "held");
    assert_eq!(till.outcome("ann", "b", "mug-sand", 2), "conflict");
    assert_eq!(till.outcome("bob", "b", "mug-sand", 1), "conflict");
    let tagged = BuyMessage {
        affiliate: Some("blog".into()),
        ..message("b", "mug-sand", 1)
    };
    assert_eq!(till.receipt(buys("ann", tagged)).outcome.name(), "conflict");
    assert_eq!(till.outcome("ann", "b", "mug-sand", 1), "held");
    assert_eq!(till.available("mug-sand"), 39);
}

pub(crate) fn limits_prices_and_the_state_of_the_show_are_judged(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "lamp", 1), "held");
    assert_eq!(till.outcome("ann", "2", "lamp", 1), "limit_reached");
    assert_eq!(till.outcome("ann", "3", "scarf-night", 1), "sold_out");
    assert_eq!(till.outcome("ann", "4", "sofa", 1), "not_on_sale");
    let price = HostCommand::SetPrice {
        variant: "candle".into(),
        minor: 2800,
        was_minor: Some(3200),
    };
    till.host(price).unwrap();
    assert_eq!(
        till.outcome("ann", "5", "notebook", 1),
        "held",
        "its price is the same"
    );
    let Outcome::PriceChanged {
        price_version,
        prices,
    } = till.buy("ann", "6", "candle", 1)
    else {
        panic!()
    };
    assert_eq!((price_version, prices[0].price.minor), (2, 2800));
    till.host(HostCommand::ShowState(ShowState::Ended)).unwrap();
    assert_eq!(till.outcome("ann", "7", "notebook", 1), "not_on_sale");
    till.check();
}

pub(crate) fn lines_are_judged_together_or_not_at_all(till: &mut Till) {
    let line = |variant: &str, quantity| Line {
        variant: variant.into(),
        quantity,
    };
    let mut both = message("1", "mug-sand", 2);
    both.lines.push(line("tote-ink", 4));
    let outcome = till.receipt(buys("ann", both)).outcome;
    assert!(matches!(outcome, Outcome::SoldOut { variant, .. } if variant == "tote-ink"));
    assert_eq!(till.available("mug-sand"), 40, "the other line holds nothing");
    let mut both = message("2", "mug-sand", 2);
    both.lines.push(line("tote-ink", 3));
    let Outcome::Held(bill) = till.receipt(buys("ann", both)).outcome else {
        panic!()
    };
    assert_eq!(bill.total.minor, 2 * 2400 + 3 * 1900);
    assert_eq!(bill.pay, "manual");
    till.check();
}

pub(crate) fn an_order_is_exchanged_for_another_in_one_step(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "lamp", 1), "held");
    let exchange = |id: &str, replaced: &str, quantity| BuyMessage {
        replaces: Some(replaced.into()),
        ..message(id, "lamp", quantity)
    };
    // Its own hold neither counts against the limit nor against the stock.
    till.decide(
        (0..9)
            .map(|n| buy(&format!("u{n}"), &format!("o{n}"), "lamp", 1))
            .collect(),
    );
    assert_eq!(till.available("lamp"), 0);
    assert_eq!(
        till.receipt(buys("ann", exchange("2", "1", 1))).outcome.name(),
        "held"
    );
    assert_eq!((till.state("1"), till.state("2")), ("cancelled", "held"));
    assert_eq!(
        till.receipt(buys("ann", exchange("3", "2", 2))).outcome.name(),
        "limit_reached"
    );
    assert_eq!(till.state("2"), "held", "what cannot be exchanged stays");
    assert_eq!(
        till.receipt(buys("ann", exchange("4", "o1", 1))).outcome.name(),
        "rejected"
    );
    assert_eq!(till.state("o1"), "held", "others' orders are theirs");
    till.check();
}

pub(crate) fn what_was_answered_survives_a_restart(till: &mut Till) {
    let first = till.receipt(buy("ann", "1", "lamp", 1));
    till.restart();
    let again = till.ledger.seed(
        overlay::UnixMillis(till.now),
        &overlay::catalogue::demo().unwrap(),
    );
    assert!(!again.unwrap(), "it is there already");
    assert_eq!(till.receipt(buy("ann", "1", "lamp", 1)), first);
    assert_eq!(till.available("lamp"), 9);
    let shows = till.ledger.shows().unwrap();
    assert_eq!((shows.len(), shows[0].open_orders.len()), (1, 1));
    assert_eq!(
        (shows[0].pinned.as_slice(), shows[0].featured.as_deref()),
        (&["mug".to_owned(), "tote".to_owned()][..], Some("mug"))
    );
    till.check();
}
