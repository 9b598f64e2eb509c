//! Every message as a file under `golden/`: a page's author, and whoever changes a type, sees what it looks like.
//! `UPDATE_GOLDEN=1` writes the server's anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use overlay::ClientId;
use overlay::ledger::{Answer, Decision, Ticket};
use overlay::message::{ClientMessage, EncodingStatus, Money, OrderLine, OrderState, Sale, parse_message};
use serde_json::{Value, json};
use stage::{ROOM, START, Stage, buy, host, uuid};

fn golden(side: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(side)
}

fn files(side: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(golden(side)).unwrap();
    let files = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    });
    files.collect()
}

/// Kinds in a table of the protocol: the first column, between backticks.
fn kinds_of_table(after: &str) -> BTreeSet<String> {
    let protocol = include_str!("../PROTOCOL.md");
    let section = protocol.split(after).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `"));
    cells
        .map(|cell| cell.split('`').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_message_of_clients_is_understood_and_in_the_protocol() {
    let mut kinds = BTreeSet::new();
    for (name, text) in files("client") {
        let message = parse_message(text.as_bytes()).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        assert!(!matches!(message, ClientMessage::Unknown), "{name}");
        kinds.insert(name.split('.').next().unwrap().to_owned());
        if let Some(op) = name.strip_prefix("host.") {
            let named = format!("`{op}");
            assert!(
                include_str!("../PROTOCOL.md").contains(&named),
                "{op} is not explained"
            );
        }
    }
    assert_eq!(kinds, kinds_of_table("## Client to server"));
}

#[test]
fn every_code_of_a_notice_is_in_the_protocol() {
    let schema: Value = serde_json::from_str(include_str!("../schema/server.json")).unwrap();
    let codes = schema["$defs"]["NoticeCode"]["oneOf"].as_array().unwrap();
    let codes: BTreeSet<String> = codes
        .iter()
        .map(|code| code["const"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes, kinds_of_table("## Codes of a notice"));
}

#[test]
fn every_message_of_the_shop_is_as_its_file_shows() {
    let told = everything();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for (kind, message) in &told {
            let text = serde_json::to_string_pretty(message).unwrap() + "\n";
            std::fs::write(golden("server").join(format!("{kind}.json")), text).unwrap();
        }
    }
    for (kind, text) in files("server") {
        let shown: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told.get(&kind), Some(&shown), "{kind}");
    }
    let kinds: BTreeSet<String> = told.into_keys().collect();
    let files: BTreeSet<String> = files("server").into_keys().collect();
    assert_eq!(kinds, files);
    assert_eq!(kinds, kinds_of_table("## Server to client"));
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (name, schema) in overlay::message::schemas() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(known == text, "{path:?} is old: UPDATE_GOLDEN=1 writes it anew");
    }
}

