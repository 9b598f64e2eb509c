//! One show: what a newcomer is told, and what everybody was told lately.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

use super::RoomState;
use crate::ledger::ShowRecord;
use crate::message::{
    ChatLine, OrderState, Product, Sale, ServerMessage, ShowInfo, ShowState, StockItem, Variant, encode,
};
use crate::{Channel, ClientId, Output, UnixMillis};

/// Events kept for clients that come back.
const MAX_DELTAS: usize = 512;
/// Chat lines a newcomer sees.
const MAX_CHAT: usize = 50;
/// People muted at once.
const MAX_MUTED: usize = 10_000;
/// The longest slow mode, in milliseconds.
const SLOWEST: i64 = 120_000;

/// People whose last words are remembered. Beyond, slow mode is not enforced for newcomers.
const MAX_SPEAKERS: usize = 20_000;

/// A stock that changed: when it is told next, and how often it was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Restless {
    pub(super) at: i64,
    pub(super) tellings: usize,
}

#[derive(Debug)]
pub(super) struct Show {
    pub(super) name: Arc<str>,
    /// Whether the ledger has it.
    pub(super) is_stored: bool,
    pub(super) title: String,
    pub(super) state: ShowState,
    pub(super) starts_at: Option<i64>,
    pub(super) price_version: i64,
    pub(super) on_air: bool,
    pub(super) products: IndexMap<String, Product>,
    pub(super) pinned: Vec<String>,
    pub(super) featured: Option<String>,
    pub(super) chat: VecDeque<ChatLine>,
    pub(super) slow_seconds: i64,
    muted: HashSet<String>,
    /// When people spoke last, for slow mode.
    spoke: HashMap<String, i64>,
    /// Orders that wait for payment, by buyer; as many as there are held units at most.
    open_orders: HashMap<String, Vec<Sale>>,
    /// Welcomed clients, and whether they are hosts.
    members: HashMap<ClientId, bool>,
    /// The number of the last event.
    pub(super) seq: u64,
    deltas: VecDeque<(u64, Bytes)>,
    /// Stocks that changed lately.
    pub(super) changed: BTreeMap<String, Restless>,
    pub(super) told_viewers: u64,
    pub(super) next_viewers: i64,
}

impl Show {
    pub(super) fn new(name: Arc<str>, record: Option<ShowRecord>) -> Show {
        let is_stored = record.is_some();
        let record = record.unwrap_or_else(|| ShowRecord {
            title: name.to_string(),
            price_version: 1,
            ..ShowRecord::default()
        });
        let mut show = Show {
            name,
            is_stored,
            title: String::new(),
            state: ShowState::Scheduled,
            starts_at: None,
            price_version: 1,
            on_air: false,
            products: IndexMap::new(),
            pinned: Vec::new(),
            featured: None,
            chat: VecDeque::new(),
            slow_seconds: 0,
            muted: HashSet::new(),
            spoke: HashMap::new(),
            open_orders: HashMap::new(),
            members: HashMap::new(),
            seq: 0,
            deltas: VecDeque::new(),
            changed: BTreeMap::new(),
            told_viewers: 0,
            next_viewers: 0,
        };
        show.products = record
            .products
            .iter()
            .map(|product| (product.id.clone(), product.clone()))
            .collect();
        for order in &record.open_orders {
            show.note_order(order);
        }
        show.adopt(record);
        show
    }

    /// Takes over what the ledger says of the show itself.
    pub(super) fn adopt(&mut self, record: ShowRecord) {
        self.title = record.title;
        self.state = record.state;
        self.starts_at = record.starts_at;
        self.price_version = record.price_version;
        self.pinned = record.pinned;
        self.featured = record.featured;
    }

    pub(super) fn state(&self) -> RoomState {
        RoomState {
            room: self.name.clone(),
            live: self.on_air,
            viewers: self.viewers(),
            title: self.title.clone(),
        }
    }

    pub(super) fn info(&self) -> ShowInfo {
        ShowInfo {
            id: self.name.to_string(),
            title: self.title.clone(),
            state: self.state,
            starts_at: self.starts_at,
            price_version: self.price_version,
            on_air: self.on_air,
        }
    }

    pub(super) fn is_forgettable(&self) -> bool {
        !self.is_stored && !self.on_air && self.members.is_empty()
    }

    pub(super) fn join(&mut self, client: ClientId, is_host: bool) {
        self.members.insert(client, is_host);
    }

    pub(super) fn leave(&mut self, client: ClientId) {
        self.members.remove(&client);
    }

