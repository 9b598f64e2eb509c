//! What clients may say.

use schemars::JsonSchema;
use serde_json::Value;

use super::fields::{BadMessage, Fields};
use super::hosting::{HostCommand, MAX_QUANTITY, command};
use super::offers;
use super::orders::Line;
use super::schema::AnyCommand;
use super::talk::{self, TalkMessage};
use super::{MAX_CLIENT_MESSAGE, VERSION};

/// Lines of one buy.
const MAX_LINES: usize = 10;
/// Lines of a cart.
const MAX_CART: usize = 20;
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

pub(super) fn read(bytes: &[u8]) -> Result<Value, BadMessage> {
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
