//! Thousands want a hundred cups at once: by event streams with POST, by both HTTP ways, and by data channels. Some go
//! away before they are answered, come back and ask again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use signaling::token::{Claims, Scope, Tokens};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use super::line::{Line, Shop};
use super::sale::{Customer, How, ROOM, audit, shop, start};

/// Customers by event streams, every third of them by both HTTP ways; where nobody wants another number (`STORM_STREAMS`;
/// each takes two or three of the open files that a process may have).
const STREAMS: usize = 2000;
/// Customers by data channels of another implementation, which costs more than a stream.
const CHANNELS: usize = 20;
const UNITS: usize = 100;
/// So many come in at once; the storm is of those who are in.
const DOORS: usize = 200;
const TRIES: usize = 5;
/// Addresses they come from: one has ports for some twenty thousand connections.
const ADDRESSES: usize = 8;
/// Every so many go away before the answer.
const HANGS_UP: usize = 7;
/// Long: a server that is asked by thousands at once is not asked more for being busy.
const REPEAT: Duration = Duration::from_secs(5);
const SECRET: &str = "thousands-of-customers-are-signed-for-with-this";

/// A customer's token, made without asking the server.
fn token(tokens: &Tokens, number: usize) -> String {
    let iat = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = Claims {
        scope: vec![Scope::View],
        sub: format!("customer-{number}"),
        room: ROOM.to_owned(),
        name: None,
        iat,
        exp: iat + 3600,
    };
    tokens.sign(&claims).unwrap()
}

/// Opens a line, as a page does that tries again when a server is too busy to take the connection.
async fn come_in(customer: &Customer, shop: &Shop, doors: &Semaphore) -> Line {
    let _door = doors.acquire().await.unwrap();
    for _ in 0..TRIES {
        if let Some(line) = customer.line(shop).await {
            return line;
        }
    }
    panic!("customer {} was not let in", customer.number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_on_event_streams_and_data_channels_want_a_hundred() {
    let streams = std::env::var("STORM_STREAMS").map_or(STREAMS, |streams| streams.parse().unwrap());
    let arguments = [
        "--token-secret",
        SECRET,
        "--shop-address-messages-per-ten-seconds",
        "1000000",
        "--http-max-connections",
        "50000",
    ];
    let server = start(tempfile::tempdir().unwrap(), &arguments.map(str::to_owned));
    let shop = shop(&server);
    let stock = server.client.put(shop.at("stock/cup")).bearer_auth(&server.token);
    let stock = stock.json(&json!({"on_hand": UNITS})).send().await.unwrap();
    assert_eq!(stock.status(), StatusCode::OK);
    let tokens = Tokens::new(SECRET.as_bytes());
    let customers = streams + CHANNELS;
    let (begin, doors) = (Arc::new(Barrier::new(customers)), Arc::new(Semaphore::new(DOORS)));
    let clients: Vec<Client> = (0..ADDRESSES)
        .map(|number| {
            let from = IpAddr::from([127, 0, 1, 1 + number as u8]);
            Client::builder().local_address(from).build().unwrap()
        })
        .collect();
    let mut buying = JoinSet::new();
    for number in 0..customers {
        let how = match number {
            number if number < CHANNELS => How::Channel,
            number if number % 3 == 0 => How::Both,
            _ => How::Stream,
        };
        let mut customer = Customer::new(number, how, token(&tokens, number), REPEAT);
        let (begin, doors) = (begin.clone(), doors.clone());
        let shop = Shop {
            client: clients[number % ADDRESSES].clone(),
            ..shop.clone()
        };
        buying.spawn(async move {
            let mut line = come_in(&customer, &shop, &doors).await;
            begin.wait().await;
            if number % HANGS_UP == 0 {
                line.say(&customer.message(0)).await;
                line = come_in(&customer, &shop, &doors).await;
            }
            // Whoever has a receipt asks once more.
            for _ in 0..2 {
                assert!(customer.ask(&shop, &mut line, 0).await, "the line broke");
            }
            customer
        });
    }
    let mut outcomes = Vec::new();
    while let Some(customer) = buying.join_next().await {
        let told = customer.unwrap().told;
        assert_eq!(told.len(), 1, "one buy, one answer");
        outcomes.extend(told.into_values().map(|told| told[0].clone()));
    }
    let of = |outcome: &str| outcomes.iter().filter(|told| **told == outcome).count();
    assert_eq!((of("held"), of("sold_out")), (UNITS, customers - UNITS));
    let stock = server.client.get(shop.at("stock")).bearer_auth(&server.token);
    let stock: Value = stock.send().await.unwrap().json().await.unwrap();
    let cup = &stock["stock"][0];
    assert_eq!((&cup["held"], &cup["available"]), (&json!(UNITS), &json!(0)));
    audit(&server.kill(), &[]);
}
