//! Stories of hosts: what they do, and what everybody sees of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use overlay::{ClientId, Condition, Reply};
use serde_json::json;
use stage::{HERE, Names, ROOM, Stage, buy, price_version, uuid, variant};

#[test]
fn a_host_runs_the_show_and_everybody_sees_the_same_numbered_events() {
    let mut stage = Stage::demo();
    stage.join(1, json!({}));
    stage.join(9, json!({"token": "host:hanna"}));
    stage.clear();
    let product = json!({
        "id": "plate", "title": "Plate", "images": ["https://example.com/plate.png"],
        "variants": [{"id": "plate-1", "title": "White", "price": {"minor": 1900, "currency": "EUR"}}],
    });
    let commands = [
        json!({"op": "show.title", "title": "Saturday"}),
        json!({"op": "product.put", "product": product}),
        json!({"op": "stock.set", "variant": "plate-1", "on_hand": 7}),
        json!({"op": "product.pin", "product": "plate", "featured": true}),
        json!({"op": "price.set", "variant": "plate-1", "minor": 1500, "was_minor": 1900}),
        json!({"op": "show.state", "state": "paused"}),
        json!({"op": "product.unpin", "product": "plate"}),
        json!({"op": "product.remove", "product": "lamp"}),
        json!({"op": "chat.slow", "seconds": 10}),
    ];
    for command in commands {
        stage.say(9, json!({"t": "host", "id": "c", "do": command}));
        assert_eq!(stage.one(9, "done")["ref"], "c", "{command}");
    }
    stage.wait(200);
    let kinds = |stage: &Stage, client: u64| -> Vec<(u64, String)> {
        let numbered = stage.inboxes[&ClientId(client)].iter();
        let mut numbered: Vec<(u64, String)> = numbered
            .filter_map(|(_, message)| Some((message["seq"].as_u64()?, message["t"].as_str()?.to_owned())))
            .collect();
        // Two channels: their order to each other is not kept.
        numbered.sort();
        numbered
    };
    let seen = kinds(&stage, 1);
    assert_eq!(seen, kinds(&stage, 9));
    assert!(seen.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{seen:?}");
    let seen: Vec<&str> = seen.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(
        seen,
        [
            "show",
            "product",
            "availability",
            "pins",
            "price",
            "show",
            "pins",
            "product_removed",
            "chat_mode"
        ]
    );
    let later = stage.join(2, json!({}));
    assert_eq!(later[0]["snapshot"]["show"]["title"], "Saturday");
    assert_eq!(later[0]["snapshot"]["show"]["state"], "paused");
    assert_eq!(variant(&later[0], "plate-1")["price"]["minor"], 1500);
    assert_eq!(variant(&later[0], "plate-1")["was"]["minor"], 1900);

    // Prices that never were cannot be struck through, and stock that is sold cannot be taken away.
    for (command, code) in [
        (
            json!({"op": "price.set", "variant": "plate-1", "minor": 900, "was_minor": 9900}),
            "not_possible",
        ),
        (
            json!({"op": "stock.set", "variant": "plate-1", "on_hand": 5, "version": 0}),
            "stale",
        ),
        (
            json!({"op": "stock.add", "variant": "plate-1", "delta": -8}),
            "not_possible",
        ),
        (json!({"op": "product.pin", "product": "nothing"}), "not_found"),
        (json!({"op": "chat.slow", "seconds": 121}), "bad_message"),
    ] {
        stage.say(9, json!({"t": "host", "id": "c", "do": command}));
        let notice = stage.one(9, "notice");
        assert_eq!(
            (&notice["code"], &notice["ref"]),
            (&json!(code), &json!("c")),
            "{notice}"
        );
    }
    stage.say(
        1,
        json!({"t": "host", "id": "c", "do": {"op": "announce", "text": "hi"}}),
    );
    assert_eq!(stage.one(1, "notice")["code"], "forbidden");
}

#[test]
fn a_price_that_changed_is_told_before_anything_is_held() {
    let mut stage = Stage::demo();
    let anna = stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "host:hanna"}));
    stage.say(
        9,
        json!({"t": "host", "id": "c", "do": {"op": "price.set", "variant": "candle", "minor": 7000}}),
    );
    stage.say(1, buy(1, "candle", 1, &price_version(&anna)));
    let receipt = stage.one(1, "receipt");
    assert_eq!(receipt["outcome"], "price_changed");
    assert_eq!(receipt["prices"][0]["price"]["minor"], 7000);
    // What did not change can be bought at the version seen.
    stage.say(1, buy(2, "notebook", 1, &price_version(&anna)));
    assert_eq!(stage.one(1, "receipt")["outcome"], "held");
    stage.say(1, buy(3, "candle", 1, &receipt["price_version"]));
    assert_eq!(stage.one(1, "receipt")["outcome"], "held");
}

