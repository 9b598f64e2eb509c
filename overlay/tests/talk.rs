//! Stories of what is said in a show: questions, polls, reactions, carts, and those who keep order.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use overlay::ClientId;
use serde_json::{Value, json};
use stage::{ROOM, START, Stage, buy, host};

fn chat(id: &str, text: &str) -> Value {
    json!({"t": "chat", "id": id, "text": text})
}

#[test]
fn what_is_said_within_a_tick_comes_in_one_message_to_those_who_take_it() {
    let mut stage = Stage::demo();
    for client in 1..=20 {
        stage.join(client, json!({"token": format!("viewer:v{client}")}));
    }
    stage.join(30, json!({"accepts": []}));
    stage.clear();
    stage.broadcasts.clear();
    for client in 1..=20 {
        stage.say(client, chat("a", "hello"));
    }
    stage.wait(200);
    let kinds: Vec<&Value> = stage.broadcasts.iter().map(|message| &message["t"]).collect();
    assert_eq!(
        kinds,
        ["chat", "batch"],
        "the first leaves at once, the rest together"
    );
    assert_eq!(stage.take(1, "chat").len(), 20);
    assert!(!stage.listening.contains(&ClientId(30)));
    assert_eq!(
        stage.take(30, "chat").len(),
        20,
        "one who takes no batches gets each alone"
    );
    assert!(stage.take(30, "batch").is_empty());
}

#[test]
fn a_question_is_asked_answered_and_found_by_who_comes_later() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "moderator:mo"}));
    for (id, text) in [("a", "Is it big?"), ("b", "Is it blue?"), ("c", "And?")] {
        stage.say(1, json!({"t": "question", "id": id, "text": text}));
    }
    stage.wait(200);
    let asked = stage.take(9, "question");
    assert_eq!(asked.len(), 3);
    assert_eq!(
        (&asked[0]["state"], &asked[0]["ref"]),
        (&json!("open"), &json!("a"))
    );
    stage.say(1, json!({"t": "question", "id": "d", "text": "One more?"}));
    let refused = stage.one(1, "notice");
    assert_eq!(
        (&refused["code"], &refused["ref"]),
        (&json!("too_fast"), &json!("d"))
    );

    stage.say(
        9,
        host(json!({"op": "question.answer", "question": asked[0]["id"], "text": "Yes."})),
    );
    stage.say(
        9,
        host(json!({"op": "question.dismiss", "question": asked[1]["id"]})),
    );
    stage.wait(200);
    let settled = stage.take(1, "question").split_off(3);
    assert_eq!(
        (&settled[0]["state"], &settled[0]["answer"]),
        (&json!("answered"), &json!("Yes."))
    );
    assert_eq!(settled[1]["state"], "dismissed");
    let later = stage.join(2, json!({}));
    let known = later[0]["snapshot"]["questions"].as_array().unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(known[0]["answer"], "Yes.");
    stage.take(9, "done");
    stage.say(
        9,
        host(json!({"op": "question.answer", "question": asked[1]["id"]})),
    );
    assert_eq!(stage.one(9, "notice")["code"], "not_found");
}

#[test]
fn a_person_votes_once_in_however_many_tabs_and_the_poll_closes_by_itself() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(2, json!({"token": "viewer:anna"}));
    stage.join(3, json!({"token": "viewer:ben"}));
    stage.join(9, json!({"token": "host:hanna"}));
    let open = json!({"op": "poll.open", "poll": "p", "question": "Next?", "options": ["Mug", "Lamp"], "seconds": 10});
    stage.say(9, host(open.clone()));
    assert_eq!(stage.one(1, "poll")["poll"]["options"], json!(["Mug", "Lamp"]));
    let vote = |option: i64| json!({"t": "vote", "poll": "p", "option": option});
    stage.say(1, vote(1));
    assert_eq!(stage.one(1, "voted")["option"], 1);
    stage.say(2, vote(0));
    assert_eq!(stage.one(2, "voted")["option"], 1, "the first vote stands");
    stage.say(3, vote(0));
    stage.say(3, vote(5));
    assert_eq!(stage.take(3, "voted").len(), 2);
    stage.wait(200);
    assert_eq!(stage.one(3, "poll_counts")["counts"], json!([1, 1]));
    let later = stage.join(4, json!({"token": "viewer:anna"}));
    assert_eq!(later[0]["snapshot"]["votes"], json!({"p": 1}));

    stage.wait(10_000);
    let closed = stage.take(1, "poll").pop().unwrap();
    assert_eq!(
        (&closed["poll"]["open"], &closed["poll"]["counts"]),
        (&json!(false), &json!([1, 1]))
    );
    stage.join(5, json!({"token": "viewer:cleo"}));
    stage.say(5, vote(0));
    assert_eq!(stage.one(5, "notice")["code"], "closed");
    stage.say(9, host(open));
    assert_eq!(stage.one(9, "notice")["code"], "not_possible");
    stage.say(9, host(json!({"op": "poll.close", "poll": "p"})));
    assert_eq!(stage.one(9, "notice")["code"], "not_found");
}

