//! One show: what a newcomer is told, and what everybody was told lately.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

use super::RoomState;
use super::audience::Audience;
use super::cart::Carts;
use super::holds::Warnings;
use super::keeping::Unkept;
use super::moment::Moment;
use super::outbox::Outbox;
use super::polls::Polls;
use super::said::Said;
use super::talk::Talk;
use super::waitlist::Waitlist;
use crate::ledger::ShowRecord;
use crate::message::{
    Countdown, OrderState, Product, Reaction, Sale, ServerMessage, ShowInfo, ShowState, StockItem, Variant,
    encode_event,
};
use crate::{Channel, UnixMillis};

/// Events kept for clients that come back.
const MAX_DELTAS: usize = 512;
/// Of an own order that is settled a buyer is told until so many came after it.
const MAX_PAST: usize = 5;
/// Buyers whose settled orders are remembered; beyond, others' are forgotten.
const MAX_PAST_BUYERS: usize = 10_000;
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
    pub(super) talk: Talk,
    pub(super) said: Said,
    pub(super) polls: Polls,
    pub(super) reactions: BTreeMap<Reaction, u64>,
    /// Whether there were any since they were told.
    pub(super) reactions_changed: bool,
    pub(super) countdown: Option<Countdown>,
    pub(super) carts: Carts,
    /// Orders that wait for payment, by buyer; as many as there are held units at most.
    open_orders: HashMap<String, Vec<Sale>>,
    /// The latest that are settled, by buyer.
    past_orders: IndexMap<String, VecDeque<Sale>>,
    /// Open orders whose buyers are to be warned.
    pub(super) warnings: Warnings,
    pub(super) waitlist: Waitlist,
    pub(super) audience: Audience,
    pub(super) outbox: Outbox,
    /// The number of the last event.
    pub(super) seq: u64,
    deltas: VecDeque<(u64, Bytes)>,
    /// Stocks that changed lately.
    pub(super) changed: BTreeMap<String, Restless>,
    pub(super) told_viewers: u64,
    pub(super) next_viewers: i64,
    pub(super) unkept: Unkept,
}

impl Show {
    pub(super) fn new(now: UnixMillis, name: Arc<str>, record: Option<ShowRecord>) -> Show {
        let is_stored = record.is_some();
        let mut record = record.unwrap_or_else(|| ShowRecord {
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
            talk: Talk::default(),
            said: Said::default(),
            polls: Polls::default(),
            reactions: BTreeMap::new(),
            reactions_changed: false,
            countdown: None,
            carts: Carts::default(),
            open_orders: HashMap::new(),
            past_orders: IndexMap::new(),
            warnings: Warnings::default(),
            waitlist: Waitlist::default(),
            audience: Audience::default(),
            outbox: Outbox::default(),
            seq: 0,
            deltas: VecDeque::new(),
            changed: BTreeMap::new(),
            told_viewers: 0,
            next_viewers: 0,
            unkept: Unkept::default(),
        };
        show.products = record
            .products
            .iter()
            .map(|product| (product.id.clone(), product.clone()))
            .collect();
        for order in &record.open_orders {
            show.note_order(now, order);
        }
        show.recall(std::mem::take(&mut record.talk));
        show.note_all_said();
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
            viewers: self.audience.viewers(),
            title: self.title.clone(),
            state: self.state,
            starts_at: self.starts_at,
            image: self.image().map(str::to_owned),
        }
    }

    /// A picture of what is shown, else of the first product that has one.
    fn image(&self) -> Option<&str> {
        let featured = self.featured.as_ref().and_then(|id| self.products.get(id));
        let mut products = featured.into_iter().chain(self.products.values());
        products
            .find_map(|product| product.images.first())
            .map(String::as_str)
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
        !self.is_stored && !self.on_air && self.audience.is_empty()
    }