/// A show in which everything happens; the first message of each kind.
fn everything() -> BTreeMap<String, Value> {
    let mut stage = Stage::demo();
    stage.join(9, json!({"token": "host:hanna"}));
    let greeted = stage.join(1, json!({"token": "viewer:anna"})).remove(0);
    let version = greeted["snapshot"]["show"]["price_version"].clone();
    stage.say(1, json!({"t": "ping", "n": 7}));
    stage.say(1, json!({"t": "chat", "id": "line-1", "text": "hello"}));
    stage.say(1, buy(1, "tote-ink", 3, &version));
    stage.wait(200);
    let code = json!({"op": "promo.put", "code": "FIG10", "basis_points": 1000, "per_customer": 1});
    stage.say(9, host(code));
    stage.say(1, json!({"t": "promo", "id": "p1", "code": "fig10"}));
    stage.say(
        1,
        json!({"t": "question", "id": "line-3", "text": "Does it come in blue?"}),
    );
    stage.say(1, json!({"t": "react", "kind": "heart", "count": 3}));
    stage.say(
        1,
        json!({"t": "cart", "lines": [{"variant": "candle", "quantity": 2}]}),
    );
    let plate = json!({
        "id": "plate", "title": "Plate",
        "variants": [{"id": "plate-1", "title": "One", "price": {"minor": 1999, "currency": "EUR"}, "available": 3}],
    });
    for command in [
        json!({"op": "show.title", "title": "Saturday"}),
        json!({"op": "product.put", "product": plate}),
        json!({"op": "product.pin", "product": "candle", "featured": true}),
        json!({"op": "product.remove", "product": "lamp"}),
        json!({"op": "price.set", "variant": "candle", "minor": 2800, "was_minor": 3200}),
        json!({"op": "order.settle", "buy": uuid(1), "state": "paid"}),
        json!({"op": "chat.slow", "seconds": 10}),
        json!({"op": "chat.pin", "message": "c1"}),
        json!({"op": "chat.delete", "message": "c1"}),
        json!({"op": "chat.words", "words": ["darn"]}),
        json!({"op": "question.answer", "question": "q2", "text": "In blue and in green."}),
        json!({"op": "poll.open", "poll": "colour", "question": "Which one next?", "options": ["Blue", "Green"], "seconds": 60}),
        json!({"op": "show.schedule", "starts_at": START.0 + 3_600_000}),
        json!({"op": "countdown.show"}),
        json!({"op": "product.recommend", "product": "notebook", "text": "Goes well with the pen."}),
        json!({"op": "announce", "text": "Last call"}),
    ] {
        stage.say(9, host(command));
    }
    stage.say(1, json!({"t": "chat", "id": "line-2", "text": "and again"}));
    stage.say(1, json!({"t": "vote", "poll": "colour", "option": 1}));
    stage.wait(200);
    stage
        .shop
        .tell_clock(stage.now, ClientId(1), 3_000_000, 90_000, START.0);
    stage.shop.set_unplayable(stage.now, ClientId(1), Some("av1"));
    wait_in_line(&mut stage);
    stage.say(1, buy(2, "candle", 1, &json!(9)));
    stage.wait(9 * 60_000);
    stage.shop.set_on_air(stage.now, &ROOM.into(), true);
    let encoding = EncodingStatus {
        rid: Some("h".to_owned()),
        codec: "h264".to_owned(),
        bitrate: 2_500_000,
        width: Some(1280),
        height: Some(720),
        active: true,
        lost_permille: 12,
        jitter_ms: 3,
        viewers: 40,
    };
    let warnings = vec!["no sound arrives".to_owned()];
    stage.shop.tell_health(stage.now, ROOM, &[encoding], warnings);
    stage.pump();
    let mut batches = stage.broadcasts.iter().filter(|message| message["t"] == "batch");
    let batch = batches.next().unwrap().clone();
    let mut told = BTreeMap::from([("welcome".to_owned(), greeted), ("batch".to_owned(), batch)]);
    for client in [1, 9] {
        for (_, message) in &stage.inboxes[&ClientId(client)] {
            let kind = message["t"].as_str().unwrap().to_owned();
            told.entry(kind).or_insert_with(|| message.clone());
        }
    }
    told
}

/// Anna is second on a list, then first.
fn wait_in_line(stage: &mut Stage) {
    let sale = |number: u64, user: &str, state| Sale {
        buy: uuid(number),
        user: user.to_owned(),
        name: user.to_uppercase(),
        lines: vec![OrderLine {
            variant: "lamp".to_owned(),
            quantity: 1,
            price: Money {
                minor: 14_900,
                currency: "EUR".to_owned(),
                exponent: 2,
            },
        }],
        total: Money {
            minor: 14_900,
            currency: "EUR".to_owned(),
            exponent: 2,
        },
        state,
        expires_at: 0,
        promo: None,
        discount: None,
        affiliate: None,
        queue: Some(number as i64),
    };
    let answer = |orders: Vec<Sale>| Answer {
        ticket: Ticket(u64::MAX),
        show: ROOM.into(),
        decision: Ok(Decision::Done),
        stock: Vec::new(),
        products: Vec::new(),
        orders: orders.into_iter().map(|sale| (ROOM.into(), sale)).collect(),
        refreshed: Vec::new(),
    };
    let both = vec![
        sale(11, "ben", OrderState::Waitlisted),
        sale(12, "anna", OrderState::Waitlisted),
    ];
    stage.shop.handle_answer(stage.now, answer(both));
    stage.wait(2000);
    let gone = vec![sale(11, "ben", OrderState::Cancelled)];
    stage.shop.handle_answer(stage.now, answer(gone));
    stage.wait(2000);
}