#[test]
fn reactions_are_summed_and_told_once_a_tick() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(2, json!({"token": "viewer:ben"}));
    stage.clear();
    for client in [1, 2] {
        for kind in ["heart", "fire"] {
            stage.say(client, json!({"t": "react", "kind": kind, "count": 5}));
        }
    }
    stage.wait(200);
    assert_eq!(
        stage.one(1, "reactions")["totals"],
        json!({"heart": 10, "fire": 10})
    );
    for _ in 0..3 {
        stage.say(1, json!({"t": "react", "kind": "heart", "count": 1}));
    }
    assert_eq!(stage.one(1, "notice")["code"], "too_fast");
    stage.wait(200);
    assert_eq!(stage.take(2, "reactions").pop().unwrap()["totals"]["heart"], 12);
    let later = stage.join(3, json!({}));
    assert_eq!(later[0]["snapshot"]["reactions"]["fire"], 10);
    stage.wait(1000);
    assert!(stage.take(2, "reactions").is_empty(), "nothing new is not told");
}

#[test]
fn order_is_kept_by_words_mutes_and_bans_that_can_be_taken_back() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(2, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "moderator:mo"}));
    assert_eq!(stage.one(9, "moderation")["muted"], json!([]));

    stage.say(9, host(json!({"op": "chat.words", "words": ["Darn"]})));
    assert_eq!(stage.one(9, "moderation")["words"], json!(["Darn"]));
    stage.say(1, chat("a", "oh, DARN!"));
    let refused = stage.one(1, "notice");
    assert_eq!(
        (&refused["code"], &refused["ref"]),
        (&json!("not_allowed"), &json!("a"))
    );
    let named = stage.join(5, json!({"name": "Darn"}));
    assert_eq!(named[0]["you"]["name"], "Guest");

    stage.say(9, host(json!({"op": "chat.mute", "user": "anna"})));
    assert_eq!(stage.one(9, "moderation")["muted"], json!(["anna"]));
    stage.say(2, chat("b", "hello"));
    assert_eq!(stage.one(2, "notice")["code"], "muted");
    stage.say(9, host(json!({"op": "chat.unmute", "user": "anna"})));
    assert_eq!(stage.one(9, "moderation")["muted"], json!([]));
    stage.say(2, chat("b", "hello"));
    stage.wait(200);
    assert_eq!(stage.one(1, "chat")["text"], "hello");

    stage.say(9, host(json!({"op": "chat.ban", "user": "anna"})));
    assert!(!stage.inboxes.contains_key(&ClientId(1)) && !stage.inboxes.contains_key(&ClientId(2)));
    assert!(stage.join_anew(1, "viewer:anna").is_none(), "not let in again");
    stage.say(9, host(json!({"op": "chat.unban", "user": "anna"})));
    assert!(stage.join_anew(1, "viewer:anna").is_some());
    stage.take(9, "notice");
    stage.say(9, host(json!({"op": "chat.unban", "user": "anna"})));
    assert_eq!(stage.one(9, "notice")["code"], "not_found");
    stage.say(9, host(json!({"op": "announce", "text": "a host's"})));
    assert_eq!(stage.one(9, "notice")["code"], "forbidden");
}