    /// Numbers an event, keeps it for those who come back, and puts it into the outbox for everybody.
    pub(super) fn tell(&mut self, at: impl Into<Moment>, channel: Channel, event: &ServerMessage<'_>) {
        let at = at.into();
        self.seq += 1;
        let event = encode_event(event, at.now, self.seq, at.captured_at);
        if self.deltas.len() >= MAX_DELTAS {
            self.deltas.pop_front();
        }
        self.deltas.push_back((self.seq, event.clone()));
        self.outbox.push(channel, event);
    }

    /// Events after a number; `None` when they are not all kept, or the number is not one of ours.
    pub(super) fn deltas_after(&self, seq: u64) -> Option<impl Iterator<Item = &Bytes>> {
        let first = self.deltas.front().map_or(self.seq + 1, |(seq, _)| *seq);
        (seq <= self.seq && seq + 1 >= first).then(|| {
            let after = self.deltas.iter().filter(move |(known, _)| *known > seq);
            after.map(|(_, message)| message)
        })
    }

    /// Takes over where an order is; whether it was on the waitlist before.
    pub(super) fn note_order(&mut self, now: UnixMillis, sale: &Sale) -> bool {
        self.waitlist.note(sale);
        let open = self.open_orders.entry(sale.user.clone()).or_default();
        let is_it = |known: &&Sale| known.buy == sale.buy;
        let waited = open
            .iter()
            .find(is_it)
            .is_some_and(|known| known.state == OrderState::Waitlisted);
        open.retain(|known| known.buy != sale.buy);
        if sale.state.is_open() {
            open.push(sale.clone());
            self.warnings.arm(now, sale);
        }
        if open.is_empty() {
            self.open_orders.remove(&sale.user);
        }
        if !sale.state.is_open() {
            self.note_past(sale);
        }
        waited
    }

    fn note_past(&mut self, sale: &Sale) {
        if self.past_orders.len() >= MAX_PAST_BUYERS && !self.past_orders.contains_key(&sale.user) {
            self.past_orders.swap_remove_index(0);
        }
        let past = self.past_orders.entry(sale.user.clone()).or_default();
        past.retain(|known| known.buy != sale.buy);
        past.push_back(sale.clone());
        if past.len() > MAX_PAST {
            past.pop_front();
        }
    }

    /// A buyer's latest orders that are settled, the oldest first.
    pub(super) fn past_orders_of(&self, subject: &str) -> impl Iterator<Item = &Sale> {
        self.past_orders.get(subject).into_iter().flatten()
    }

    /// Everybody's orders that wait for something.
    pub(super) fn open_orders(&self) -> impl Iterator<Item = &Sale> {
        self.open_orders.values().flatten()
    }

    /// An order is not there any more.
    pub(super) fn forget_order(&mut self, sale: &Sale) {
        if let Some(open) = self.open_orders.get_mut(&sale.user) {
            open.retain(|known| known.buy != sale.buy);
        }
        self.waitlist.forget(&sale.buy);
    }

    /// A buyer's orders that wait for payment.
    pub(super) fn orders_of(&self, subject: &str) -> &[Sale] {
        self.open_orders.get(subject).map_or(&[], Vec::as_slice)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_events_are_kept_as_is_said_and_a_gap_is_none() {
        let now = UnixMillis(0);
        let mut show = Show::new(now, "demo".into(), None);
        for _ in 0..MAX_DELTAS as u64 + 100 {
            show.tell(now, Channel::Shop, &ServerMessage::OnAir { live: true });
        }
        let kept = |missed: u64| show.deltas_after(show.seq - missed).map(Iterator::count);
        assert_eq!(kept(0), Some(0));
        assert_eq!(kept(MAX_DELTAS as u64), Some(MAX_DELTAS));
        assert_eq!(kept(MAX_DELTAS as u64 + 1), None, "one of them is gone");
        assert!(show.deltas_after(show.seq + 1).is_none(), "nobody has heard that");
    }
}
