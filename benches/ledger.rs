//! Durable buy decisions on one variant: on an SQLite file and on a PostgreSQL of one's own, each commit on the disk.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench ends where it cannot begin"
)]

#[path = "../overlay/tests/server/mod.rs"]
mod server;

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use overlay::UnixMillis;
use overlay::catalogue::demo;
use overlay::ledger::{Action, Buyer, Command, Decision, Ledger, PostgresLedger, SqliteLedger, Ticket};
use overlay::message::{BuyMessage, HostCommand, Line, Outcome};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
/// Buys that share a commit: alone, a busy moment, the most the server takes together.
const BATCHES: [u64; 3] = [1, 100, 1024];

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
            subject: format!("customer-{number}"),
            name: "A customer".to_owned(),
        },
        buy: BuyMessage {
            // As clients make them: ids of one time lie together.
            id: format!("0197f4c2-8a6b-7c3d-9e4f-{number:012x}"),
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

fn measure(c: &mut Criterion, name: &str, mut ledger: impl Ledger) {
    ledger.seed(NOW, &demo().expect("the demo")).expect("a show");
    let stock = Action::Change(HostCommand::AddStock {
        variant: "candle".into(),
        delta: 100_000_000,
    });
    ledger.decide(NOW, vec![command(stock)]);
    let mut number = 0;
    let mut group = c.benchmark_group(name);
    group.sample_size(20);
    for size in BATCHES {
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("{size} buys a batch"), |b| {
            b.iter(|| {
                let batch = (number..number + size).map(buy).collect();
                number += size;
                let answers = ledger.decide(NOW, batch);
                let is_held = |decision: &_| matches!(decision, Ok(Decision::Receipt(receipt)) if matches!(receipt.outcome, Outcome::Held(_)));
                let held = answers.iter().filter(|answer| is_held(&answer.decision));
                assert_eq!(held.count() as u64, size);
            });
        });
    }
    group.finish();
    let audit = ledger.audit().expect("an audit");
    assert_eq!((audit.differences, audit.buys), (Vec::new(), number));
}

fn sqlite(c: &mut Criterion) {
    // Not in memory, as /tmp may be.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).expect("a ledger");
    measure(c, "sqlite", ledger);
}

fn postgresql(c: &mut Criterion) {
    let server = server::Postgres::durable();
    let ledger = PostgresLedger::connect(&server.database(), None).expect("a ledger");
    measure(c, "postgresql", ledger);
}

criterion_group!(benches, sqlite, postgresql);
criterion_main!(benches);
