//! A shop with its ledger and clients, in virtual time.
// Each test uses a part of it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use overlay::ledger::{Answer, Ledger, Refusal, SqliteLedger};
use overlay::{
    Channel, ClientId, Identities, Identity, Output, Reply, RequestId, Role, Shop, ShopConfig, UnixMillis,
};
use serde_json::{Value, json};

pub(crate) const START: UnixMillis = UnixMillis(1_800_000_000_000);
pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
pub(crate) const ROOM: &str = "demo";

/// Tokens are `role:subject`.
pub(crate) struct Names;

impl Identities for Names {
    fn verify(&self, token: &str, _: &str) -> Result<Identity, String> {
        let (role, subject) = token.split_once(':').ok_or("the token is not valid here")?;
        let role = match role {
            "host" => Role::Host,
            "moderator" => Role::Moderator,
            _ => Role::Viewer,
        };
        Ok(Identity {
            subject: subject.to_owned(),
            name: subject.to_uppercase(),
            role,
            anonymous: subject.starts_with("anon-"),
        })
    }

    fn anonymous(&self, _: &str, name: Option<&str>) -> (Identity, String) {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let identity = Identity {
            subject: format!("anon-{number}"),
            name: name.unwrap_or("Guest").to_owned(),
            role: Role::Viewer,
            anonymous: true,
        };
        (identity, format!("viewer:anon-{number}"))
    }
}

pub(crate) struct Stage {
    pub(crate) shop: Shop,
    pub(crate) ledger: Option<SqliteLedger>,
    pub(crate) now: UnixMillis,
    pub(crate) inboxes: HashMap<ClientId, Vec<(Channel, Value)>>,
    /// Clients that get what is broadcast.
    pub(crate) listening: HashSet<ClientId>,
    /// Messages that were broadcast, as they were.
    pub(crate) broadcasts: Vec<Value>,
    pub(crate) replies: HashMap<RequestId, Reply>,
    pub(crate) longest: usize,
    /// Numbers of the room's events, as they were told.
    pub(crate) numbers: Vec<u64>,
    next_request: u64,
}

impl Stage {
    /// The demo show in a ledger in memory.
    pub(crate) fn demo() -> Stage {
        let mut ledger = SqliteLedger::in_memory().unwrap();
        ledger.seed(START, &overlay::catalogue::demo().unwrap()).unwrap();
        Stage::on(ledger)
    }

    /// A shop just started on a ledger.
    pub(crate) fn on(mut ledger: SqliteLedger) -> Stage {
        let shows = ledger.shows().unwrap();
        Stage {
            shop: Shop::new(START, ShopConfig::default(), "e1".to_owned(), shows),
            ledger: Some(ledger),
            now: START,
            inboxes: HashMap::new(),
            listening: HashSet::new(),
            broadcasts: Vec::new(),
            replies: HashMap::new(),
            longest: 0,
            numbers: Vec::new(),
            next_request: 0,
        }
    }

    /// Connects and greets; returns the welcome's pages.
    pub(crate) fn join(&mut self, client: u64, hello: Value) -> Vec<Value> {
        self.shop.connect(self.now, ClientId(client), &ROOM.into(), HERE);
        self.inboxes.entry(ClientId(client)).or_default();
        let mut message = json!({"v": 1, "t": "hello", "versions": [1], "accepts": ["batch"]});
        let object = message.as_object_mut().unwrap();
        object.extend(hello.as_object().unwrap().clone());
        self.say(client, message);
        self.take(client, "welcome")
    }

    /// Connects once more; the welcome, or nothing when the client is not let in.
    pub(crate) fn join_anew(&mut self, client: u64, token: &str) -> Option<Value> {
        self.inboxes.insert(ClientId(client), Vec::new());
        self.shop.connect(self.now, ClientId(client), &ROOM.into(), HERE);
        self.say(client, json!({"t": "hello", "versions": [1], "token": token}));
        let inbox = self.inboxes.get(&ClientId(client))?;
        let welcome = inbox.iter().find(|(_, message)| message["t"] == "welcome");
        welcome.map(|(_, message)| message.clone())
    }

    pub(crate) fn leave(&mut self, client: u64) {
        self.shop.disconnect(ClientId(client));
        self.listening.remove(&ClientId(client));
    }

    pub(crate) fn say(&mut self, client: u64, message: Value) {
        self.say_bytes(client, message.to_string().as_bytes());
    }

    pub(crate) fn say_bytes(&mut self, client: u64, message: &[u8]) {
        self.shop
            .handle_message(self.now, ClientId(client), message, &Names);
        self.pump();
    }

