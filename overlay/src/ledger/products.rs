//! Products and their variants as the ledger keeps them, with their prices.

use std::sync::Arc;

use super::books::{Books, of};
use super::decide::Work;
use super::rows::{ProductRow, VariantRow};
use super::stock::{self, Movement};
use super::{Decided, Decision, Refusal, catalogue, pricing};
use crate::message::{FlashSale, HostCommand, Money, Product, Variant};

/// Products of one show.
pub(crate) const MAX_PRODUCTS: usize = 500;
/// Variants of one show, those that are no longer on sale with them.
pub(crate) const MAX_VARIANTS: usize = 5000;

pub(super) fn put(work: &mut Work<'_>, product: &Product) -> Decided {
    let others = work.books.products.of_show(&work.show);
    let others = others.filter(|row| !row.removed && row.id != product.id);
    if others.count() >= MAX_PRODUCTS {
        return Err(Refusal::NotPossible(format!(
            "a show has at most {MAX_PRODUCTS} products"
        )));
    }
    let is_new = |variant: &&Variant| work.books.variants.get(&of(&work.show, &variant.id)).is_none();
    let new = product.variants.iter().filter(is_new).count();
    if work.books.variants.of_show(&work.show).count() + new > MAX_VARIANTS {
        return Err(Refusal::NotPossible(format!(
            "a show has at most {MAX_VARIANTS} variants"
        )));
    }
    for variant in &product.variants {
        let known = work.books.variants.get(&of(&work.show, &variant.id));
        if let Some(owner) = known.filter(|row| row.product != product.id) {
            let (id, owner) = (&variant.id, &owner.product);
            return Err(Refusal::NotPossible(format!(
                "variant {id} is of product {owner}"
            )));
        }
        if let Some(was) = &variant.was {
            check_was(work, &variant.id, was.minor)?;
        }
    }
    put_product(work, product);
    now(work, &product.id)
}

/// Nobody can strike through a price that never was.
fn check_was(work: &Work<'_>, variant: &str, minor: i64) -> Result<(), Refusal> {
    // The standing price, which is shown beside that of a flash sale, was one for sure.
    let known = work.books.variants.get(&of(&work.show, variant));
    let is_standing = known.is_some_and(|row| row.minor == minor);
    if is_standing || work.books.had_price(&work.show, variant, minor) {
        return Ok(());
    }
    Err(Refusal::NotPossible(format!(
        "{variant} never had the price {minor}: only a former price can be shown beside the new one"
    )))
}

/// Writes a product and its variants. Variants that are not named any more are no longer on sale; their stock and
/// orders stay. Only a variant that is new takes its `available` as first stock.
pub(super) fn put_product(work: &mut Work<'_>, product: &Product) {
    let key = of(&work.show, &product.id);
    let images = serde_json::to_string(&product.images).unwrap_or_else(|_| "[]".to_owned());
    let places = work.books.products.of_show(&work.show).map(|row| row.place);
    let last = places.max().unwrap_or(0);
    let known = work.books.products.get(&key);
    let row = ProductRow {
        show: work.show.clone(),
        id: product.id.clone(),
        place: known.map_or(last + 1, |known| known.place),
        title: product.title.clone(),
        description: product.description.clone(),
        images,
        removed: false,
        version: known.map_or(0, |known| known.version) + 1,
        rev: known.map_or(0, |known| known.rev),
    };
    match work.books.products.change(&key) {
        Some(known) => *known = row,
        None => work.books.products.insert(key, row),
    }
    let is_left_out = |row: &&VariantRow| {
        row.product == product.id
            && !row.removed
            && !product.variants.iter().any(|variant| variant.id == row.id)
    };
    let left_out = work.books.variants.of_show(&work.show).filter(is_left_out);
    let left_out: Vec<String> = left_out.map(|row| row.id.clone()).collect();
    for variant in left_out {
        take_off_sale(work, &variant);
    }
    for (place, variant) in (0i64..).zip(&product.variants) {
        put_variant(work, &product.id, place, variant);
    }
}

fn take_off_sale(work: &mut Work<'_>, variant: &str) {
    if let Some(row) = work.books.variants.change(&of(&work.show, variant)) {
        row.removed = true;
    }
}

