//! Every bound of what clients may say, at it and one beyond: what is allowed is taken, what is not is refused and told
//! which field and what it may hold.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod stage;

use overlay::message::parse_message;
use serde_json::{Value, json};
use stage::{Stage, buy, host, uuid};

/// What is bounded.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Number,
    /// Characters or entries: there are never fewer than none.
    Count,
}
use Of::{Count, Number};

/// What is bounded, its name in errors, the least, the most, and a message with so much of it.
type Bound = (Of, &'static str, i64, i64, fn(i64) -> Value);

fn text(length: i64) -> String {
    // Characters are counted, not bytes.
    "\u{e4}".repeat(usize::try_from(length).unwrap())
}

fn id(length: i64) -> String {
    "i".repeat(usize::try_from(length).unwrap())
}

fn path(length: i64) -> String {
    if length == 0 {
        return String::new();
    }
    format!("/{}", id(length - 1))
}

fn entries(count: i64, entry: impl Fn(i64) -> Value) -> Value {
    (0..count).map(entry).collect()
}

/// A greeting with one more field.
fn hello(field: &str, value: Value) -> Value {
    let mut hello = json!({"t": "hello", "versions": [1]});
    hello[field] = value;
    hello
}

/// A buy with one field another.
fn buying(field: &str, value: Value) -> Value {
    let mut message = buy(1, "v", 1, &json!(1));
    message[field] = value;
    message
}

fn line(quantity: i64) -> Value {
    json!({"variant": "v", "quantity": quantity})
}

/// A host's command with one field more.
fn op(op: &str, fields: Value, field: &str, value: Value) -> Value {
    let mut command = fields;
    command["op"] = op.into();
    command[field] = value;
    host(command)
}

fn product(field: &str, value: Value) -> Value {
    let mut product = json!({"id": "p", "title": "P", "variants": [variant_of("v")]});
    product[field] = value;
    host(json!({"op": "product.put", "product": product}))
}

fn variant_of(id: &str) -> Value {
    json!({"id": id, "title": "V", "price": {"minor": 1, "currency": "EUR"}})
}

fn variant(field: &str, value: Value) -> Value {
    let mut variant = variant_of("v");
    variant[field] = value;
    product("variants", json!([variant]))
}

fn flash(field: &str, value: Value) -> Value {
    op(
        "flash.start",
        json!({"variant": "v", "minor": 1, "seconds": 1}),
        field,
        value,
    )
}

fn promo(field: &str, value: Value) -> Value {
    op("promo.put", json!({"code": "X", "basis_points": 1}), field, value)
}

fn poll(field: &str, value: Value) -> Value {
    let poll = json!({"poll": "p", "question": "?", "options": ["a", "b"]});
    op("poll.open", poll, field, value)
}

const BILLION: i64 = 1_000_000_000;
const TRILLION: i64 = 1_000_000_000_000;
const DAY: i64 = 86_400;

#[rustfmt::skip]
const BOUNDS: &[Bound] = &[
    (Count, "versions", 1, 16, |n| hello("versions", entries(n, |_| json!(1)))),
    (Count, "accepts", 0, 16, |n| hello("accepts", entries(n, |_| json!("batch")))),
    (Count, "client", 1, 64, |n| hello("client", json!(text(n)))),
    (Count, "name", 1, 32, |n| hello("name", json!(text(n)))),
    (Count, "token", 1, 2048, |n| hello("token", json!(id(n)))),
    (Number, "seq", 0, i64::MAX, |n| hello("resume", json!({"epoch": "e", "seq": n}))),
    (Count, "epoch", 1, 64, |n| hello("resume", json!({"epoch": id(n), "seq": 1}))),
    (Count, "lines", 1, 10, |n| buying("lines", entries(n, |n| json!({"variant": format!("v{n}"), "quantity": 1000})))),
    (Number, "quantity", 1, 1000, |n| buying("lines", json!([line(n)]))),
    (Count, "lines", 2, 1000, |n| buying("lines", json!([line(1), line(n - 1)]))),
    (Count, "variant", 1, 64, |n| buying("lines", json!([{"variant": id(n), "quantity": 1}]))),
    (Number, "price_version", 0, i64::MAX, |n| buying("price_version", json!(n))),
    (Count, "promo", 1, 32, |n| buying("promo", json!(id(n)))),
    (Count, "affiliate", 1, 64, |n| buying("affiliate", json!(id(n)))),
    (Count, "id", 1, 64, |n| json!({"t": "promo", "id": id(n), "code": "X"})),
    (Count, "code", 1, 32, |n| json!({"t": "promo", "id": "1", "code": id(n)})),
    (Count, "lines", 0, 20, |n| json!({"t": "cart", "lines": entries(n, |n| json!({"variant": format!("v{n}"), "quantity": 1000}))})),
    (Count, "text", 1, 500, |n| json!({"t": "chat", "id": "1", "text": text(n)})),
    (Count, "text", 1, 500, |n| json!({"t": "question", "id": "1", "text": text(n)})),
    (Number, "count", 1, 50, |n| json!({"t": "react", "kind": "heart", "count": n})),
    (Number, "option", 0, 5, |n| json!({"t": "vote", "poll": "p", "option": n})),
    (Number, "captured_at", 0, i64::MAX, |n| json!({"t": "host", "id": "1", "do": {"op": "chat.unpin"}, "captured_at": n})),
    (Count, "title", 1, 120, |n| op("show.title", json!({}), "title", json!(text(n)))),
    (Number, "starts_at", 0, i64::MAX, |n| op("show.schedule", json!({}), "starts_at", json!(n))),
    (Count, "product", 1, 64, |n| op("product.pin", json!({}), "product", json!(id(n)))),
    (Count, "title", 1, 120, |n| product("title", json!(text(n)))),
    (Count, "description", 1, 600, |n| product("description", json!(text(n)))),
    (Count, "images", 0, 8, |n| product("images", entries(n, |_| json!("/a")))),
    (Count, "images", 1, 300, |n| product("images", json!([path(n)]))),
    (Count, "variants", 1, 50, |n| product("variants", entries(n, |n| variant_of(&format!("v{n}"))))),
    (Count, "title", 1, 120, |n| variant("title", json!(text(n)))),
    (Number, "minor", 0, TRILLION, |n| variant("price", json!({"minor": n, "currency": "EUR"}))),
    (Number, "minor", 0, TRILLION, |n| variant("was", json!({"minor": n, "currency": "EUR"}))),
    (Number, "exponent", 2, 2, |n| variant("price", json!({"minor": 1, "currency": "EUR", "exponent": n}))),
    (Number, "exponent", 0, 0, |n| variant("price", json!({"minor": 1, "currency": "JPY", "exponent": n}))),
    (Number, "exponent", 3, 3, |n| variant("price", json!({"minor": 1, "currency": "KWD", "exponent": n}))),
    (Count, "currency", 3, 3, |n| variant("price", json!({"minor": 1, "currency": "E".repeat(usize::try_from(n).unwrap())}))),
    (Number, "per_customer", 1, 1000, |n| variant("per_customer", json!(n))),
    (Number, "hold_seconds", 5, DAY, |n| variant("hold_seconds", json!(n))),
    (Number, "allotment", 0, BILLION, |n| variant("allotment", json!(n))),
    (Number, "available", 0, BILLION, |n| variant("available", json!(n))),
    (Number, "minor", 0, TRILLION, |n| op("price.set", json!({"variant": "v"}), "minor", json!(n))),
    (Number, "was_minor", 0, TRILLION, |n| op("price.set", json!({"variant": "v", "minor": 1}), "was_minor", json!(n))),
    (Number, "on_hand", 0, BILLION, |n| op("stock.set", json!({"variant": "v"}), "on_hand", json!(n))),
    (Number, "version", 0, i64::MAX, |n| op("stock.set", json!({"variant": "v", "on_hand": 1}), "version", json!(n))),
    (Number, "delta", -BILLION, BILLION, |n| op("stock.add", json!({"variant": "v"}), "delta", json!(n))),
    (Number, "per_customer", 1, 1000, |n| op("offer.set", json!({"variant": "v"}), "per_customer", json!(n))),
    (Number, "allotment", 0, BILLION, |n| op("offer.set", json!({"variant": "v"}), "allotment", json!(n))),
    (Number, "hold_seconds", 5, DAY, |n| op("offer.set", json!({"variant": "v"}), "hold_seconds", json!(n))),
    (Number, "minor", 0, TRILLION, |n| flash("minor", json!(n))),
    (Number, "seconds", 1, DAY, |n| flash("seconds", json!(n))),
    (Number, "starts_at", 0, i64::MAX - DAY * 1000, |n| flash("starts_at", json!(n))),
    (Number, "quantity", 1, BILLION, |n| flash("quantity", json!(n))),
    (Number, "per_customer", 1, 1000, |n| flash("per_customer", json!(n))),
    (Count, "code", 1, 32, |n| promo("code", json!(id(n)))),
    (Number, "basis_points", 1, 10_000, |n| promo("basis_points", json!(n))),
    (Number, "minor", 0, TRILLION, |n| op("promo.put", json!({"code": "X"}), "amount", json!({"minor": n, "currency": "EUR"}))),
    (Number, "limit", 1, BILLION, |n| promo("limit", json!(n))),
    (Number, "per_customer", 1, BILLION, |n| promo("per_customer", json!(n))),
    (Number, "starts_at", 0, i64::MAX, |n| promo("starts_at", json!(n))),
    (Number, "ends_at", 0, i64::MAX, |n| promo("ends_at", json!(n))),
    (Count, "message", 1, 64, |n| op("chat.delete", json!({}), "message", json!(id(n)))),
    (Count, "user", 1, 128, |n| op("chat.mute", json!({}), "user", json!(text(n)))),
    (Number, "seconds", 0, 120, |n| op("chat.slow", json!({}), "seconds", json!(n))),
    (Count, "words", 0, 150, |n| op("chat.words", json!({}), "words", entries(n, |n| json!(format!("w{n}"))))),
    (Count, "words", 1, 40, |n| op("chat.words", json!({}), "words", json!([text(n)]))),
    (Count, "text", 1, 500, |n| op("question.answer", json!({"question": "q"}), "text", json!(text(n)))),
    (Count, "poll", 1, 64, |n| poll("poll", json!(id(n)))),
    (Count, "question", 1, 200, |n| poll("question", json!(text(n)))),
    (Count, "options", 2, 6, |n| poll("options", entries(n, |n| json!(n.to_string())))),
    (Count, "options", 1, 80, |n| poll("options", json!(["a", text(n)]))),
    (Number, "seconds", 5, DAY, |n| poll("seconds", json!(n))),
    (Count, "text", 1, 280, |n| op("announce", json!({}), "text", json!(text(n)))),
    (Count, "text", 1, 200, |n| op("product.recommend", json!({"product": "p"}), "text", json!(text(n)))),
];

#[test]
fn every_bound_of_a_message_is_where_it_is_said_to_be() {
    for (of, name, least, most, message) in BOUNDS {
        for value in [*least, *most] {
            let message = message(value).to_string();
            assert!(
                message.len() <= 4096,
                "{name} {value}: longer than a message may be"
            );
            let parsed = parse_message(message.as_bytes());
            assert!(parsed.is_ok(), "{name} {value}: {parsed:?}");
        }
        // Beyond the ends of whole numbers there is nothing.
        let below = least.checked_sub(1).filter(|below| *of == Number || *below >= 0);
        for value in below.into_iter().chain(most.checked_add(1)) {
            let parsed = parse_message(message(value).to_string().as_bytes());
            let Err(bad) = parsed else {
                panic!("{name} {value} was taken")
            };
            assert!(bad.0.contains(name), "{name} {value}: {bad}");
            assert!(bad.0.contains(" is expected, "), "{name} {value}: {bad}");
        }
    }
}

#[test]
fn a_message_has_at_most_4096_bytes() {
    let message = |length: usize| {
        let head = r#"{"t":"ping","n":1,"more":""#;
        format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
    };
    assert_eq!(message(4096).len(), 4096);
    assert!(parse_message(message(4096).as_bytes()).is_ok());
    let bad = parse_message(message(4097).as_bytes()).unwrap_err();
    assert_eq!(bad.0, "at most 4096 bytes are accepted, not 4097");
}

/// So many of a message are taken at once, and the next is refused with a time to wait, after which it is taken.
fn paced(at_once: usize, message: fn(u64) -> Value) {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    let say = |stage: &mut Stage, number: u64| {
        stage.say(1, message(number));
        stage.take(1, "notice").pop()
    };
    for number in 0..at_once as u64 {
        let refused = say(&mut stage, number).filter(|notice| notice["code"] == "too_fast");
        assert_eq!(refused, None, "{number} of {at_once}");
    }
    let refused = say(&mut stage, 900).unwrap();
    assert_eq!(refused["code"], "too_fast", "one more than {at_once}");
    let wait = refused["retry_after_ms"].as_i64().unwrap();
    assert!(wait > 0);
    stage.now = overlay::UnixMillis(stage.now.0 + wait);
    let refused = say(&mut stage, 901).filter(|notice| notice["code"] == "too_fast");
    assert_eq!(refused, None, "after {wait} ms");
}

#[test]
fn as_much_is_taken_at_once_as_is_said() {
    paced(5, |n| buy(n, "candle", 1, &json!(1)));
    paced(5, |n| json!({"t": "promo", "id": n.to_string(), "code": "X"}));
    paced(4, |n| json!({"t": "chat", "id": n.to_string(), "text": "hi"}));
    paced(3, |n| json!({"t": "question", "id": n.to_string(), "text": "?"}));
    paced(4, |_| json!({"t": "react", "kind": "heart", "count": 1}));
    // The first was the one it came with.
    paced(4, |_| json!({"t": "hello", "versions": [1]}));
}

#[test]
fn a_flood_ends_a_client_and_nobody_else() {
    let mut stage = Stage::demo();
    stage.join(1, json!({}));
    stage.join(2, json!({}));
    // A third of three hundred at once; one was the greeting.
    for number in 0..99 {
        stage.say(1, json!({"t": "ping", "n": number}));
    }
    assert_eq!(stage.take(1, "pong").len(), 99);
    stage.say(1, json!({"t": "ping", "n": 99}));
    assert!(
        !stage.inboxes.contains_key(&overlay::ClientId(1)),
        "it was let go"
    );
    stage.say(2, json!({"t": "ping", "n": 1}));
    stage.one(2, "pong");
}

#[test]
fn a_newcomer_is_told_the_last_fifty_lines() {
    let mut stage = Stage::demo();
    stage.join(9, json!({"token": "host:hanna"}));
    for number in 0..51 {
        stage.say(9, json!({"t": "chat", "id": "a", "text": number.to_string()}));
        stage.wait(600);
    }
    let welcome = stage.join(1, json!({"token": "viewer:anna"})).remove(0);
    let chat = welcome["snapshot"]["chat"].as_array().unwrap();
    assert_eq!((chat.len(), &chat[0]["text"]), (50, &json!("1")));
    // A cart of as many lines as fit, and what it is worth.
    stage.say(
        1,
        json!({"t": "cart", "lines": [{"variant": "candle", "quantity": 1000}]}),
    );
    assert_eq!(stage.one(1, "cart")["lines"][0]["quantity"], 1000);
    assert_eq!(uuid(1).len(), 36);
}
