//! The first words: who a client is, and where it stands.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Shop;
use super::client::role_name;
use super::show::Show;
use super::ticks::stock_messages;
use crate::message::{
    Bill, ChatLine, Hello, Limits, MAX_CLIENT_MESSAGE, NoticeCode, OpenOrder, OrderState, Outcome, Poll,
    Product, Question, Receipt, Sale, ServerMessage, Snapshot, VERSION, Welcome, You, encode,
};
use crate::{Channel, ClientId, Identities, Identity, Output, Priority, Role, UnixMillis};

/// A message stays below what every browser takes in one piece (16 KiB), with room for the envelope.
const MAX_PAGE: usize = 14_000;

impl Shop {
    pub(super) fn say_hello(
        &mut self,
        now: UnixMillis,
        id: ClientId,
        hello: Hello,
        identities: &dyn Identities,
    ) {
        let Some(room) = self.clients.get(&id).map(|client| client.room.clone()) else {
            return;
        };
        if !hello.is_understood() {
            let text = format!("this server speaks version {VERSION}");
            return self.notice(now, id, NoticeCode::VersionUnsupported, &text, None, None);
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Err(wait) = client.hellos.take(now) {
            return self.notice(
                now,
                id,
                NoticeCode::TooFast,
                "too many greetings",
                None,
                Some(wait),
            );
        }
        let known = client.identity.clone();
        let Some(show) = self.shows.get_mut(&room) else {
            return;
        };
        let name = hello.name.as_deref().filter(|name| !show.talk.is_listed(name));
        let (identity, token) = match (&hello.token, known) {
            (Some(token), _) => match identities.verify(token, &room) {
                Ok(mut identity) => {
                    rename(&mut identity, name);
                    (identity, None)
                }
                Err(why) => return self.notice(now, id, NoticeCode::TokenInvalid, &why, None, None),
            },
            (None, Some(identity)) => (identity, None),
            (None, None) => {
                let (identity, token) = identities.anonymous(&room, name);
                (identity, Some(token))
            }
        };
        if show.talk.is_banned(&identity.subject) {
            return self.turn_away(now, id);
        }
        show.audience.join(id, &identity, !hello.takes_batches);
        client.identity = Some(identity);
        if !self.behind.contains_key(&id) {
            self.welcome(now, id, token.as_deref(), &hello);
        }
    }

    /// Tells a client that has lost messages everything anew.
    pub(super) fn tell_anew(&mut self, now: UnixMillis, id: ClientId) {
        self.welcome(now, id, None, &Hello::default());
    }

    fn welcome(&mut self, now: UnixMillis, id: ClientId, token: Option<&str>, hello: &Hello) {
        let known = self.clients.get(&id);
        let Some((room, identity)) = known.and_then(|known| Some((&known.room, known.identity.as_ref()?)))
        else {
            return;
        };
        let Some(show) = self.shows.get_mut(room) else {
            return;
        };
        let you = You {
            id: &identity.subject,
            name: &identity.name,
            role: role_name(identity.role),
            token,
        };
        let mut pages = match resumed(&self.epoch, show, hello) {
            None => snapshots(now, &self.epoch, show, you),
            Some(deltas) => {
                let mut pages = vec![welcome(now, &self.epoch, show, you, deltas)];
                // Events do not carry stock and own orders.
                pages.extend(stock_messages(&show.stock(), now));
                let receipts = show
                    .orders_of(&identity.subject)
                    .iter()
                    .map(|sale| receipt(show, sale));
                pages.extend(receipts.map(|receipt| encode(&ServerMessage::Receipt(&receipt), now)));
                pages
            }
        };
        if show.has_cart(&identity.subject) {
            pages.push(show.cart(&identity.subject, now));
        }
        if let Some(codec) = known.and_then(|known| known.unplayable) {
            pages.push(encode(&ServerMessage::Unplayable { codec: Some(codec) }, now));
        }
        if identity.role != Role::Viewer {
            pages.push(show.lists(now));
        }
        // Who takes no batches gets each event alone.
        let listens = !show.audience.is_plain(id);
        for page in pages {
            self.send(id, Channel::Shop, Priority::State, page);
        }
        let client = id;
        self.outputs.push_back(Output::Listen { client, listens });
    }
}

/// Who is anonymous may choose another name.
fn rename(identity: &mut Identity, name: Option<&str>) {
    if identity.anonymous
        && let Some(name) = name
    {
        identity.name = name.to_owned();
    }
}

/// The events a client missed, when they are kept and fit one message.
fn resumed<'s>(epoch: &str, show: &'s Show, hello: &Hello) -> Option<Vec<&'s Bytes>> {
    let resume = hello.resume.as_ref().filter(|resume| resume.epoch == epoch)?;
    let deltas: Vec<&Bytes> = show.deltas_after(resume.seq)?.collect();
    let bytes: usize = deltas.iter().map(|delta| delta.len() + 1).sum();
    (bytes <= MAX_PAGE).then_some(deltas)
}