fn put_variant(work: &mut Work<'_>, product: &str, place: i64, variant: &Variant) {
    let key = of(&work.show, &variant.id);
    let known = work.books.variants.get(&key).cloned();
    let is_new = known.is_none();
    let mut row = known.unwrap_or_else(|| VariantRow {
        show: work.show.clone(),
        id: variant.id.clone(),
        product: product.to_owned(),
        place,
        title: String::new(),
        minor: variant.price.minor,
        was_minor: None,
        currency: variant.price.currency.clone(),
        exponent: variant.price.exponent.into(),
        price_version: 0,
        per_customer: None,
        on_hand: 0,
        available: 0,
        held: 0,
        sold: 0,
        version: 0,
        removed: false,
        mode: variant.mode,
        hold_seconds: None,
        allotment: None,
        waiting: 0,
        waiters: 0,
        next_queue: 0,
        next_flash: 0,
        rev: 0,
    });
    // A page that sends back what it was shown during a flash sale does not mean to change the standing price.
    let flash = work.books.running(&work.show, &variant.id);
    let is_shown = flash.is_some_and(|flash| flash.minor == variant.price.minor);
    let minor = if is_shown { row.minor } else { variant.price.minor };
    let was = variant.was.as_ref().map(|was| was.minor);
    let before = (row.minor, row.currency.clone(), row.exponent);
    let price = (
        minor,
        variant.price.currency.clone(),
        i64::from(variant.price.exponent),
    );
    let is_changed = !is_new && before != price;
    (row.minor, row.currency, row.exponent) = price;
    row.was_minor = if is_shown { row.was_minor } else { was };
    row.place = place;
    row.title.clone_from(&variant.title);
    row.per_customer = variant.per_customer;
    row.mode = variant.mode;
    row.hold_seconds = variant.hold_seconds;
    let recounted = row.allotment != variant.allotment;
    row.allotment = variant.allotment;
    row.removed = false;
    if is_new {
        row.price_version = work
            .books
            .shows
            .get(&work.show)
            .map_or(1, |show| show.price_version);
    }
    match work.books.variants.change(&key) {
        Some(known) => *known = row,
        None => work.books.variants.insert(key, row),
    }
    if is_changed {
        reprice(work, &variant.id);
    }
    if is_new || is_changed {
        let show = work.show.clone();
        work.books.note_price(work.now, &show, &variant.id, minor);
    }
    if is_new {
        let first = Movement {
            available: variant.available,
            ..Movement::default()
        };
        stock::shift(work, &variant.id, first, "count", None);
    } else if recounted {
        work.recount(&variant.id);
        super::waitlist::serve(work, &variant.id);
    }
}

pub(super) fn remove(work: &mut Work<'_>, product: &str) -> Decided {
    match work.books.products.change(&of(&work.show, product)) {
        Some(row) if !row.removed => {
            row.removed = true;
            row.version += 1;
        }
        _ => return catalogue::not_found("product", product),
    }
    let of_product = work.books.variants.of_show(&work.show);
    let of_product = of_product.filter(|row| row.product == product && !row.removed);
    let variants: Vec<String> = of_product.map(|row| row.id.clone()).collect();
    for variant in variants {
        take_off_sale(work, &variant);
    }
    catalogue::unpin(work, product);
    catalogue::show_now(work)
}

pub(super) fn set_price(work: &mut Work<'_>, variant: &str, minor: i64, was_minor: Option<i64>) -> Decided {
    if work.books.on_sale(&work.show, variant).is_none() {
        return catalogue::not_found("variant", variant);
    }
    if let Some(was) = was_minor {
        check_was(work, variant, was)?;
    }
    if let Some(row) = work.books.variants.change(&of(&work.show, variant)) {
        row.minor = minor;
        row.was_minor = was_minor;
    }
    reprice(work, variant);
    touch_product_of(work, variant);
    let show = work.show.clone();
    work.books.note_price(work.now, &show, variant, minor);
    product_of_variant(work, variant)
}

/// Raises the show's price version; buys by an older one do not get this variant.
pub(super) fn reprice(work: &mut Work<'_>, variant: &str) {
    let Some(show) = work.books.shows.change(&work.show) else {
        return;
    };
    show.price_version += 1;
    let version = show.price_version;
    if let Some(row) = work.books.variants.change(&of(&work.show, variant)) {
        row.price_version = version;
    }
    work.recount(variant);
}

