//! Ten thousand viewers want a hundred units within two seconds of virtual time: half by their data channels, half by
//! POST, many by both; they repeat what is not answered, go away in the middle and come back.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use overlay::ledger::{Command, Ledger};
use overlay::{ClientId, Identities, Identity, Output, Reply, RequestId, Role, Shop, ShopConfig, UnixMillis};
use serde_json::{Value, json};

use crate::candles::NOW;
use crate::{UNITS, ledger, server, units_held};

const VIEWERS: u64 = 10_000;
/// A tick of the shop, in milliseconds; the storm has twenty.
const TICK: i64 = 100;
const TICKS: u64 = 20;
/// As many commands as the server decides together.
const BATCH: usize = 1024;

/// Tokens are names.
struct Names;

impl Identities for Names {
    fn verify(&self, token: &str, _: &str) -> Result<Identity, String> {
        Ok(Identity {
            subject: token.to_owned(),
            name: "Viewer".to_owned(),
            role: Role::Viewer,
            anonymous: false,
        })
    }
    fn anonymous(&self, _: &str, _: Option<&str>) -> (Identity, String) {
        panic!("everybody has a token")
    }
}

struct Crowd {
    shop: Shop,
    ledger: Box<dyn Ledger>,
    room: Arc<str>,
    now: UnixMillis,
    /// Asked in this tick, decided in the next.
    waiting: Vec<Command>,
    /// What each buy was told, without the times it was told at.
    told: BTreeMap<u64, Value>,
    answers: usize,
    requests: HashMap<RequestId, u64>,
    next_request: u64,
}

fn address(viewer: u64) -> IpAddr {
    let [.., b, c, d] = viewer.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, b, c, d))
}

fn buy(viewer: u64) -> Vec<u8> {
    let buy = json!({
        "t": "buy", "id": format!("0197f4c2-0000-7000-8000-{viewer:012x}"), "price_version": 1,
        "lines": [{"variant": "candle", "quantity": 1}],
    });
    buy.to_string().into_bytes()
}

fn is_receipt(message: &[u8]) -> bool {
    message.windows(9).any(|part| part == b"\"receipt\"")
}

impl Crowd {
    fn join(&mut self, client: u64, viewer: u64) {
        self.shop
            .connect(self.now, ClientId(client), &self.room, address(viewer));
        let hello = json!({"t": "hello", "versions": [1], "token": format!("u{viewer}")});
        self.say(client, hello.to_string().as_bytes());
    }

    fn say(&mut self, client: u64, message: &[u8]) {
        self.shop
            .handle_message(self.now, ClientId(client), message, &Names);
        self.pump();
    }

    fn post(&mut self, viewer: u64) {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(request, viewer);
        let token = format!("u{viewer}");
        let origin = (&self.room.clone(), address(viewer));
        self.shop
            .request_buy(self.now, request, origin, Some(&token), &buy(viewer), &Names);
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(output) = self.shop.poll_output() {
            match output {
                Output::Ledger(command) => self.waiting.push(command),
                // Few of the many messages are looked into.
                Output::Send { message, .. } if is_receipt(&message) => {
                    self.hear(serde_json::from_slice(&message).unwrap());
                }
                Output::Reply { request, reply } => match reply {
                    Reply::Ok(body) => {
                        assert!(self.requests.remove(&request).is_some());
                        self.hear(serde_json::from_slice(&body).unwrap());
                    }
                    Reply::TooMany { .. } => drop(self.requests.remove(&request)),
                    other => panic!("{other:?}"),
                },
                _ => {}
            }
        }
    }

    fn hear(&mut self, mut receipt: Value) {
        if receipt["t"] != "receipt" {
            return;
        }
        receipt.as_object_mut().unwrap().remove("at");
        let id = receipt["buy"].as_str().unwrap();
        let viewer = u64::from_str_radix(id.rsplit_once('-').unwrap().1, 16).unwrap();
        self.answers += 1;
        let first = self.told.entry(viewer).or_insert_with(|| receipt.clone());
        assert_eq!(*first, receipt, "one consistent answer");
    }

    /// Decides what waits, and lets time pass.
    fn tick(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(BATCH));
            for answer in self.ledger.decide(self.now, waiting) {
                self.shop.handle_answer(self.now, answer);
                self.pump();
            }
            waiting = rest;
        }
        self.now = UnixMillis(self.now.0 + TICK);
        self.shop.handle_time(self.now);
        self.pump();
    }
}

fn ten_thousand_want_a_hundred(place: &str) {
    let mut ledger = ledger(place);
    let shows = ledger.shows().unwrap();
    let mut crowd = Crowd {
        shop: Shop::new(NOW, ShopConfig::default(), "e1".to_owned(), shows),
        ledger,
        room: "demo".into(),
        now: NOW,
        waiting: Vec::new(),
        told: BTreeMap::new(),
        answers: 0,
        requests: HashMap::new(),
        next_request: 0,
    };
    for viewer in 0..VIEWERS {
        crowd.join(viewer, viewer);
    }
    for tick in 0..TICKS {
        for viewer in (0..VIEWERS).filter(|viewer| viewer % TICKS <= tick) {
            let is_first = viewer % TICKS == tick;
            if !is_first && crowd.told.contains_key(&viewer) {
                continue;
            }
            if viewer % 2 == 0 {
                crowd.say(viewer, &buy(viewer));
            } else {
                crowd.post(viewer);
            }
            if is_first && viewer % 3 == 0 {
                // By the other way at the same time.
                crowd.post(viewer);
            }
            if is_first && viewer % 7 == 0 {
                // The line breaks before the answer; the page comes back and repeats itself.
                crowd.shop.disconnect(ClientId(viewer));
                crowd.join(VIEWERS + viewer, viewer);
                crowd.say(VIEWERS + viewer, &buy(viewer));
            }
        }
        crowd.tick();
    }
    assert!(crowd.now.0 - NOW.0 <= 2000);
    // Whoever was told to wait, or was answered where nobody listened any more, asks again.
    for _ in 0..60 {
        for viewer in (0..VIEWERS)
            .filter(|viewer| !crowd.told.contains_key(viewer))
            .collect::<Vec<_>>()
        {
            crowd.post(viewer);
        }
        crowd.tick();
    }
    assert_eq!(crowd.told.len() as u64, VIEWERS, "everybody has an answer");
    assert!(
        crowd.answers > crowd.told.len() + 1000,
        "many were told more than once"
    );
    let held = crowd.told.values().filter(|receipt| receipt["outcome"] == "held");
    assert_eq!(held.count() as i64, UNITS);
    assert_eq!(units_held(&mut *crowd.ledger), UNITS);
    assert_eq!(crowd.ledger.audit().unwrap().buys, VIEWERS);
}

#[test]
fn ten_thousand_viewers_want_a_hundred_units() {
    let folder = tempfile::tempdir().unwrap();
    ten_thousand_want_a_hundred(folder.path().join("ledger.db").to_str().unwrap());
}

#[test]
fn ten_thousand_viewers_on_postgresql() {
    let server = server::Postgres::start();
    ten_thousand_want_a_hundred(&server.database());
}
