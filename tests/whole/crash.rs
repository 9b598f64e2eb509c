//! The server is killed at random points of a storm, again and again, on both databases: its customers come back, by
//! data channels and by event streams, ask for what they were not told, and ask for what they were told once more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;

use super::line::{Line, Shop};
use super::postgres_server::Postgres;
use super::server::{Server, vitrine_says};

const ROOM: &str = "sale";
/// Kills, where nobody wants another number (`CRASH_KILLS`: the server takes every name with `VITRINE_` for a key of its own).
const KILLS: u64 = 10;
/// Customers by data channels, by event streams, and by both HTTP ways at once.
const CUSTOMERS: [How; 9] = [
    How::Channel,
    How::Channel,
    How::Channel,
    How::Stream,
    How::Stream,
    How::Stream,
    How::Both,
    How::Both,
    How::Both,
];
/// Units that come with each life: fewer than are wanted in it, on a slow database, too.
const UNITS: i64 = 10;
/// The latest kill, after the first receipt of a life, in microseconds: some hundred buys.
const LATEST: u64 = 250_000;
/// A buy that is not answered is repeated after this, so often at most: a minute on a busy machine.
const REPEAT: Duration = Duration::from_millis(250);
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

#[derive(Clone, Copy)]
enum How {
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

struct Customer {
    number: usize,
    how: How,
    token: String,
    /// Buys begun.
    begun: u64,
    /// What was told, by the buy's id.
    told: HashMap<String, Value>,
}

impl Customer {
    fn id(&self, buy: u64) -> String {
        format!("0198c0de-{:04x}-7000-8000-{buy:012x}", self.number)
    }

    fn message(&self, buy: u64) -> Value {
        let lines = json!([{"variant": "cup", "quantity": 1}]);
        json!({"v": 1, "t": "buy", "id": self.id(buy), "price_version": 1, "lines": lines})
    }

    /// Keeps a receipt; it must be what was told before.
    fn hear(&mut self, receipt: &Value) {
        let id = receipt["buy"].as_str().unwrap().to_owned();
        let receipt = told(receipt);
        let first = self.told.entry(id.clone()).or_insert_with(|| receipt.clone());
        assert_eq!(*first, receipt, "{id}: once told, told for ever");
    }

    /// Buys until the server is gone.
    async fn live(&mut self, shop: &Shop, storm: &Storm, mut gone: watch::Receiver<bool>) {
        let line = match self.how {
            How::Channel => Line::channel(shop, &self.token).await,
            How::Stream | How::Both => Line::stream(shop, &self.token).await,
        };
        let Some(mut line) = line else {
            panic!("nothing is killed before everybody is there")
        };
        storm.begin.wait().await;
        // First what was not answered in the last life, then what was.
        let mut next = self.begun.saturating_sub(2);
        loop {
            tokio::select! {
                biased;
                is_there = self.ask(shop, &mut line, next) => if !is_there { return },
                _ = gone.wait_for(|gone| *gone) => return,
            }
            storm.first.send_replace(true);
            next += 1;
        }
    }