#[test]
fn a_line_is_pinned_until_it_is_taken_away() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "host:hanna"}));
    stage.say(9, chat("a", "Free shipping today"));
    let line = stage.one(1, "chat");
    stage.say(9, host(json!({"op": "chat.pin", "message": line["id"]})));
    stage.wait(200);
    assert_eq!(stage.one(1, "chat_pinned")["line"]["text"], "Free shipping today");
    let later = stage.join(2, json!({}));
    assert_eq!(later[0]["snapshot"]["pinned_chat"]["id"], line["id"]);
    stage.say(9, host(json!({"op": "chat.delete", "message": line["id"]})));
    stage.wait(200);
    assert_eq!(stage.one(1, "chat_pinned").get("line"), None);
    stage.say(9, host(json!({"op": "chat.pin", "message": line["id"]})));
    assert_eq!(stage.take(9, "notice").pop().unwrap()["code"], "not_found");
}

#[test]
fn a_countdown_shows_a_time_of_the_book_and_no_other() {
    let mut stage = Stage::demo();
    stage.join(1, json!({}));
    stage.join(9, json!({"token": "host:hanna"}));
    for variant in [json!(null), json!("candle")] {
        stage.say(9, host(json!({"op": "countdown.show", "variant": variant})));
        assert_eq!(stage.one(9, "notice")["code"], "not_possible");
    }
    let starts_at = START.0 + 60_000;
    stage.say(9, host(json!({"op": "show.schedule", "starts_at": starts_at})));
    stage.say(9, host(json!({"op": "countdown.show"})));
    stage.wait(200);
    assert_eq!(stage.one(1, "show")["starts_at"], starts_at);
    let shown = stage.one(1, "countdown");
    assert_eq!(
        shown["countdown"],
        json!({"until": starts_at, "of": "show_start"})
    );
    stage.wait(60_000);
    assert_eq!(stage.one(1, "countdown").get("countdown"), None, "over");
}

#[test]
fn an_event_carries_the_moment_before_the_camera_it_belongs_to() {
    let mut stage = Stage::demo();
    stage.join(1, json!({}));
    stage.join(9, json!({"token": "host:hanna"}));
    let then = stage.now.0 - 300;
    let mut pin = host(json!({"op": "product.pin", "product": "candle", "featured": true}));
    pin["captured_at"] = json!(then);
    stage.say(9, pin);
    assert_eq!(stage.one(1, "pins")["captured_at"], then);
    let mut late = host(json!({"op": "announce", "text": "x"}));
    late["captured_at"] = json!(stage.now.0 - 60_000);
    stage.say(9, late);
    stage.wait(200);
    assert_eq!(
        stage.one(1, "announcement").get("captured_at"),
        None,
        "a minute ago is a mistake"
    );
    stage
        .shop
        .tell_clock(stage.now, ClientId(1), 90_000, 90_000, then);
    stage.pump();
    assert_eq!(stage.one(1, "clock")["captured_at"], then);
}

#[test]
fn a_cart_is_the_same_in_all_tabs_at_the_prices_of_now() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(2, json!({"token": "viewer:anna"}));
    stage.join(3, json!({"token": "viewer:ben"}));
    let lines = json!([{"variant": "tote-ink", "quantity": 2}, {"variant": "tote-ink", "quantity": 2}, {"variant": "nothing", "quantity": 1}]);
    stage.say(1, json!({"t": "cart", "lines": lines}));
    let cart = stage.one(2, "cart");
    assert_eq!(cart["lines"].as_array().unwrap().len(), 1);
    let line = &cart["lines"][0];
    assert_eq!(
        (&line["quantity"], &line["price"]["minor"], &line["is_available"]),
        (&json!(4), &json!(1900), &json!(false))
    );
    assert!(stage.take(3, "cart").is_empty());
    stage.join(4, json!({"token": "viewer:anna"}));
    assert_eq!(stage.one(4, "cart")["lines"], cart["lines"]);
    stage.say(4, json!({"t": "cart", "lines": []}));
    assert_eq!(stage.take(1, "cart").pop().unwrap()["lines"], json!([]));
}

