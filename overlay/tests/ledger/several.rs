//! Several servers on one PostgreSQL.

use std::thread;

use overlay::UnixMillis;
use overlay::ledger::{Action, Command, Ledger, PostgresLedger, Ticket};
use overlay::message::{HostCommand, OrderState, Outcome};

use crate::server::Postgres;
use crate::till::{NOW, Till, buy, queue, receipt};

#[test]
fn what_one_server_changes_another_is_told() {
    let server = Postgres::start();
    let url = server.database();
    let mut till = Till::postgres(&url);
    let mut other = PostgresLedger::connect(&url, None).unwrap();
    let mut tick = || {
        let command = Command {
            ticket: Ticket(0),
            show: "".into(),
            action: Action::Tick,
        };
        other.decide(UnixMillis(NOW), vec![command]).remove(0).refreshed
    };
    assert!(tick().is_empty());
    assert_eq!(till.outcome("ann", "1", "tote-ink", 3), "held");
    let told = tick();
    let ink = told[0].products.iter().flat_map(|product| &product.variants);
    let ink = ink.into_iter().find(|variant| variant.id == "tote-ink").unwrap();
    assert_eq!((told.len(), ink.available, ink.sold_out), (1, 0, true));
    assert_eq!(told[0].open_orders.len(), 1);
    assert!(tick().is_empty());
    till.settle("1", OrderState::Paid).unwrap();
    assert!(tick()[0].open_orders.is_empty());
    assert!(till.wait(0).refreshed.is_empty(), "nobody is told its own news");
}

/// Every server has its own connection, its own books, and no word with the others but the database.
#[test]
fn servers_that_storm_the_same_variants_agree() {
    const SERVERS: u64 = 3;
    let server = Postgres::start();
    let url = server.database();
    let mut till = Till::postgres(&url);
    till.add("candle", 70);
    let threads: Vec<_> = (0..SERVERS)
        .map(|number| {
            let url = url.clone();
            thread::spawn(move || {
                let mut ledger = PostgresLedger::connect(&url, None).unwrap();
                let mut heard = Vec::new();
                for round in 0..25u64 {
                    // Everybody asks at two servers; orders are given back, counted in and waited for meanwhile.
                    let mut actions: Vec<Action> = (0..16)
                        .map(|n| {
                            let who = round * 16 + (n + number * 8) % 24;
                            buy(&format!("u{who}"), &format!("b{who}"), "candle", 1)
                        })
                        .collect();
                    actions.push(queue(
                        &format!("q{number}"),
                        &format!("w{number}-{round}"),
                        "tote-ink",
                        1,
                    ));
                    actions.push(Action::Cancel {
                        subject: format!("u{}", round * 3),
                        buy: format!("b{}", round * 3),
                    });
                    actions.push(Action::Change(HostCommand::AddStock {
                        variant: "tote-ink".into(),
                        delta: 1,
                    }));
                    actions.push(Action::Tick);
                    let commands = actions.into_iter().map(|action| Command {
                        ticket: Ticket(0),
                        show: "demo".into(),
                        action,
                    });
                    for answer in ledger.decide(UnixMillis(NOW), commands.collect()) {
                        match &answer.decision {
                            Ok(overlay::ledger::Decision::Receipt(_)) => heard.push(receipt(answer.decision)),
                            Err(overlay::ledger::Refusal::Failed) => panic!("a server gave up"),
                            _ => {}
                        }
                    }
                }
                heard
            })
        })
        .collect();
    let mut receipts = std::collections::HashMap::new();
    for thread in threads {
        for receipt in thread.join().unwrap() {
            let first = receipts
                .entry(receipt.buy.clone())
                .or_insert_with(|| receipt.clone());
            assert_eq!(*first, receipt, "the same at every server");
        }
    }
    let held = receipts.values().filter(|receipt| receipt.buy.starts_with('b'));
    let held = held
        .filter(|receipt| matches!(receipt.outcome, Outcome::Held(_)))
        .count() as i64;
    let count = till.count("candle");
    assert_eq!(count.on_hand, 100);
    assert!(held >= 100 && count.held <= 100, "{held} {count:?}");
    let ink = till.count("tote-ink");
    assert_eq!((ink.on_hand, ink.held + ink.waiting), (78, 75));
    assert_eq!(ink.waiting.min(ink.available), 0);
    till.check();
}
