//! A customer by event stream and POST: the same messages as on data channels, for players without them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::customer::Customer;
use super::http::{Http, Server};
use super::viewer::unix_us;
use super::worker::{Common, Lane, Order, Party};
use crate::Error;
use crate::crowd::Buy;
use crate::measure::GroupId;

/// A stream that broke, or could not be had, is tried again after this.
const RETURN: Duration = Duration::from_millis(500);
/// An event longer than this is not one of the shop's.
const MAX_EVENT: usize = 1 << 20;

/// What a customer is to do.
pub(super) enum Wish {
    /// Say a chat line.
    Say,
    /// Buy; those who hang up break off before the receipt and come back.
    Buy { buy: Arc<Buy>, hangs_up: bool },
}

/// Makes a buyer's own token with the operator's.
///
/// # Errors
/// When the server does not make it.
pub(super) async fn buyers_token(http: &Http, party: &Party, number: u32) -> Result<String, Error> {
    let (Some(shop), Some(server)) = (&party.group.shop, &party.shop) else {
        return Err(Error::Options("the group has no shop".into()));
    };
    let url = join(&shop.api, "api/tokens")?;
    let sub = format!("loadtest-{number}-{:08x}", rand::random::<u32>());
    let wish = json!({"scopes": ["view"], "room": shop.room, "sub": sub}).to_string();
    let made = http
        .post_json(server, &url, shop.operator_token.as_deref(), None, &[], wish)
        .await?;
    let made: Value = serde_json::from_str(&made).map_err(|error| Error::Protocol(error.to_string()))?;
    let token = made.get("token").and_then(Value::as_str);
    token
        .map(str::to_owned)
        .ok_or_else(|| Error::Protocol("the answer has no token".into()))
}

fn join(base: &Url, path: &str) -> Result<Url, Error> {
    base.join(path)
        .map_err(|error| Error::Options(format!("{base} and {path}: {error}")))
}

/// Lives until nobody can wish anything any more.
pub(super) async fn run(
    common: Common,
    group: GroupId,
    mut customer: Customer,
    from: Option<IpAddr>,
    mut wishes: UnboundedReceiver<Wish>,
    lane: Lane,
) {
    let Some(party) = common.parties.get(usize::from(group.0)) else {
        return;
    };
    let (Some(shop), Some(server)) = (&party.group.shop, &party.shop) else {
        return;
    };
    let mut waiting = Vec::new();
    loop {
        let Ok(url) = join(&shop.api, &format!("api/rooms/{}/events", shop.room)) else {
            return;
        };
        let mut line = Conversation {
            http: &common.http,
            server,
            api: &shop.api,
            room: &shop.room,
            from,
            client: None,
        };
        match line
            .listen(url, group, &mut customer, &mut wishes, &mut waiting, &lane)
            .await
        {
            Ended::Over => return,
            Ended::HungUp => {}
            Ended::Broken(why) => {
                tracing::debug!(why, "an event stream broke");
                tokio::select! {
                    () = tokio::time::sleep(RETURN) => {}
                    wish = wishes.recv() => match wish {
                        Some(wish) => waiting.push(wish),
                        None => return,
                    },
                }
            }
        }
    }
}

/// Why a stream is no more.
enum Ended {
    /// The viewer has left.
    Over,
    /// By our own will.
    HungUp,
    Broken(String),
}

/// One stream and the POSTs beside it.
struct Conversation<'a> {
    http: &'a Http,
    server: &'a Server,
    api: &'a Url,
    room: &'a str,
    from: Option<IpAddr>,
    /// The secret the server named in its first event.
    client: Option<String>,
}

