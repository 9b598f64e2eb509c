//! What a batch of commands needs of the database, found out and loaded in a fixed order: flash sales, variants, promo
//! codes are locked, each in the order of their keys, so that two servers wait for each other and never both at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::books::Books;
use super::rows::{FlashRow, LineRow, OrderRow, ProductRow, Row, ShowRow, TalkRow, Value, VariantRow};
use super::store::{Query, Store};
use super::waitlist::{MAX_LISTS, Round};
use super::{Action, Command, LedgerError, MAX_ORDERS};
use crate::message::{HostCommand, OfferCommand};

/// Holds released in one go; the rest follows with the next tick.
const MAX_EXPIRED: usize = 1000;
/// The first of a waitlist that one batch may serve; the rest follows with the next tick.
const MAX_TURNS: usize = 200;

type Pair = (Arc<str>, String);

#[derive(Default)]
struct Needs {
    shows: BTreeSet<Arc<str>>,
    /// Shows whose products are all needed.
    whole: BTreeSet<Arc<str>>,
    variants: BTreeSet<Pair>,
    buys: BTreeSet<String>,
    orders: BTreeSet<String>,
    subjects: BTreeSet<Pair>,
    promos: BTreeSet<Pair>,
    all_promos: BTreeSet<Arc<str>>,
    requests: BTreeSet<Pair>,
    prices: BTreeSet<Pair>,
    listed: BTreeSet<Arc<str>>,
    ticks: bool,
    /// Whether units may come free.
    frees: bool,
}

impl Needs {
    fn of(batch: &[Command]) -> Needs {
        let mut needs = Needs::default();
        for command in batch {
            needs.add(&command.show, &command.action);
        }
        needs
    }

    fn add(&mut self, show: &Arc<str>, action: &Action) {
        if !matches!(action, Action::Tick | Action::Keep(_)) {
            self.shows.insert(show.clone());
        }
        match action {
            Action::Buy { buy, .. } => {
                self.buys.insert(buy.id.clone());
                for line in &buy.lines {
                    self.variants.insert((show.clone(), line.variant.clone()));
                }
                self.promos
                    .extend(buy.promo.iter().map(|code| (show.clone(), code.clone())));
                self.orders.extend(buy.replaces.clone());
                self.frees |= buy.replaces.is_some();
            }
            Action::Cancel { buy, .. } | Action::Payment { buy, .. } => {
                self.orders.insert(buy.clone());
                self.frees = true;
            }
            Action::Change(command) => self.add_change(show, command),
            Action::ChangeOnce { key, command, .. } => {
                self.requests
                    .extend(key.iter().map(|key| (show.clone(), key.clone())));
                self.add_change(show, command);
            }
            Action::CheckPromo { subject, code } => {
                self.promos.insert((show.clone(), code.clone()));
                self.subjects.insert((show.clone(), subject.clone()));
            }
            Action::Seed(record) => {
                self.whole.insert(record.id.as_str().into());
                self.shows.insert(record.id.as_str().into());
            }
            Action::Keep(_) => {}
            Action::Counts => drop(self.whole.insert(show.clone())),
            Action::Promos => drop(self.all_promos.insert(show.clone())),
            Action::Orders => drop(self.listed.insert(show.clone())),
            Action::Tick => {
                self.ticks = true;
                self.frees = true;
            }
        }
    }

    fn add_change(&mut self, show: &Arc<str>, command: &HostCommand) {
        let mut price = |variant: &str| {
            self.prices.insert((show.clone(), variant.to_owned()));
        };
        match command {
            HostCommand::SetStock { variant, .. } | HostCommand::AddStock { variant, .. } => {
                self.variants.insert((show.clone(), variant.clone()));
                self.frees = true;
                return;
            }
            HostCommand::Settle { buy, .. } => {
                self.orders.insert(buy.clone());
                self.frees = true;
                return;
            }
            HostCommand::PutProduct(product) => {
                product.variants.iter().for_each(|variant| price(&variant.id));
            }
            HostCommand::SetPrice { variant, .. } => price(variant),
            HostCommand::Offer(command) => match &**command {
                // All of them: they are counted.
                OfferCommand::PutPromo(_) => drop(self.all_promos.insert(show.clone())),
                OfferCommand::RemovePromo { code } => {
                    self.promos.insert((show.clone(), code.clone()));
                }
                _ => {}
            },
            _ => {}
        }
        self.frees = true;
        self.whole.insert(show.clone());
    }
}

/// Loads what the batch works on.
pub(super) fn load(
    store: &mut dyn Store,
    now: i64,
    batch: &[Command],
    round: &mut Round,
) -> Result<Books, LedgerError> {
    let mut needs = Needs::of(batch);
    let mut books = Books::default();
    if needs.ticks {
        add_due(store, now, round, &mut needs)?;
    }
    add_orders(store, &mut needs)?;
    load_offers(store, now, &mut needs, &mut books)?;
    for row in read(store, by(&["id"], singles(&needs.buys)))? {
        books.load_buy(row);
    }
    for row in read(store, by(&["show", "key"], pairs(&needs.requests)))? {
        books.load_request(row);
    }
    for row in read(store, by(&["show", "variant"], pairs(&needs.prices)))? {
        books.load_price(&row);
    }
    load_promos(store, &needs.promos, &mut books)?;
    for row in read(store, by(&["show"], shows(&needs.all_promos)))? {
        books.load_promo(row);
    }
    load_orders(store, batch, needs, &mut books)?;
    Ok(books)
}

