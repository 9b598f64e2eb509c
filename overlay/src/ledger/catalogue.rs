//! Shows as the ledger keeps them: what they are called, where they are in their life, what is pinned.

use super::books::Books;
use super::decide::Work;
use super::rows::{ProductRow, ShowRow};
use super::{Decided, Decision, Refusal, ShowRecord, pricing, products};
use crate::message::{HostCommand, ShowState};

/// Products pinned at once.
const MAX_PINS: usize = 12;

/// A host's change of the show or its products.
pub(super) fn change(work: &mut Work<'_>, command: &HostCommand) -> Decided {
    // A room becomes a show with its host's first change.
    let title = work.show.to_string();
    make_show(work, &title, ShowState::Scheduled, None);
    match command {
        HostCommand::ShowState(state) => change_show(work, |show| show.state = *state),
        HostCommand::ShowTitle(title) => change_show(work, |show| show.title.clone_from(title)),
        HostCommand::ShowSchedule(starts_at) => change_show(work, |show| show.starts_at = *starts_at),
        HostCommand::Pin { product, featured } => {
            if products::row(work.books, &work.show, product).is_none() {
                return not_found("product", product);
            }
            pin(work, product, *featured);
        }
        HostCommand::Unpin { product } => unpin(work, product),
        HostCommand::PutProduct(product) => return products::put(work, product),
        HostCommand::RemoveProduct { product } => return products::remove(work, product),
        HostCommand::SetPrice {
            variant,
            minor,
            was_minor,
        } => return products::set_price(work, variant, *minor, *was_minor),
        _ => {
            return Err(Refusal::NotPossible("this is not the catalogue's".to_owned()));
        }
    }
    show_now(work)
}

pub(super) fn show_now(work: &Work<'_>) -> Decided {
    match record(work.books, &work.show) {
        Some(record) => Ok(Decision::Show(record)),
        None => not_found("show", &work.show),
    }
}

pub(super) fn not_found(what: &str, id: &str) -> Decided {
    Err(Refusal::NotFound(format!("{what} {id}")))
}

/// The show is there afterwards; true when it is new.
fn make_show(work: &mut Work<'_>, title: &str, state: ShowState, starts_at: Option<i64>) -> bool {
    if work.books.shows.get(&work.show).is_some() {
        return false;
    }
    let row = ShowRow {
        id: work.show.clone(),
        title: title.to_owned(),
        state,
        starts_at,
        price_version: 1,
        featured: None,
        pinned: "[]".to_owned(),
        rev: 0,
    };
    work.books.shows.insert(work.show.to_string(), row);
    true
}

fn change_show(work: &mut Work<'_>, change: impl FnOnce(&mut ShowRow)) {
    if let Some(show) = work.books.shows.change(&work.show) {
        change(show);
    }
}

fn pins(show: &ShowRow) -> Vec<String> {
    // What is not a list pins nothing.
    serde_json::from_str(&show.pinned).unwrap_or_default()
}

fn set_pins(show: &mut ShowRow, pins: &[String]) {
    show.pinned = serde_json::to_string(pins).unwrap_or_else(|_| "[]".to_owned());
}

/// Pins a product before the others; the oldest make room.
fn pin(work: &mut Work<'_>, product: &str, featured: bool) {
    change_show(work, |show| {
        let mut pins = pins(show);
        pins.retain(|known| known != product);
        pins.insert(0, product.to_owned());
        pins.truncate(MAX_PINS);
        set_pins(show, &pins);
        if featured {
            show.featured = Some(product.to_owned());
        }
    });
}

pub(super) fn unpin(work: &mut Work<'_>, product: &str) {
    change_show(work, |show| {
        let mut pins = pins(show);
        pins.retain(|known| known != product);
        set_pins(show, &pins);
        if show.featured.as_deref() == Some(product) {
            show.featured = None;
        }
    });
}

/// Puts a whole show in, unless it is there.
pub(super) fn seed(work: &mut Work<'_>, record: &ShowRecord) -> Decided {
    work.show = record.id.as_str().into();
    if !make_show(work, &record.title, record.state, record.starts_at) {
        return Err(Refusal::NotPossible(format!(
            "the show {} is there already",
            record.id
        )));
    }
    for product in &record.products {
        products::put_product(work, product);
        // A file's former prices are the owner's word, and become history.
        for variant in &product.variants {
            if let Some(was) = &variant.was {
                let show = work.show.clone();
                work.books.note_price(work.now, &show, &variant.id, was.minor);
            }
        }
    }
    for product in record.pinned.iter().rev() {
        pin(work, product, false);
    }
    change_show(work, |show| show.featured.clone_from(&record.featured));
    show_now(work)
}

/// A show as it is now, without its orders.
pub(super) fn record(books: &Books, id: &str) -> Option<ShowRecord> {
    let show = books.shows.get(id)?;
    let rows = books.products.of_show(id).filter(|row| !row.removed);
    let mut rows: Vec<&ProductRow> = rows.collect();
    rows.sort_by_key(|row| row.place);
    Some(ShowRecord {
        id: id.to_owned(),
        title: show.title.clone(),
        state: show.state,
        starts_at: show.starts_at,
        price_version: show.price_version,
        pinned: pins(show),
        featured: show.featured.clone(),
        products: rows
            .into_iter()
            .filter_map(|row| products::product(books, id, &row.id))
            .collect(),
        open_orders: Vec::new(),
        talk: Vec::new(),
    })
}

/// Every show, with its open orders, the oldest first.
pub(super) fn records(books: &Books) -> Vec<ShowRecord> {
    let shows = books.shows.iter().filter_map(|show| {
        let mut record = record(books, &show.id)?;
        let orders = books.orders.iter().filter(|order| order.show == show.id);
        let mut orders: Vec<_> = orders.collect();
        orders.sort_by(|a, b| (a.created_at, &a.buy).cmp(&(b.created_at, &b.buy)));
        record.open_orders = orders
            .into_iter()
            .map(|order| pricing::sale(books, order))
            .collect();
        Some(record)
    });
    shows.collect()
}
