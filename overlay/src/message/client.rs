//! What clients may say.

use schemars::JsonSchema;
use serde_json::Value;

use super::fields::{BadMessage, Fields};
use super::offers::{self, OfferCommand};
use super::orders::{Line, OrderState};
use super::schema::{AnyCommand, Put, Schedule, State, Title};
use super::talk::{self, TalkCommand, TalkMessage};
use super::types::{Money, Product, ShowState, Variant, exponent_of};
use super::{MAX_CLIENT_MESSAGE, VERSION};

/// Lines of one buy.
const MAX_LINES: usize = 10;
/// Units of one variant in a buy or a cart.
pub(super) const MAX_QUANTITY: i64 = 1000;
/// Lines of a cart.
const MAX_CART: usize = 20;
/// Characters of a title.
const MAX_TITLE: usize = 120;
/// Variants of one product.
const MAX_VARIANTS: usize = 50;
/// The highest price, in minor units.
pub(super) const MAX_MINOR: i64 = 1_000_000_000_000;
/// The largest stock.
pub(super) const MAX_STOCK: i64 = 1_000_000_000;

/// One message of a client.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(tag = "t", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first word.
    Hello(Hello),
    /// A buy, to be repeated until its receipt comes.
    Buy(BuyMessage),
    /// Gives an own hold back.
    Cancel {
        /// Which.
        buy: String,
    },
    /// Asks what a promo code would take off.
    #[schemars(rename = "promo")]
    CheckPromo {
        /// The client's id of it.
        id: String,
        /// The code, in capitals.
        code: String,
    },
    /// The viewer's cart as it should be; it keeps nothing back.
    Cart {
        /// What; nothing empties it.
        lines: Vec<Line>,
    },
    /// Something for the others.
    #[schemars(skip)]
    Talk(TalkMessage),
    /// To be echoed.
    Ping {
        /// Any number.
        n: i64,
    },
    /// A host's command.
    Host {
        /// The client's id of it.
        id: String,
        /// What to do.
        #[schemars(rename = "do", with = "AnyCommand")]
        command: HostCommand,
        /// When it was done before the camera, by the server's clock in unix milliseconds: players show what follows
        /// from it with the picture of that moment.
        captured_at: Option<i64>,
    },
    /// Of a kind not known here: ignored.
    #[schemars(skip)]
    Unknown,
}

/// The first word of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
pub struct Hello {
    /// Versions it speaks.
    pub versions: Vec<i64>,
    /// Who it is.
    pub token: Option<String>,
    /// Where it was.
    pub resume: Option<Resume>,
    /// The name it wishes for.
    pub name: Option<String>,
    /// Whether several events may come in one message.
    #[schemars(rename = "accepts", with = "Option<Vec<String>>")]
    pub takes_batches: bool,
}

/// The last numbered event a client has.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct Resume {
    /// Of which life of the server.
    pub epoch: String,
    /// Its number.
    pub seq: u64,
}

/// A buy.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
pub struct BuyMessage {
    /// The client's id; decides.
    pub id: String,
    /// What.
    pub lines: Vec<Line>,
    /// Of the prices last seen.
    pub price_version: i64,
    /// A promo code, in capitals.
    pub promo: Option<String>,
    /// Who sent the buyer.
    pub affiliate: Option<String>,
    /// Whether to be put on the list when it is sold out.
    #[schemars(with = "Option<bool>")]
    pub waitlist: bool,
    /// An own open order that is given back when this one is held.
    pub replaces: Option<String>,
}

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

/// Reads one message.
///
/// # Errors
/// What is wrong with it and what is accepted.
pub fn parse_message(bytes: &[u8]) -> Result<ClientMessage, BadMessage> {
    let value = read(bytes)?;
    let fields = Fields::of(&value, "message")?;
    let Some(kind) = fields.get("t").and_then(Value::as_str) else {
        return fields.bad("t", "the kind of message as text");
    };
    Ok(match kind {
        "hello" => ClientMessage::Hello(hello(fields)?),
        "buy" => ClientMessage::Buy(buy(fields)?),
        "cancel" => ClientMessage::Cancel {
            buy: fields.uuid("buy")?,
        },
        "promo" => ClientMessage::CheckPromo {
            id: fields.id("id")?,
            code: offers::code(fields, "code")?,
        },
        "cart" => ClientMessage::Cart {
            lines: lines(fields, 0, MAX_CART)?,
        },
        "ping" => ClientMessage::Ping {
            n: fields.integer("n", i64::MIN, i64::MAX)?,
        },
        "host" => ClientMessage::Host {
            id: fields.id("id")?,
            command: command(fields.object("do")?)?,
            captured_at: fields.optional_integer("captured_at", 0, i64::MAX)?,
        },
        kind => match talk::message(kind, fields)? {
            Some(message) => ClientMessage::Talk(message),
            None => ClientMessage::Unknown,
        },
    })
}

