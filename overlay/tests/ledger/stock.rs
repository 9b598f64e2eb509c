use overlay::ledger::{Action, Decision, Refusal};
use overlay::message::{HostCommand, Product};

use crate::till::{Till, buy, receipt};

fn set(on_hand: i64, version: Option<i64>) -> HostCommand {
    HostCommand::SetStock {
        variant: "candle".into(),
        on_hand,
        version,
    }
}

pub(crate) fn stock_is_counted_in_with_compare_and_set(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "candle", 4), "held");
    assert_eq!(till.host(set(50, Some(1))), Err(Refusal::Stale(2)));
    let Ok(Decision::Stock(count)) = till.host(set(50, Some(2))) else {
        panic!()
    };
    assert_eq!(
        (
            count.on_hand,
            count.available,
            count.held,
            count.sold,
            count.version
        ),
        (50, 46, 4, 0, 3)
    );
    assert!(matches!(till.host(set(3, None)), Err(Refusal::NotPossible(_))));
    till.host(set(4, None)).unwrap();
    assert_eq!(till.available("candle"), 0);
    till.check();
}

pub(crate) fn a_change_under_a_key_is_made_once(till: &mut Till) {
    let add = |key: &str, delta| Action::ChangeOnce {
        key: Some(key.into()),
        if_version: None,
        command: HostCommand::AddStock {
            variant: "candle".into(),
            delta,
        },
        body: delta.to_string(),
    };
    let first = till.one(add("k1", 10)).unwrap();
    till.outcome("ann", "1", "candle", 1);
    till.restart();
    // Twice in one batch, and once much later.
    let twice = till.decide(vec![add("k1", 10), add("k1", 10)]);
    assert!(twice.iter().all(|answer| answer.decision.as_ref() == Ok(&first)));
    assert_eq!(till.one(add("k1", 11)), Err(Refusal::KeyReused("k1".into())));
    assert_eq!(till.count("candle").on_hand, 40);
    // What was refused did nothing and may be tried again.
    assert!(matches!(till.one(add("k2", -100)), Err(Refusal::NotPossible(_))));
    till.add("candle", 100);
    till.one(add("k2", -100)).unwrap();
    // A product is told as it is by then.
    let price = |minor| HostCommand::SetPrice {
        variant: "candle".into(),
        minor,
        was_minor: None,
    };
    let once = Action::ChangeOnce {
        key: Some("k3".into()),
        if_version: None,
        command: price(100),
        body: "the price".into(),
    };
    assert!(till.one(once.clone()).is_ok());
    till.host(price(200)).unwrap();
    let Ok(Decision::Product(product, _)) = till.one(once) else {
        panic!()
    };
    assert_eq!(product.variants[0].price.minor, 200);
    // A key is forgotten after a day.
    till.wait(86_400_001);
    till.one(add("k1", 11)).unwrap();
    assert_eq!(till.count("candle").on_hand, 51);
    till.check();
}

pub(crate) fn products_are_changed_by_who_knows_their_version(till: &mut Till) {
    let show = till.ledger.shows().unwrap().remove(0);
    let mut lamp = show
        .products
        .into_iter()
        .find(|product| product.id == "lamp")
        .unwrap();
    let put = |product: &Product, if_version| Action::ChangeOnce {
        key: None,
        if_version: Some(if_version),
        command: HostCommand::PutProduct(Box::new(product.clone())),
        body: String::new(),
    };
    lamp.title = "Lamp".into();
    let Ok(Decision::Product(changed, _)) = till.one(put(&lamp, lamp.version)) else {
        panic!()
    };
    assert_eq!(
        (changed.title.as_str(), changed.version),
        ("Lamp", lamp.version + 1)
    );
    assert_eq!(
        till.one(put(&lamp, lamp.version)),
        Err(Refusal::Stale(lamp.version + 1))
    );
    let mut shade = lamp.clone();
    shade.id = "shade".into();
    shade.variants[0].id = "shade".into();
    assert!(till.one(put(&shade, 0)).is_ok(), "0 is what is not there yet");
    assert_eq!(till.one(put(&shade, 0)), Err(Refusal::Stale(1)));
    assert_eq!(till.available("shade"), 10);
    till.host(HostCommand::RemoveProduct {
        product: "shade".into(),
    })
    .unwrap();
    assert_eq!(till.outcome("ann", "1", "shade", 1), "not_on_sale");
    till.check();
}

