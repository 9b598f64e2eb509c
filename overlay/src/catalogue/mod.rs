//! Shows written as files, TOML or a table, and the demo show.

mod table;

pub use table::parse_table;

use serde::Deserialize;

use crate::ledger::{MAX_PRODUCTS, MAX_VARIANTS, ShowRecord};
use crate::message::{HostCommand, Product, ShowState, parse_product, parse_show};

const DEMO: &str = include_str!("../../demo/show.toml");

/// Why a catalogue was not taken.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue is not understood: {0}")]
pub struct CatalogueError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    id: String,
    title: String,
    #[serde(default)]
    state: ShowState,
    starts_at: Option<i64>,
    #[serde(default)]
    pinned: Vec<String>,
    featured: Option<String>,
    products: Vec<Product>,
}

/// Reads a show with its products; `available` is the first stock.
///
/// # Errors
/// [`CatalogueError`] with the place in the text.
pub fn parse(text: &str) -> Result<ShowRecord, CatalogueError> {
    let catalogue: Catalogue = toml::from_str(text).map_err(|error| CatalogueError(error.to_string()))?;
    let mut pins = catalogue.pinned.iter().chain(&catalogue.featured);
    let is_there = |id: &String| catalogue.products.iter().any(|product| product.id == *id);
    if let Some(missing) = pins.find(|id| !is_there(id)) {
        return Err(CatalogueError(format!(
            "{missing} is pinned but not among the products"
        )));
    }
    let (id, title) = named(&catalogue.id, &catalogue.title)?;
    let products = all_checked(catalogue.products)?;
    Ok(ShowRecord {
        id,
        title,
        state: catalogue.state,
        starts_at: catalogue.starts_at,
        price_version: 1,
        pinned: catalogue.pinned,
        featured: catalogue.featured,
        products,
        ..ShowRecord::default()
    })
}

/// What a show is called, under the rules for those of hosts.
fn named(id: &str, title: &str) -> Result<(String, String), CatalogueError> {
    let value = serde_json::json!({"id": id, "title": title});
    parse_show(&value).map_err(|bad| CatalogueError(bad.0))
}

/// A show's products, no more than fit one.
fn all_checked(products: Vec<Product>) -> Result<Vec<Product>, CatalogueError> {
    let variants = products
        .iter()
        .map(|product| product.variants.len())
        .sum::<usize>();
    if products.len() > MAX_PRODUCTS || variants > MAX_VARIANTS {
        return Err(CatalogueError(format!(
            "a show has at most {MAX_PRODUCTS} products with {MAX_VARIANTS} variants"
        )));
    }
    let mut all = Vec::with_capacity(products.len());
    for product in products {
        all.push(checked(product, &all)?);
    }
    Ok(all)
}

/// A product under the rules for those of hosts, with ids that no product before it has.
fn checked(product: Product, before: &[Product]) -> Result<Product, CatalogueError> {
    let id = product.id.clone();
    let wrong = |why: String| CatalogueError(format!("product {id}: {why}"));
    let value = serde_json::to_value(&product).map_err(|error| wrong(error.to_string()))?;
    let product = parse_product(&value).map_err(|bad| wrong(bad.0))?;
    if before.iter().any(|known| known.id == product.id) {
        return Err(wrong("there is one of this id already".to_owned()));
    }
    let known = before.iter().flat_map(|product| &product.variants);
    let mut ids = known.map(|variant| &variant.id);
    if let Some(twice) = ids.find(|id| product.variants.iter().any(|variant| variant.id == **id)) {
        return Err(wrong(format!("variant {twice} is of another product already")));
    }
    Ok(product)
}

/// What has to be done to a show of the ledger for its products to be those of a file. Stock that is there stays: what
/// was sold since the file was written would come back. Products that the file does not name stay, too.
pub fn changes(known: &ShowRecord, file: &ShowRecord) -> Vec<HostCommand> {
    let differs = |product: &&Product| {
        let before = known.products.iter().find(|before| before.id == product.id);
        before.is_none_or(|before| as_in_a_file(before) != as_in_a_file(product))
    };
    let changed = file.products.iter().filter(differs);
    changed
        .map(|product| HostCommand::PutProduct(Box::new(product.clone())))
        .collect()
}

/// A product without what a file does not say: its counts, and what runs at the moment.
fn as_in_a_file(product: &Product) -> Product {
    let mut product = product.clone();
    product.version = 0;
    for variant in &mut product.variants {
        if let Some(flash) = variant.flash.take()
            && flash.running
        {
            variant.price = flash.standing;
            variant.was = None;
        }
        (variant.available, variant.version, variant.sold_out) = (0, 0, false);
    }
    product
}

/// The demo show.
///
/// # Errors
/// Never: a test reads it.
pub fn demo() -> Result<ShowRecord, CatalogueError> {
    parse(DEMO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_show_is_complete() {
        let demo = demo().unwrap();
        assert_eq!((demo.products.len(), demo.state), (6, ShowState::Live));
        assert!(
            demo.products
                .iter()
                .all(|product| product.images.len() == 1 && product.description.is_some())
        );
    }

    #[test]
    fn only_what_a_file_says_otherwise_is_changed() {
        let known = demo().unwrap();
        let mut file = known.clone();
        file.products[0].variants[0].available = 1;
        assert_eq!(changes(&known, &file), []);
        file.products[1].title = "Bag".to_owned();
        file.products.remove(2);
        let changes = changes(&known, &file);
        assert!(matches!(&changes[..], [HostCommand::PutProduct(product)] if product.title == "Bag"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text| parse(text).unwrap_err().to_string();
        assert!(error("id = 1").contains("id = 1"));
        assert!(error("id='a'\ntitle='b'\nproducts=[]\npinned=['x']").contains("x is pinned"));
        assert!(error("id='a'\ntitle='b'\nproducts=[]\ncolour='x'").contains("colour"));
        assert!(error("id='a/b'\ntitle='b'\nproducts=[]").contains("show.id"));
        let title = |length| format!("id='a'\ntitle='{}'\nproducts=[]", "x".repeat(length));
        assert!(parse(&title(120)).is_ok());
        let long = title(121);
        assert!(error(&long).contains("show.title"));
        let yen = "{ minor = 5, currency = 'JPY', exponent = 2 }";
        let cup = format!(
            "{{ id = 'cup', title = 'Cup', variants = [{{ id = 'cup', title = 'One', price = {yen} }}] }}"
        );
        let text = format!("id = 'a'\ntitle = 'b'\nproducts = [{cup}]");
        let wrong = error(&text);
        assert!(
            wrong.contains("product cup: price.exponent: a whole number from 0 to 0"),
            "{wrong}"
        );
        let good = text.replace("exponent = 2", "exponent = 0");
        parse(&good).unwrap();
        let twice = error(&good.replace(
            &*format!("[{}]", cup.replace("exponent = 2", "exponent = 0")),
            &format!("[{0}, {0}]", cup.replace("exponent = 2", "exponent = 0")),
        ));
        assert!(twice.contains("one of this id already"), "{twice}");
    }
}
