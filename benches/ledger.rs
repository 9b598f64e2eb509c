//! Buys in one transaction, on a file, each commit on the disk.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench ends where it cannot begin"
)]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use overlay::UnixMillis;
use overlay::catalogue::demo;
use overlay::ledger::{Action, Buyer, Command, Decision, Ledger, SqliteLedger, Ticket};
use overlay::message::{BuyMessage, HostCommand, Line, Outcome, Receipt};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn command(action: Action) -> Command {
    Command {
        ticket: Ticket(0),
        show: Arc::from("demo"),
        action,
    }
}

fn buy(number: u64) -> Command {
    command(Action::Buy {
        buyer: Buyer {
            subject: format!("u{number}"),
            name: String::new(),
        },
        buy: BuyMessage {
            id: format!("b{number}"),
            lines: vec![Line {
                variant: "candle".into(),
                quantity: 1,
            }],
            price_version: 1,
            ..BuyMessage::default()
        },
        hold_ms: 600_000,
        turn_ms: 120_000,
    })
}

fn batches(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger");
    group.sample_size(20);
    for size in [1u64, 100, 1000] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ledger = SqliteLedger::open(&folder.path().join("ledger.db")).expect("a ledger");
        ledger.seed(NOW, &demo().expect("the demo")).expect("a show");
        let stock = Action::Change(HostCommand::AddStock {
            variant: "candle".into(),
            delta: 100_000_000,
        });
        ledger.decide(NOW, vec![command(stock)]);
        let mut number = 0;
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("{size} buys a batch"), |b| {
            b.iter(|| {
                let batch = (number..number + size).map(buy).collect();
                number += size;
                let answers = ledger.decide(NOW, batch);
                let held = answers.iter().filter(|answer| {
                    let decision = &answer.decision;
                    matches!(
                        decision,
                        Ok(Decision::Receipt(Receipt {
                            outcome: Outcome::Held(_),
                            ..
                        }))
                    )
                });
                assert_eq!(held.count() as u64, size);
            });
        });
        assert!(ledger.audit().expect("an audit").differences.is_empty());
    }
    group.finish();
}

criterion_group!(benches, batches);
criterion_main!(benches);
