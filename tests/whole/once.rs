//! One buy, sent every way at once, again and again: one order, one receipt.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::line::{Line, Shop};
use super::server::{Server, vitrine_says};

const ID: &str = "0198c0de-0000-7000-8000-0000000000aa";

/// A tab without data channels.
async fn tab(server: &Server, token: &str) -> Line {
    let shop = Shop {
        client: server.client.clone(),
        url: server.url.clone(),
        room: "demo",
    };
    Line::stream(&shop, token).await.unwrap()
}

fn message(quantity: i64) -> Value {
    json!({
        "v": 1, "t": "buy", "id": ID, "price_version": 1,
        "lines": [{"variant": "candle", "quantity": quantity}],
    })
}

/// What a receipt is, whichever way it came.
fn told(receipt: &Value) -> (Value, Value, Value) {
    (
        receipt["buy"].clone(),
        receipt["outcome"].clone(),
        receipt["expires_at"].clone(),
    )
}

async fn by_http(server: &Server, token: &str) -> Value {
    let response = server.buy(token, ID, "candle").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buy_by_two_tabs_and_http_at_once_is_one_order_also_after_a_power_cut() {
    let server = Server::start(&["--shop-buys-per-ten-seconds", "100"]);
    let operator = server.token_for("operator");
    let host = server.token.clone();
    let token = server.buyer(&operator, "anna").await;
    let mut one = tab(&server, &token).await;
    let mut two = tab(&server, &token).await;
    let buy = message(1);
    let (by_http_1, by_http_2, (), ()) = tokio::join!(
        by_http(&server, &token),
        by_http(&server, &token),
        one.say(&buy),
        two.say(&buy),
    );
    let receipt = told(&by_http_1);
    assert_eq!(receipt.1, "held");
    assert_eq!(told(&by_http_2), receipt);
    assert_eq!(told(&one.next("receipt").await.unwrap()), receipt);
    assert_eq!(told(&two.next("receipt").await.unwrap()), receipt);

    // Another body under the same id, whichever way, and another buyer.
    one.say(&message(2)).await;
    assert_eq!(one.next("receipt").await.unwrap()["outcome"], "conflict");
    let ben = server.buyer(&operator, "ben").await;
    assert_eq!(by_http(&server, &ben).await["outcome"], "conflict");

    let folder = server.kill();
    let server = Server::start_in(folder, &["--shop-buys-per-ten-seconds", "100"]);
    let mut again = tab(&server, &token).await;
    again.say(&buy).await;
    assert_eq!(told(&again.next("receipt").await.unwrap()), receipt);
    assert_eq!(told(&by_http(&server, &token).await), receipt);
    let orders = server
        .client
        .get(server.at("/api/rooms/demo/orders"))
        .bearer_auth(&host);
    let orders: Value = orders.send().await.unwrap().json().await.unwrap();
    assert_eq!(orders["orders"].as_array().unwrap().len(), 1);
    let folder = server.kill();
    let audit = vitrine_says(folder.path(), &["audit"]);
    assert!(audit.status.success(), "{audit:?}");
}
