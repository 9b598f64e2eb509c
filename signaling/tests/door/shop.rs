//! The shop's requests and event streams.

use std::time::Duration;

use crate::fake::{check_problem, header, refused, stage, token};
use futures_util::StreamExt;
use serde_json::{Value, json};
use signaling::ShopReply;
use signaling::token::Scope;

fn asked_json(asked: &str) -> Value {
    let (_, json) = asked.split_once(" {").unwrap();
    serde_json::from_str(&format!("{{{json}")).unwrap()
}

#[tokio::test]
async fn rooms_are_listed_without_the_private_ones() {
    let stage = stage().await;
    let rooms: Value = stage.get("/api/rooms").await.json().await.unwrap();
    assert_eq!(
        rooms,
        json!({"rooms": [{
            "room": "demo", "live": true, "stand_in": false, "host": true, "viewers": 3, "title": "Shoes & <boots>", "state": "live",
            "image": "/media/boots.jpg"
        }]})
    );
    let room: Value = stage.get("/api/rooms/quiet").await.json().await.unwrap();
    assert_eq!(room["room"], "quiet");
    let private: Value = stage.get("/api/rooms/private").await.json().await.unwrap();
    assert_eq!((&private["title"], private.get("image")), (&json!(""), None));
    check_problem(stage.get("/api/rooms/no%20room").await, 404).await;
    check_problem(stage.get("/api/rooms/%ff").await, 400).await;
}

