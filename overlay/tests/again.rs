//! Stories of what is said or asked for again because no answer came before the line broke.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use overlay::{List, Reply};
use serde_json::{Value, json};
use stage::{ROOM, Stage, host, uuid};

fn chat(id: &str, text: &str) -> Value {
    json!({"t": "chat", "id": id, "text": text})
}

fn stock(stage: &mut Stage) -> String {
    let reply = stage.request(|shop, request, _| shop.request_list(request, &ROOM.into(), List::Stock));
    let Reply::Ok(counts) = reply else {
        panic!("{reply:?}")
    };
    String::from_utf8(counts.to_vec()).unwrap()
}

#[test]
fn what_is_said_again_for_want_of_an_answer_is_said_once() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "host:hal"}));
    let line = chat(&uuid(1), "Is it blue?");
    let question = json!({"t": "question", "id": uuid(2), "text": "Is it big?"});
    stage.say(9, host(json!({"op": "chat.slow", "seconds": 60})));
    stage.say(1, line.clone());
    stage.say(1, question.clone());
    // The line broke before the answers came, and the words are said again, slow mode or not.
    stage.leave(1);
    stage.join_anew(1, "viewer:anna");
    stage.say(1, line.clone());
    stage.say(1, question);
    let done = stage.take(1, "done");
    assert_eq!(
        done.iter().map(|done| &done["ref"]).collect::<Vec<_>>(),
        [&json!(uuid(1)), &json!(uuid(2))]
    );
    stage.wait(200);
    assert_eq!(stage.take(9, "chat").len(), 1);
    assert_eq!(stage.take(9, "question").len(), 1);

    // Another's line may have the same id, and an id that is no UUID is no name.
    stage.join(2, json!({"token": "viewer:ben"}));
    stage.say(2, line);
    stage.say(9, chat("a", "one"));
    stage.say(9, chat("a", "one"));
    stage.wait(200);
    assert_eq!(stage.take(9, "chat").len(), 3);
}

#[test]
fn what_was_said_before_a_restart_is_not_said_again() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.say(1, chat(&uuid(1), "Is it blue?"));
    stage.wait(2000);
    let mut stage = Stage::on(stage.ledger.take().unwrap());
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.say(1, chat(&uuid(1), "Is it blue?"));
    assert_eq!(stage.one(1, "done")["ref"], uuid(1));
    stage.wait(200);
    assert!(stage.take(1, "chat").is_empty());
}

#[test]
fn a_command_that_is_given_again_is_carried_out_once() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "host:hal"}));
    let before = stock(&mut stage);
    let add = json!({"t": "host", "id": uuid(1), "do": {"op": "stock.add", "variant": "candle", "delta": 2}});
    let announce = json!({"t": "host", "id": uuid(2), "do": {"op": "announce", "text": "Hello"}});
    let poll = json!({"t": "host", "id": uuid(3), "do": {"op": "poll.open", "poll": "p", "question": "Which?", "options": ["a", "b"]}});
    for command in [&add, &announce, &poll] {
        stage.say(9, command.clone());
    }
    let once = stock(&mut stage);
    assert_ne!(once, before);
    stage.leave(9);
    stage.join_anew(9, "host:hal");
    for command in [&add, &announce, &poll] {
        stage.say(9, command.clone());
    }
    stage.wait(200);
    assert_eq!(stock(&mut stage), once);
    assert_eq!(stage.take(1, "announcement").len(), 1);
    let refs: Vec<Value> = stage
        .take(9, "done")
        .iter()
        .map(|done| done["ref"].clone())
        .collect();
    assert_eq!(refs.len(), 3, "{refs:?}");
    // Another command under a name that is taken is none.
    let other =
        json!({"t": "host", "id": uuid(1), "do": {"op": "stock.add", "variant": "candle", "delta": 3}});
    stage.say(9, other);
    assert_eq!(stage.one(9, "notice")["code"], "key_reused");
}
