//! Shows, products and prices as the ledger keeps them.

use rusqlite::{Connection, OptionalExtension, params};

use super::sqlite::{Decided, Work};
use super::stock::{self, Movement};
use super::{Decision, LedgerError, Refusal, ShowRecord, orders};
use crate::message::{HostCommand, Mode, Money, Product, ShowState, Variant};

/// Products of one show.
const MAX_PRODUCTS: i64 = 500;
/// Products pinned at once.
const MAX_PINS: usize = 12;

pub(super) fn shows(connection: &Connection) -> Result<Vec<ShowRecord>, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT id FROM shows ORDER BY id")?;
    let ids: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    ids.iter().map(|id| load(connection, id)).collect()
}

fn load(connection: &Connection, id: &str) -> Result<ShowRecord, LedgerError> {
    let mut show = connection
        .prepare_cached("SELECT title, state, starts_at, price_version, featured FROM shows WHERE id = ?1")?
        .query_row(params![id], |row| {
            let state: String = row.get(1)?;
            Ok(ShowRecord {
                id: id.to_owned(),
                title: row.get(0)?,
                state: ShowState::from_name(&state).unwrap_or_default(),
                starts_at: row.get(2)?,
                price_version: row.get(3)?,
                featured: row.get(4)?,
                ..ShowRecord::default()
            })
        })?;
    show.pinned = connection
        .prepare_cached("SELECT product FROM pins WHERE show = ?1 ORDER BY place DESC")?
        .query_map(params![id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let products: Vec<String> = connection
        .prepare_cached("SELECT id FROM products WHERE show = ?1 AND removed = 0 ORDER BY place")?
        .query_map(params![id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for product in products {
        show.products.extend(load_product(connection, id, &product)?);
    }
    show.open_orders = orders::open(connection, id)?;
    Ok(show)
}

fn load_product(connection: &Connection, show: &str, id: &str) -> Result<Option<Product>, LedgerError> {
    let found: Option<(String, Option<String>, String)> = connection
        .prepare_cached(
            "SELECT title, description, images FROM products WHERE show = ?1 AND id = ?2 AND removed = 0",
        )?
        .query_row(params![show, id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((title, description, images)) = found else {
        return Ok(None);
    };
    let images = serde_json::from_str(&images).map_err(|error| LedgerError::Content(error.to_string()))?;
    let mut statement = connection.prepare_cached(
        "SELECT id, title, minor, was_minor, currency, exponent, per_customer, available, version
         FROM variants WHERE show = ?1 AND product = ?2 AND removed = 0 ORDER BY place",
    )?;
    let variants = statement.query_map(params![show, id], |row| {
        let (currency, exponent): (String, u8) = (row.get(4)?, row.get(5)?);
        let money = |minor| Money {
            minor,
            currency: currency.clone(),
            exponent,
        };
        let available: i64 = row.get(7)?;
        Ok(Variant {
            id: row.get(0)?,
            title: row.get(1)?,
            price: money(row.get(2)?),
            was: row.get::<_, Option<i64>>(3)?.map(money),
            per_customer: row.get(6)?,
            mode: Mode::Hold,
            hold_seconds: None,
            allotment: None,
            flash: None,
            available,
            version: row.get(8)?,
            sold_out: available == 0,
        })
    })?;
    Ok(Some(Product {
        id: id.to_owned(),
        title,
        description,
        images,
        version: 0,
        variants: variants.collect::<Result<_, _>>()?,
    }))
}

/// Puts a whole show in, unless it is there.
pub(super) fn seed(work: &mut Work<'_>, show: &ShowRecord) -> Result<bool, LedgerError> {
    let is_new = make_show(work, &show.title, show.state, show.starts_at)?;
    if is_new {
        for product in &show.products {
            put_product(work, product)?;
            // A file's former prices are the owner's word, and become history.
            for variant in &product.variants {
                if let Some(was) = &variant.was {
                    note_price(work, &variant.id, was.minor)?;
                }
            }
        }
        for product in show.pinned.iter().rev() {
            pin(work, product)?;
        }
        feature(work, show.featured.as_deref())?;
    }
    Ok(is_new)
}

fn make_show(
    work: &Work<'_>,
    title: &str,
    state: ShowState,
    starts_at: Option<i64>,
) -> Result<bool, LedgerError> {
    let mut statement = work.tx.prepare_cached(
        "INSERT INTO shows (id, title, state, starts_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    Ok(statement.execute(params![&*work.show, title, state.name(), starts_at])? > 0)
}

/// A host's change of the show or its products.
pub(super) fn change(work: &mut Work<'_>, command: &HostCommand) -> Decided {
    // A room becomes a show with its host's first change.
    let title = work.show.to_string();
    make_show(work, &title, ShowState::Scheduled, None)?;
    match command {
        HostCommand::ShowState(state) => {
            work.tx
                .prepare_cached("UPDATE shows SET state = ?2 WHERE id = ?1")?
                .execute(params![&*work.show, state.name()])?;
        }
        HostCommand::ShowTitle(title) => {
            work.tx
                .prepare_cached("UPDATE shows SET title = ?2 WHERE id = ?1")?
                .execute(params![&*work.show, title])?;
        }
        HostCommand::ShowSchedule(starts_at) => {
            work.tx
                .prepare_cached("UPDATE shows SET starts_at = ?2 WHERE id = ?1")?
                .execute(params![&*work.show, starts_at])?;
        }
        HostCommand::Pin { product, featured } => {
            if load_product(work.tx, &work.show, product)?.is_none() {
                return not_found("product", product);
            }
            pin(work, product)?;
            if *featured {
                feature(work, Some(product))?;
            }
        }
        HostCommand::Unpin { product } => unpin(work, product)?,
        HostCommand::PutProduct(product) => return put(work, product),
        HostCommand::RemoveProduct { product } => return remove(work, product),
        HostCommand::SetPrice {
            variant,
            minor,
            was_minor,
        } => return set_price(work, variant, *minor, *was_minor),
        HostCommand::SetStock { .. }
        | HostCommand::AddStock { .. }
        | HostCommand::Settle { .. }
        | HostCommand::Offer(_)
        | HostCommand::Talk(_) => {
            return Ok(Err(Refusal::NotPossible(
                "this is not the catalogue's".to_owned(),
            )));
        }
    }
    Ok(Ok(Decision::Show(load(work.tx, &work.show)?)))
}

fn not_found(what: &str, id: &str) -> Decided {
    Ok(Err(Refusal::NotFound(format!("{what} {id}"))))
}

fn pin(work: &Work<'_>, product: &str) -> Result<(), LedgerError> {
    work.tx
        .prepare_cached(
            "INSERT INTO pins (show, product, place)
             VALUES (?1, ?2, (SELECT COALESCE(MAX(place), 0) + 1 FROM pins WHERE show = ?1))
             ON CONFLICT (show, product) DO UPDATE SET place = excluded.place",
        )?
        .execute(params![&*work.show, product])?;
    // The oldest make room.
    work.tx
        .prepare_cached(
            "DELETE FROM pins WHERE show = ?1 AND product NOT IN
             (SELECT product FROM pins WHERE show = ?1 ORDER BY place DESC LIMIT ?2)",
        )?
        .execute(params![&*work.show, MAX_PINS as i64])?;
    Ok(())
}

fn unpin(work: &Work<'_>, product: &str) -> Result<(), LedgerError> {
    work.tx
        .prepare_cached("DELETE FROM pins WHERE show = ?1 AND product = ?2")?
        .execute(params![&*work.show, product])?;
    work.tx
        .prepare_cached("UPDATE shows SET featured = NULL WHERE id = ?1 AND featured = ?2")?
        .execute(params![&*work.show, product])?;
    Ok(())
}

fn feature(work: &Work<'_>, product: Option<&str>) -> Result<(), LedgerError> {
    work.tx
        .prepare_cached("UPDATE shows SET featured = ?2 WHERE id = ?1")?
        .execute(params![&*work.show, product])?;
    Ok(())
}

fn put(work: &mut Work<'_>, product: &Product) -> Decided {
    let count: i64 = work
        .tx
        .prepare_cached("SELECT COUNT(*) FROM products WHERE show = ?1 AND id <> ?2 AND removed = 0")?
        .query_row(params![&*work.show, product.id], |row| row.get(0))?;
    if count >= MAX_PRODUCTS {
        return Ok(Err(Refusal::NotPossible(format!(
            "a show has at most {MAX_PRODUCTS} products"
        ))));
    }
    for variant in &product.variants {
        let owner: Option<String> = work
            .tx
            .prepare_cached("SELECT product FROM variants WHERE show = ?1 AND id = ?2 AND product <> ?3")?
            .query_row(params![&*work.show, variant.id, product.id], |row| row.get(0))
            .optional()?;
        if let Some(owner) = owner {
            let id = &variant.id;
            return Ok(Err(Refusal::NotPossible(format!(
                "variant {id} is of product {owner}"
            ))));
        }
    }
    for variant in &product.variants {
        if let Some(was) = &variant.was
            && !had_price(work, &variant.id, was.minor)?
        {
            return never_was(&variant.id, was.minor);
        }
    }
    put_product(work, product)?;
    product_now(work, &product.id)
}

fn product_now(work: &Work<'_>, id: &str) -> Decided {
    match load_product(work.tx, &work.show, id)? {
        Some(product) => Ok(Ok(Decision::Product(product, orders::price_version(work)?))),
        None => not_found("product", id),
    }
}

/// Writes a product and its variants. Variants that are not named any more are no longer on sale; their stock and
/// orders stay. Only a variant that is new takes its `available` as first stock.
fn put_product(work: &mut Work<'_>, product: &Product) -> Result<(), LedgerError> {
    let images =
        serde_json::to_string(&product.images).map_err(|error| LedgerError::Content(error.to_string()))?;
    work.tx
        .prepare_cached(
            "INSERT INTO products (show, id, place, title, description, images)
             VALUES (?1, ?2, (SELECT COALESCE(MAX(place), 0) + 1 FROM products WHERE show = ?1), ?3, ?4, ?5)
             ON CONFLICT (show, id) DO UPDATE SET
                title = excluded.title, description = excluded.description, images = excluded.images, removed = 0",
        )?
        .execute(params![&*work.show, product.id, product.title, product.description, images])?;
    work.tx
        .prepare_cached("UPDATE variants SET removed = 1 WHERE show = ?1 AND product = ?2")?
        .execute(params![&*work.show, product.id])?;
    for (place, variant) in (0i64..).zip(&product.variants) {
        put_variant(work, &product.id, place, variant)?;
    }
    Ok(())
}

fn put_variant(work: &mut Work<'_>, product: &str, place: i64, variant: &Variant) -> Result<(), LedgerError> {
    let before: Option<(i64, String, u8)> = work
        .tx
        .prepare_cached("SELECT minor, currency, exponent FROM variants WHERE show = ?1 AND id = ?2")?
        .query_row(params![&*work.show, variant.id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let price = &variant.price;
    let is_new = before.is_none();
    let is_changed =
        before.is_some_and(|before| before != (price.minor, price.currency.clone(), price.exponent));
    if is_changed {
        raise_price_version(work)?;
    }
    let version = orders::price_version(work)?;
    let was = variant.was.as_ref().map(|was| was.minor);
    work.tx
        .prepare_cached(
            "INSERT INTO variants (show, id, product, place, title, minor, was_minor, currency, exponent, price_version,
                                   per_customer)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (show, id) DO UPDATE SET
                place = excluded.place, title = excluded.title, minor = excluded.minor, was_minor = excluded.was_minor,
                currency = excluded.currency, exponent = excluded.exponent, per_customer = excluded.per_customer,
                price_version = CASE WHEN ?12 THEN excluded.price_version ELSE price_version END, removed = 0",
        )?
        .execute(params![
            &*work.show,
            variant.id,
            product,
            place,
            variant.title,
            price.minor,
            was,
            price.currency,
            price.exponent,
            version,
            variant.per_customer,
            is_changed
        ])?;
    if is_new || is_changed {
        note_price(work, &variant.id, price.minor)?;
    }
    if is_new {
        let first = Movement {
            available: variant.available,
            ..Movement::default()
        };
        stock::shift(work, &variant.id, first, "count", None)?;
    }
    Ok(())
}

fn remove(work: &mut Work<'_>, product: &str) -> Decided {
    let removed = work
        .tx
        .prepare_cached("UPDATE products SET removed = 1 WHERE show = ?1 AND id = ?2 AND removed = 0")?
        .execute(params![&*work.show, product])?;
    if removed == 0 {
        return not_found("product", product);
    }
    work.tx
        .prepare_cached("UPDATE variants SET removed = 1 WHERE show = ?1 AND product = ?2")?
        .execute(params![&*work.show, product])?;
    unpin(work, product)?;
    Ok(Ok(Decision::Show(load(work.tx, &work.show)?)))
}

fn set_price(work: &mut Work<'_>, variant: &str, minor: i64, was_minor: Option<i64>) -> Decided {
    if stock::row(work, variant)?.is_none() {
        return not_found("variant", variant);
    }
    if let Some(was) = was_minor
        && !had_price(work, variant, was)?
    {
        return never_was(variant, was);
    }
    raise_price_version(work)?;
    let version = orders::price_version(work)?;
    let product: Option<String> = work
        .tx
        .prepare_cached(
            "UPDATE variants SET minor = ?3, was_minor = ?4, price_version = ?5
             WHERE show = ?1 AND id = ?2 AND removed = 0 RETURNING product",
        )?
        .query_row(params![&*work.show, variant, minor, was_minor, version], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(product) = product else {
        return not_found("variant", variant);
    };
    note_price(work, variant, minor)?;
    product_now(work, &product)
}

fn raise_price_version(work: &Work<'_>) -> Result<(), LedgerError> {
    work.tx
        .prepare_cached("UPDATE shows SET price_version = price_version + 1 WHERE id = ?1")?
        .execute(params![&*work.show])?;
    Ok(())
}

/// Whether a variant had a price: nobody can strike through one that never was.
fn had_price(work: &Work<'_>, variant: &str, minor: i64) -> Result<bool, LedgerError> {
    let mut statement = work
        .tx
        .prepare_cached("SELECT 1 FROM prices WHERE show = ?1 AND variant = ?2 AND minor = ?3")?;
    Ok(statement.exists(params![&*work.show, variant, minor])?)
}

fn never_was(variant: &str, minor: i64) -> Decided {
    Ok(Err(Refusal::NotPossible(format!(
        "{variant} never had the price {minor}: only a former price can be shown beside the new one"
    ))))
}

fn note_price(work: &Work<'_>, variant: &str, minor: i64) -> Result<(), LedgerError> {
    work.tx
        .prepare_cached("INSERT INTO prices (at, show, variant, minor) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![work.now, &*work.show, variant, minor])?;
    Ok(())
}
