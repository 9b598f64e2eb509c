//! Stories of a show: viewers, buys, chat.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use overlay::{ClientId, Condition, List, Reply};
use serde_json::{Value, json};
use stage::{HERE, Names, ROOM, Stage, buy, host, price_version, uuid, variant};

#[test]
fn a_viewer_joins_buys_and_others_see_the_stock_fall() {
    let mut stage = Stage::demo();
    let anna = stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(2, json!({"name": "Ben"}));
    assert_eq!(
        anna[0]["you"],
        json!({"id": "anna", "name": "ANNA", "role": "viewer"})
    );
    assert_eq!(variant(&anna[0], "tote-ink")["available"], 3);
    let version = price_version(&anna);

    stage.say(1, buy(1, "tote-ink", 2, &version));
    let receipt = stage.one(1, "receipt");
    assert_eq!(receipt["outcome"], "held");
    assert_eq!(
        receipt["total"],
        json!({"minor": 3800, "currency": "EUR", "exponent": 2})
    );
    assert_eq!(receipt["pay"], "manual");
    stage.wait(200);
    let stock = stage.one(2, "stock");
    assert_eq!(stock["items"][0]["variant"], "tote-ink");
    assert_eq!(stock["items"][0]["available"], 1);

    // Asked again: the same receipt, no second hold.
    stage.say(1, buy(1, "tote-ink", 2, &version));
    let again = stage.one(1, "receipt");
    assert_eq!(again["expires_at"], receipt["expires_at"]);
    stage.say(1, buy(1, "tote-ink", 3, &version));
    assert_eq!(stage.one(1, "receipt")["outcome"], "conflict");

    // Ben takes the rest; nobody can have more.
    stage.say(2, buy(2, "tote-ink", 1, &version));
    assert_eq!(stage.one(2, "receipt")["outcome"], "held");
    stage.wait(200);
    let gone = stage.one(1, "availability");
    assert_eq!(gone["sold_out"], true);
    stage.say(1, buy(3, "tote-ink", 1, &version));
    assert_eq!(stage.one(1, "receipt")["outcome"], "sold_out");

    // Anna gives her two back.
    stage.say(1, json!({"t": "cancel", "buy": uuid(1)}));
    stage.wait(200);
    assert_eq!(stage.take(1, "order").pop().unwrap()["state"], "cancelled");
    let told: Vec<Value> = stage.take(2, "availability");
    assert_eq!(
        (&told[0]["sold_out"], &told[1]["sold_out"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn a_hold_that_is_not_paid_goes_back() {
    let mut stage = Stage::demo();
    let anna = stage.join(1, json!({"token": "viewer:anna"}));
    stage.say(1, buy(1, "candle", 3, &price_version(&anna)));
    stage.clear();
    stage.wait(10 * 60 * 1000 + 1000);
    assert_eq!(stage.one(1, "order")["state"], "released");
    let last = stage.take(1, "stock").pop().unwrap();
    assert_eq!(last["items"][0]["available"], 30);
}

#[test]
fn a_client_that_comes_back_is_told_what_it_missed() {
    let mut stage = Stage::demo();
    let first = stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "host:hanna"}));
    stage.leave(1);
    for text in ["one", "two"] {
        stage.say(
            9,
            json!({"t": "host", "id": text, "do": {"op": "announce", "text": text}}),
        );
        assert_eq!(stage.one(9, "done")["ref"], text);
    }
    let place = json!({"epoch": first[0]["epoch"], "seq": first[0]["seq"]});
    let back = stage.join(1, json!({"token": "viewer:anna", "resume": place}));
    let deltas = back[0]["deltas"].as_array().unwrap();
    assert_eq!(deltas.len(), 2);
    assert_eq!(deltas[1]["text"], "two");
    assert_eq!(back[0]["seq"], deltas[1]["seq"]);
    assert!(back[0].get("snapshot").is_none());
    assert_eq!(stage.one(1, "stock")["items"].as_array().unwrap().len(), 10);

    let lost = json!({"epoch": "e0", "seq": 2});
    let fresh = stage.join(2, json!({"resume": lost}));
    assert!(fresh[0].get("snapshot").is_some() && fresh[0].get("deltas").is_none());
}

#[test]
fn chat_is_heard_by_all_slowed_muted_and_deleted() {
    let mut stage = Stage::demo();
    stage.join(1, json!({"name": "Anna"}));
    stage.join(2, json!({}));
    stage.join(9, json!({"token": "moderator:mo"}));
    let chat = |id: &str| json!({"t": "chat", "id": id, "text": "  hello <b>  "});
    stage.say(1, chat("a"));
    let heard = stage.one(2, "chat");
    assert_eq!(
        (&heard["text"], &heard["ref"]),
        (&json!("hello <b>"), &json!("a"))
    );
    assert_eq!(heard["user"]["name"], "Anna");
    let host = |command: Value| json!({"t": "host", "id": "c", "do": command});
    stage.say(9, host(json!({"op": "chat.slow", "seconds": 5})));
    stage.say(1, chat("b"));
    let slow = stage.one(1, "notice");
    assert_eq!((&slow["code"], &slow["ref"]), (&json!("slow_mode"), &json!("b")));
    assert!(slow["retry_after_ms"].as_u64().unwrap() <= 5000);
    stage.wait(5000);
    stage.say(1, chat("c"));
    stage.say(9, host(json!({"op": "chat.mute", "user": heard["user"]["id"]})));
    stage.wait(5000);
    stage.say(1, chat("d"));
    assert_eq!(stage.one(1, "notice")["code"], "muted");
    stage.say(9, host(json!({"op": "chat.delete", "message": heard["id"]})));
    stage.wait(200);
    assert_eq!(stage.one(2, "chat_deleted")["id"], heard["id"]);
    let later = stage.join(3, json!({}));
    let kept = later[0]["snapshot"]["chat"].as_array().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["ref"], "c");
    stage.say(
        9,
        host(json!({"op": "price.set", "variant": "candle", "minor": 1})),
    );
    assert_eq!(stage.one(9, "notice")["code"], "forbidden");
}