#[tokio::test]
async fn an_event_stream_begins_with_its_secret_and_ends_with_the_door() {
    let stage = stage().await;
    let guest = token(&[Scope::View], "demo");
    let path = format!("/api/rooms/demo/events?token={guest}&resume=7:12&name=Anna");
    let response = stage.get(&path).await;
    assert_eq!(response.status(), 200);
    assert!(header(&response, "content-type").starts_with("text/event-stream"));
    let hello = asked_json(&stage.house.shop.last_asked());
    assert_eq!(
        hello,
        json!({"v": 1, "t": "hello", "versions": [1], "token": guest, "resume": {"epoch": 7, "seq": 12},
            "name": "Anna", "client": "events"})
    );
    let messages = stage.house.shop.stream.lock().unwrap().take().unwrap();
    messages.send(r#"{"t":"welcome"}"#.into()).await.unwrap();
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while !text.contains("welcome") {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    assert_eq!(
        text,
        "event: open\ndata: {\"client\":\"0000000000000abc\"}\n\ndata: {\"t\":\"welcome\"}\n\n"
    );
    stage.close.send(true).unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(1), body.next())
        .await
        .unwrap();
    assert!(rest.is_none(), "the stream ended properly: {rest:?}");
    messages.closed().await;
    stage.served.await.unwrap();
}

#[tokio::test]
async fn streams_are_refused_as_requests_are() {
    let stage = stage().await;
    check_problem(stage.get("/api/rooms/demo/events?token=nonsense").await, 401).await;
    check_problem(stage.get("/api/rooms/demo/events?resume=x").await, 400).await;
    check_problem(stage.get("/api/rooms/private/events").await, 401).await;
    *stage.house.shop.reply.lock().unwrap() = ShopReply::Unavailable;
    let response = check_problem(stage.get("/api/rooms/demo/events").await, 503).await;
    header(&response, "retry-after");
}

#[tokio::test]
async fn messages_go_to_the_stream_they_name() {
    let stage = stage().await;
    let say = |client: &'static str| {
        let request = stage
            .request("POST", "/api/rooms/demo/messages")
            .header("x-client", client);
        request
            .header("content-type", "application/json")
            .body(r#"{"t":"ping","n":1}"#)
    };
    assert_eq!(say("0000000000000abc").send().await.unwrap().status(), 202);
    assert_eq!(
        stage.house.shop.last_asked(),
        r#"message of abc {"t":"ping","n":1}"#
    );
    refused(say("xyz"), 400).await;
    refused(stage.request("POST", "/api/rooms/demo/messages").body("{}"), 400).await;
    *stage.house.shop.reply.lock().unwrap() = ShopReply::NotFound("no such client".into());
    refused(say("1"), 404).await;
    *stage.house.shop.reply.lock().unwrap() = ShopReply::TooMany { retry_after_ms: 1500 };
    let response = refused(say("1"), 429).await;
    assert_eq!(header(&response, "retry-after"), "2");
}

#[tokio::test]
async fn a_buy_carries_its_id_and_brings_the_receipt() {
    let stage = stage().await;
    *stage.house.shop.reply.lock().unwrap() = ShopReply::Ok(r#"{"t":"receipt"}"#.into());
    let buy = || {
        let request = stage.request("POST", "/api/rooms/demo/buy");
        request.json(&json!({"lines": [{"variant": "red", "quantity": 1}], "price_version": 3}))
    };
    let key = "0191d7a6-0000-7000-8000-000000000001";
    let response = buy().header("idempotency-key", key).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(response.text().await.unwrap(), r#"{"t":"receipt"}"#);
    let message = asked_json(&stage.house.shop.last_asked());
    assert_eq!(
        message,
        json!({"v": 1, "t": "buy", "id": key, "lines": [{"variant": "red", "quantity": 1}], "price_version": 3})
    );

    refused(buy(), 400).await;
    refused(
        buy()
            .header("idempotency-key", key)
            .json(&json!({"id": "another"})),
        400,
    )
    .await;
    refused(buy().header("idempotency-key", key).body("not json"), 400).await;
    refused(buy().header("idempotency-key", key).bearer_auth("nonsense"), 401).await;
    let known = buy()
        .header("idempotency-key", key)
        .bearer_auth(token(&[Scope::View], "demo"));
    assert_eq!(known.send().await.unwrap().status(), 200);
    assert!(stage.house.shop.last_asked().starts_with("buy with token"));
}

#[tokio::test]
async fn only_the_rooms_host_sells() {
    let stage = stage().await;
    for (method, path) in [
        ("PUT", "/api/rooms/demo/products/shoe"),
        ("PUT", "/api/rooms/demo/stock/red"),
        ("GET", "/api/rooms/demo/stock"),
        ("GET", "/api/rooms/demo/promos"),
        ("POST", "/api/rooms/demo/commands"),
        ("GET", "/api/rooms/demo/orders"),
        ("POST", "/api/rooms/demo/orders/b1"),
    ] {
        let request = || {
            stage
                .request(method, path)
                .header("content-type", "application/json")
                .body("{}")
        };
        refused(request(), 401).await;
        refused(
            request().bearer_auth(token(&[Scope::Publish, Scope::View], "demo")),
            403,
        )
        .await;
        refused(request().bearer_auth(token(&[Scope::Host], "other")), 403).await;
        let allowed = request().bearer_auth(token(&[Scope::Host], "demo"));
        assert_eq!(allowed.send().await.unwrap().status(), 204, "{path}");
    }
    assert!(stage.house.shop.asked.lock().unwrap().len() == 7);
}

#[tokio::test]
async fn host_requests_become_commands() {
    let stage = stage().await;
    let host = |method: &str, path: &str, body: Value| {
        let request = stage
            .request(method, path)
            .bearer_auth(token(&[Scope::Host], "demo"));
        request.json(&body)
    };
    let asked = || asked_json(&stage.house.shop.last_asked());

    host("PUT", "/api/rooms/demo/products/shoe", json!({"title": "Shoe"}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        asked(),
        json!({"op": "product.put", "product": {"id": "shoe", "title": "Shoe"}})
    );
    host(
        "PUT",
        "/api/rooms/demo/stock/red",
        json!({"on_hand": 5, "version": 2}),
    )
    .send()
    .await
    .unwrap();
    assert_eq!(
        asked(),
        json!({"op": "stock.set", "variant": "red", "on_hand": 5, "version": 2})
    );
    host("POST", "/api/rooms/demo/orders/b1", json!({"state": "paid"}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        asked(),
        json!({"op": "order.settle", "buy": "b1", "state": "paid"})
    );

    refused(
        host("PUT", "/api/rooms/demo/stock/red", json!({"variant": "blue"})),
        400,
    )
    .await;
    refused(host("PUT", "/api/rooms/demo/stock/red", json!([1])), 400).await;
    for (reply, status) in [
        (ShopReply::Stale("version 3 is the newest".into()), 412),
        (ShopReply::Conflict("already settled".into()), 409),
        (ShopReply::Bad("on_hand: a number".into()), 400),
        (ShopReply::NotFound("no such variant".into()), 404),
        (ShopReply::Unavailable, 503),
    ] {
        *stage.house.shop.reply.lock().unwrap() = reply;
        refused(
            host("PUT", "/api/rooms/demo/stock/red", json!({"on_hand": 1})),
            status,
        )
        .await;
    }
}

#[tokio::test]
async fn a_change_may_carry_a_key_and_the_version_it_is_for() {
    let stage = stage().await;
    let change = |method: &str, path: &str, key: &str, version: &str| {
        let request = stage
            .request(method, path)
            .bearer_auth(token(&[Scope::Host], "demo"));
        let request = request.header("Idempotency-Key", key).header("If-Match", version);
        request.json(&json!({"op": "show.title", "title": "Shoe", "on_hand": 3}))
    };
    let shop = &stage.house.shop;
    change("PUT", "/api/rooms/demo/products/shoe", "\"k-1\"", "\"7\"")
        .send()
        .await
        .unwrap();
    assert!(
        shop.last_asked().starts_with("command k-1 at 7 {"),
        "{}",
        shop.last_asked()
    );
    *shop.reply.lock().unwrap() = ShopReply::Versioned("{}".into(), 8);
    let response = change("PUT", "/api/rooms/demo/stock/red", "k-2", "\"7\"")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), header(&response, "etag")),
        (200, "\"8\"")
    );
    assert!(
        shop.last_asked().starts_with("command k-2 {"),
        "a count has its own version"
    );
    assert_eq!(asked_json(&shop.last_asked())["version"], 7);
    change("POST", "/api/rooms/demo/commands", " ", "*")
        .send()
        .await
        .unwrap();
    assert!(shop.last_asked().starts_with("command {"));
    refused(change("POST", "/api/rooms/demo/commands", "k", "7"), 400).await;
    refused(
        change("POST", "/api/rooms/demo/commands", &"k".repeat(65), "*"),
        400,
    )
    .await;
    let longest = change("POST", "/api/rooms/demo/commands", &"k".repeat(64), "*");
    assert_eq!(longest.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn products_are_for_everybody_who_may_watch() {
    let stage = stage().await;
    *stage.house.shop.reply.lock().unwrap() = ShopReply::Ok("{}".into());
    assert_eq!(stage.get("/api/rooms/demo/products").await.status(), 200);
    assert_eq!(stage.house.shop.last_asked(), "products ");
    refused(stage.request("GET", "/api/rooms/private/products"), 401).await;
    let viewer = stage.request("GET", "/api/rooms/private/products");
    let viewer = viewer.bearer_auth(token(&[Scope::View], "private"));
    assert_eq!(viewer.send().await.unwrap().status(), 200);
}
