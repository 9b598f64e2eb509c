//! What hosts may do, and the products they put in the shop.

use schemars::JsonSchema;
use serde_json::Value;

use super::client::read;
use super::fields::{BadMessage, Fields};
use super::offers::{self, OfferCommand};
use super::orders::OrderState;
use super::schema::{Put, Schedule, State, Title};
use super::talk::{self, TalkCommand};
use super::types::{Money, Product, ShowState, Variant, exponent_of};

/// Units of one variant in a buy or a cart.
pub(super) const MAX_QUANTITY: i64 = 1000;
/// Characters of a title.
const MAX_TITLE: usize = 120;
/// Variants of one product.
const MAX_VARIANTS: usize = 50;
/// The highest price, in minor units.
pub(super) const MAX_MINOR: i64 = 1_000_000_000_000;
/// The largest stock.
pub(super) const MAX_STOCK: i64 = 1_000_000_000;

/// What a host may do.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(tag = "op")]
pub enum HostCommand {
    /// `show.state`
    #[schemars(rename = "show.state", with = "State")]
    ShowState(ShowState),
    /// `show.schedule`: when it starts, unix milliseconds.
    #[schemars(rename = "show.schedule", with = "Schedule")]
    ShowSchedule(Option<i64>),
    /// `show.title`
    #[schemars(rename = "show.title", with = "Title")]
    ShowTitle(String),
    /// `product.pin`
    #[schemars(rename = "product.pin")]
    Pin {
        /// Which.
        product: String,
        /// Whether it is the one in front.
        #[schemars(with = "Option<bool>")]
        featured: bool,
    },
    /// `product.unpin`
    #[schemars(rename = "product.unpin")]
    Unpin {
        /// Which.
        product: String,
    },
    /// `product.put`; a new variant's `available` is its first stock.
    #[schemars(rename = "product.put", with = "Put")]
    PutProduct(Box<Product>),
    /// `product.remove`
    #[schemars(rename = "product.remove")]
    RemoveProduct {
        /// Which.
        product: String,
    },
    /// `price.set`
    #[schemars(rename = "price.set")]
    SetPrice {
        /// Which.
        variant: String,
        /// Minor units.
        minor: i64,
        /// The price before.
        was_minor: Option<i64>,
    },
    /// `stock.set`
    #[schemars(rename = "stock.set")]
    SetStock {
        /// Which.
        variant: String,
        /// All units counted in: to be had, held and sold.
        on_hand: i64,
        /// Only when the stock's version is this.
        version: Option<i64>,
    },
    /// `stock.add`
    #[schemars(rename = "stock.add")]
    AddStock {
        /// Which.
        variant: String,
        /// Units more or fewer.
        delta: i64,
    },
    /// `order.settle`
    #[schemars(rename = "order.settle")]
    Settle {
        /// Which.
        buy: String,
        /// Paid, cancelled or refunded.
        state: OrderState,
        /// Whether the units of a refunded order are to be sold again.
        #[schemars(with = "Option<bool>")]
        restock: bool,
    },
    /// Terms, flash sales and promo codes.
    #[schemars(skip)]
    Offer(Box<OfferCommand>),
    /// What the ledger keeps nothing of.
    #[schemars(skip)]
    Talk(TalkCommand),
}

/// Reads what a show is called: its name, as in addresses, and its title.
///
/// # Errors
/// What is wrong with it and what is accepted.
pub(crate) fn parse_show(value: &Value) -> Result<(String, String), BadMessage> {
    let fields = Fields::of(value, "show")?;
    Ok((fields.id("id")?, fields.text("title", MAX_TITLE)?))
}

/// Reads a product written as JSON, as from a file.
///
/// # Errors
/// What is wrong with it and what is accepted.
pub(crate) fn parse_product(value: &Value) -> Result<Product, BadMessage> {
    product(Fields::of(value, "product")?)
}

/// Reads a host's command alone: the `do` object.
///
/// # Errors
/// What is wrong with it and what is accepted.
pub fn parse_command(bytes: &[u8]) -> Result<HostCommand, BadMessage> {
    let value = read(bytes)?;
    command(Fields::of(&value, "do")?)
}