#[test]
fn a_client_that_is_too_fast_is_told_and_one_that_floods_is_let_go() {
    let mut stage = Stage::demo();
    let anna = stage.join(1, json!({"token": "viewer:anna"}));
    let version = price_version(&anna);
    for number in 0..5 {
        stage.say(1, buy(number, "notebook", 1, &version));
        assert_eq!(stage.one(1, "receipt")["outcome"], "held");
    }
    stage.say(1, buy(5, "notebook", 1, &version));
    let notice = stage.one(1, "notice");
    assert_eq!(
        (&notice["code"], &notice["ref"]),
        (&json!("too_fast"), &json!(uuid(5)))
    );
    for n in 0..300 {
        stage.say(1, json!({"t": "ping", "n": n}));
    }
    assert!(!stage.inboxes.contains_key(&ClientId(1)), "let go");
}

#[test]
fn nothing_works_before_hello_and_bad_tokens_are_told() {
    let mut stage = Stage::demo();
    let welcome = stage.join(1, json!({"token": "nonsense"}));
    assert!(welcome.is_empty());
    assert_eq!(stage.one(1, "notice")["code"], "token_invalid");
    stage.say(1, json!({"t": "ping", "n": 1}));
    assert_eq!(stage.one(1, "notice")["code"], "hello_first");
    stage.say(1, json!({"t": "hello", "versions": [7]}));
    assert_eq!(stage.one(1, "notice")["code"], "version_unsupported");
    stage.say(1, json!({"t": "dance"}));
    stage.say(1, json!({"t": "hello", "versions": [1, 300]}));
    assert_eq!(stage.one(1, "welcome")["limits"]["message_bytes"], 4096);
}

