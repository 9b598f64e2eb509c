//! The server is killed at random points of a storm, again and again, on both databases: its customers come back, by
//! data channels and by event streams, ask for what they were not told, and ask for what they were told once more.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;

use super::line::Shop;
use super::postgres_server::Postgres;
use super::sale::{Customer, How, ROOM, audit, shop, start};

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
/// A buy that is not answered is repeated after this.
const REPEAT: Duration = Duration::from_millis(250);
/// The latest kill, after the first receipt of a life, in microseconds: some hundred buys.
const LATEST: u64 = 250_000;
impl Customer {
    /// Buys until the server is gone.
    async fn live(&mut self, shop: &Shop, storm: &Storm, mut gone: watch::Receiver<bool>) {
        let Some(mut line) = self.line(shop).await else {
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

async fn every_buy_has_one_answer(database: Vec<String>) {
    let kills = std::env::var("CRASH_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let server = start(tempfile::tempdir().unwrap(), &database);
    let operator = server.token_for("operator");
    let mut customers = Vec::new();
    for (number, how) in CUSTOMERS.into_iter().enumerate() {
        let name = format!("customer-{number}");
        let token = server.buyer_in(&operator, ROOM, &name).await;
        customers.push(Customer::new(number, how, token, REPEAT));
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
