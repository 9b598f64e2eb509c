//! A viewer's shop side, by the public protocol: texts come in, texts go out, whatever carries them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::crowd::{Buy, Restocks};

/// A buy that is not answered is sent again, first after this.
const FIRST_REPEAT: Duration = Duration::from_millis(500);
const LONGEST_REPEAT: Duration = Duration::from_secs(4);
/// A buy without a receipt for so long is given up.
const GIVE_UP: Duration = Duration::from_secs(60);
/// A repeat of an answered buy waits so long: five buys in ten seconds is what a shop must take from one viewer.
const PAUSE: Duration = Duration::from_secs(2);
/// In front of the send time in a chat line.
const STAMP: &str = "sent at ";

/// What a message told that is worth measuring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// The server knows us.
    Welcome,
    /// A chat line, and how long it was on its way when it was one of ours.
    Chat(Option<Duration>),
    /// The first receipt of the buy: its outcome, and the time since the buy was first sent.
    Receipt(String, Duration),
    /// A later receipt that is not the first one again.
    Contradiction,
    /// The stock changed, so long ago.
    Stock(Duration),
    /// Anything else.
    Other,
}

struct Purchase {
    message: String,
    id: String,
    /// When it was first said.
    since: Option<Instant>,
    next: Instant,
    pause: Duration,
    /// How often the same buy is still to be sent after its receipt.
    repeats: u32,
    receipt: Option<Value>,
    is_over: bool,
}

/// A customer. It outlives its connection.
#[derive(Default)]
pub(super) struct Customer {
    token: Option<String>,
    is_welcome: bool,
    /// The prices the server last named.
    price_version: u64,
    purchase: Option<Box<Purchase>>,
    restocks: Option<Arc<Restocks>>,
    /// The newest count of the stock it was told.
    stock_version: u64,
}

/// Of a message only what decides is read; the rest is skipped.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    t: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    text: Option<std::borrow::Cow<'a, str>>,
    price_version: Option<u64>,
    /// Of a batch: each is a message as it would come alone.
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
}

impl Customer {
    pub(super) fn new(token: Option<String>, restocks: Option<Arc<Restocks>>) -> Customer {
        Customer {
            token,
            restocks,
            ..Customer::default()
        }
    }

    /// The connection is a new one.
    pub(super) fn reconnect(&mut self) {
        self.is_welcome = false;
    }

    /// Who it is, by the server's own word where it came without a token.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The first word on a new connection.
    pub(super) fn hello(&mut self) -> String {
        self.reconnect();
        let mut hello = json!({"v": 1, "t": "hello", "versions": [1], "accepts": ["batch"], "client": "vitrine-loadtest"});
        if let (Some(token), Some(fields)) = (&self.token, hello.as_object_mut()) {
            fields.insert("token".into(), token.clone().into());
        }
        hello.to_string()
    }

    pub(super) fn is_welcome(&self) -> bool {
        self.is_welcome
    }

    /// Wants to buy; [`Customer::due`] says it.
    pub(super) fn buy(&mut self, buy: &Arc<Buy>, now: Instant) {
        let id = uuid::Uuid::now_v7().to_string();
        let price_version = buy.price_version.max(self.price_version);
        let lines = json!([{"variant": buy.variant, "quantity": buy.quantity}]);
        let message = json!({"v": 1, "t": "buy", "id": id, "lines": lines, "price_version": price_version});
        self.purchase = Some(Box::new(Purchase {
            message: message.to_string(),
            id,
            since: None,
            next: now,
            pause: FIRST_REPEAT,
            repeats: buy.repeats.saturating_sub(1),
            receipt: None,
            is_over: false,
        }));
    }

    /// The buy, when it is to be said now. Gives up after a minute.
    pub(super) fn due(&mut self, now: Instant) -> Option<String> {
        if !self.is_welcome {
            return None;
        }
        let purchase = self.purchase.as_deref_mut()?;
        if purchase.is_over || purchase.next > now {
            return None;
        }
        let since = *purchase.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= GIVE_UP {
            purchase.is_over = true;
            return None;
        }
        purchase.next = now + purchase.pause;
        purchase.pause = (purchase.pause * 2).min(LONGEST_REPEAT);
        Some(purchase.message.clone())
    }

    /// When [`Customer::due`] may have something.
    pub(super) fn next(&self) -> Option<Instant> {
        let purchase = self.purchase.as_deref()?;
        (self.is_welcome && !purchase.is_over).then_some(purchase.next)
    }

