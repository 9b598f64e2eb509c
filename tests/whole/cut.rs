//! A database whose line is cut: packets vanish, and nothing tells either end.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::postgres_server::Postgres;
use super::server::{PATIENCE, Server, vitrine_says};

/// Tells the child that it has a network of its own.
const ALONE: &str = "CUT_ALONE";
const HERE: &str = "10.77.0.1";
const THERE: &str = "10.77.0.2";
/// What is sold while the line is cut and mended, by as many as there are units and more.
const UNITS: i64 = 10;
const BUYERS: usize = 20;
/// By then a buy is answered, whatever is known of the database: ten seconds until it is taken for gone, three for the
/// next attempt, and some for a busy machine.
const ANSWERED: Duration = Duration::from_secs(25);

#[test]
fn a_database_whose_line_is_cut_is_told_and_nothing_is_sold_twice() {
    // A child with a network of its own, for which one need be root nowhere else.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut child = Command::new("unshare");
    if !is_root {
        child.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    let ended = child
        .arg("--net")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "cut::sells_behind_a_cut_line",
            "--nocapture",
        ])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = said(&ended);
    if said.contains("Operation not permitted") {
        // As in a container.
        println!("no network may be made here: {said}");
        return;
    }
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}

fn said(ended: &Output) -> String {
    String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr)
}

fn run(line: &str) {
    let mut words = line.split(' ');
    let ended = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(ended.status.success(), "{line}: {}", said(&ended));
}

/// A network beyond a line that can be cut.
struct Beyond(Child);

impl Beyond {
    fn new() -> Beyond {
        let holder = Command::new("unshare")
            .args(["--net", "sleep", "infinity"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let beyond = Beyond(holder);
        let id = beyond.0.id();
        let network = |id: u32| std::fs::read_link(format!("/proc/{id}/ns/net")).unwrap();
        while network(id) == network(std::process::id()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        run("ip link set lo up");
        run(&format!("ip link add here type veth peer name there netns {id}"));
        run(&format!("ip addr add {HERE}/24 dev here"));
        run("ip link set here up");
        beyond.run(&format!("ip addr add {THERE}/24 dev there"));
        beyond.run("ip link set there up");
        beyond
    }

    fn run(&self, line: &str) {
        run(&format!("nsenter --net=/proc/{}/ns/net {line}", self.0.id()));
    }

    /// Cuts the line, or mends it.
    fn cut(&self, is_cut: bool) {
        self.run(&format!(
            "ip link set there {}",
            if is_cut { "down" } else { "up" }
        ));
    }
}

impl Drop for Beyond {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `/readyz` has this status; how long it took.
async fn readiness(server: &Server, status: StatusCode) -> Duration {
    let began = Instant::now();
    while server.get("/readyz").await.status() != status {
        assert!(began.elapsed() < PATIENCE, "not {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

fn id(number: usize) -> String {
    format!("0198c0de-0000-7000-8000-{number:012x}")
}

#[test]
#[ignore = "run by the test above, in a network of its own"]
fn sells_behind_a_cut_line() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let beyond = Beyond::new();
    let postgres = Postgres::far_away(beyond.0.id(), THERE);
    let near = postgres.database();
    let name = near.split_once(":///").unwrap().1.split_once('?').unwrap().0;
    let url = format!("postgresql://postgres@{THERE}:5432/{name}?sslmode=disable");
    let server = Server::start(&["--database", &url]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        readiness(&server, StatusCode::OK).await;
        let stock = server.client.put(server.at("/api/rooms/demo/stock/candle"));
        let set = stock.bearer_auth(&server.token).json(&json!({"on_hand": UNITS}));
        assert_eq!(set.send().await.unwrap().status(), StatusCode::OK);
        let operator = server.token_for("operator");
        let mut buyers = Vec::new();
        for number in 0..BUYERS {
            buyers.push(server.buyer(&operator, &format!("buyer-{number}")).await);
        }
        let buy = |number: usize| {
            let asked = server.buy(&buyers[number], &id(number), "candle");
            asked.timeout(PATIENCE).send()
        };
        assert_eq!(buy(0).await.unwrap().status(), StatusCode::OK);

        beyond.cut(true);
        let cut = Instant::now();
        let (first, told) = tokio::join!(buy(1), readiness(&server, StatusCode::SERVICE_UNAVAILABLE));
        let answered = cut.elapsed();
        let first = first.unwrap();
        println!("readiness told it after {told:?}, the buy was answered after {answered:?}");
        assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(first.headers().contains_key("retry-after") && answered < ANSWERED);
        // Who asks later is not kept waiting for longer.
        let later = Instant::now();
        assert_eq!(buy(2).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        println!("and the next after {:?}", later.elapsed());
        assert!(later.elapsed() < ANSWERED);
        assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);

        beyond.cut(false);
        println!(
            "all is well {:?} after the line",
            readiness(&server, StatusCode::OK).await
        );
        // All of them again, under the ids of before.
        let mut held = 0;
        for number in 0..BUYERS {
            let answer = buy(number).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            let receipt: Value = answer.json().await.unwrap();
            held += i64::from(receipt["outcome"] == "held");
        }
        assert_eq!(held, UNITS);
    });
    let data = server.folder.as_ref().unwrap().path();
    let audit = vitrine_says(data, &["audit", "--database", &url]);
    assert!(audit.status.success(), "{audit:?}");
}