#[test]
fn requests_buy_and_sell_as_messages_do() {
    let mut stage = Stage::demo();
    let welcome = stage.join(1, json!({"token": "viewer:anna"}));
    let body = buy(1, "candle", 1, &price_version(&welcome)).to_string();
    let ask = |stage: &mut Stage, token: Option<&str>, body: &str| {
        stage.request(|shop, request, now| {
            shop.request_buy(now, request, (&ROOM.into(), HERE), token, body.as_bytes(), &Names)
        })
    };
    let first = ask(&mut stage, Some("viewer:anna"), &body);
    let Reply::Ok(receipt) = &first else {
        panic!("{first:?}")
    };
    let receipt: Value = serde_json::from_slice(receipt).unwrap();
    assert_eq!(receipt["outcome"], "held");
    // The same buy on a data channel is the same table.
    stage.say(1, serde_json::from_str(&body).unwrap());
    assert_eq!(stage.one(1, "receipt")["expires_at"], receipt["expires_at"]);
    // Without a token nobody could repeat it.
    assert!(matches!(ask(&mut stage, None, &body), Reply::Bad(_)));
    assert!(matches!(ask(&mut stage, Some("nonsense"), &body), Reply::Bad(_)));
    assert!(matches!(ask(&mut stage, None, "{}"), Reply::Bad(_)));

    let command = |stage: &mut Stage, body: Value| {
        stage.request(|shop, request, now| {
            let body = body.to_string();
            shop.request_command(now, request, &ROOM.into(), Condition::default(), body.as_bytes())
        })
    };
    let set = json!({"op": "stock.set", "variant": "candle", "on_hand": 20});
    let Reply::Versioned(stock, 3) = command(&mut stage, set) else {
        panic!("no stock")
    };
    let stock: Value = serde_json::from_slice(&stock).unwrap();
    assert_eq!((&stock["available"], &stock["version"]), (&json!(19), &json!(3)));
    let stale = json!({"op": "stock.set", "variant": "candle", "on_hand": 20, "version": 1});
    assert!(matches!(command(&mut stage, stale), Reply::Stale(_)));
    let nothing = json!({"op": "stock.set", "variant": "nothing", "on_hand": 20});
    assert!(matches!(command(&mut stage, nothing), Reply::NotFound(_)));
    assert!(matches!(
        command(&mut stage, json!({"op": "dance"})),
        Reply::Bad(_)
    ));
    let paid = json!({"op": "order.settle", "buy": uuid(1), "state": "paid"});
    assert_eq!(command(&mut stage, paid), Reply::Done);
    let Reply::Ok(orders) =
        stage.request(|shop, request, _| shop.request_list(request, &ROOM.into(), List::Orders))
    else {
        panic!("no orders")
    };
    let orders: Value = serde_json::from_slice(&orders).unwrap();
    assert_eq!(orders["orders"][0]["state"], "paid");
    assert_eq!(orders["orders"][0]["name"], "ANNA");
}

#[test]
fn a_ledger_that_cannot_write_is_told_and_a_repeated_buy_succeeds_later() {
    let mut stage = Stage::demo();
    let welcome = stage.join(1, json!({"token": "viewer:anna"}));
    let ledger = stage.ledger.take();
    stage.say(1, buy(1, "candle", 1, &price_version(&welcome)));
    let notice = stage.one(1, "notice");
    assert_eq!(
        (&notice["code"], &notice["ref"]),
        (&json!("unavailable"), &json!(uuid(1)))
    );
    stage.ledger = ledger;
    stage.say(1, buy(1, "candle", 1, &price_version(&welcome)));
    assert_eq!(stage.one(1, "receipt")["outcome"], "held");
}

#[test]
fn a_newcomer_finds_its_open_orders_and_one_that_returns_too() {
    let mut stage = Stage::demo();
    let first = stage.join(1, json!({"token": "viewer:anna"}));
    stage.say(1, buy(1, "lamp", 1, &price_version(&first)));
    let receipt = stage.one(1, "receipt");
    let laptop = stage.join(2, json!({"token": "viewer:anna"}));
    let orders = laptop[0]["snapshot"]["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!(
        (&orders[0]["buy"], &orders[0]["state"]),
        (&json!(uuid(1)), &json!("held"))
    );
    assert_eq!(orders[0]["expires_at"], receipt["expires_at"]);
    assert_eq!(orders[0]["total"]["minor"], 14900);
    let place = json!({"epoch": laptop[0]["epoch"], "seq": laptop[0]["seq"]});
    stage.join(3, json!({"token": "viewer:anna", "resume": place}));
    assert_eq!(stage.one(3, "receipt")["order_lines"], receipt["order_lines"]);
    let others = stage.join(4, json!({"token": "viewer:ben"}));
    assert_eq!(others[0]["snapshot"]["orders"], json!([]));

    // The same after a restart.
    let mut stage = Stage::on(stage.ledger.take().unwrap());
    let again = stage.join(1, json!({"token": "viewer:anna"}));
    assert_eq!(again[0]["snapshot"]["orders"], laptop[0]["snapshot"]["orders"]);
}

