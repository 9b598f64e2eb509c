//! What a batch of commands works on: rows loaded from the database, changed in memory, and written back together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::rows::{
    BuyRow, Counted, FlashRow, FlashState, JournalRow, LineRow, OrderRow, OutboxRow, PriceRow, ProductRow,
    PromoRow, RequestRow, Row, ShowRow, TalkRow, VariantRow,
};
use super::store::Store;
use super::{LedgerError, Part};
use crate::message::OrderState;

/// The key of something of a show. Names of shows have no slash.
pub(super) fn of(show: &str, id: &str) -> String {
    format!("{show}/{id}")
}

/// Rows that change, by key.
#[derive(Debug)]
pub(super) struct Rows<R> {
    rows: BTreeMap<String, (R, bool)>,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Rows {
            rows: BTreeMap::new(),
        }
    }
}

impl<R: Row + Counted + Clone> Rows<R> {
    pub(super) fn get(&self, key: &str) -> Option<&R> {
        self.rows.get(key).map(|(row, _)| row)
    }

    /// The row, which is written when the batch ends.
    pub(super) fn change(&mut self, key: &str) -> Option<&mut R> {
        let (row, is_changed) = self.rows.get_mut(key)?;
        *is_changed = true;
        Some(row)
    }

    /// A new row.
    pub(super) fn insert(&mut self, key: String, row: R) {
        self.rows.insert(key, (row, true));
    }

    /// A row as it is in the database. One that is here already may have changed since and stays.
    fn load(&mut self, key: String, row: R) -> bool {
        match self.rows.entry(key) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert((row, false));
                true
            }
            std::collections::btree_map::Entry::Occupied(_) => false,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &R> {
        self.rows.values().map(|(row, _)| row)
    }

    /// Those of a show, by id.
    pub(super) fn of_show<'r>(&'r self, show: &str) -> impl Iterator<Item = &'r R> {
        let first = format!("{show}/");
        let range = self.rows.range(first.clone()..);
        range
            .take_while(move |(key, _)| key.starts_with(&first))
            .map(|(_, (row, _))| row)
    }

    fn save(&mut self, store: &mut dyn Store) -> Result<(), LedgerError> {
        let changed = self.rows.values_mut().filter(|(_, is_changed)| *is_changed);
        let values = changed.map(|(row, is_changed)| {
            *is_changed = false;
            *row.rev() += 1;
            row.values()
        });
        let values: Vec<_> = values.collect();
        write(store, &R::TABLE, values)
    }
}

fn write(
    store: &mut dyn Store,
    table: &super::rows::Table,
    values: Vec<Vec<super::rows::Value>>,
) -> Result<(), LedgerError> {
    if values.is_empty() {
        return Ok(());
    }
    store.write(table, values)
}

fn append<R: Row>(store: &mut dyn Store, rows: &[R]) -> Result<(), LedgerError> {
    write(store, &R::TABLE, rows.iter().map(Row::values).collect())
}

/// The working set.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) shows: Rows<ShowRow>,
    pub(super) products: Rows<ProductRow>,
    pub(super) variants: Rows<VariantRow>,
    pub(super) promos: Rows<PromoRow>,
    pub(super) orders: Rows<OrderRow>,
    lines: Rows<LineRow>,
    flashes: Rows<FlashRow>,
    /// The flash sale of a variant that is to come or runs.
    flash_of: HashMap<String, String>,
    /// Orders of a customer in a show.
    orders_of: HashMap<String, BTreeSet<String>>,
    /// Orders on a variant's waitlist, by their numbers.
    waiting: HashMap<String, BTreeMap<i64, String>>,
    buys: HashMap<String, BuyRow>,
    new_buys: Vec<BuyRow>,
    requests: HashMap<String, RequestRow>,
    new_requests: Vec<RequestRow>,
    /// Prices that variants had.
    had: HashSet<(String, i64)>,
    prices: Vec<PriceRow>,
    journal: Vec<JournalRow>,
    outbox: Vec<OutboxRow>,
    /// By part and whom it is about: the last one counts.
    talk: BTreeMap<(Arc<str>, Part, String), TalkRow>,
}