#[test]
fn a_buyer_is_warned_before_the_hold_ends() {
    let mut stage = Stage::demo();
    let anna = stage.join(1, json!({"token": "viewer:anna"}));
    let version = anna[0]["snapshot"]["show"]["price_version"].clone();
    stage.say(1, buy(1, "candle", 1, &version));
    stage.say(1, buy(2, "lamp", 1, &version));
    let held = stage.take(1, "receipt");
    stage.say(1, json!({"t": "cancel", "buy": held[1]["buy"]}));
    stage.wait(9 * 60_000 - 1000);
    assert!(stage.take(1, "hold_expiring").is_empty());
    stage.wait(2000);
    let warning = stage.one(1, "hold_expiring");
    assert_eq!(
        (&warning["buy"], &warning["expires_at"]),
        (&held[0]["buy"], &held[0]["expires_at"])
    );
}

#[test]
fn a_client_whose_line_is_clogged_is_told_everything_anew_and_then_let_go() {
    let mut stage = Stage::demo();
    let first = stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "host:hanna"}));
    let slow = ClientId(1);
    for round in 0..3 {
        stage.shop.handle_behind(stage.now, slow);
        stage.pump();
        assert!(!stage.listening.contains(&slow));
        stage.clear();
        stage.say(9, host(json!({"op": "announce", "text": format!("{round}")})));
        stage.wait(1000);
        assert!(stage.inboxes[&slow].is_empty(), "nothing more for a clogged line");
        stage.shop.handle_caught_up(stage.now, slow);
        stage.pump();
        let anew = stage.one(1, "welcome");
        assert!(anew["snapshot"].is_object());
        assert_eq!(anew["epoch"], first[0]["epoch"]);
        assert!(stage.listening.contains(&slow));
    }
    // A fourth time within seconds, or one that stays clogged, is too much.
    stage.shop.handle_behind(stage.now, slow);
    stage.pump();
    assert!(!stage.inboxes.contains_key(&slow));

    stage.join(2, json!({"token": "viewer:ben"}));
    stage.shop.handle_behind(stage.now, ClientId(2));
    stage.wait(14_000);
    assert!(stage.inboxes.contains_key(&ClientId(2)));
    stage.wait(2000);
    assert!(!stage.inboxes.contains_key(&ClientId(2)));
    assert_eq!(stage.shop.room(ROOM).unwrap().viewers, 0);
}

/// The server ends, however it ends, and another begins on the same ledger.
fn restart(stage: Stage) -> Stage {
    let now = stage.now;
    let mut stage = Stage::on(stage.ledger.unwrap());
    stage.now = now;
    stage
}