/// Refuses a change of a product that is not at this version any more. One that is not there is at version 0.
pub(super) fn require_version(work: &Work<'_>, command: &HostCommand, version: i64) -> Result<(), Refusal> {
    let product = match command {
        HostCommand::PutProduct(product) => &product.id,
        HostCommand::RemoveProduct { product } => product,
        _ => {
            let text = "only changes of a whole product have a version to compare with";
            return Err(Refusal::NotPossible(text.to_owned()));
        }
    };
    let known = row(work.books, &work.show, product);
    match known.map_or(0, |row| row.version) {
        now if now == version => Ok(()),
        now => Err(Refusal::Stale(now)),
    }
}

/// Raises the version of a variant's product.
pub(super) fn touch_product_of(work: &mut Work<'_>, variant: &str) {
    let row = work.books.variants.get(&of(&work.show, variant));
    let Some(product) = row.map(|row| of(&work.show, &row.product)) else {
        return;
    };
    if let Some(row) = work.books.products.change(&product) {
        row.version += 1;
    }
}

/// The product of a variant as it is now.
pub(super) fn product_of_variant(work: &Work<'_>, variant: &str) -> Decided {
    match work.books.variants.get(&of(&work.show, variant)) {
        Some(row) => now(work, &row.product),
        None => catalogue::not_found("variant", variant),
    }
}

pub(super) fn now(work: &Work<'_>, id: &str) -> Decided {
    let version = work
        .books
        .shows
        .get(&work.show)
        .map_or(0, |show| show.price_version);
    match product(work.books, &work.show, id) {
        Some(product) => Ok(Decision::Product(product, version)),
        None => catalogue::not_found("product", id),
    }
}

/// The same, with its show, to be told without having been asked.
pub(super) fn current_product(work: &Work<'_>, variant: &str) -> Option<(Arc<str>, Product, i64)> {
    match product_of_variant(work, variant) {
        Ok(Decision::Product(product, version)) => Some((work.show.clone(), product, version)),
        _ => None,
    }
}

pub(super) fn row<'b>(books: &'b Books, show: &str, id: &str) -> Option<&'b ProductRow> {
    books.products.get(&of(show, id)).filter(|row| !row.removed)
}

pub(super) fn product(books: &Books, show: &str, id: &str) -> Option<Product> {
    let row = row(books, show, id)?;
    let variants = books.variants.of_show(show);
    let mut variants: Vec<&VariantRow> = variants
        .filter(|variant| variant.product == id && !variant.removed)
        .collect();
    variants.sort_by_key(|variant| variant.place);
    Some(Product {
        id: id.to_owned(),
        title: row.title.clone(),
        description: row.description.clone(),
        // What is not a list shows nothing.
        images: serde_json::from_str(&row.images).unwrap_or_default(),
        variants: variants.into_iter().map(|row| variant(books, row)).collect(),
        version: row.version,
    })
}

fn variant(books: &Books, row: &VariantRow) -> Variant {
    let money = |minor| Money {
        minor,
        currency: row.currency.clone(),
        exponent: u8::try_from(row.exponent).unwrap_or(2),
    };
    let (minor, flash_id) = pricing::unit(books, &row.show, &row.id, row.minor);
    let flash = books.flash(&row.show, &row.id).map(|flash| FlashSale {
        price: money(flash.minor),
        standing: money(row.minor),
        starts_at: flash.starts_at,
        ends_at: flash.ends_at,
        quantity: flash.quantity,
        per_customer: flash.per_customer,
        running: flash_id.is_some(),
    });
    let was = if flash_id.is_some() {
        Some(row.minor)
    } else {
        row.was_minor
    };
    let for_sale = stock::count(books, row).for_sale;
    Variant {
        id: row.id.clone(),
        title: row.title.clone(),
        price: money(minor),
        was: was.filter(|was| *was != minor).map(money),
        per_customer: row.per_customer,
        mode: row.mode,
        hold_seconds: row.hold_seconds,
        allotment: row.allotment,
        flash,
        available: for_sale,
        version: row.version,
        sold_out: for_sale == 0,
    }
}