impl Conversation<'_> {
    async fn listen(
        &mut self,
        mut url: Url,
        group: GroupId,
        customer: &mut Customer,
        wishes: &mut UnboundedReceiver<Wish>,
        waiting: &mut Vec<Wish>,
        lane: &Lane,
    ) -> Ended {
        customer.reconnect();
        if let Some(token) = customer.token() {
            url.query_pairs_mut().append_pair("token", token);
        }
        let mut body = match self.http.events(self.server, &url, self.from).await {
            Ok(body) => body,
            Err(error) => return Ended::Broken(error.to_string()),
        };
        let mut events = Events::default();
        loop {
            if customer.is_welcome() {
                for wish in waiting.drain(..) {
                    if self.fulfil(wish, customer).await {
                        return Ended::HungUp;
                    }
                }
                if let Some(buy) = customer.due(Instant::now()) {
                    self.say(buy).await;
                }
            }
            let next = customer
                .next()
                .unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                chunk = chunk(&mut body) => {
                    let Some(chunk) = chunk else {
                        return Ended::Broken("the server ended the stream".into());
                    };
                    if !events.feed(&chunk) {
                        return Ended::Broken("an event without an end".into());
                    }
                    while let Some((kind, data)) = events.next() {
                        if kind == "open" {
                            let open: Option<Value> = serde_json::from_str(&data).ok();
                            self.client = open.and_then(|open| Some(open.get("client")?.as_str()?.to_owned()));
                            continue;
                        }
                        customer.receive(data.as_bytes(), Instant::now(), unix_us(), &mut |told| {
                            lane.send(Order::Told { group, told });
                        });
                    }
                }
                wish = wishes.recv() => match wish {
                    Some(wish) => waiting.push(wish),
                    None => return Ended::Over,
                },
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }

    /// Does what is wished; true when that was to hang up.
    async fn fulfil(&self, wish: Wish, customer: &mut Customer) -> bool {
        match wish {
            Wish::Say => {
                self.say(Customer::line(unix_us())).await;
                false
            }
            Wish::Buy { buy, hangs_up } => {
                customer.buy(&buy, Instant::now());
                if let Some(buy) = customer.due(Instant::now()) {
                    self.say(buy).await;
                }
                hangs_up
            }
        }
    }

    async fn say(&self, message: String) {
        let Some(client) = &self.client else {
            return;
        };
        let Ok(url) = join(self.api, &format!("api/rooms/{}/messages", self.room)) else {
            return;
        };
        let headers = [("X-Client", client.as_str())];
        let said = self
            .http
            .post_json(self.server, &url, None, self.from, &headers, message)
            .await;
        if let Err(error) = said {
            tracing::debug!(%error, "a message was not taken");
        }
    }
}

async fn chunk(body: &mut Incoming) -> Option<hyper::body::Bytes> {
    loop {
        let frame = body.frame().await?.ok()?;
        if let Ok(data) = frame.into_data() {
            return Some(data);
        }
    }
}

/// Server-sent events, cut out of a byte stream (HTML Living Standard §9.2.6).
#[derive(Default)]
pub(super) struct Events {
    text: Vec<u8>,
}

impl Events {
    /// Takes what came; false when an event grows without end.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> bool {
        self.text.extend_from_slice(chunk);
        self.text.len() <= MAX_EVENT
    }

    /// The next whole event: its kind, `message` when it names none, and its data.
    pub(super) fn next(&mut self) -> Option<(String, String)> {
        loop {
            let end = self.text.windows(2).position(|pair| pair == b"\n\n")?;
            let event: Vec<u8> = self.text.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let (mut kind, mut data) = ("message".to_owned(), None);
            for line in event.lines() {
                match line.split_once(':') {
                    Some(("event", value)) => kind = value.trim_start().to_owned(),
                    Some(("data", value)) => data = Some(value.trim_start().to_owned()),
                    _ => {}
                }
            }
            // Comments keep the connection alive.
            if let Some(data) = data {
                return Some((kind, data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_out_of_any_pieces() {
        let text = "event: open\ndata: {\"client\":\"7\"}\n\n: alive\n\ndata:{\"t\":\"show\"}\nid: 4\n\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                assert!(events.feed(piece));
                while let Some(event) = events.next() {
                    found.push(event);
                }
            }
            let expected = [("open", "{\"client\":\"7\"}"), ("message", "{\"t\":\"show\"}")];
            assert_eq!(
                found,
                expected.map(|(kind, data)| (kind.to_owned(), data.to_owned()))
            );
        }
        assert!(!Events::default().feed(&vec![b'x'; MAX_EVENT + 1]));
    }
}
