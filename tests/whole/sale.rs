//! A sale of cups on a server of its own, and customers who ask until they have a receipt, by every way there is.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::line::{Line, Shop};
use super::server::{Server, vitrine_says};

pub(crate) const ROOM: &str = "sale";
/// A buy that is not answered is repeated so often at most.
const REPEATS: usize = 240;

const CATALOGUE: &str = r#"
id = "sale"
title = "Sale"
state = "live"
[[products]]
id = "cup"
title = "Cup"
[[products.variants]]
id = "cup"
title = "One"
price = { minor = 900, currency = "EUR", exponent = 2 }
available = 0
"#;

const ARGUMENTS: [&str; 8] = [
    "--demo",
    "false",
    "--front-room",
    ROOM,
    "--shop-buys-per-ten-seconds",
    "10000",
    "--shop-messages-per-ten-seconds",
    "100000",
];

/// How a customer speaks to the shop.
#[derive(Clone, Copy)]
pub(crate) enum How {
    Channel,
    Stream,
    /// Each buy goes by the stream's POST and by a request of its own at the same time.
    Both,
}

/// What a receipt is, whichever way it came.
fn told(receipt: &Value) -> Value {
    json!([
        receipt["outcome"],
        receipt["order_lines"],
        receipt["total"],
        receipt["expires_at"]
    ])
}

/// Wants cups, one with each buy.
pub(crate) struct Customer {
    pub(crate) number: usize,
    pub(crate) how: How,
    pub(crate) token: String,
    /// Buys begun.
    pub(crate) begun: u64,
    /// A buy that is not answered is repeated after this.
    pub(crate) repeat: Duration,
    /// What was told, by the buy's id.
    pub(crate) told: HashMap<String, Value>,
}

impl Customer {
    pub(crate) fn new(number: usize, how: How, token: String, repeat: Duration) -> Customer {
        Customer {
            number,
            how,
            token,
            begun: 0,
            repeat,
            told: HashMap::new(),
        }
    }

    pub(crate) fn id(&self, buy: u64) -> String {
        format!("0198c0de-{:04x}-7000-8000-{buy:012x}", self.number)
    }

    pub(crate) fn message(&self, buy: u64) -> Value {
        let lines = json!([{"variant": "cup", "quantity": 1}]);
        json!({"v": 1, "t": "buy", "id": self.id(buy), "price_version": 1, "lines": lines})
    }

    /// Keeps a receipt; it must be what was told before.
    pub(crate) fn hear(&mut self, receipt: &Value) {
        let id = receipt["buy"].as_str().unwrap().to_owned();
        let receipt = told(receipt);
        let first = self.told.entry(id.clone()).or_insert_with(|| receipt.clone());
        assert_eq!(*first, receipt, "{id}: once told, told for ever");
    }

    /// A line of its kind; none when the shop is not there.
    pub(crate) async fn line(&self, shop: &Shop) -> Option<Line> {
        match self.how {
            How::Channel => Line::channel(shop, &self.token).await,
            How::Stream | How::Both => Line::stream(shop, &self.token).await,
        }
    }

    /// Asks until there is a receipt; false when the line is broken.
    pub(crate) async fn ask(&mut self, shop: &Shop, line: &mut Line, buy: u64) -> bool {
        let message = self.message(buy);
        self.begun = self.begun.max(buy + 1);
        for _ in 0..REPEATS {
            let by_http = async {
                match self.how {
                    How::Both => self.ask_by_http(shop, buy).await,
                    _ => None,
                }
            };
            let ((), by_http) = tokio::join!(line.say(&message), by_http);
            if let Some(receipt) = by_http {
                self.hear(&receipt);
            }
            match tokio::time::timeout(self.repeat, line.receipt(&self.id(buy))).await {
                Ok(Some(receipt)) => {
                    self.hear(&receipt);
                    return true;
                }
                Ok(None) => return false,
                Err(_) => {}
            }
        }
        panic!("no receipt for {}", self.id(buy))
    }

    pub(crate) async fn ask_by_http(&self, shop: &Shop, buy: u64) -> Option<Value> {
        let mut message = self.message(buy);
        let id = message["id"].take();
        let request = shop.client.post(shop.at("buy")).bearer_auth(&self.token);
        let request = request.header("Idempotency-Key", id.as_str().unwrap());
        let body = json!({"lines": message["lines"], "price_version": 1});
        let answer = request.json(&body).send().await.ok()?;
        if answer.status() != StatusCode::OK {
            return None;
        }
        answer.json().await.ok()
    }
}

/// The books must be right.
pub(crate) fn audit(folder: &TempDir, database: &[String]) {
    let mut arguments = vec!["audit"];
    arguments.extend(database.iter().map(String::as_str));
    let audit = vitrine_says(folder.path(), &arguments);
    assert!(audit.status.success(), "{audit:?}");
}

/// A server with the sale, in a folder that may have been used.
pub(crate) fn start(folder: TempDir, more: &[String]) -> Server {
    let file = folder.path().join("sale.toml");
    std::fs::write(&file, CATALOGUE).unwrap();
    let mut arguments = ARGUMENTS.to_vec();
    arguments.extend(["--shop-catalogue", file.to_str().unwrap()]);
    arguments.extend(more.iter().map(String::as_str));
    Server::start_in(folder, &arguments)
}

pub(crate) fn shop(server: &Server) -> Shop {
    Shop {
        client: server.client.clone(),
        url: server.url.clone(),
        room: ROOM,
    }
}