pub(super) fn command(fields: Fields<'_>) -> Result<HostCommand, BadMessage> {
    let op = fields.get("op").and_then(Value::as_str).unwrap_or_default();
    Ok(match op {
        "show.state" => match fields
            .get("state")
            .and_then(Value::as_str)
            .and_then(ShowState::from_name)
        {
            Some(state) => HostCommand::ShowState(state),
            None => return fields.bad("state", "scheduled, live, paused or ended"),
        },
        "show.schedule" => HostCommand::ShowSchedule(fields.optional_integer("starts_at", 0, i64::MAX)?),
        "show.title" => HostCommand::ShowTitle(fields.text("title", MAX_TITLE)?),
        "product.pin" => HostCommand::Pin {
            product: fields.id("product")?,
            featured: fields.flag("featured")?,
        },
        "product.unpin" => HostCommand::Unpin {
            product: fields.id("product")?,
        },
        "product.put" => HostCommand::PutProduct(Box::new(product(fields.object("product")?)?)),
        "product.remove" => HostCommand::RemoveProduct {
            product: fields.id("product")?,
        },
        "price.set" => HostCommand::SetPrice {
            variant: fields.id("variant")?,
            minor: fields.integer("minor", 0, MAX_MINOR)?,
            was_minor: fields.optional_integer("was_minor", 0, MAX_MINOR)?,
        },
        "stock.set" => HostCommand::SetStock {
            variant: fields.id("variant")?,
            on_hand: fields.integer("on_hand", 0, MAX_STOCK)?,
            version: fields.optional_integer("version", 0, i64::MAX)?,
        },
        "stock.add" => HostCommand::AddStock {
            variant: fields.id("variant")?,
            delta: fields.integer("delta", -MAX_STOCK, MAX_STOCK)?,
        },
        "order.settle" => match fields
            .get("state")
            .and_then(Value::as_str)
            .and_then(OrderState::from_name)
        {
            Some(state @ (OrderState::Paid | OrderState::Cancelled | OrderState::Refunded)) => {
                HostCommand::Settle {
                    buy: fields.uuid("buy")?,
                    state,
                    restock: fields.get("restock").is_none() || fields.flag("restock")?,
                }
            }
            _ => return fields.bad("state", "paid, cancelled or refunded"),
        },
        op => {
            if let Some(command) = offers::command(op, fields)? {
                return Ok(HostCommand::Offer(Box::new(command)));
            }
            if let Some(command) = talk::command(op, fields)? {
                return Ok(HostCommand::Talk(command));
            }
            let accepted = format!(
                "show.state, show.schedule, show.title, product.pin, product.unpin, product.put, product.remove, \
                 price.set, stock.set, stock.add, order.settle, {}, {}",
                offers::OPERATIONS,
                talk::OPERATIONS
            );
            return fields.bad("op", &accepted);
        }
    })
}

fn product(fields: Fields<'_>) -> Result<Product, BadMessage> {
    let mut images = Vec::new();
    for image in fields.list("images", 0, 8)? {
        match image.as_str() {
            Some(url) if is_picture(url) => {
                images.push(url.to_owned());
            }
            _ => {
                return fields.bad(
                    "images",
                    "a list of paths on this server (/…) or https:// addresses, at most 300 characters each,",
                );
            }
        }
    }
    let mut variants = Vec::new();
    for value in fields.list("variants", 1, MAX_VARIANTS)? {
        let variant = variant(Fields::of(value, "variants[]")?)?;
        if variants.iter().any(|known: &Variant| known.id == variant.id) {
            return fields.bad("variants", "variants with ids of their own");
        }
        variants.push(variant);
    }
    Ok(Product {
        id: fields.id("id")?,
        title: fields.text("title", MAX_TITLE)?,
        description: fields.optional_text("description", 600)?,
        images,
        variants,
        version: 0,
    })
}

/// Addresses are put into pages: nothing but a picture fetched over HTTP may come of them.
fn is_picture(address: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\`".contains(&byte);
    let is_here = address.starts_with('/') && !address.starts_with("//");
    address.len() <= 300 && address.bytes().all(is_plain) && (is_here || address.starts_with("https://"))
}

fn variant(fields: Fields<'_>) -> Result<Variant, BadMessage> {
    let was = match fields.get("was") {
        None => None,
        Some(_) => Some(money(fields.object("was")?)?),
    };
    Ok(Variant {
        id: fields.id("id")?,
        title: fields.text("title", MAX_TITLE)?,
        price: money(fields.object("price")?)?,
        was,
        per_customer: fields.optional_integer("per_customer", 1, MAX_QUANTITY)?,
        mode: offers::mode(fields)?,
        hold_seconds: offers::hold_seconds(fields)?,
        allotment: fields.optional_integer("allotment", 0, MAX_STOCK)?,
        flash: None,
        available: fields.optional_integer("available", 0, MAX_STOCK)?.unwrap_or(0),
        version: 0,
        sold_out: false,
    })
}

pub(super) fn money(fields: Fields<'_>) -> Result<Money, BadMessage> {
    let currency = fields.text("currency", 3)?;
    if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return fields.bad("currency", "three capital letters (ISO 4217)");
    }
    // A wrong exponent is a price wrong by ten or a hundred.
    let exponent = exponent_of(&currency);
    if fields.get("exponent").is_some() {
        fields.integer("exponent", i64::from(exponent), i64::from(exponent))?;
    }
    Ok(Money {
        minor: fields.integer("minor", 0, MAX_MINOR)?,
        currency,
        exponent,
    })
}
