//! Two servers on one PostgreSQL, backups and restores beneath them, and a database that goes away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::postgres_server::Postgres;
use super::sale::{self, Customer, How};
use super::server::{PATIENCE, Server, vitrine_says};

const BUYERS: usize = 250;
const UNITS: i64 = 40;

fn id(number: usize) -> String {
    format!("0198c0de-0000-7000-8000-{number:012x}")
}

async fn set_stock(server: &Server, on_hand: i64) -> Value {
    let request = server.client.put(server.at("/api/rooms/demo/stock/candle"));
    let body = json!({"on_hand": on_hand});
    let answer = request
        .bearer_auth(&server.token)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

/// Asks until a receipt comes, as clients do.
async fn buy(server: &Server, token: &str, number: usize) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "no receipt for buy {number}");
        let answer = server
            .buy(token, &id(number), "candle")
            .timeout(PATIENCE)
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status() == StatusCode::OK => return answer.json().await.unwrap(),
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

#[test]
fn a_database_that_stands_still_does_not_keep_a_server_from_ending() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let mut server = Server::start(&["--database", &url]);
    let buyers: Vec<String> = (0..50).map(|_| server.token_for("view")).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asking = runtime.block_on(async {
        let bought = server.buy(&buyers[0], &id(0), "candle").send().await.unwrap();
        assert_eq!(bought.status(), StatusCode::OK);
        postgres.hold_still(true);
        let mut asking = Vec::new();
        for (number, buyer) in buyers.iter().enumerate().skip(1) {
            asking.push(tokio::spawn(server.buy(buyer, &id(number), "candle").send()));
            // One is being decided, then, and does not come to its end.
            if server.counter("vitrine_ledger_queue_length").await > 0.0 {
                break;
            }
        }
        asking
    });
    assert_eq!(
        server.end("-TERM").code(),
        Some(1),
        "it says that the last buys were not decided"
    );
    for asking in asking {
        let told = runtime.block_on(asking).unwrap().unwrap().status();
        assert_eq!(told, StatusCode::SERVICE_UNAVAILABLE, "who asked is told");
    }
    postgres.hold_still(false);
    let data = server.folder.as_ref().unwrap().path();
    let audit = vitrine_says(data, &["audit", "--database", &url]);
    assert!(audit.status.success(), "{audit:?}");
}

/// Waits until `/readyz` has this status; what it says.
async fn readiness(server: &Server, status: StatusCode) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = server.get("/readyz").await;
        if answer.status() == status {
            return answer.text().await.unwrap();
        }
        assert!(Instant::now() < end, "{} and not {status}", answer.status());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[test]