pub(crate) fn only_former_prices_can_be_struck_through(till: &mut Till) {
    let price = |minor, was_minor| HostCommand::SetPrice {
        variant: "candle".into(),
        minor,
        was_minor,
    };
    assert!(matches!(
        till.host(price(2800, Some(9900))),
        Err(Refusal::NotPossible(_))
    ));
    let Ok(Decision::Product(product, version)) = till.host(price(2800, Some(3200))) else {
        panic!()
    };
    let candle = &product.variants[0];
    assert_eq!(
        (candle.price.minor, candle.was.as_ref().unwrap().minor, version),
        (2800, 3200, 2)
    );
    till.check();
}

pub(crate) fn an_audit_finds_what_was_tampered_with(till: &mut Till) {
    till.receipt(buy("ann", "1", "lamp", 1));
    till.check();
    let mut tampered = |sql: &str| -> Vec<String> {
        till.sql(sql).unwrap();
        let found = till.audit().differences;
        found.into_iter().map(|found| found.place).collect()
    };
    assert_eq!(
        tampered("UPDATE variants SET available = available + 1, on_hand = on_hand + 1 WHERE id = 'candle'"),
        ["demo/candle"]
    );
    let places = tampered("UPDATE orders SET state = 'paid'");
    assert_eq!(places, ["demo/candle", "demo/lamp", "demo/1", "demo/1/lamp"]);
    let places = tampered("UPDATE orders SET state = 'held', minor = 1");
    assert_eq!(places, ["demo/candle", "demo/1"]);
    let places = tampered("UPDATE order_lines SET minor = 1");
    assert_eq!(places, ["demo/candle", "demo/1/lamp"], "lamps never were a cent");
    for refused in [
        "UPDATE variants SET available = -1, held = held + available + 1 WHERE id = 'lamp'",
        "UPDATE variants SET available = available + 1 WHERE id = 'lamp'",
        "DELETE FROM journal",
        "UPDATE journal SET available = 0",
        "DELETE FROM outbox",
        "UPDATE outbox SET state = 'paid'",
        "UPDATE buys SET receipt = ''",
        "DELETE FROM prices",
    ] {
        assert!(
            till.sql(refused).is_err(),
            "the database itself refuses {refused}"
        );
    }
}

pub(crate) fn a_command_that_fails_spoils_no_other(till: &mut Till) {
    // A bug or a hand in the database: the row of one variant cannot be written any more.
    let block = match till.place {
        crate::till::Place::File(_) => {
            "CREATE TRIGGER broken BEFORE UPDATE ON variants WHEN NEW.id = 'lamp'
             BEGIN SELECT RAISE(ABORT, 'broken'); END"
        }
        crate::till::Place::Server(_) => {
            "ALTER TABLE variants ADD CONSTRAINT broken CHECK (id <> 'lamp' OR held = 0)"
        }
    };
    till.sql(block).unwrap();
    let mut answers = till.decide(vec![
        buy("ann", "1", "candle", 1),
        buy("bob", "2", "lamp", 1),
        buy("cid", "3", "candle", 1),
    ]);
    assert_eq!(receipt(answers.remove(0).decision).outcome.name(), "held");
    assert_eq!(answers.remove(0).decision, Err(Refusal::Failed));
    assert_eq!(receipt(answers.remove(0).decision).outcome.name(), "held");
    assert_eq!((till.available("candle"), till.available("lamp")), (28, 10));
    till.check();
}