    /// Time passes in ticks.
    pub(crate) fn wait(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(200) {
            self.now = UnixMillis(self.now.0 + 200);
            self.shop.handle_time(self.now);
            self.pump();
        }
    }

    pub(crate) fn request(&mut self, ask: impl FnOnce(&mut Shop, RequestId, UnixMillis)) -> Reply {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        ask(&mut self.shop, request, self.now);
        self.pump();
        self.replies.remove(&request).expect("a reply")
    }

    /// Carries outputs until there are none.
    pub(crate) fn pump(&mut self) {
        while let Some(output) = self.shop.poll_output() {
            match output {
                Output::Send {
                    client,
                    channel,
                    message,
                    ..
                } => self.receive(client, channel, &message),
                Output::Listen { client, listens } => {
                    if listens {
                        self.listening.insert(client);
                    } else {
                        self.listening.remove(&client);
                    }
                }
                Output::Broadcast { channel, message, .. } => {
                    self.broadcasts.push(serde_json::from_slice(&message).unwrap());
                    for event in events(&message) {
                        self.numbers.extend(event["seq"].as_u64());
                    }
                    for client in self.listening.clone() {
                        self.receive(client, channel, &message);
                    }
                }
                Output::Disconnect { client } => {
                    self.inboxes.remove(&client);
                    self.listening.remove(&client);
                }
                Output::Reply { request, reply } => {
                    self.replies.insert(request, reply);
                }
                Output::Ledger(command) => {
                    let answers = match &mut self.ledger {
                        Some(ledger) => ledger.decide(self.now, vec![command]),
                        None => vec![Answer::refusing(command.ticket, command.show, Refusal::Failed)],
                    };
                    for answer in answers {
                        self.shop.handle_answer(self.now, answer);
                    }
                }
            }
        }
    }

    fn receive(&mut self, client: ClientId, channel: Channel, message: &[u8]) {
        self.longest = self.longest.max(message.len());
        for event in events(message) {
            assert_eq!(event["v"], 1, "{event}");
            assert!(event["t"].is_string() && event["at"].is_i64(), "{event}");
            if let Some(inbox) = self.inboxes.get_mut(&client) {
                inbox.push((channel, event));
            }
        }
    }

    /// Takes what a client got of a kind.
    pub(crate) fn take(&mut self, client: u64, kind: &str) -> Vec<Value> {
        let Some(inbox) = self.inboxes.get_mut(&ClientId(client)) else {
            // It was let go.
            return Vec::new();
        };
        let (taken, rest) = inbox.drain(..).partition(|(_, message)| message["t"] == kind);
        *inbox = rest;
        let taken: Vec<(Channel, Value)> = taken;
        taken.into_iter().map(|(_, message)| message).collect()
    }

    /// Takes the one message a client got of a kind.
    pub(crate) fn one(&mut self, client: u64, kind: &str) -> Value {
        let mut taken = self.take(client, kind);
        let inbox = &self.inboxes[&ClientId(client)];
        assert_eq!(taken.len(), 1, "{kind}: {taken:?}; the rest: {inbox:?}");
        taken.remove(0)
    }

    /// Forgets what everybody got.
    pub(crate) fn clear(&mut self) {
        self.wait(200);
        self.inboxes.values_mut().for_each(Vec::clear);
    }
}

/// What a message tells: the events of a batch, or itself.
pub(crate) fn events(message: &[u8]) -> Vec<Value> {
    let mut value: Value = serde_json::from_slice(message).unwrap();
    if value["t"] == "batch" {
        return value["events"].as_array_mut().unwrap().drain(..).collect();
    }
    vec![value]
}

/// A host's command.
pub(crate) fn host(command: Value) -> Value {
    json!({"t": "host", "id": "c1", "do": command})
}

/// A UUIDv7 by number.
pub(crate) fn uuid(number: u64) -> String {
    format!("0197f4c2-0000-7000-8000-{number:012x}")
}

pub(crate) fn buy(number: u64, variant: &str, quantity: i64, price_version: &Value) -> Value {
    json!({
        "v": 1, "t": "buy", "id": uuid(number), "price_version": price_version,
        "lines": [{"variant": variant, "quantity": quantity}],
    })
}

/// The version of the prices a welcome tells.
pub(crate) fn price_version(welcome: &[Value]) -> Value {
    welcome[0]["snapshot"]["show"]["price_version"].clone()
}

/// A variant in a welcome.
pub(crate) fn variant<'a>(welcome: &'a Value, id: &str) -> &'a Value {
    let products = welcome["snapshot"]["products"].as_array().unwrap();
    let variants = products
        .iter()
        .flat_map(|product| product["variants"].as_array().unwrap());
    variants.into_iter().find(|variant| variant["id"] == id).unwrap()
}