/// An open order as a receipt that tells where it is now.
pub(super) fn receipt(show: &Show, sale: &Sale) -> Receipt {
    Receipt {
        buy: sale.buy.clone(),
        outcome: match sale.state {
            OrderState::CheckoutOpen => Outcome::CheckoutOpen(bill(sale)),
            OrderState::Waitlisted => waiting(show, sale),
            _ => Outcome::Held(bill(sale)),
        },
    }
}

fn bill(sale: &Sale) -> Bill {
    Bill {
        order_lines: sale.lines.clone(),
        total: sale.total.clone(),
        promo: sale.promo.clone(),
        discount: sale.discount.clone(),
        expires_at: sale.expires_at,
        pay: "manual".to_owned(),
        checkout: None,
    }
}

fn waiting(show: &Show, sale: &Sale) -> Outcome {
    let line = sale.lines.first();
    Outcome::Waitlisted {
        variant: line.map(|line| line.variant.clone()).unwrap_or_default(),
        quantity: line.map_or(0, |line| line.quantity),
        place: show.waitlist.place_of(&sale.buy),
    }
}

fn welcome(now: UnixMillis, epoch: &str, show: &Show, you: You<'_>, deltas: Vec<&Bytes>) -> Bytes {
    let deltas = deltas
        .iter()
        .filter_map(|delta| serde_json::from_slice::<&RawValue>(delta).ok());
    let welcome = Welcome {
        deltas: Some(deltas.collect()),
        ..empty_welcome(now, epoch, show, you)
    };
    encode(&ServerMessage::Welcome(Box::new(welcome)), now)
}

fn empty_welcome<'a>(now: UnixMillis, epoch: &'a str, show: &Show, you: You<'a>) -> Welcome<'a> {
    Welcome {
        epoch,
        upto: show.seq,
        server_time: now.0,
        you,
        limits: Limits {
            message_bytes: MAX_CLIENT_MESSAGE,
        },
        snapshot: None,
        deltas: None,
        page: None,
        pages: None,
    }
}

/// What one message of a snapshot lists.
#[derive(Default)]
struct Page<'s> {
    products: Vec<&'s Product>,
    chat: Vec<&'s ChatLine>,
    questions: Vec<&'s Question>,
    polls: Vec<&'s Poll>,
    orders: Vec<OpenOrder>,
    past: Vec<OpenOrder>,
    bytes: usize,
}

/// Pages as they fill.
#[derive(Default)]
struct Pages<'s> {
    full: Vec<Page<'s>>,
    last: Page<'s>,
}

impl<'s> Pages<'s> {
    /// The page with room for an entry; an entry that fits none has its own.
    fn turn(&mut self, entry: &impl serde::Serialize) -> &mut Page<'s> {
        let bytes = json_len(entry);
        if self.last.bytes > 0 && self.last.bytes + bytes > MAX_PAGE {
            self.full.push(std::mem::take(&mut self.last));
        }
        self.last.bytes += bytes;
        &mut self.last
    }
}