#[test]
fn the_host_hears_of_sales_and_settles_them() {
    let mut stage = Stage::demo();
    let anna = stage.join(1, json!({"token": "viewer:anna"}));
    stage.join(9, json!({"token": "host:hanna"}));
    stage.say(1, buy(1, "candle", 2, &price_version(&anna)));
    let sale = stage.one(9, "sale");
    assert_eq!((&sale["user"], &sale["state"]), (&json!("anna"), &json!("held")));
    let settle = |state: &str| json!({"t": "host", "id": "s", "do": {"op": "order.settle", "buy": uuid(1), "state": state}});
    stage.say(9, settle("paid"));
    assert_eq!(stage.one(9, "sale")["state"], "paid");
    assert_eq!(stage.take(1, "order").pop().unwrap()["state"], "paid");
    stage.say(9, settle("cancelled"));
    assert_eq!(stage.one(9, "notice")["code"], "not_possible");
    stage.say(9, settle("refunded"));
    stage.wait(200);
    let told = stage.take(9, "stock").pop().unwrap();
    let item = &told["items"][0];
    assert_eq!(
        (&item["variant"], &item["available"]),
        (&json!("candle"), &json!(30))
    );
}

#[test]
fn a_long_show_is_told_in_pages_that_fit_a_channel() {
    let mut stage = Stage::demo();
    stage.join(9, json!({"token": "host:hanna"}));
    for number in 0..60 {
        let product = json!({
            "id": format!("p{number}"), "title": "Ü".repeat(100), "description": "ä".repeat(600),
            "variants": [{"id": format!("v{number}"), "title": "One", "price": {"minor": 1, "currency": "EUR"}}],
        });
        let body = json!({"op": "product.put", "product": product}).to_string();
        let reply = stage.request(|shop, request, now| {
            shop.request_command(now, request, &ROOM.into(), Condition::default(), body.as_bytes())
        });
        assert!(matches!(reply, Reply::Versioned(..)), "{reply:?}");
    }
    stage.clear();
    let pages = stage.join(1, json!({}));
    assert!(pages.len() > 5);
    assert!(stage.longest < 16 * 1024, "{}", stage.longest);
    let mut products = 0;
    for (page, number) in pages.iter().zip(0..) {
        assert_eq!(
            (&page["page"], &page["pages"]),
            (&json!(number), &json!(pages.len()))
        );
        products += page["snapshot"]["products"].as_array().unwrap().len();
    }
    assert_eq!(products, 66);
}

#[test]
fn a_host_that_leaves_before_the_answer_leaves_a_show_behind() {
    let mut stage = Stage::demo();
    let room: std::sync::Arc<str> = "new".into();
    let host = ClientId(9);
    stage.shop.connect(stage.now, host, &room, HERE);
    let hello = json!({"t": "hello", "versions": [1], "token": "host:hanna"}).to_string();
    stage
        .shop
        .handle_message(stage.now, host, hello.as_bytes(), &Names);
    let product = json!({
        "id": "cup", "title": "Cup",
        "variants": [{"id": "cup", "title": "One", "price": {"minor": 500, "currency": "JPY"}, "available": 2}],
    });
    let put = json!({"t": "host", "id": "p", "do": {"op": "product.put", "product": product}}).to_string();
    stage.shop.handle_message(stage.now, host, put.as_bytes(), &Names);
    stage.shop.disconnect(host);
    stage.pump();
    stage.shop.connect(stage.now, ClientId(1), &room, HERE);
    stage.inboxes.insert(ClientId(1), Vec::new());
    stage.say(1, json!({"t": "hello", "versions": [1]}));
    let welcome = stage.one(1, "welcome");
    assert_eq!(variant(&welcome, "cup")["available"], 2);
    assert_eq!(variant(&welcome, "cup")["price"]["exponent"], 0);
}
