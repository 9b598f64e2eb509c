//! One buy, sent every way at once, again and again: one order, one receipt.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::server::{PATIENCE, Server, vitrine_says};

const ID: &str = "0198c0de-0000-7000-8000-0000000000aa";

/// An event stream of the shop, as a tab without data channels has it.
struct Tab {
    secret: String,
    lines: tokio::sync::mpsc::Receiver<Value>,
}

impl Tab {
    async fn open(server: &Server, token: &str) -> Tab {
        let address = server.at(&format!("/api/rooms/demo/events?token={token}&accepts=batch"));
        let mut response = server.client.get(address).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let (told, mut lines) = tokio::sync::mpsc::channel(1024);
        tokio::spawn(async move {
            let mut text = String::new();
            while let Ok(Some(part)) = response.chunk().await {
                text.push_str(&String::from_utf8_lossy(&part));
                while let Some((event, rest)) = text.split_once("\n\n") {
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    let value = data.and_then(|data| serde_json::from_str::<Value>(data).ok());
                    text = rest.to_owned();
                    if let Some(value) = value
                        && told.send(value).await.is_err()
                    {
                        return;
                    }
                }
            }
        });
        let open = lines.recv().await.unwrap();
        let secret = open["client"].as_str().unwrap().to_owned();
        let mut tab = Tab { secret, lines };
        tab.next("welcome").await;
        tab
    }

    async fn next(&mut self, kind: &str) -> Value {
        let found = async {
            loop {
                let Some(message) = self.lines.recv().await else {
                    panic!("the stream ended before a {kind}");
                };
                if message["t"] == kind {
                    return message;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("no {kind}"))
    }

    async fn say(&self, server: &Server, message: &Value) {
        let request = server.client.post(server.at("/api/rooms/demo/messages"));
        let said = request
            .header("X-Client", &self.secret)
            .json(message)
            .send()
            .await;
        assert_eq!(said.unwrap().status(), StatusCode::ACCEPTED);
    }
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
    let (mut one, mut two) = (Tab::open(&server, &token).await, Tab::open(&server, &token).await);
    let buy = message(1);
    let (by_http_1, by_http_2, (), ()) = tokio::join!(
        by_http(&server, &token),
        by_http(&server, &token),
        one.say(&server, &buy),
        two.say(&server, &buy),
    );
    let receipt = told(&by_http_1);
    assert_eq!(receipt.1, "held");
    assert_eq!(told(&by_http_2), receipt);
    assert_eq!(told(&one.next("receipt").await), receipt);
    assert_eq!(told(&two.next("receipt").await), receipt);

    // Another body under the same id, whichever way, and another buyer.
    one.say(&server, &message(2)).await;
    assert_eq!(one.next("receipt").await["outcome"], "conflict");
    let ben = server.buyer(&operator, "ben").await;
    assert_eq!(by_http(&server, &ben).await["outcome"], "conflict");

    let folder = server.kill();
    let server = Server::start_in(folder, &["--shop-buys-per-ten-seconds", "100"]);
    let mut again = Tab::open(&server, &token).await;
    again.say(&server, &buy).await;
    assert_eq!(told(&again.next("receipt").await), receipt);
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