/// The show as it is now, in as many messages as it takes.
fn snapshots(now: UnixMillis, epoch: &str, show: &Show, you: You<'_>) -> Vec<Bytes> {
    let mut pages = Pages::default();
    for product in show.products.values() {
        pages.turn(product).products.push(product);
    }
    for line in &show.talk.chat {
        pages.turn(line).chat.push(line);
    }
    for question in &show.talk.questions {
        pages.turn(question).questions.push(question);
    }
    for poll in show.polls.all() {
        pages.turn(poll).polls.push(poll);
    }
    for sale in show.orders_of(you.id) {
        let order = OpenOrder {
            state: sale.state,
            receipt: receipt(show, sale),
        };
        pages.turn(&order).orders.push(order);
    }
    for sale in show.past_orders_of(you.id) {
        let order = OpenOrder {
            state: sale.state,
            receipt: receipt(show, sale),
        };
        pages.turn(&order).past.push(order);
    }
    pages.full.push(pages.last);
    let count = pages.full.len();
    let paged = pages.full.into_iter().enumerate().map(|(number, page)| {
        let snapshot = Snapshot {
            show: show.info(),
            products: page.products,
            pinned: &show.pinned,
            featured: show.featured.as_deref(),
            chat: page.chat,
            pinned_chat: show.talk.pinned.as_ref(),
            slow_seconds: show.talk.slow_seconds,
            questions: page.questions,
            polls: page.polls,
            votes: show.polls.votes_of(you.id),
            reactions: &show.reactions,
            countdown: show.countdown.as_ref(),
            viewers: show.audience.viewers(),
            orders: page.orders,
            past: page.past,
        };
        let welcome = Welcome {
            snapshot: Some(snapshot),
            page: (count > 1).then_some(number),
            pages: (count > 1).then_some(count),
            ..empty_welcome(now, epoch, show, you.clone())
        };
        encode(&ServerMessage::Welcome(Box::new(welcome)), now)
    });
    paged.collect()
}

fn json_len(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_long_as_it_may_be() {
        let pages = |second: usize| {
            let mut pages = Pages::default();
            // Quotes and a comma are counted.
            pages.turn(&"x".repeat(MAX_PAGE / 2 - 3));
            pages.turn(&"x".repeat(second));
            pages.full.len() + 1
        };
        assert_eq!((pages(MAX_PAGE / 2 - 3), pages(MAX_PAGE / 2 - 2)), (1, 2));
        let mut alone = Pages::default();
        alone.turn(&"x".repeat(MAX_PAGE));
        assert!(alone.full.is_empty(), "what fits none has its own");
    }

    #[test]
    fn what_was_missed_is_told_where_it_fits_a_message() {
        let now = UnixMillis(0);
        let missed = |more: usize| {
            let mut show = Show::new(now, "demo".into(), None);
            let mut announce = |length: usize| {
                let text = "x".repeat(length);
                show.tell(now, Channel::Shop, &ServerMessage::Announcement { text: &text });
                let deltas = show.deltas_after(0).unwrap();
                deltas.map(|delta| delta.len() + 1).sum::<usize>()
            };
            let mut bytes = 0;
            while bytes < MAX_PAGE - 1000 {
                bytes = announce(500);
            }
            let with_empty = announce(0);
            let empty = with_empty - bytes;
            let bytes = announce(MAX_PAGE - with_empty - empty + more);
            let hello = Hello {
                resume: Some(crate::message::Resume {
                    epoch: "e".to_owned(),
                    seq: 0,
                }),
                ..Hello::default()
            };
            (bytes, resumed("e", &show, &hello).is_some())
        };
        assert_eq!(missed(0), (MAX_PAGE, true));
        assert_eq!(missed(1), (MAX_PAGE + 1, false), "then the whole show is told");
    }
}
