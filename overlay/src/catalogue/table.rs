//! Shows as a table (CSV), one line a variant, as a spreadsheet or another shop's export gives it.

use serde::Deserialize;

use super::{CatalogueError, all_checked, named};
use crate::ledger::ShowRecord;
use crate::message::{Money, Product, Variant, exponent_of};

/// One line. Lines of one product follow each other or not; what is of the product is taken from its first line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    show: String,
    product: String,
    title: String,
    variant: String,
    variant_title: Option<String>,
    price: String,
    currency: String,
    available: Option<i64>,
    per_customer: Option<i64>,
    image: Option<String>,
    description: Option<String>,
}

/// Reads shows with their products; a show's title is its name until somebody says otherwise. Where amounts are written
/// with a comma, spreadsheets part columns by semicolons: so may this one, with both.
///
/// # Errors
/// [`CatalogueError`] with the line.
pub fn parse_table(text: &str) -> Result<Vec<ShowRecord>, CatalogueError> {
    let mut shows: Vec<ShowRecord> = Vec::new();
    // The reader would count lines of two-byte ends one too low.
    let text = text.replace("\r\n", "\n");
    let head = text.lines().next().unwrap_or_default();
    let has_semicolons = head.contains(';') && !head.contains(',');
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(if has_semicolons { b';' } else { b',' })
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(wrong)?.clone();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let number = record.position().map_or(0, csv::Position::line);
        let at = |what: String| CatalogueError(format!("line {number}: {what}"));
        let mut line: Line = record
            .deserialize(Some(&headers))
            .map_err(|error| at(error.to_string()))?;
        if has_semicolons {
            line.price = line.price.replacen(',', ".", 1);
        }
        add(&mut shows, line).map_err(at)?;
    }
    for show in &mut shows {
        named(&show.id, &show.title)?;
        show.products = all_checked(std::mem::take(&mut show.products))?;
    }
    Ok(shows)
}

fn wrong(error: csv::Error) -> CatalogueError {
    CatalogueError(error.to_string())
}

fn add(shows: &mut Vec<ShowRecord>, line: Line) -> Result<(), String> {
    let variant = Variant {
        id: line.variant,
        title: line.variant_title.unwrap_or_else(|| line.title.clone()),
        price: money(&line.price, &line.currency)?,
        per_customer: line.per_customer,
        available: line.available.unwrap_or(0),
        ..Variant::default()
    };
    if !shows.iter().any(|show| show.id == line.show) {
        shows.push(ShowRecord {
            id: line.show.clone(),
            title: line.show.clone(),
            price_version: 1,
            ..ShowRecord::default()
        });
    }
    let Some(show) = shows.iter_mut().find(|show| show.id == line.show) else {
        return Ok(());
    };
    if let Some(product) = show
        .products
        .iter_mut()
        .find(|product| product.id == line.product)
    {
        product.variants.push(variant);
        return Ok(());
    }
    show.products.push(Product {
        id: line.product,
        title: line.title,
        description: line.description,
        images: line.image.into_iter().collect(),
        variants: vec![variant],
        version: 0,
    });
    Ok(())
}

/// An amount as people write it, `19.90`, in minor units: digits and at most one point, no more decimals than the
/// currency has.
fn money(text: &str, currency: &str) -> Result<Money, String> {
    let exponent = exponent_of(currency);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > usize::from(exponent) {
        return Err(format!(
            "price: an amount of {currency} with at most {exponent} decimals is expected, as 19.90, not {text:?}"
        ));
    }
    let digits = format!("{whole}{part:0<width$}", width = usize::from(exponent));
    match digits.parse() {
        Ok(minor) => Ok(Money {
            minor,
            currency: currency.to_owned(),
            exponent,
        }),
        Err(_) => Err(format!("price: {text} is too much")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
show,product,title,variant,variant_title,price,currency,available,per_customer,image,description
demo,mug,Mug,mug-sand,Sand,24.00,EUR,40,6,/media/mug.jpg,\"Thrown by hand, twice\"
demo,mug,Mug,mug-sea,Sea,24.5,EUR,25,,,
tea,cup,Cup,cup,,1200,JPY,,,,
";

    #[test]
    fn a_table_becomes_shows() {
        let shows = parse_table(TABLE).unwrap();
        assert_eq!((shows.len(), shows[0].products.len()), (2, 1));
        let mug = &shows[0].products[0];
        assert_eq!(mug.description.as_deref(), Some("Thrown by hand, twice"));
        let prices: Vec<i64> = mug.variants.iter().map(|variant| variant.price.minor).collect();
        assert_eq!(prices, [2400, 2450]);
        assert_eq!(
            (mug.variants[0].available, mug.variants[0].per_customer),
            (40, Some(6))
        );
        let cup = &shows[1].products[0].variants[0];
        assert_eq!(
            (cup.title.as_str(), cup.price.minor, cup.price.exponent),
            ("Cup", 1200, 0)
        );
    }

    #[test]
    fn semicolons_go_with_commas_in_amounts() {
        let table = TABLE.replace("Thrown by hand, twice", "Thrown by hand");
        let table = format!(
            "\u{feff}{}",
            table
                .replace(',', ";")
                .replace("24.5;", "24,5;")
                .replace('\n', "\r\n")
        );
        let shows = parse_table(&table).unwrap();
        let plain = parse_table(&TABLE.replace("Thrown by hand, twice", "Thrown by hand")).unwrap();
        assert_eq!(shows, plain);
        let error = parse_table(&table.replace("24,5;", "1.024,50;"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 3: price"), "{error}");
    }

    #[test]
    fn mistakes_name_their_line() {
        let error = |from: &str, to: &str| parse_table(&TABLE.replace(from, to)).unwrap_err().to_string();
        assert!(error("24.5,", "24.555,").contains("line 3: price: an amount of EUR with at most 2"));
        assert!(error("1200,JPY", "12.00,JPY").contains("at most 0 decimals"));
        assert!(error("24.00", "-24").contains("line 2: price"));
        assert!(error(",40,", ",many,").contains("line 2"));
        assert!(error(",image,", ",picture,").contains("picture"));
        assert!(error("mug-sea", "mug-sand").contains("product mug"));
        assert!(error("/media/mug.jpg", "javascript:x").contains("images"));
    }
}