/// What a message that is not understood calls itself, for the answer to name it.
pub(crate) fn reference(bytes: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(bytes.get(..bytes.len().min(MAX_CLIENT_MESSAGE))?).ok()?;
    let fields = Fields::of(&value, "message").ok()?;
    fields.id("id").or_else(|_| fields.id("buy")).ok()
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

fn read(bytes: &[u8]) -> Result<Value, BadMessage> {
    if bytes.len() > MAX_CLIENT_MESSAGE {
        let len = bytes.len();
        return Err(BadMessage(format!(
            "at most {MAX_CLIENT_MESSAGE} bytes are accepted, not {len}"
        )));
    }
    serde_json::from_slice(bytes).map_err(|error| BadMessage(format!("not JSON: {error}")))
}

fn hello(fields: Fields<'_>) -> Result<Hello, BadMessage> {
    let versions: Vec<i64> = fields
        .list("versions", 1, 16)?
        .iter()
        .filter_map(Value::as_i64)
        .collect();
    let resume = match fields.get("resume") {
        None => None,
        Some(_) => {
            let resume = fields.object("resume")?;
            Some(Resume {
                epoch: resume.id("epoch")?,
                seq: resume.integer("seq", 0, i64::MAX)? as u64,
            })
        }
    };
    fields.optional_text("client", 64)?;
    let accepts = fields.list("accepts", 0, 16)?;
    Ok(Hello {
        takes_batches: accepts.iter().any(|name| name == "batch"),
        versions,
        token: fields.optional_text("token", 2048)?,
        resume,
        name: fields.optional_text("name", 32)?,
    })
}

impl Hello {
    /// Whether it speaks our version.
    pub fn is_understood(&self) -> bool {
        self.versions.contains(&i64::from(VERSION))
    }
}

/// Lines; two of one thing are one: limits and stock are judged by the sum.
fn lines(fields: Fields<'_>, least: usize, most: usize) -> Result<Vec<Line>, BadMessage> {
    let mut lines: Vec<Line> = Vec::new();
    for value in fields.list("lines", least, most)? {
        let line = Fields::of(value, "lines[]")?;
        let (variant, quantity) = (line.id("variant")?, line.integer("quantity", 1, MAX_QUANTITY)?);
        match lines.iter_mut().find(|known| known.variant == variant) {
            Some(known) => known.quantity += quantity,
            None => lines.push(Line { variant, quantity }),
        }
    }
    if lines.iter().any(|line| line.quantity > MAX_QUANTITY) {
        return fields.bad("lines", &format!("at most {MAX_QUANTITY} of one variant"));
    }
    Ok(lines)
}

fn buy(fields: Fields<'_>) -> Result<BuyMessage, BadMessage> {
    let lines = lines(fields, 1, MAX_LINES)?;
    Ok(BuyMessage {
        id: fields.uuid("id")?,
        lines,
        price_version: fields.integer("price_version", 0, i64::MAX)?,
        promo: offers::optional_code(fields, "promo")?,
        affiliate: fields.optional_id("affiliate")?,
        waitlist: fields.flag("waitlist")?,
        replaces: fields.optional_uuid("replaces")?,
    })
}

fn command(fields: Fields<'_>) -> Result<HostCommand, BadMessage> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        parse_message(text.as_bytes()).unwrap_err().0
    }

    #[test]
    fn lines_of_one_variant_are_summed() {
        let text = r#"{"t":"buy","id":"0197f4c2-0000-7000-8000-000000000001","price_version":3,"lines":[{"variant":"v","quantity":2},{"variant":"v","quantity":3}]}"#;
        let ClientMessage::Buy(buy) = parse_message(text.as_bytes()).unwrap() else {
            panic!()
        };
        assert_eq!(
            buy.lines,
            [Line {
                variant: "v".into(),
                quantity: 5
            }]
        );
    }

    #[test]
    fn errors_name_the_field_and_what_is_accepted() {
        assert_eq!(error("[1]"), "message: an object is expected, not a list");
        assert_eq!(
            error("{}"),
            "message.t: the kind of message as text is expected, it is missing"
        );
        assert_eq!(
            error(r#"{"t":"buy","price_version":1,"lines":[{"variant":"v","quantity":"2"}]}"#),
            "lines[].quantity: a whole number from 1 to 1000 is expected, not \"2\""
        );
        assert!(error(r#"{"t":"chat","id":"1","text":""}"#).starts_with("message.text: text of 1 to 500"));
        assert!(
            error(r#"{"t":"host","id":"1","do":{"op":"fly"}}"#)
                .starts_with("do.op: show.state, show.schedule")
        );
        assert!(error("{").starts_with("not JSON"));
        assert!(error(&format!(r#"{{"t":"{}"}}"#, "x".repeat(5000))).contains("at most 4096 bytes"));
        assert!(error(r#"{"t":"chat","id":"1","text":"a\u202eb"}"#).contains("without control characters"));
    }

    #[test]
    fn what_is_unknown_is_let_pass() {
        let text = br#"{"t":"wave","v":9}"#;
        assert_eq!(parse_message(text), Ok(ClientMessage::Unknown));
        let text = br#"{"t":"ping","n":4,"later":{"x":[]}}"#;
        assert_eq!(parse_message(text), Ok(ClientMessage::Ping { n: 4 }));
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in ".{0,200}") {
            let _ = parse_message(text.as_bytes());
        }

        #[test]
        fn any_field_may_hold_anything(
            kind in "hello|buy|cancel|cart|chat|question|react|vote|ping|host",
            field in "versions|accepts|token|resume|id|lines|price_version|text|buy|n|do|kind|count|poll|option|captured_at",
            value in r#"null|true|-1|1e99|"x"|\[\]|\[1\]|\{\}|\{"op":"product.put","product":\{"variants":\[\{\}\]\}\}"#,
        ) {
            let text = format!(r#"{{"t":"{kind}","{field}":{value}}}"#);
            let _ = parse_message(text.as_bytes());
        }
    }
}