fn a_load_balancer_hears_of_a_database_that_stands_still_or_is_gone() {
    let mut postgres = Postgres::start();
    let server = Server::start(&["--database", &postgres.database()]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = |status| runtime.block_on(readiness(&server, status));
    let up = || runtime.block_on(server.counter("vitrine_ledger_up"));
    told(StatusCode::OK);
    postgres.hold_still(true);
    let said = told(StatusCode::SERVICE_UNAVAILABLE);
    assert!(said.contains("the ledger's database does not answer"), "{said}");
    assert!(up() < 0.5);
    // Who asks whether the process lives is told that it does: nothing is gained by starting it anew.
    assert_eq!(runtime.block_on(server.get("/healthz")).status(), StatusCode::OK);
    postgres.hold_still(false);
    told(StatusCode::OK);
    assert!(up() > 0.5);

    postgres.stop();
    let said = told(StatusCode::SERVICE_UNAVAILABLE);
    assert!(said.contains("buys are refused"), "{said}");
    postgres.resume();
    told(StatusCode::OK);
}

#[test]
fn a_buy_that_was_taken_is_told_by_data_channel_though_the_server_ends() {
    let postgres = Postgres::start();
    let database = ["--database".to_owned(), postgres.database()];
    let mut server = sale::start(tempfile::tempdir().unwrap(), &database);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let token = server.token_for("operator");
    let token = runtime.block_on(server.buyer_in(&token, sale::ROOM, "anna"));
    let customer = Customer::new(1, How::Channel, token, PATIENCE);
    let mut line = runtime.block_on(customer.line(&sale::shop(&server))).unwrap();
    postgres.hold_still(true);
    runtime.block_on(async {
        line.say(&customer.message(1)).await;
        // It and ticks wait behind a tick that is being decided.
        while server.counter("vitrine_ledger_queue_length").await < 2.0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    server.tell("-TERM");
    runtime.block_on(async {
        let ready = || server.client.get(server.at("/readyz")).send();
        while ready()
            .await
            .is_ok_and(|answer| answer.status() == StatusCode::OK)
        {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    postgres.hold_still(false);
    let receipt = runtime.block_on(line.receipt(&customer.id(1)));
    assert_eq!(receipt.unwrap()["outcome"], "sold_out");
    assert_eq!(server.end("-TERM").code(), Some(0));
}

#[test]
fn two_servers_on_one_database_sell_every_unit_once() {
    // The database ends with the thread that starts it: with this one, and none of the runtime's.
    let mut postgres = Postgres::start();
    let url = postgres.database();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (servers, buyer) = runtime.block_on(sell_out(&url));

    // The database goes away and comes back; nobody restarts anything.
    postgres.stop();
    let buy = || servers[0].buy(&buyer, &id(BUYERS), "notebook").send();
    let refused = runtime.block_on(buy()).unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    postgres.resume();
    let end = Instant::now() + PATIENCE;
    runtime.block_on(async {
        loop {
            let answer = buy().await.unwrap();
            if answer.status() == StatusCode::OK {
                let receipt: Value = answer.json().await.unwrap();
                assert_ne!(receipt["outcome"], "conflict");
                break;
            }
            assert!(Instant::now() < end, "it does not find its database again");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    let data = servers[0].folder.as_ref().unwrap().path();
    let audit = vitrine_says(data, &["audit", "--database", &url]);
    assert!(audit.status.success(), "{audit:?}");
}

/// Two servers that have sold everything, with a backup restored beneath them, and a buyer's token.
async fn sell_out(url: &str) -> (Arc<[Server; 2]>, String) {
    let secret = "two-servers-sign-with-one-and-the-same-secret";
    let arguments = ["--database", url, "--token-secret", secret];
    let servers = Arc::new([Server::start(&arguments), Server::start(&arguments)]);
    set_stock(&servers[0], UNITS).await;
    let operator = vitrine_says(
        servers[0].folder.as_ref().unwrap().path(),
        &[
            "token",
            "--scope",
            "operator",
            "--room",
            "*",
            "--token-secret",
            secret,
        ],
    );
    let operator = String::from_utf8(operator.stdout).unwrap().trim().to_owned();
    let mut buyers = Vec::new();
    for number in 0..BUYERS {
        let body = json!({"scopes": ["view"], "room": "demo", "sub": format!("buyer-{number}")});
        let request = servers[0].client.post(servers[0].at("/api/tokens"));
        let made = request.bearer_auth(&operator).json(&body).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        buyers.push(made["token"].as_str().unwrap().to_owned());
    }
    // Each buyer asks at both servers at once, with the same id.
    let buying: Vec<_> = (0..BUYERS)
        .flat_map(|number| [0, 1].map(|side| (number, side)))
        .map(|(number, side)| {
            let (servers, token) = (servers.clone(), buyers[number].clone());
            tokio::spawn(async move { (number, buy(&servers[side], &token, number).await) })
        })
        .collect();
    let mut receipts: HashMap<usize, Value> = HashMap::new();
    for task in buying {
        let (number, mut receipt) = task.await.unwrap();
        receipt.as_object_mut().unwrap().remove("at");
        let first = receipts.entry(number).or_insert_with(|| receipt.clone());
        assert_eq!(*first, receipt, "the same at both servers");
    }
    let held = receipts.values().filter(|receipt| receipt["outcome"] == "held");
    assert_eq!(held.count() as i64, UNITS);

    // A backup while they run; then more is sold, and the backup restored beneath them.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    let file = file.to_str().unwrap();
    let data = servers[0].folder.as_ref().unwrap().path().to_owned();
    let says = |arguments: &[&str]| vitrine_says(&data, &[arguments, &["--database", url]].concat());
    let said = says(&["backup", file]);
    assert!(said.status.success(), "{said:?}");
    let before = set_stock(&servers[1], UNITS + 5).await;
    assert_eq!(before["available"], 5);
    assert!(!says(&["restore", file]).status.success(), "not without --yes");
    let said = says(&["restore", file, "--yes"]);
    assert!(said.status.success(), "{said:?}");
    let after = set_stock(&servers[1], UNITS).await;
    assert_eq!((&after["held"], &after["available"]), (&json!(UNITS), &json!(0)));
    assert!(after["version"].as_i64() > before["version"].as_i64());
    assert_eq!(
        buy(&servers[0], &buyers[0], 0).await["outcome"],
        receipts[&0]["outcome"]
    );
    (servers, buyers.swap_remove(1))
}