    /// Everybody who watches; a host's own page is not a viewer.
    pub(super) fn viewers(&self) -> u64 {
        self.members.values().filter(|is_host| !**is_host).count() as u64
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = ClientId> {
        self.members
            .iter()
            .filter(|(_, is_host)| **is_host)
            .map(|(client, _)| *client)
    }

    /// Numbers an event, keeps it for those who come back, and gives what tells everybody.
    pub(super) fn event(&mut self, now: UnixMillis, channel: Channel, message: &ServerMessage<'_>) -> Output {
        self.seq += 1;
        let message = encode(message, now, Some(self.seq));
        if self.deltas.len() >= MAX_DELTAS {
            self.deltas.pop_front();
        }
        self.deltas.push_back((self.seq, message.clone()));
        Output::Broadcast {
            room: self.name.clone(),
            channel,
            message,
        }
    }

    /// Events after a number; `None` when they are not all kept, or the number is not one of ours.
    pub(super) fn deltas_after(&self, seq: u64) -> Option<impl Iterator<Item = &Bytes>> {
        let first = self.deltas.front().map_or(self.seq + 1, |(seq, _)| *seq);
        (seq <= self.seq && seq + 1 >= first).then(|| {
            let after = self.deltas.iter().filter(move |(known, _)| *known > seq);
            after.map(|(_, message)| message)
        })
    }

    pub(super) fn add_chat(&mut self, line: ChatLine) {
        if self.chat.len() >= MAX_CHAT {
            self.chat.pop_front();
        }
        self.chat.push_back(line);
    }

    pub(super) fn mute(&mut self, user: String) {
        if self.muted.len() < MAX_MUTED {
            self.muted.insert(user);
        }
    }

    pub(super) fn is_muted(&self, user: &str) -> bool {
        self.muted.contains(user)
    }

    /// Milliseconds until somebody may speak again in slow mode.
    pub(super) fn slow_mode_wait(&self, subject: &str, now: UnixMillis) -> Option<i64> {
        let next = self.spoke.get(subject)? + self.slow_seconds * 1000;
        (now.0 < next).then_some(next - now.0)
    }

    pub(super) fn note_spoken(&mut self, subject: &str, now: UnixMillis) {
        if self.spoke.len() >= MAX_SPEAKERS {
            let slowest = now.0 - SLOWEST;
            self.spoke.retain(|_, at| *at > slowest);
        }
        if self.spoke.len() < MAX_SPEAKERS || self.spoke.contains_key(subject) {
            self.spoke.insert(subject.to_owned(), now.0);
        }
    }

    /// Takes over where an order is.
    pub(super) fn note_order(&mut self, sale: &Sale) {
        let open = self.open_orders.entry(sale.user.clone()).or_default();
        open.retain(|known| known.buy != sale.buy);
        if sale.state.is_open() {
            open.push(sale.clone());
        }
        if open.is_empty() {
            self.open_orders.remove(&sale.user);
        }
    }

    /// A buyer's orders that wait for payment.
    pub(super) fn orders_of(&self, subject: &str) -> &[Sale] {
        self.open_orders.get(subject).map_or(&[], Vec::as_slice)
    }

    /// The place of an order on its waitlist: 1 is next.
    pub(super) fn place(&self, sale: &Sale) -> i64 {
        let variant = sale.lines.first().map(|line| &line.variant);
        let waits = |other: &&Sale| {
            other.state == OrderState::Waitlisted
                && other.queue < sale.queue
                && other.lines.first().map(|line| &line.variant) == variant
        };
        1 + self.open_orders.values().flatten().filter(waits).count() as i64
    }

    /// Every variant's stock.
    pub(super) fn stock(&self) -> Vec<StockItem> {
        let variants = self.products.values().flat_map(|product| &product.variants);
        let items = variants.map(|variant| StockItem {
            variant: variant.id.clone(),
            available: variant.available,
            version: variant.version,
        });
        items.collect()
    }

    pub(super) fn variant_mut(&mut self, id: &str) -> Option<&mut Variant> {
        let variants = self
            .products
            .values_mut()
            .flat_map(|product| &mut product.variants);
        variants.into_iter().find(|variant| variant.id == id)
    }

    /// Takes a stock over; `Some` tells whether it ran out or came back.
    pub(super) fn set_stock(&mut self, item: &StockItem) -> Option<bool> {
        let variant = self.variant_mut(&item.variant)?;
        if item.version <= variant.version {
            return None;
        }
        variant.available = item.available;
        variant.version = item.version;
        let sold_out = item.available == 0;
        let turned = variant.sold_out != sold_out;
        variant.sold_out = sold_out;
        self.changed.insert(item.variant.clone(), Restless::default());
        turned.then_some(sold_out)
    }
}
