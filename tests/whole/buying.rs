//! Buys over HTTP while the power fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::server::{PATIENCE, Server, vitrine_says};

const BUYS: usize = 300;
const UNITS: usize = 100;

fn id(number: usize) -> String {
    format!("0198c0de-0000-7000-8000-{number:012x}")
}

/// One buy, its receipt if one came.
async fn buy(server: &Server, token: &str, number: usize) -> Option<Value> {
    let request = server.buy(token, &id(number), "candle").timeout(PATIENCE);
    let answer = request.send().await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    answer.json().await.ok()
}

fn outcome(receipt: &Value) -> &str {
    receipt["outcome"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_during_buys_sells_nothing_twice_and_takes_no_receipt_back() {
    let server = Server::start(&[]);
    let operator = server.token_for("operator");
    let host = server.token.clone();
    let stock = server.client.put(server.at("/api/rooms/demo/stock/candle"));
    let stock = stock.bearer_auth(&host).json(&json!({"on_hand": UNITS})).send();
    assert_eq!(stock.await.unwrap().status(), StatusCode::OK);
    let mut buyers = Vec::new();
    for number in 0..BUYS {
        buyers.push(server.buyer(&operator, &format!("buyer-{number}")).await);
    }
    let buyers: Arc<[String]> = buyers.into();

    // The cut comes while most buys are still on their way.
    let server = Arc::new(server);
    let (told, mut receipts) = mpsc::channel(BUYS);
    let buying: Vec<_> = (0..BUYS)
        .map(|number| {
            let (server, buyers, told) = (server.clone(), buyers.clone(), told.clone());
            tokio::spawn(async move {
                if let Some(receipt) = buy(&server, &buyers[number], number).await {
                    told.send((number, receipt)).await.unwrap();
                }
            })
        })
        .collect();
    drop(told);
    let mut first: HashMap<usize, Value> = HashMap::new();
    while first.len() < 30 {
        let (number, receipt) = receipts.recv().await.unwrap();
        first.insert(number, receipt);
    }
    let killed = std::process::Command::new("kill")
        .args(["-KILL", &server.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    while let Some((number, receipt)) = receipts.recv().await {
        first.insert(number, receipt);
    }
    for task in buying {
        task.await.unwrap();
    }
    let Ok(server) = Arc::try_unwrap(server) else {
        panic!("everybody has gone");
    };
    let folder = server.kill();

    // Everybody asks again, twice, with the same ids.
    let server = Server::start_in(folder, &[]);
    let mut receipts: HashMap<usize, Value> = HashMap::new();
    for round in 0..2 {
        for number in 0..BUYS {
            let receipt = buy(&server, &buyers[number], number).await.unwrap();
            assert_eq!(receipt["buy"], json!(id(number)));
            if round == 0 {
                receipts.insert(number, receipt);
            } else {
                assert_eq!(outcome(&receipt), outcome(&receipts[&number]));
            }
        }
    }
    for (number, receipt) in &first {
        let again = &receipts[number];
        for field in ["outcome", "order_lines", "total", "expires_at"] {
            assert_eq!(receipt[field], again[field], "{field} of buy {number}");
        }
    }
    let held = receipts
        .values()
        .filter(|receipt| outcome(receipt) == "held")
        .count();
    assert_eq!(held, UNITS);
    let sold_out = receipts
        .values()
        .filter(|receipt| outcome(receipt) == "sold_out")
        .count();
    assert_eq!(held + sold_out, BUYS);

    let orders = server
        .client
        .get(server.at("/api/rooms/demo/orders"))
        .bearer_auth(&host);
    let orders: Value = orders.send().await.unwrap().json().await.unwrap();
    assert_eq!(orders["orders"].as_array().unwrap().len(), UNITS);
    let begin = Instant::now();
    let folder = server.kill();
    let audit = vitrine_says(folder.path(), &["audit"]);
    assert!(audit.status.success(), "{audit:?}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}