/// What time has made due.
fn add_due(store: &mut dyn Store, now: i64, round: &mut Round, needs: &mut Needs) -> Result<(), LedgerError> {
    let due = Query {
        filter: "state IN ('held', 'checkout_open') AND expires_at <= :bound",
        bound: Some(now),
        order: "expires_at",
        limit: Some(MAX_EXPIRED),
        ..Query::default()
    };
    needs
        .orders
        .extend(read::<OrderRow>(store, due)?.into_iter().map(|order| order.buy));
    let flashes = Query {
        filter: "state <> 'ended' AND (ends_at <= :bound OR (state = 'scheduled' AND starts_at <= :bound))",
        bound: Some(now),
        ..Query::default()
    };
    needs.shows.extend(
        read::<FlashRow>(store, flashes)?
            .into_iter()
            .map(|flash| flash.show),
    );
    let stuck = Query {
        filter: "waiting > 0 AND available > 0",
        bound: Some(round.passed()),
        order: "show, id",
        limit: Some(MAX_LISTS),
        behind_bound: true,
        ..Query::default()
    };
    let stuck = read::<VariantRow>(store, stuck)?.into_iter();
    let stuck: Vec<Pair> = stuck.map(|variant| (variant.show, variant.id)).collect();
    needs.shows.extend(stuck.iter().map(|(show, _)| show.clone()));
    needs.variants.extend(stuck.iter().cloned());
    round.looks_at(stuck);
    Ok(())
}

/// The variants and shows of orders that may change: an order's show and variants are for ever.
fn add_orders(store: &mut dyn Store, needs: &mut Needs) -> Result<(), LedgerError> {
    let orders: Vec<OrderRow> = read(store, by(&["buy"], singles(&needs.orders)))?;
    let lines: Vec<LineRow> = read(store, by(&["buy"], singles(&needs.orders)))?;
    for order in orders {
        let variants = lines.iter().filter(|line| line.buy == order.buy);
        needs
            .variants
            .extend(variants.map(|line| (order.show.clone(), line.variant.clone())));
        needs.shows.insert(order.show);
    }
    Ok(())
}

fn load_offers(
    store: &mut dyn Store,
    now: i64,
    needs: &mut Needs,
    books: &mut Books,
) -> Result<(), LedgerError> {
    let flashes = Query {
        filter: "state <> 'ended'",
        order: "id",
        lock: true,
        ..by(&["show"], shows(&needs.shows))
    };
    for row in read::<FlashRow>(store, flashes)? {
        if row.is_due(now) {
            needs.whole.insert(row.show.clone());
        }
        books.load_flash(row);
    }
    for row in read::<ProductRow>(store, by(&["show"], shows(&needs.whole)))? {
        books.load_product(row);
    }
    // Found first and locked then: locks are taken in one order.
    for row in read::<VariantRow>(store, by(&["show"], shows(&needs.whole)))? {
        needs.variants.insert((row.show, row.id));
    }
    let variants = Query {
        lock: true,
        ..by(&["show", "id"], pairs(&needs.variants))
    };
    for row in read(store, variants)? {
        books.load_variant(row);
    }
    for row in read(store, by(&["id"], shows(&needs.shows)))? {
        books.load_show(row);
    }
    Ok(())
}

fn load_promos(store: &mut dyn Store, codes: &BTreeSet<Pair>, books: &mut Books) -> Result<(), LedgerError> {
    let promos = Query {
        lock: true,
        ..by(&["show", "code"], pairs(codes))
    };
    for row in read(store, promos)? {
        books.load_promo(row);
    }
    Ok(())
}

fn load_orders(
    store: &mut dyn Store,
    batch: &[Command],
    mut needs: Needs,
    books: &mut Books,
) -> Result<(), LedgerError> {
    for row in read(store, by(&["buy"], singles(&needs.orders)))? {
        books.load_order(row);
    }
    add_capped(batch, &mut needs, books);
    let counted = Query {
        filter: "state IN ('waitlisted', 'held', 'checkout_open', 'releasing', 'paid')",
        ..by(&["show", "subject"], pairs(&needs.subjects))
    };
    for row in read(store, counted)? {
        books.load_order(row);
    }
    if needs.frees {
        let long = books.variants.iter().filter(|variant| variant.waiting > 0);
        let long: BTreeSet<Pair> = long
            .map(|variant| (variant.show.clone(), variant.id.clone()))
            .collect();
        let first = Query {
            filter: "state = 'waitlisted'",
            order: "queue",
            limit: Some(MAX_TURNS),
            ..by(&["show", "waits_for"], pairs(&long))
        };
        for row in read(store, first)? {
            books.load_order(row);
        }
    }
    let listed = Query {
        order: "created_at DESC, buy DESC",
        limit: Some(MAX_ORDERS),
        ..by(&["show"], shows(&needs.listed))
    };
    for row in read(store, listed)? {
        books.load_order(row);
    }
    load_lines(store, books)
}

