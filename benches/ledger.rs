//! Durable buy decisions on one variant: on an SQLite file and on a PostgreSQL of one's own, each commit on the disk.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench ends where it cannot begin"
)]

#[path = "../overlay/tests/candles/mod.rs"]
mod candles;
#[path = "../overlay/tests/server/mod.rs"]
mod server;

use candles::{NOW, buy, command, stock};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use overlay::catalogue::demo;
use overlay::ledger::{Decision, Ledger, PostgresLedger, SqliteLedger};
use overlay::message::Outcome;

/// Buys that share a commit: alone, a busy moment, the most the server takes together.
const BATCHES: [u64; 3] = [1, 100, 1024];

fn measure(c: &mut Criterion, name: &str, mut ledger: impl Ledger) {
    ledger.seed(NOW, &demo().expect("the demo")).expect("a show");
    ledger.decide(NOW, vec![command(0, stock(100_000_000))]);
    let mut number = 0;
    let mut group = c.benchmark_group(name);
    group.sample_size(20);
    for size in BATCHES {
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("{size} buys a batch"), |b| {
            b.iter(|| {
                let batch = (number..number + size).map(|who| command(who, buy(who))).collect();
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
