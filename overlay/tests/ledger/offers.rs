use overlay::ledger::{Action, Answer, Decision, Refusal};
use overlay::message::{
    BuyMessage, Discount, Money, OfferCommand, OrderState, Outcome, Promo, Terms, Variant,
};

use crate::till::{HOLD, Till, buys, message};

fn euros(minor: i64) -> Money {
    Money {
        minor,
        currency: "EUR".into(),
        exponent: 2,
    }
}

pub(crate) fn an_allotment_is_all_there_is(till: &mut Till) {
    till.offer(OfferCommand::SetTerms {
        variant: "candle".into(),
        terms: Terms {
            allotment: Some(3),
            per_customer: Some(2),
            ..Terms::default()
        },
    })
    .unwrap();
    assert_eq!(till.count("candle").for_sale, 3);
    assert_eq!(till.outcome("ann", "1", "candle", 2), "held");
    assert_eq!(till.outcome("ann", "2", "candle", 1), "limit_reached");
    assert_eq!(till.outcome("bob", "3", "candle", 2), "sold_out");
    assert_eq!(till.outcome("bob", "4", "candle", 1), "held");
    let count = till.count("candle");
    assert_eq!(
        (count.for_sale, count.available),
        (0, 27),
        "the rest is for elsewhere"
    );
    till.cancel("ann", "1").unwrap();
    assert_eq!(till.count("candle").for_sale, 2);
    till.check();
}

fn flash(quantity: Option<i64>, starts_at: Option<i64>) -> OfferCommand {
    OfferCommand::StartFlash {
        variant: "candle".into(),
        minor: 2000,
        starts_at,
        lasts_ms: 10_000,
        quantity,
        per_customer: None,
    }
}

fn told(answer: &Answer) -> (&Variant, i64) {
    let (show, product, price_version) = &answer.products[0];
    assert_eq!(&**show, "demo");
    (&product.variants[0], *price_version)
}

fn at(version: i64, id: &str) -> BuyMessage {
    BuyMessage {
        price_version: version,
        ..message(id, "candle", 1)
    }
}

pub(crate) fn a_flash_sale_begins_and_ends_by_the_clock(till: &mut Till) {
    let Ok(Decision::Product(product, 1)) = till.offer(flash(None, Some(till.now + 5000))) else {
        panic!()
    };
    let announced = product.variants[0].flash.as_ref().unwrap();
    assert_eq!(
        (
            announced.running,
            announced.price.minor,
            product.variants[0].price.minor
        ),
        (false, 2000, 3200)
    );
    assert!(matches!(
        till.offer(flash(None, None)),
        Err(Refusal::NotPossible(_))
    ));
    assert!(till.wait(4999).products.is_empty());
    let begun = till.wait(1);
    let (variant, version) = told(&begun);
    assert!(variant.flash.as_ref().unwrap().running);
    assert_eq!(
        (variant.price.minor, variant.was.as_ref().unwrap().minor, version),
        (2000, 3200, 2)
    );
    let outcome = till.receipt(buys("ann", at(1, "1"))).outcome;
    assert!(
        matches!(outcome, Outcome::PriceChanged { price_version: 2, prices } if prices[0].price == euros(2000))
    );
    let Outcome::Held(bill) = till.receipt(buys("ann", at(2, "2"))).outcome else {
        panic!()
    };
    assert_eq!(bill.total, euros(2000));
    // The clock decides, not whoever looks at it first: a buy after the end is judged by the price after it.
    till.now += 10_000;
    let late = till.answer(buys("bob", at(2, "3")));
    let (variant, version) = told(&late);
    assert!(variant.flash.is_none() && variant.price == euros(3200) && version == 3);
    assert_eq!(
        crate::till::receipt(late.decision).outcome.name(),
        "price_changed"
    );
    assert_eq!(
        till.order("2").total,
        euros(2000),
        "what was held keeps its price"
    );
    till.settle("2", OrderState::Paid).unwrap();
    till.offer(flash(None, None)).unwrap();
    till.offer(OfferCommand::EndFlash {
        variant: "candle".into(),
    })
    .unwrap();
    assert!(
        till.offer(OfferCommand::EndFlash {
            variant: "candle".into()
        })
        .is_err()
    );
    till.check();
}