#[test]
fn what_is_said_and_who_may_say_it_outlives_the_server() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(2, json!({"token": "viewer:ben"}));
    stage.join(9, json!({"token": "host:hanna"}));
    for (client, text) in [(1, "hello"), (2, "rude"), (1, "bye")] {
        stage.say(client, chat("x", text));
    }
    stage.say(1, json!({"t": "question", "id": "q", "text": "Is it big?"}));
    // Said a moment ago: kept with the next look.
    stage.wait(1200);
    let lines = stage.take(9, "chat");
    let question = stage.one(9, "question")["id"].clone();
    for command in [
        json!({"op": "chat.delete", "message": lines[1]["id"]}),
        json!({"op": "chat.pin", "message": lines[0]["id"]}),
        json!({"op": "chat.mute", "user": "ben"}),
        json!({"op": "chat.ban", "user": "cid"}),
        json!({"op": "chat.words", "words": ["darn"]}),
        json!({"op": "chat.slow", "seconds": 30}),
        json!({"op": "question.answer", "question": question, "text": "Yes."}),
        json!({"op": "poll.open", "poll": "p", "question": "Next?", "options": ["Mug", "Lamp"]}),
    ] {
        stage.say(9, host(command));
        stage.one(9, "done");
    }
    stage.say(1, json!({"t": "vote", "poll": "p", "option": 1}));
    stage.wait(1200);

    let mut stage = restart(stage);
    let mut welcome = stage.join(9, json!({"token": "host:hanna"})).remove(0);
    let snapshot = welcome["snapshot"].take();
    let texts: Vec<&Value> = snapshot["chat"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["text"])
        .collect();
    assert_eq!(texts, ["hello", "bye"], "what was deleted stays so");
    assert_eq!(snapshot["pinned_chat"]["text"], "hello");
    assert_eq!(snapshot["slow_seconds"], 30);
    assert_eq!(snapshot["questions"][0]["answer"], "Yes.");
    let poll = &snapshot["polls"][0];
    assert_eq!(
        (&poll["counts"], &poll["open"]),
        (&json!([0, 1]), &json!(false)),
        "who voted is not known any more"
    );
    let lists = stage.one(9, "moderation");
    assert_eq!(
        (&lists["muted"], &lists["banned"], &lists["words"]),
        (&json!(["ben"]), &json!(["cid"]), &json!(["darn"]))
    );
    stage.join(2, json!({"token": "viewer:ben"}));
    stage.say(2, chat("y", "again"));
    assert_eq!(stage.one(2, "notice")["code"], "muted");
    assert!(stage.join_anew(3, "viewer:cid").is_none());
    // New ids are new.
    stage.join(1, json!({"token": "viewer:anna"}));
    stage.say(1, chat("z", "back"));
    let new = stage.one(1, "chat");
    assert!(lines.iter().all(|line| line["id"] != new["id"]));

    // What is taken back is taken back for good.
    stage.say(9, host(json!({"op": "chat.unmute", "user": "ben"})));
    stage.say(9, host(json!({"op": "chat.unban", "user": "cid"})));
    stage.say(9, host(json!({"op": "chat.words", "words": []})));
    let mut stage = restart(stage);
    stage.join(9, json!({"token": "host:hanna"}));
    let lists = stage.one(9, "moderation");
    assert_eq!(
        (&lists["muted"], &lists["banned"], &lists["words"]),
        (&json!([]), &json!([]), &json!([]))
    );
    assert!(stage.join_anew(3, "viewer:cid").is_some());
}

#[test]
fn a_moderator_is_told_when_it_could_not_be_kept_and_it_is_kept_later() {
    let mut stage = Stage::demo();
    stage.join(9, json!({"token": "host:hanna"}));
    let ledger = stage.ledger.take();
    stage.say(9, host(json!({"op": "chat.mute", "user": "ben"})));
    assert_eq!(stage.one(9, "notice")["code"], "unavailable");
    stage.ledger = ledger;
    stage.wait(1200);
    let mut stage = restart(stage);
    stage.join(9, json!({"token": "host:hanna"}));
    assert_eq!(stage.one(9, "moderation")["muted"], json!(["ben"]));
}

#[test]
fn a_room_is_kept_from_when_it_is_a_show() {
    let mut stage = Stage::demo();
    stage
        .shop
        .connect(stage.now, ClientId(5), &"new".into(), stage::HERE);
    stage.inboxes.insert(ClientId(5), Vec::new());
    stage.say(5, json!({"t": "hello", "versions": [1], "token": "host:hanna"}));
    stage.say(5, chat("a", "soon"));
    stage.say(5, host(json!({"op": "chat.ban", "user": "cid"})));
    stage.wait(1200);
    let kept = |stage: &mut Stage| {
        let mut shows = overlay::ledger::Ledger::shows(stage.ledger.as_mut().unwrap())
            .unwrap()
            .into_iter();
        shows.find(|show| show.id == "new").map(|show| show.talk.len())
    };
    assert_eq!(kept(&mut stage), None, "a room that sells nothing is forgotten");
    stage.say(5, host(json!({"op": "show.title", "title": "New"})));
    stage.wait(1200);
    assert_eq!(kept(&mut stage), Some(2));
}

#[test]
fn who_cannot_play_the_picture_is_told_now_or_with_the_welcome() {
    let mut stage = Stage::demo();
    stage
        .shop
        .connect(stage.now, ClientId(1), &ROOM.into(), stage::HERE);
    stage.shop.set_unplayable(stage.now, ClientId(1), Some("h264"));
    stage.join(1, json!({}));
    assert_eq!(stage.one(1, "unplayable")["codec"], "h264");
    for codec in [Some("h264"), None, None] {
        stage.shop.set_unplayable(stage.now, ClientId(1), codec);
    }
    stage.pump();
    assert_eq!(stage.one(1, "unplayable")["codec"], Value::Null);
}
