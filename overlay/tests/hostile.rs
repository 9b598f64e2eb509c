//! Wrong types, lengths and values in every field of every message.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod stage;

use overlay::message::parse_message;
use proptest::prelude::*;
use serde_json::{Value, json};
use stage::{HERE, Names, ROOM, Stage, buy, uuid};

fn messages() -> Vec<(String, Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/client");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut messages: Vec<(String, Value)> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    messages.sort_by(|a, b| a.0.cmp(&b.0));
    messages
}

fn hostile() -> Vec<Value> {
    let deep = (0..100).fold(json!([]), |inner, _| json!([inner]));
    vec![
        json!(true),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!("   "),
        json!("x".repeat(3900)),
        json!("a\u{202e}b"),
        json!("\u{0}"),
        json!("' OR 1=1 --"),
        json!("javascript:alert(1)"),
        json!([]),
        json!([null, 1, "x", {}, []]),
        json!({}),
        json!({"id": {"id": {}}}),
        deep,
    ]
}

/// Every place in a message, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = format!("{at}/{name}");
                found.push(path.clone());
                places(inner, &path, found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                let path = format!("{at}/{index}");
                found.push(path.clone());
                places(inner, &path, found);
            }
        }
        _ => {}
    }
}

/// Each message with each hostile value at each place, and with the place missing.
fn variants(message: &Value) -> Vec<(String, Value)> {
    let mut paths = Vec::new();
    places(message, "", &mut paths);
    let mut variants = Vec::new();
    for path in paths {
        for value in hostile().into_iter().chain([Value::Null]) {
            let mut changed = message.clone();
            *changed.pointer_mut(&path).unwrap() = value;
            variants.push((path.clone(), changed));
        }
        let (parent, name) = path.rsplit_once('/').unwrap();
        let mut changed = message.clone();
        if let Some(Value::Object(fields)) = changed.pointer_mut(parent) {
            fields.remove(name);
            variants.push((path.clone(), changed));
        }
    }
    variants
}

#[test]
fn a_refused_field_is_named() {
    let mut refused = 0;
    for (name, message) in messages() {
        for (path, changed) in variants(&message) {
            let Err(bad) = parse_message(changed.to_string().as_bytes()) else {
                continue;
            };
            refused += 1;
            if changed.to_string().len() > 4096 {
                continue;
            }
            // A place in a list is named by its list.
            let mut names = path.split('/').filter(|part| part.parse::<usize>().is_err());
            assert!(names.any(|part| bad.0.contains(part)), "{name} {path}: {bad}");
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn whatever_is_said_the_shop_goes_on() {
    let mut stage = Stage::demo();
    stage.join(9, json!({"token": "host:hanna"}));
    for (name, message) in messages() {
        for (path, changed) in variants(&message) {
            stage.say(9, changed);
            stage.say(9, json!({"t": "ping", "n": 1}));
            let pong = stage.take(9, "pong").pop();
            assert_eq!(
                pong.map(|pong| pong["n"].clone()),
                Some(json!(1)),
                "{name} {path}"
            );
            stage.clear();
            stage.wait(2000);
        }
    }
    let audit = overlay::ledger::Ledger::audit(stage.ledger.as_mut().unwrap()).unwrap();
    assert_eq!(audit.differences, []);
}

#[test]
fn what_is_not_json_is_told_so() {
    let mut stage = Stage::demo();
    stage.join(1, json!({}));
    let long = vec![b'x'; 5000];
    let nested = "[".repeat(4000);
    let inputs: [&[u8]; 7] = [b"", b"{", b"\xff\xfe", b"null", b"[]", &long, nested.as_bytes()];
    for input in inputs {
        stage.say_bytes(1, input);
        assert_eq!(stage.one(1, "notice")["code"], "bad_message");
    }
}

/// Something a client does.
#[derive(Clone, Debug)]
enum Step {
    Join(u64, usize),
    Leave(u64),
    Say(u64, usize),
    Hostile(u64, usize, usize),
    Buy(u64, u64, usize, i64),
    Resume(u64, u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..5u64;
    prop_oneof![
        1 => (client.clone(), 0..4usize).prop_map(|(client, who)| Step::Join(client, who)),
        1 => client.clone().prop_map(Step::Leave),
        // Mostly the host and the moderator: they make most of the events.
        6 => (2..4u64, 0..64usize).prop_map(|(client, which)| Step::Say(client, which)),
        1 => (client.clone(), 0..64usize, 0..4096usize)
            .prop_map(|(client, which, how)| Step::Hostile(client, which, how)),
        1 => (client.clone(), 0..12u64, 0..4usize, 1..4i64)
            .prop_map(|(client, id, variant, quantity)| Step::Buy(client, id, variant, quantity)),
        1 => (client, 0..40u64).prop_map(|(client, seq)| Step::Resume(client, seq)),
        1 => (0..700_000u64).prop_map(Step::Wait),
    ]
}

const TOKENS: [&str; 4] = ["viewer:anna", "viewer:ben", "moderator:mo", "host:hanna"];
const VARIANTS: [&str; 4] = ["tote-ink", "candle", "lamp", "nothing"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn in_any_order_numbers_are_consecutive_and_the_books_right(steps in prop::collection::vec(step(), 1..100)) {
        let messages = messages();
        let mut stage = Stage::demo();
        for (client, token) in (0..).zip(TOKENS) {
            stage.join(client, json!({"token": token}));
        }
        for step in steps {
            match step {
                Step::Join(client, who) => { stage.join(client, json!({"token": TOKENS[who]})); }
                Step::Leave(client) => stage.leave(client),
                Step::Say(client, which) => stage.say(client, messages[which % messages.len()].1.clone()),
                Step::Hostile(client, which, how) => {
                    let variants = variants(&messages[which % messages.len()].1);
                    stage.say(client, variants[how % variants.len()].1.clone());
                }
                Step::Buy(client, id, variant, quantity) => {
                    stage.say(client, buy(id, VARIANTS[variant], quantity, &json!(1)));
                    let body = buy(id, VARIANTS[variant], quantity, &json!(1)).to_string();
                    stage.request(|shop, request, now| {
                        shop.request_buy(now, request, (&ROOM.into(), HERE), Some("viewer:anna"), body.as_bytes(), &Names);
                    });
                    stage.say(client, json!({"t": "cancel", "buy": uuid(id / 2)}));
                }
                Step::Resume(client, seq) => {
                    stage.say(client, json!({"t": "hello", "versions": [1], "resume": {"epoch": "e1", "seq": seq}}));
                }
                Step::Wait(ms) => stage.wait(ms % 5000),
            }
        }
        stage.wait(200);
        // Two channels: their order to each other is not kept.
        stage.numbers.sort_unstable();
        let consecutive = stage.numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
        prop_assert!(consecutive, "{:?}", stage.numbers);
        prop_assert!(stage.longest < 16 * 1024);
        let audit = overlay::ledger::Ledger::audit(stage.ledger.as_mut().unwrap()).unwrap();
        prop_assert_eq!(audit.differences, vec![]);
    }
}