impl Books {
    // ---- What is loaded

    pub(super) fn load_show(&mut self, row: ShowRow) {
        self.shows.load(row.id.to_string(), row);
    }

    pub(super) fn load_product(&mut self, row: ProductRow) {
        self.products.load(of(&row.show, &row.id), row);
    }

    pub(super) fn load_variant(&mut self, row: VariantRow) {
        self.variants.load(of(&row.show, &row.id), row);
    }

    pub(super) fn load_promo(&mut self, row: PromoRow) {
        self.promos.load(of(&row.show, &row.code), row);
    }

    pub(super) fn load_flash(&mut self, row: FlashRow) {
        if row.state != FlashState::Ended {
            self.flash_of
                .insert(of(&row.show, &row.variant), of(&row.show, &row.id));
        }
        self.flashes.load(of(&row.show, &row.id), row);
    }

    pub(super) fn load_order(&mut self, row: OrderRow) {
        self.index(&row);
        self.orders.load(row.buy.clone(), row);
    }

    pub(super) fn load_line(&mut self, row: LineRow) {
        self.lines.load(of(&row.buy, &row.variant), row);
    }

    pub(super) fn load_buy(&mut self, row: BuyRow) {
        self.buys.insert(row.id.clone(), row);
    }

    pub(super) fn load_request(&mut self, row: RequestRow) {
        self.requests.insert(of(&row.show, &row.key), row);
    }

    pub(super) fn load_price(&mut self, row: &PriceRow) {
        self.had.insert((of(&row.show, &row.variant), row.minor));
    }

    fn index(&mut self, row: &OrderRow) {
        self.orders_of
            .entry(of(&row.show, &row.subject))
            .or_default()
            .insert(row.buy.clone());
        if row.state == OrderState::Waitlisted
            && let (Some(variant), Some(queue)) = (&row.waits_for, row.queue)
        {
            self.waiting
                .entry(of(&row.show, variant))
                .or_default()
                .insert(queue, row.buy.clone());
        }
    }

    // ---- What is looked up

    /// A variant that is on sale.
    pub(super) fn on_sale(&self, show: &str, variant: &str) -> Option<&VariantRow> {
        self.variants.get(&of(show, variant)).filter(|row| !row.removed)
    }

    /// The flash sale of a variant that is to come or runs.
    pub(super) fn flash(&self, show: &str, variant: &str) -> Option<&FlashRow> {
        self.flashes.get(self.flash_of.get(&of(show, variant))?)
    }

    /// The flash sale of a variant that runs.
    pub(super) fn running(&self, show: &str, variant: &str) -> Option<&FlashRow> {
        self.flash(show, variant)
            .filter(|flash| flash.state == FlashState::Running)
    }

    pub(super) fn change_flash(&mut self, show: &str, id: &str) -> Option<&mut FlashRow> {
        self.flashes.change(&of(show, id))
    }

    /// Flash sales that are not over.
    pub(super) fn live_flashes(&self) -> Vec<FlashRow> {
        let live = self
            .flashes
            .iter()
            .filter(|flash| flash.state != FlashState::Ended);
        live.cloned().collect()
    }

    pub(super) fn end_flash(&mut self, show: &str, variant: &str) {
        if let Some(id) = self.flash_of.remove(&of(show, variant))
            && let Some(flash) = self.flashes.change(&id)
        {
            flash.state = FlashState::Ended;
        }
    }

    pub(super) fn add_flash(&mut self, row: FlashRow) {
        let key = of(&row.show, &row.id);
        self.flash_of.insert(of(&row.show, &row.variant), key.clone());
        self.flashes.insert(key, row);
    }