/// The lines of all orders, and what they refer to.
fn load_lines(store: &mut dyn Store, books: &mut Books) -> Result<(), LedgerError> {
    let buys: BTreeSet<String> = books.orders.iter().map(|order| order.buy.clone()).collect();
    let lines: Vec<LineRow> = read(store, by(&["buy"], singles(&buys)))?;
    let mut flashes = BTreeSet::new();
    for line in &lines {
        if let (Some(flash), Some(order)) = (&line.flash, books.orders.get(&line.buy)) {
            flashes.insert((order.show.clone(), flash.clone()));
        }
    }
    let of_orders = Query {
        lock: true,
        ..by(&["show", "id"], pairs(&flashes))
    };
    for row in read(store, of_orders)? {
        books.load_flash(row);
    }
    let used = books.orders.iter();
    let used = used.filter_map(|order| Some((order.show.clone(), order.promo.clone()?)));
    let used: BTreeSet<Pair> = used.collect();
    load_promos(store, &used, books)?;
    for line in lines {
        books.load_line(line);
    }
    Ok(())
}

/// Customers whose orders count, because something they want is limited for each.
fn add_capped(batch: &[Command], needs: &mut Needs, books: &Books) {
    for command in batch {
        let Action::Buy { buyer, buy, .. } = &command.action else {
            continue;
        };
        let show = &command.show;
        let is_capped = |variant: &str| {
            let row = books.on_sale(show, variant);
            let flash = books.flash(show, variant);
            row.is_some_and(|row| row.per_customer.is_some())
                || flash.is_some_and(|flash| flash.per_customer.is_some())
        };
        let promo = buy.promo.as_ref();
        let promo = promo.and_then(|code| books.promos.get(&super::books::of(show, code)));
        if buy.lines.iter().any(|line| is_capped(&line.variant))
            || promo.is_some_and(|promo| promo.per_customer.is_some())
        {
            needs.subjects.insert((show.clone(), buyer.subject.clone()));
        }
    }
}

/// Every show with its products and open orders.
pub(super) fn load_everything(store: &mut dyn Store) -> Result<Books, LedgerError> {
    let shows: Vec<ShowRow> = read(store, Query::default())?;
    load_shows(store, &shows.into_iter().map(|show| show.id).collect())
}

/// Shows with their products and open orders.
pub(super) fn load_shows(store: &mut dyn Store, names: &BTreeSet<Arc<str>>) -> Result<Books, LedgerError> {
    let mut books = Books::default();
    for row in read(store, by(&["id"], shows(names)))? {
        books.load_show(row);
    }
    for row in read(store, by(&["show"], shows(names)))? {
        books.load_product(row);
    }
    for row in read(store, by(&["show"], shows(names)))? {
        books.load_variant(row);
    }
    let live = Query {
        filter: "state <> 'ended'",
        ..by(&["show"], shows(names))
    };
    for row in read(store, live)? {
        books.load_flash(row);
    }
    let open = Query {
        filter: "state IN ('waitlisted', 'held', 'checkout_open', 'releasing')",
        ..by(&["show"], shows(names))
    };
    for row in read(store, open)? {
        books.load_order(row);
    }
    let buys: BTreeSet<String> = books.orders.iter().map(|order| order.buy.clone()).collect();
    for row in read(store, by(&["buy"], singles(&buys)))? {
        books.load_line(row);
    }
    Ok(books)
}

/// What is kept of the talk of every show, the oldest first.
pub(super) fn load_talk(store: &mut dyn Store) -> Result<Vec<TalkRow>, LedgerError> {
    let all = Query {
        order: "at",
        ..Query::default()
    };
    read(store, all)
}

/// Rows of a type; nothing is asked for when there are no keys.
pub(super) fn read<R: Row>(store: &mut dyn Store, query: Query<'_>) -> Result<Vec<R>, LedgerError> {
    if query.keys.is_empty() && !query.by.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Vec<Value>> = store.read(&R::TABLE, &query)?;
    rows.into_iter().map(R::read).collect()
}

fn by<'q>(by: &'static [&'static str], keys: Vec<Vec<&'q str>>) -> Query<'q> {
    Query {
        by,
        keys,
        ..Query::default()
    }
}

fn singles(keys: &BTreeSet<String>) -> Vec<Vec<&str>> {
    keys.iter().map(|key| vec![key.as_str()]).collect()
}

fn shows(keys: &BTreeSet<Arc<str>>) -> Vec<Vec<&str>> {
    keys.iter().map(|key| vec![&**key]).collect()
}

fn pairs(keys: &BTreeSet<Pair>) -> Vec<Vec<&str>> {
    keys.iter().map(|(show, id)| vec![&**show, id.as_str()]).collect()
}