    /// Asks until there is a receipt; false when the line is broken.
    async fn ask(&mut self, shop: &Shop, line: &mut Line, buy: u64) -> bool {
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
            match tokio::time::timeout(REPEAT, line.receipt(&self.id(buy))).await {
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

    async fn ask_by_http(&self, shop: &Shop, buy: u64) -> Option<Value> {
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

/// What the customers of a life share.
struct Storm {
    /// Everybody is there.
    begin: Barrier,
    /// Somebody has a receipt.
    first: watch::Sender<bool>,
}

struct Story {
    customers: Vec<Customer>,
    /// Arguments that name the ledger's database; none for the file in the server's folder.
    database: Vec<String>,
    seed: u64,
}

impl Story {
    /// One life of the server: a storm, and its end.
    async fn life(&mut self, folder: TempDir) -> TempDir {
        let server = start(folder, &self.database);
        let shop = shop(&server);
        let request = server.client.post(shop.at("commands")).bearer_auth(&server.token);
        let add = json!({"op": "stock.add", "variant": "cup", "delta": UNITS});
        assert!(request.json(&add).send().await.unwrap().status().is_success());
        let (first, mut is_first) = watch::channel(false);
        let (end, gone) = watch::channel(false);
        let begin = Barrier::new(self.customers.len());
        let storm = Arc::new(Storm { begin, first });
        let mut living = JoinSet::new();
        for mut customer in self.customers.drain(..) {
            let (shop, storm, gone) = (shop.clone(), storm.clone(), gone.clone());
            living.spawn(async move {
                customer.live(&shop, &storm, gone).await;
                customer
            });
        }
        tokio::select! {
            first = is_first.wait_for(|first| *first) => drop(first.unwrap()),
            ended = living.join_next() => drop(ended.unwrap().unwrap()),
        }
        // xorshift: the moments are the same in every run, what is going on then is not.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        // Nothing is waited for: the moment is the test.
        tokio::time::sleep(Duration::from_micros(self.seed % LATEST)).await;
        let folder = server.kill();
        end.send_replace(true);
        while let Some(customer) = living.join_next().await {
            self.customers.push(customer.unwrap());
        }
        audit(&folder, &self.database);
        folder
    }
}

fn audit(folder: &TempDir, database: &[String]) {
    let mut arguments = vec!["audit"];
    arguments.extend(database.iter().map(String::as_str));
    let audit = vitrine_says(folder.path(), &arguments);
    assert!(audit.status.success(), "{audit:?}");
}

fn start(folder: TempDir, database: &[String]) -> Server {
    let file = folder.path().join("sale.toml");
    std::fs::write(&file, CATALOGUE).unwrap();
    let mut arguments = ARGUMENTS.to_vec();
    arguments.extend(["--shop-catalogue", file.to_str().unwrap()]);
    arguments.extend(database.iter().map(String::as_str));
    Server::start_in(folder, &arguments)
}

fn shop(server: &Server) -> Shop {
    Shop {
        client: server.client.clone(),
        url: server.url.clone(),
        room: ROOM,
    }
}

async fn every_buy_has_one_answer(database: Vec<String>) {
    let kills = std::env::var("CRASH_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let server = start(tempfile::tempdir().unwrap(), &database);
    let operator = server.token_for("operator");
    let mut customers = Vec::new();
    for (number, how) in CUSTOMERS.into_iter().enumerate() {
        customers.push(Customer {
            number,
            how,
            token: server
                .buyer_in(&operator, ROOM, &format!("customer-{number}"))
                .await,
            begun: 0,
            told: HashMap::new(),
        });
    }
    let mut folder = server.kill();
    let mut story = Story {
        customers,
        database,
        seed: 0x2545_f491_4f6c_dd1d,
    };
    for _ in 0..kills {
        folder = story.life(folder).await;
    }

    // Once more everything is asked, and what was on its way when the server died for the last time.
    let server = start(folder, &story.database);
    let shop = shop(&server);
    let (mut held, mut answered) = (0, 0);
    for customer in &mut story.customers {
        for buy in 0..customer.begun {
            let receipt = customer.ask_by_http(&shop, buy).await.unwrap();
            customer.hear(&receipt);
        }
        assert_eq!(customer.told.len() as u64, customer.begun);
        answered += customer.told.len();
        held += customer.told.values().filter(|told| told[0] == "held").count() as i64;
        let outcomes = ["held", "sold_out"].map(Value::from);
        assert!(customer.told.values().all(|told| outcomes.contains(&told[0])));
    }
    let stock = server.client.get(shop.at("stock")).bearer_auth(&server.token);
    let stock: Value = stock.send().await.unwrap().json().await.unwrap();
    let cup = &stock["stock"][0];
    let units = UNITS * i64::try_from(kills).unwrap();
    assert_eq!(
        (&cup["on_hand"], &cup["held"]),
        (&json!(units), &json!(held)),
        "{stock}"
    );
    assert!(
        held > 0 && answered as i64 > held,
        "{answered} answers, {held} held"
    );
    audit(&server.kill(), &story.database);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_the_server_is_killed_in_a_storm_every_buy_has_one_answer() {
    every_buy_has_one_answer(Vec::new()).await;
}

#[test]
fn the_same_on_postgresql() {
    // The database ends with the thread that starts it: with this one, and none of the runtime's.
    let postgres = Postgres::start();
    let database = vec!["--database".to_owned(), postgres.database()];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(every_buy_has_one_answer(database));
}
