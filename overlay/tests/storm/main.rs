//! Thousands buy at once, on both databases, and the process dies meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "../candles/mod.rs"]
mod candles;
mod crash;
mod crowd;
#[path = "../server/mod.rs"]
mod server;

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use candles::{NOW, buy, command, stock};
use overlay::catalogue::demo;
use overlay::ledger::{Action, Decision, Ledger, PostgresLedger, SqliteLedger};
use overlay::message::Receipt;

/// Units for sale.
const UNITS: i64 = 100;

type Asked = (Action, SyncSender<Receipt>);

/// A ledger by its address, or its file.
fn open(place: &str) -> Box<dyn Ledger> {
    if place.starts_with("postgres") {
        Box::new(PostgresLedger::connect(place, None).unwrap())
    } else {
        Box::new(SqliteLedger::open(Path::new(place)).unwrap())
    }
}

/// A ledger with a hundred candles.
fn ledger(place: &str) -> Box<dyn Ledger> {
    let mut ledger = open(place);
    ledger.seed(NOW, &demo().unwrap()).unwrap();
    let answers = ledger.decide(NOW, vec![command(0, stock(UNITS))]);
    assert!(answers[0].decision.is_ok());
    ledger
}

/// Decides whatever waits in one transaction, as the server does; ends with the last asker.
fn serve(mut ledger: Box<dyn Ledger>, asked: &Receiver<Asked>) -> (Box<dyn Ledger>, usize) {
    let mut largest = 0;
    while let Ok(first) = asked.recv() {
        let (actions, askers): (Vec<_>, Vec<_>) =
            std::iter::once(first).chain(asked.try_iter().take(255)).unzip();
        largest = largest.max(actions.len());
        let batch = (0..).zip(actions).map(|(ticket, action)| command(ticket, action));
        for (answer, asker) in ledger.decide(NOW, batch.collect()).into_iter().zip(askers) {
            let Ok(Decision::Receipt(receipt)) = answer.decision else {
                panic!("{answer:?}")
            };
            // Who asked may be gone.
            let _ = asker.send(receipt);
        }
    }
    (ledger, largest)
}

fn ask(lane: &SyncSender<Asked>, who: u64) -> Receipt {
    let (answer, receipt) = sync_channel(1);
    lane.send((buy(who), answer)).unwrap();
    receipt.recv().unwrap()
}

fn units_held(ledger: &mut dyn Ledger) -> i64 {
    let audit = ledger.audit().unwrap();
    assert_eq!(audit.differences, []);
    let shows = ledger.shows().unwrap();
    let candle = shows[0].products.iter().flat_map(|product| &product.variants);
    let free = candle
        .clone()
        .find(|variant| variant.id == "candle")
        .unwrap()
        .available;
    assert_eq!(audit.units.0, UNITS - free);
    audit.units.0
}

fn thousands_want_a_hundred(place: &str) {
    let ledger = ledger(place);
    let (lane, asked) = sync_channel(4096);
    let serving = thread::spawn(move || serve(ledger, &asked));
    // 32 threads, 3000 buyers; each buyer is asked for by two threads, and twice by each: a phone and a laptop, a
    // repetition and a connection that came back. Some leave before the answer comes.
    let threads: Vec<_> = (0..32u64)
        .map(|thread| {
            let lane = lane.clone();
            thread::spawn(move || {
                let mut heard = Vec::new();
                for who in (0..3000).filter(|who| who % 16 == thread % 16) {
                    if who % 7 == 0 {
                        let (gone, _) = sync_channel(1);
                        lane.send((buy(who), gone)).unwrap();
                    }
                    heard.push((who, ask(&lane, who)));
                    heard.push((who / 2, ask(&lane, who / 2)));
                }
                heard
            })
        })
        .collect();
    drop(lane);
    let mut receipts: HashMap<u64, Receipt> = HashMap::new();
    let mut answers = 0;
    for thread in threads {
        for (who, receipt) in thread.join().unwrap() {
            answers += 1;
            let first = receipts.entry(who).or_insert_with(|| receipt.clone());
            assert_eq!(*first, receipt, "the same for everybody who asks");
        }
    }
    let (mut ledger, largest) = serving.join().unwrap();
    assert_eq!((receipts.len(), answers), (3000, 12_000));
    assert!(largest > 1, "buys that wait share a commit");
    let held = receipts
        .values()
        .filter(|receipt| receipt.outcome.name() == "held");
    assert_eq!(held.count(), 100);
    assert_eq!(units_held(&mut *ledger), UNITS);
}

#[test]
fn threads_want_a_hundred_units_and_a_hundred_are_sold_once() {
    let folder = tempfile::tempdir().unwrap();
    thousands_want_a_hundred(folder.path().join("ledger.db").to_str().unwrap());
}

#[test]
fn the_same_on_postgresql() {
    let server = server::Postgres::start();
    thousands_want_a_hundred(&server.database());
}