pub(crate) fn a_flash_sale_ends_with_its_units_and_goes_on_when_they_come_back(till: &mut Till) {
    till.offer(flash(Some(2), None)).unwrap();
    for id in ["1", "2"] {
        assert_eq!(till.receipt(buys(id, at(2, id))).outcome.name(), "held");
    }
    assert_eq!(till.receipt(buys("cid", at(2, "3"))).outcome.name(), "sold_out");
    assert_eq!(till.count("candle").for_sale, 0);
    till.cancel("1", "1").unwrap();
    assert_eq!(till.receipt(buys("cid", at(2, "4"))).outcome.name(), "held");
    till.wait(10_000);
    assert_eq!(till.count("candle").for_sale, 28);
    // Units that come back later belong to no sale any more.
    till.wait(HOLD);
    assert_eq!(till.count("candle").for_sale, 30);
    till.check();
}

pub(crate) fn promo_codes_take_off_what_they_say_to_whom_they_may(till: &mut Till) {
    let promo = |code: &str, discount| Promo {
        code: code.into(),
        discount,
        limit: Some(2),
        per_customer: Some(1),
        starts_at: None,
        ends_at: Some(till_end()),
        used: 0,
    };
    till.offer(OfferCommand::PutPromo(promo("TEN", Discount::BasisPoints(1050))))
        .unwrap();
    till.offer(OfferCommand::PutPromo(promo(
        "FIVE",
        Discount::Amount(euros(500)),
    )))
    .unwrap();
    let with = |id: &str, code: &str| BuyMessage {
        promo: Some(code.into()),
        affiliate: Some("blog".into()),
        ..message(id, "candle", 1)
    };
    let Outcome::Held(bill) = till.receipt(buys("ann", with("1", "TEN"))).outcome else {
        panic!()
    };
    assert_eq!((bill.total, bill.discount), (euros(2864), Some(euros(336))));
    let sale = till.order("1");
    assert_eq!(
        (sale.promo.as_deref(), sale.affiliate.as_deref()),
        (Some("TEN"), Some("blog"))
    );
    let refused = |outcome: Outcome, why: &str| match outcome {
        Outcome::Rejected { reason } => assert!(reason.contains(why), "{reason}"),
        other => panic!("{other:?}"),
    };
    refused(
        till.receipt(buys("ann", with("2", "TEN"))).outcome,
        "used the code",
    );
    refused(till.receipt(buys("ann", with("3", "NONE"))).outcome, "no code");
    assert_eq!(till.receipt(buys("bob", with("4", "TEN"))).outcome.name(), "held");
    refused(till.receipt(buys("cid", with("5", "TEN"))).outcome, "used up");
    let check = |subject: &str, code: &str| Action::CheckPromo {
        subject: subject.into(),
        code: code.into(),
    };
    assert!(till.one(check("cid", "TEN")).is_err());
    // Who gives the order back gives the code back.
    till.cancel("ann", "1").unwrap();
    let Ok(Decision::Promo(found)) = till.one(check("cid", "TEN")) else {
        panic!()
    };
    assert_eq!((found.used, found.discount), (1, Discount::BasisPoints(1050)));
    let Outcome::Held(bill) = till.receipt(buys("cid", with("6", "FIVE"))).outcome else {
        panic!()
    };
    assert_eq!(bill.total, euros(2700));
    till.offer(OfferCommand::RemovePromo { code: "FIVE".into() })
        .unwrap();
    refused(till.receipt(buys("dan", with("7", "FIVE"))).outcome, "no code");
    let Ok(Decision::Promos(promos)) = till.one(Action::Promos) else {
        panic!()
    };
    assert_eq!(promos.len(), 1);
    till.now = till_end();
    refused(till.receipt(buys("dan", with("8", "TEN"))).outcome, "any more");
    till.check();
}

fn till_end() -> i64 {
    crate::till::NOW + 30_000
}
