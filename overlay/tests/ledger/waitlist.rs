use overlay::message::{HostCommand, OrderState, Outcome};

use crate::till::{HOLD, TURN, Till, buy, queue};

fn place(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Waitlisted { place, .. } => *place,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn the_first_to_wait_is_the_first_to_be_served(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "tote-ink", 3), "held");
    assert!(matches!(
        till.buy("bob", "2", "tote-ink", 1),
        Outcome::SoldOut { waitlist: true, .. }
    ));
    assert_eq!(place(&till.receipt(queue("bob", "3", "tote-ink", 2)).outcome), 1);
    assert_eq!(place(&till.receipt(queue("cid", "4", "tote-ink", 1)).outcome), 2);
    assert_eq!(place(&till.receipt(queue("dan", "5", "tote-ink", 1)).outcome), 3);
    till.restart();
    assert_eq!(
        place(&till.receipt(queue("bob", "3", "tote-ink", 2)).outcome),
        1,
        "the same receipt"
    );
    till.cancel("cid", "4").unwrap();
    assert_eq!(place(&till.receipt(queue("eve", "6", "tote-ink", 1)).outcome), 3);
    let freed = till.wait(HOLD);
    let told: Vec<(&str, OrderState, i64)> = freed
        .orders
        .iter()
        .map(|(_, sale)| (sale.buy.as_str(), sale.state, sale.expires_at))
        .collect();
    let turn = till.now + TURN;
    assert_eq!(told[0].1, OrderState::Released);
    assert_eq!(
        told[1..],
        [("3", OrderState::Held, turn), ("5", OrderState::Held, turn)]
    );
    // A turn has a limit of its own, and then the next one has its turn.
    till.settle("5", OrderState::Paid).unwrap();
    till.wait(TURN);
    assert_eq!((till.state("3"), till.state("6")), ("released", "held"));
    let count = till.count("tote-ink");
    assert_eq!(
        (count.available, count.held, count.sold, count.waiting),
        (1, 1, 1, 0)
    );
    till.check();
}

pub(crate) fn nobody_overtakes_those_who_wait(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "tote-ink", 1), "held");
    assert_eq!(till.outcome("bob", "2", "tote-ink", 2), "held");
    till.receipt(queue("cid", "3", "tote-ink", 2));
    till.receipt(queue("dan", "4", "tote-ink", 1));
    till.cancel("ann", "1").unwrap();
    // One is there, the first wants two: it is kept for them.
    assert_eq!((till.state("3"), till.state("4")), ("waitlisted", "waitlisted"));
    let count = till.count("tote-ink");
    assert_eq!((count.available, count.for_sale), (1, 0));
    assert_eq!(till.outcome("eve", "5", "tote-ink", 1), "sold_out");
    till.cancel("bob", "2").unwrap();
    assert_eq!((till.state("3"), till.state("4")), ("held", "held"));
    // In one batch: units come free and somebody asks at once.
    till.receipt(queue("fay", "6", "tote-ink", 1));
    let answers = till.decide(vec![
        overlay::ledger::Action::Cancel {
            subject: "dan".into(),
            buy: "4".into(),
        },
        buy("gus", "7", "tote-ink", 1),
    ]);
    assert_eq!(
        crate::till::receipt(answers[1].decision.clone()).outcome.name(),
        "sold_out"
    );
    assert_eq!(till.state("6"), "held");
    till.check();
}

pub(crate) fn who_waits_pays_the_price_of_the_turn(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "tote-ink", 3), "held");
    till.receipt(queue("bob", "2", "tote-ink", 1));
    till.host(HostCommand::SetPrice {
        variant: "tote-ink".into(),
        minor: 1500,
        was_minor: None,
    })
    .unwrap();
    till.cancel("ann", "1").unwrap();
    let sale = till.order("2");
    assert_eq!(
        (sale.state, sale.total.minor, sale.lines[0].price.minor),
        (OrderState::Held, 1500, 1500)
    );
    till.check();
}

pub(crate) fn a_full_restock_serves_the_whole_list(till: &mut Till) {
    // More than one batch serves: the rest has its turn with the ticks.
    till.add("scarf-night", 1);
    assert_eq!(till.outcome("ann", "first", "scarf-night", 1), "held");
    let waiting = (0..450).map(|n| queue(&format!("u{n}"), &format!("w{n}"), "scarf-night", 1));
    till.decide(waiting.collect());
    let count = till.count("scarf-night");
    assert_eq!((count.waiting, count.for_sale), (450, 0));
    till.add("scarf-night", 451);
    assert_eq!(till.count("scarf-night").waiting, 250);
    till.wait(1);
    assert_eq!(till.count("scarf-night").waiting, 50);
    till.wait(1);
    let count = till.count("scarf-night");
    assert_eq!(
        (count.held, count.waiting, count.available, count.for_sale),
        (451, 0, 1, 1)
    );
    till.check();
}