#[test]
fn a_fresh_connection_does_not_fill_anybodys_bucket() {
    let mut stage = Stage::demo();
    let version = price_version(&stage.join(1, json!({"token": "viewer:anna"})));
    for number in 0..5 {
        stage.say(1, buy(number, "notebook", 1, &version));
        assert_eq!(stage.one(1, "receipt")["outcome"], "held");
    }
    stage.join(2, json!({"token": "viewer:anna"}));
    stage.say(2, buy(5, "notebook", 1, &version));
    assert_eq!(stage.one(2, "notice")["code"], "too_fast");
    let body = buy(6, "notebook", 1, &version).to_string();
    let reply = stage.request(|shop, request, now| {
        shop.request_buy(
            now,
            request,
            (&ROOM.into(), HERE),
            Some("viewer:anna"),
            body.as_bytes(),
            &Names,
        );
    });
    assert!(
        matches!(reply, Reply::TooMany { retry_after_ms: 1.. }),
        "{reply:?}"
    );

    // Nor does it end slow mode.
    stage.join(9, json!({"token": "host:hanna"}));
    stage.say(
        9,
        json!({"t": "host", "id": "c", "do": {"op": "chat.slow", "seconds": 60}}),
    );
    for (client, heard) in [(1, true), (2, false)] {
        stage.say(client, json!({"t": "chat", "id": "x", "text": "hi"}));
        stage.wait(200);
        assert_eq!(!stage.take(9, "chat").is_empty(), heard);
    }
    // Greetings are answered with the whole show: a few must do.
    for _ in 0..5 {
        stage.say(1, json!({"t": "hello", "versions": [1]}));
    }
    assert_eq!(stage.take(1, "notice").pop().unwrap()["code"], "too_fast");
}

#[test]
fn a_bad_message_is_answered_with_its_own_name() {
    let mut stage = Stage::demo();
    stage.join(1, json!({}));
    stage.say(1, json!({"t": "chat", "id": "line-7", "text": 5}));
    let notice = stage.one(1, "notice");
    assert_eq!(
        (&notice["code"], &notice["ref"]),
        (&json!("bad_message"), &json!("line-7"))
    );
    assert!(
        notice["text"]
            .as_str()
            .unwrap()
            .contains("text of 1 to 500 characters"),
        "{notice}"
    );
}

#[test]
fn what_was_bought_is_there_after_a_reload_and_on_another_device() {
    let mut stage = Stage::demo();
    stage.join(9, json!({"token": "host:hal"}));
    let welcome = stage.join(1, json!({"token": "viewer:anna"}));
    let prices = price_version(&welcome);
    let order = |stage: &mut Stage, number| {
        stage.wait(10_000);
        stage.say(1, buy(number, "candle", 1, &prices));
        stage.say(
            9,
            host(json!({"op": "order.settle", "buy": uuid(number), "state": "paid"})),
        );
    };
    for number in 1..=7 {
        order(&mut stage, number);
    }
    let past = |stage: &mut Stage, client, token: &str| {
        let welcome = stage.join_anew(client, token).unwrap();
        let past = welcome["snapshot"]["past"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let told = past
            .iter()
            .map(|order| format!("{} {}", order["buy"], order["state"]));
        told.collect::<Vec<_>>()
    };
    let latest: Vec<String> = (3..=7)
        .map(|number| format!("\"{}\" \"paid\"", uuid(number)))
        .collect();
    assert_eq!(past(&mut stage, 2, "viewer:anna"), latest);
    assert!(
        past(&mut stage, 3, "viewer:ben").is_empty(),
        "another's are another's"
    );
    stage.say(
        9,
        host(json!({"op": "order.settle", "buy": uuid(5), "state": "refunded"})),
    );
    let after = past(&mut stage, 4, "viewer:anna");
    assert_eq!(after.last().unwrap(), &format!("\"{}\" \"refunded\"", uuid(5)));
    assert_eq!(after.len(), 5);
}
