//! The process is killed at random points of a storm, again and again: what was answered is there, what was not
//! answered is there or not, nothing is there by half.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command as Process, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use overlay::ledger::{Action, Decision};
use overlay::message::{HostCommand, OrderState, Receipt};

use crate::candles::{NOW, buy, command, customer, id};
use crate::{ask, ledger, open, serve, server, units_held};

/// Tells the child where its ledger is.
const LEDGER: &str = "STORM_LEDGER";
/// Tells it which buyers come in its life.
const LIFE: &str = "STORM_LIFE";
/// Buyers of one life; the next life's first are this life's last.
const BUYERS: u64 = 10_000;
/// The latest kill, after the first receipt, in microseconds: some ten commits.
const LATEST: u64 = 40_000;

/// The process that is killed: eight threads buy for ever, and every receipt is printed when it is answered.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn buys_until_it_is_killed() {
    let (Ok(place), Ok(life)) = (std::env::var(LEDGER), std::env::var(LIFE)) else {
        return;
    };
    let first = life.parse::<u64>().unwrap() * BUYERS;
    let ledger = open(&place);
    let (lane, asked) = sync_channel(4096);
    for thread in 0..8u64 {
        let lane = lane.clone();
        thread::spawn(move || {
            for number in 0..BUYERS / 8 {
                let receipt = ask(&lane, first + thread + 8 * number);
                let line = serde_json::to_string(&receipt).unwrap();
                writeln!(std::io::stdout(), "receipt {line}").unwrap();
            }
        });
    }
    serve(ledger, &asked);
}

/// One life: what was answered in it.
fn live(place: &str, life: u64, moment: Duration) -> Vec<Receipt> {
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "crash::buys_until_it_is_killed",
            "--nocapture",
        ])
        .env(LEDGER, place)
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let read = |line: String| -> Option<Receipt> {
        // The kill may cut the last line.
        let (_, json) = line.split_once("receipt ")?;
        serde_json::from_str(&json[..json.rfind('}')? + 1]).ok()
    };
    let mut answered = Vec::new();
    while answered.is_empty() {
        answered.extend(read(lines.next().expect("the child lives").unwrap()));
    }
    // Wherever it is then: nothing is waited for, the moment is the test.
    thread::sleep(moment);
    child.kill().unwrap();
    answered.extend(lines.map_while(Result::ok).filter_map(read));
    child.wait().unwrap();
    answered
}

fn survives(place: &str, lives: u64) {
    drop(ledger(place));
    let mut told: HashMap<String, Receipt> = HashMap::new();
    let mut held_before = BTreeSet::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for life in 0..lives {
        // xorshift: the moments are the same in every run, what is going on then is not.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        for receipt in live(place, life, Duration::from_micros(seed % LATEST)) {
            let known = told.entry(receipt.buy.clone()).or_insert_with(|| receipt.clone());
            assert_eq!(*known, receipt);
        }
        let mut ledger = open(place);
        let held = units_held(&mut *ledger);
        let held_told: BTreeSet<String> = told
            .values()
            .filter(|receipt| receipt.outcome.name() == "held")
            .map(|receipt| receipt.buy.clone())
            .collect();
        assert!(held_told.is_superset(&held_before), "what was told once stays");
        // Everybody who was answered in this life asks again, and so does somebody who was not.
        let first = life * BUYERS;
        let asked: Vec<u64> = (first..first + 40).collect();
        let batch = asked.iter().map(|who| command(*who, buy(*who))).collect();
        for (answer, who) in ledger.decide(NOW, batch).into_iter().zip(asked) {
            let Ok(Decision::Receipt(receipt)) = answer.decision else {
                panic!("{answer:?}")
            };
            if let Some(known) = told.get(&id(who)) {
                assert_eq!(*known, receipt, "life {life}: the same receipt after the kill");
            }
            told.insert(receipt.buy.clone(), receipt);
        }
        assert!(units_held(&mut *ledger) >= held);
        // What is held is paid or given back, so that each life finds something to sell.
        let orders = match ledger
            .decide(NOW, vec![command(0, Action::Orders)])
            .remove(0)
            .decision
        {
            Ok(Decision::Orders(orders)) => orders,
            other => panic!("{other:?}"),
        };
        let give_back = orders.iter().filter(|order| order.state == OrderState::Held);
        let give_back = give_back.skip(10).map(|order| {
            let settle = HostCommand::Settle {
                buy: order.buy.clone(),
                state: OrderState::Cancelled,
                restock: true,
            };
            command(0, Action::Change(settle))
        });
        ledger.decide(NOW, give_back.collect());
        held_before = held_told;
    }
    let mut ledger = open(place);
    let all = told.keys().map(|buy| customer(buy));
    let batch: Vec<_> = all.map(|who| command(who, buy(who))).collect();
    assert!(batch.len() as u64 >= lives * 40);
    for answer in ledger.decide(NOW, batch) {
        let Ok(Decision::Receipt(receipt)) = answer.decision else {
            panic!("{answer:?}")
        };
        assert_eq!(told[&receipt.buy], receipt, "for ever");
    }
    units_held(&mut *ledger);
}

#[test]
fn what_was_answered_before_fifty_kills_is_there_after_them() {
    let folder = tempfile::tempdir().unwrap();
    survives(folder.path().join("ledger.db").to_str().unwrap(), 50);
}

#[test]
fn the_same_with_fifty_kills_on_postgresql() {
    let server = server::Postgres::start();
    survives(&server.database(), 50);
}
