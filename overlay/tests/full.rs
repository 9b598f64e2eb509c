//! Bounds of the shop itself, at them and one beyond: what is full refuses and says so, and what is in it goes on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod stage;

use std::net::{IpAddr, Ipv4Addr};

use overlay::ledger::{Answer, Command, Refusal};
use overlay::{ClientId, Condition, List, Output, Reply, RequestId, Shop, ShopConfig};
use serde_json::{Value, json};
use stage::{HERE, Names, ROOM, START, Stage, buy, host};

/// What the shop replied, and what it asks the ledger, which says nothing.
fn outputs(shop: &mut Shop) -> (Vec<Reply>, Vec<Command>) {
    let (mut replies, mut commands) = (Vec::new(), Vec::new());
    while let Some(output) = shop.poll_output() {
        match output {
            Output::Reply { reply, .. } => replies.push(reply),
            Output::Ledger(command) => commands.push(command),
            _ => {}
        }
    }
    (replies, commands)
}

#[test]
fn fifty_thousand_wait_for_the_ledger_and_the_next_is_told() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    let shop = &mut stage.shop;
    let ask = |shop: &mut Shop, number| shop.request_list(RequestId(number), &ROOM.into(), List::Orders);
    (0..50_000).for_each(|number| ask(shop, number));
    let (replies, commands) = outputs(shop);
    assert_eq!((replies.len(), commands.len()), (0, 50_000));
    ask(shop, 50_000);
    let body = buy(1, "candle", 1, &json!(1)).to_string();
    let viewer = Some("viewer:ben");
    shop.request_buy(
        START,
        RequestId(0),
        (&ROOM.into(), HERE),
        viewer,
        body.as_bytes(),
        &Names,
    );
    let (replies, more) = outputs(shop);
    assert_eq!(replies, [Reply::Unavailable, Reply::Unavailable]);
    assert!(more.is_empty());
    stage.say(1, buy(2, "candle", 1, &json!(1)));
    let notice = stage.one(1, "notice");
    assert_eq!(
        (&notice["code"], &notice["retry_after_ms"]),
        (&json!("unavailable"), &json!(1000))
    );
    // One is answered, and one has room.
    let first = &commands[0];
    let answer = Answer::refusing(first.ticket, first.show.clone(), Refusal::Failed);
    stage.shop.handle_answer(START, answer);
    outputs(&mut stage.shop);
    for room in [1, 0] {
        ask(&mut stage.shop, 50_001);
        assert_eq!(outputs(&mut stage.shop).1.len(), room);
    }
}

fn mute(stage: &mut Stage, number: usize) -> Reply {
    let body = json!({"op": "chat.mute", "user": format!("u{number}")}).to_string();
    stage.request(|shop, request, now| {
        shop.request_command(now, request, &ROOM.into(), Condition::default(), body.as_bytes());
    })
}

#[test]
fn a_thousand_words_of_the_staff_that_could_not_be_kept_are_remembered() {
    let mut stage = Stage::demo();
    let ledger = stage.ledger.take();
    for number in 0..1000 {
        assert_eq!(mute(&mut stage, number), Reply::Unavailable);
    }
    assert!(matches!(mute(&mut stage, 1000), Reply::Conflict(why) if why.contains("busy")));
    stage.ledger = ledger;
    stage.wait(1200);
    assert_eq!(mute(&mut stage, 1000), Reply::Done);
    let shows = overlay::ledger::Ledger::shows(stage.ledger.as_mut().unwrap()).unwrap();
    assert_eq!(shows[0].talk.len(), 1001, "all of them are kept by now");
}

#[test]
fn the_staff_is_told_of_the_latest_twenty_five_of_each_list() {
    let mut stage = Stage::demo();
    for number in 0..25 {
        mute(&mut stage, number);
    }
    let told = |stage: &mut Stage, client: u64| {
        stage.join(client, json!({"token": "host:hanna"}));
        let muted = stage.one(client, "moderation")["muted"].clone();
        muted.as_array().unwrap().clone()
    };
    let all = told(&mut stage, 9);
    assert_eq!((all.len(), &all[24]), (25, &json!("u0")));
    mute(&mut stage, 25);
    let latest = told(&mut stage, 8);
    assert_eq!(
        (latest.len(), &latest[0], &latest[24]),
        (25, &json!("u25"), &json!("u1"))
    );
}

#[test]
fn an_address_may_say_so_much_at_once_and_another_as_much() {
    let mut stage = Stage::demo();
    // A fifth of what is taken in ten seconds, with the greetings.
    for client in 0..21 {
        stage.join(client, json!({}));
    }
    let ping = |stage: &mut Stage, client: u64| {
        stage.say(client, json!({"t": "ping", "n": 1}));
        stage.take(client, "pong").len()
    };
    for number in 0..1979 {
        assert_eq!(ping(&mut stage, number % 21), 1, "{number}");
    }
    assert_eq!(ping(&mut stage, 7), 0);
    let notice = stage.one(7, "notice");
    assert_eq!(notice["code"], "too_fast");
    let body = buy(1, "candle", 1, &json!(1)).to_string();
    let from = |stage: &mut Stage, from| {
        stage.request(|shop, request, now| {
            let origin = (&ROOM.into(), from);
            shop.request_buy(now, request, origin, Some("viewer:anna"), body.as_bytes(), &Names);
        })
    };
    assert!(matches!(from(&mut stage, HERE), Reply::TooMany { .. }));
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert!(matches!(from(&mut stage, elsewhere), Reply::Ok(_)));
    let wait = notice["retry_after_ms"].as_i64().unwrap();
    stage.now = overlay::UnixMillis(stage.now.0 + wait);
    assert_eq!(ping(&mut stage, 8), 1);
}

#[test]
fn as_many_rooms_are_known_as_is_said() {
    let config = ShopConfig {
        max_rooms: 2,
        ..ShopConfig::default()
    };
    let mut shop = Shop::new(START, config, "e1".to_owned(), Vec::new());
    for (client, room) in (0..).zip(["one", "two", "three"]) {
        shop.connect(START, ClientId(client), &room.into(), HERE);
    }
    let known = |shop: &Shop| {
        shop.rooms()
            .iter()
            .map(|room| room.room.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(known(&shop), ["one", "two"]);
    // An empty one makes room.
    shop.disconnect(ClientId(0));
    shop.connect(START, ClientId(3), &"three".into(), HERE);
    assert_eq!(known(&shop), ["three", "two"]);
}

#[test]
fn a_list_of_those_kept_out_is_full_at_ten_thousand() {
    let mut stage = Stage::demo();
    stage.join(9, json!({"token": "host:hanna"}));
    for number in 0..10_000 {
        assert_eq!(mute(&mut stage, number), Reply::Done);
    }
    stage.say(9, host(json!({"op": "chat.mute", "user": "one more"})));
    let notice: Value = stage.one(9, "notice");
    assert_eq!(notice["code"], "not_possible");
    assert!(notice["text"].as_str().unwrap().contains("the list is full"));
}