    /// An order's lines, by variant.
    pub(super) fn lines(&self, buy: &str) -> Vec<LineRow> {
        self.lines.of_show(buy).cloned().collect()
    }

    pub(super) fn put_line(&mut self, row: LineRow) {
        let key = of(&row.buy, &row.variant);
        match self.lines.change(&key) {
            Some(known) => *known = row,
            None => self.lines.insert(key, row),
        }
    }

    /// Orders of a customer that were loaded.
    pub(super) fn orders_of(&self, show: &str, subject: &str) -> impl Iterator<Item = &OrderRow> {
        let buys = self.orders_of.get(&of(show, subject)).into_iter().flatten();
        buys.filter_map(|buy| self.orders.get(buy))
    }

    pub(super) fn add_order(&mut self, row: OrderRow) {
        self.index(&row);
        self.orders.insert(row.buy.clone(), row);
    }

    /// The first on a variant's waitlist.
    pub(super) fn next_waiting(&self, show: &str, variant: &str) -> Option<&OrderRow> {
        let (_, buy) = self.waiting.get(&of(show, variant))?.first_key_value()?;
        self.orders.get(buy)
    }

    /// How many loaded ones are on a waitlist before a number.
    pub(super) fn leave_waitlist(&mut self, order: &OrderRow) {
        if let (Some(variant), Some(queue)) = (&order.waits_for, order.queue)
            && let Some(waiting) = self.waiting.get_mut(&of(&order.show, variant))
        {
            waiting.remove(&queue);
        }
    }

    pub(super) fn buy(&self, id: &str) -> Option<&BuyRow> {
        self.buys.get(id)
    }

    pub(super) fn add_buy(&mut self, row: BuyRow) {
        self.new_buys.push(row.clone());
        self.buys.insert(row.id.clone(), row);
    }

    pub(super) fn request(&self, show: &str, key: &str) -> Option<&RequestRow> {
        self.requests.get(&of(show, key))
    }

    pub(super) fn add_request(&mut self, row: RequestRow) {
        self.new_requests.push(row.clone());
        self.requests.insert(of(&row.show, &row.key), row);
    }

    /// Whether a variant had a price: nobody can strike through one that never was.
    pub(super) fn had_price(&self, show: &str, variant: &str, minor: i64) -> bool {
        self.had.contains(&(of(show, variant), minor))
    }

    pub(super) fn note_price(&mut self, at: i64, show: &Arc<str>, variant: &str, minor: i64) {
        self.had.insert((of(show, variant), minor));
        self.prices.push(PriceRow {
            at,
            show: show.clone(),
            variant: variant.to_owned(),
            minor,
        });
    }

    pub(super) fn note_movement(&mut self, row: JournalRow) {
        self.journal.push(row);
    }

    pub(super) fn note_outbox(&mut self, row: OutboxRow) {
        self.outbox.push(row);
    }

    pub(super) fn note_talk(&mut self, row: TalkRow) {
        self.talk
            .insert((row.show.clone(), row.part, row.about.clone()), row);
    }

    // ---- What is written

    /// Writes everything that changed, tables that others refer to first.
    pub(super) fn save(&mut self, store: &mut dyn Store) -> Result<(), LedgerError> {
        self.shows.save(store)?;
        self.products.save(store)?;
        self.variants.save(store)?;
        self.flashes.save(store)?;
        self.promos.save(store)?;
        append(store, &self.new_buys)?;
        self.orders.save(store)?;
        self.lines.save(store)?;
        append(store, &self.new_requests)?;
        append(store, &self.journal)?;
        append(store, &self.prices)?;
        append(store, &self.outbox)?;
        write(
            store,
            &TalkRow::TABLE,
            self.talk.values().map(Row::values).collect(),
        )?;
        if self.talk.values().any(|row| row.body.is_empty()) {
            store.run("DELETE FROM talk WHERE body = ''")?;
        }
        Ok(())
    }
}
