//! Thousands buy at once, and the process dies meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use overlay::UnixMillis;
use overlay::catalogue::demo;
use overlay::ledger::{Action, Buyer, Command, Decision, Ledger, SqliteLedger, Ticket};
use overlay::message::{BuyMessage, HostCommand, Line, Receipt};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
/// Units for sale.
const UNITS: i64 = 100;
/// Tells the child where its ledger is.
const LEDGER: &str = "STORM_LEDGER";

type Asked = (Action, SyncSender<Receipt>);

/// A ledger with a hundred candles.
fn ledger(path: &Path) -> SqliteLedger {
    let mut ledger = SqliteLedger::open(path).unwrap();
    ledger.seed(NOW, &demo().unwrap()).unwrap();
    let stock = HostCommand::SetStock {
        variant: "candle".into(),
        on_hand: UNITS,
        version: None,
    };
    ledger.decide(NOW, vec![command(0, Action::Change(stock))]);
    ledger
}

fn command(ticket: u64, action: Action) -> Command {
    Command {
        ticket: Ticket(ticket),
        show: "demo".into(),
        action,
    }
}

fn buy(who: u64) -> Action {
    Action::Buy {
        buyer: Buyer {
            subject: format!("u{who}"),
            name: "Buyer".into(),
        },
        buy: BuyMessage {
            id: format!("b{who}"),
            lines: vec![Line {
                variant: "candle".into(),
                quantity: 1,
            }],
            price_version: 1,
            ..BuyMessage::default()
        },
        hold_ms: 600_000,
        turn_ms: 120_000,
    }
}

/// Decides whatever waits in one transaction, as the server does; ends with the last asker.
fn serve(mut ledger: SqliteLedger, asked: &Receiver<Asked>) -> (SqliteLedger, usize) {
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

fn units_held(ledger: &mut SqliteLedger) -> i64 {
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

#[test]
fn threads_want_a_hundred_units_and_a_hundred_are_sold_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder.path().join("ledger.db"));
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
    assert_eq!(units_held(&mut ledger), UNITS);
}

/// The process that is killed: eight threads buy for ever, and every receipt is printed when it is answered.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn buys_until_it_is_killed() {
    let Some(path) = std::env::var_os(LEDGER) else {
        return;
    };
    let ledger = SqliteLedger::open(Path::new(&path)).unwrap();
    let (lane, asked) = sync_channel(4096);
    for thread in 0..8u64 {
        let lane = lane.clone();
        thread::spawn(move || {
            for number in 0.. {
                let receipt = ask(&lane, thread + 8 * number);
                let line = serde_json::to_string(&receipt).unwrap();
                writeln!(std::io::stdout(), "receipt {line}").unwrap();
            }
        });
    }
    serve(ledger, &asked);
}

#[test]
fn what_was_answered_before_a_kill_is_there_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(ledger(&path));
    let mut receipts: HashMap<String, Receipt> = HashMap::new();
    // Each life sees the units of the lives before; the later kills fall into the refusals.
    for (life, answers) in [20, 55, 90, 400].into_iter().enumerate() {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "buys_until_it_is_killed", "--nocapture"])
            .env(LEDGER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut note = |line: String| {
            // The kill may cut the last line.
            let receipt = line
                .split_once("receipt ")
                .map(|(_, json)| serde_json::from_str(json));
            if let Some(Ok(receipt)) = receipt {
                let receipt: Receipt = receipt;
                let known = receipts
                    .entry(receipt.buy.clone())
                    .or_insert_with(|| receipt.clone());
                assert_eq!(*known, receipt, "a repetition in a later life");
                return true;
            }
            false
        };
        let mut heard = 0;
        while heard < answers {
            heard += usize::from(note(lines.next().expect("the child lives").unwrap()));
        }
        // SIGKILL, in the middle of whatever it does.
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            note(line);
        }
        child.wait().unwrap();

        let mut ledger = SqliteLedger::open(&path).unwrap();
        let told: HashSet<&String> = receipts
            .values()
            .filter(|receipt| receipt.outcome.name() == "held")
            .map(|receipt| &receipt.buy)
            .collect();
        let held = units_held(&mut ledger);
        assert!(
            held >= told.len() as i64 && held <= UNITS,
            "life {life}: {held} held"
        );
        for (id, receipt) in &receipts {
            let again = ledger
                .decide(NOW, vec![command(1, buy(id[1..].parse().unwrap()))])
                .remove(0);
            assert_eq!(again.decision, Ok(Decision::Receipt(receipt.clone())));
        }
        assert_eq!(units_held(&mut ledger), held, "asking again changes nothing");
    }
    assert!(
        receipts
            .values()
            .any(|receipt| receipt.outcome.name() == "sold_out")
    );
}