    /// A chat line that carries its send time.
    pub(super) fn line(now_us: u64) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        json!({"v": 1, "t": "chat", "id": id, "text": format!("{STAMP}{now_us}")}).to_string()
    }

    /// Takes what the server sent: a message, or a batch of them.
    pub(super) fn receive(&mut self, text: &[u8], now: Instant, now_us: u64, tell: &mut impl FnMut(Told)) {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) else {
            return tell(Told::Other);
        };
        if envelope.t != "batch" {
            return tell(self.message(&envelope, text, now, now_us));
        }
        for event in envelope.events {
            let event = event.get().as_bytes();
            // A batch within a batch is nothing that the protocol knows.
            if let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(event) {
                tell(self.message(&envelope, event, now, now_us));
            }
        }
    }

    fn message(&mut self, envelope: &Envelope<'_>, text: &[u8], now: Instant, now_us: u64) -> Told {
        match &*envelope.t {
            "welcome" => self.welcome(text),
            "chat" => {
                let sent = envelope.text.as_deref().and_then(|text| text.strip_prefix(STAMP));
                let sent = sent.and_then(|stamp| stamp.parse::<u64>().ok());
                Told::Chat(sent.map(|sent| Duration::from_micros(now_us.saturating_sub(sent))))
            }
            "receipt" => self.receipt(text, now),
            "stock" => self.stock(text, now),
            "show" | "price" => {
                self.price_version = self.price_version.max(envelope.price_version.unwrap_or(0));
                Told::Other
            }
            _ => Told::Other,
        }
    }

    fn welcome(&mut self, text: &[u8]) -> Told {
        #[derive(Deserialize)]
        struct Welcome {
            you: Option<You>,
            snapshot: Option<Snapshot>,
        }
        #[derive(Deserialize)]
        struct You {
            token: Option<String>,
        }
        #[derive(Deserialize)]
        struct Snapshot {
            show: Option<Show>,
        }
        #[derive(Deserialize)]
        struct Show {
            price_version: Option<u64>,
        }
        if let Ok(welcome) = serde_json::from_slice::<Welcome>(text) {
            self.token = self.token.take().or(welcome.you.and_then(|you| you.token));
            let show = welcome.snapshot.and_then(|snapshot| snapshot.show);
            let version = show.and_then(|show| show.price_version);
            self.price_version = self.price_version.max(version.unwrap_or(0));
        }
        if std::mem::replace(&mut self.is_welcome, true) {
            return Told::Other;
        }
        Told::Welcome
    }

    /// News of the variant that is being changed, unless it is older than what is known: the latest wins.
    fn stock(&mut self, text: &[u8], now: Instant) -> Told {
        #[derive(Deserialize)]
        struct Stock<'a> {
            #[serde(borrow)]
            items: Vec<Item<'a>>,
        }
        #[derive(Deserialize)]
        struct Item<'a> {
            #[serde(borrow)]
            variant: std::borrow::Cow<'a, str>,
            available: u64,
            version: u64,
        }
        let Some(restocks) = &self.restocks else {
            return Told::Other;
        };
        let items = serde_json::from_slice::<Stock<'_>>(text).map_or(Vec::new(), |stock| stock.items);
        let item = items
            .iter()
            .find(|item| item.variant == restocks.variant && item.version > self.stock_version);
        let Some(item) = item else {
            return Told::Other;
        };
        self.stock_version = item.version;
        restocks.begun(item.available).map_or(Told::Other, |begun| {
            Told::Stock(now.saturating_duration_since(begun))
        })
    }

    /// The first receipt decides; every later one must be the same in all that matters.
    fn receipt(&mut self, text: &[u8], now: Instant) -> Told {
        let Ok(mut receipt) = serde_json::from_slice::<Value>(text) else {
            return Told::Other;
        };
        let Some(purchase) = self.purchase.as_deref_mut() else {
            return Told::Other;
        };
        if receipt.get("buy").and_then(Value::as_str) != Some(&purchase.id) {
            return Told::Other;
        }
        let outcome = receipt
            .get("outcome")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if let Some(fields) = receipt.as_object_mut() {
            // When it was said, and what has become of the order since.
            fields.retain(|name, _| {
                ["outcome", "order_lines", "total", "expires_at", "variant"].contains(&&**name)
            });
        }
        let told = match &purchase.receipt {
            None => {
                let took = purchase
                    .since
                    .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
                purchase.receipt = Some(receipt);
                Told::Receipt(outcome, took)
            }
            Some(first) => {
                purchase.repeats = purchase.repeats.saturating_sub(1);
                if *first == receipt {
                    Told::Other
                } else {
                    Told::Contradiction
                }
            }
        };
        purchase.is_over = purchase.repeats == 0;
        (purchase.next, purchase.pause) = (now + PAUSE, PAUSE);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buy(repeats: u32) -> Arc<Buy> {
        Arc::new(Buy {
            variant: "candle".into(),
            quantity: 1,
            price_version: 0,
            repeats,
            hang_up: 0.0,
        })
    }

    fn receipt(message: &str, outcome: &str, at: u64) -> Vec<u8> {
        let message: Value = serde_json::from_str(message).unwrap();
        json!({"v": 1, "t": "receipt", "at": at, "buy": message["id"], "outcome": outcome})
            .to_string()
            .into()
    }

    impl Customer {
        /// What one message told.
        fn told(&mut self, text: &[u8], now: Instant, now_us: u64) -> Told {
            let mut all = Vec::new();
            self.receive(text, now, now_us, &mut |told| all.push(told));
            assert_eq!(all.len(), 1, "{all:?}");
            all.remove(0)
        }
    }

    const WELCOME: &[u8] =
        br#"{"v":1,"t":"welcome","you":{"token":"me"},"snapshot":{"show":{"price_version":7}}}"#;

    #[test]
    fn a_buy_is_repeated_with_its_id_until_the_receipt_and_then_compared() {
        let begin = Instant::now();
        let ms = |ms| begin + Duration::from_millis(ms);
        let mut customer = Customer::new(None, None);
        assert!(!customer.hello().contains("token"));
        customer.buy(&buy(2), begin);
        assert_eq!(customer.due(ms(1)), None, "not before the welcome");
        customer.purchase = None;
        assert_eq!(customer.told(WELCOME, ms(2), 0), Told::Welcome);
        customer.buy(&buy(2), ms(10));
        let first = customer.due(ms(10)).unwrap();
        assert!(first.contains("\"price_version\":7"));
        assert_eq!(customer.due(ms(509)), None);
        assert_eq!(customer.due(ms(510)).as_ref(), Some(&first));
        // The line breaks; the same customer comes back and asks again.
        assert!(customer.hello().contains("\"token\":\"me\""));
        assert_eq!(customer.due(ms(9000)), None);
        customer.told(WELCOME, ms(9000), 0);
        assert_eq!(customer.due(ms(9001)).as_ref(), Some(&first));
        let told = customer.told(&receipt(&first, "held", 1), ms(9010), 0);
        assert_eq!(told, Told::Receipt("held".into(), Duration::from_millis(9000)));
        assert_eq!(customer.due(ms(11_010)).as_ref(), Some(&first));
        assert_eq!(
            customer.told(&receipt(&first, "held", 2), ms(11_020), 0),
            Told::Other
        );
        assert_eq!(customer.due(ms(60_000)), None, "twice was asked for");
        let other = customer.told(&receipt(&first, "sold_out", 3), ms(60_000), 0);
        assert_eq!(other, Told::Contradiction);
    }

    #[test]
    fn a_chat_line_tells_how_long_it_was_on_its_way() {
        let mut customer = Customer::new(None, None);
        let line: Value = serde_json::from_str(&Customer::line(1_000)).unwrap();
        let event = json!({"v": 1, "t": "chat", "seq": 4, "text": line["text"]}).to_string();
        let told = customer.told(event.as_bytes(), Instant::now(), 3_500);
        assert_eq!(told, Told::Chat(Some(Duration::from_micros(2_500))));
        let told = customer.told(br#"{"t":"chat","text":"hello"}"#, Instant::now(), 3_500);
        assert_eq!(told, Told::Chat(None));
        assert_eq!(customer.told(b"nonsense", Instant::now(), 0), Told::Other);
    }

    #[test]
    fn a_change_of_the_stock_is_timed_once() {
        let begin = Instant::now();
        let ms = |ms| begin + Duration::from_millis(ms);
        let restocks = Arc::new(Restocks::of("candle"));
        restocks.begin(101, begin);
        restocks.begin(102, ms(50));
        let mut customer = Customer::new(None, Some(restocks));
        let stock = |variant: &str, available: u64, version: u64| {
            let item = json!({"variant": variant, "available": available, "version": version});
            json!({"v": 1, "t": "stock", "items": [item]}).to_string()
        };
        let cases = [
            ("mug", 101, 9, Told::Other),
            ("candle", 100, 4, Told::Other),
            ("candle", 102, 6, Told::Stock(Duration::from_millis(30))),
            ("candle", 102, 6, Told::Other),
            ("candle", 101, 5, Told::Other),
        ];
        for (variant, available, version, told) in cases {
            let text = stock(variant, available, version);
            assert_eq!(customer.told(text.as_bytes(), ms(80), 0), told, "{text}");
        }
        for n in 0..200 {
            customer.restocks.as_ref().unwrap().begin(1_000 + n, ms(90));
        }
        let forgotten = stock("candle", 1_000, 7);
        assert_eq!(customer.told(forgotten.as_bytes(), ms(91), 0), Told::Other);
    }

    #[test]
    fn a_batch_is_its_messages() {
        let now = Instant::now();
        let mut customer = Customer::new(None, None);
        assert!(customer.hello().contains("\"accepts\":[\"batch\"]"));
        customer.told(WELCOME, now, 0);
        customer.buy(&buy(1), now);
        let buy = customer.due(now).unwrap();
        let receipt = String::from_utf8(receipt(&buy, "held", 1)).unwrap();
        let batch = format!(
            r#"{{"v":1,"t":"batch","events":[{{"t":"chat","text":"sent at 5"}},{receipt},{{"t":"batch"}}]}}"#
        );
        let mut told = Vec::new();
        customer.receive(batch.as_bytes(), now, 7, &mut |one| told.push(one));
        let chat = Told::Chat(Some(Duration::from_micros(2)));
        assert_eq!(
            told,
            [chat, Told::Receipt("held".into(), Duration::ZERO), Told::Other]
        );
    }
}
