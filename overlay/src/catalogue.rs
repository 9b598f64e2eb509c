//! Shows written as TOML files, and the demo show.

use serde::Deserialize;

use crate::ledger::ShowRecord;
use crate::message::{Product, ShowState, parse_product};

const DEMO: &str = include_str!("../demo/show.toml");

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
    let mut products = Vec::new();
    for product in catalogue.products {
        products.push(checked(product, &products)?);
    }
    Ok(ShowRecord {
        id: catalogue.id,
        title: catalogue.title,
        state: catalogue.state,
        starts_at: catalogue.starts_at,
        price_version: 1,
        pinned: catalogue.pinned,
        featured: catalogue.featured,
        products,
        ..ShowRecord::default()
    })
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
    fn mistakes_are_named() {
        let error = |text| parse(text).unwrap_err().to_string();
        assert!(error("id = 1").contains("id = 1"));
        assert!(error("id='a'\ntitle='b'\nproducts=[]\npinned=['x']").contains("x is pinned"));
        assert!(error("id='a'\ntitle='b'\nproducts=[]\ncolour='x'").contains("colour"));
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
