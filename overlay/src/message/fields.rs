//! Reading untrusted JSON objects with errors that name the field and what it may hold.

use serde_json::{Map, Value};

/// What was wrong with a message, in words for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadMessage(pub String);

/// The fields of one object, with its path for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'v> {
    object: &'v Map<String, Value>,
    path: &'v str,
}

/// The longest text with a say in error messages.
const QUOTED: usize = 40;

impl<'v> Fields<'v> {
    pub(super) fn of(value: &'v Value, path: &'v str) -> Result<Fields<'v>, BadMessage> {
        match value {
            Value::Object(object) => Ok(Fields { object, path }),
            other => Err(BadMessage(format!(
                "{path}: an object is expected, not {}",
                kind(other)
            ))),
        }
    }

    pub(super) fn bad<T>(&self, field: &str, accepted: &str) -> Result<T, BadMessage> {
        let found = match self.object.get(field) {
            None | Some(Value::Null) => "it is missing".to_owned(),
            Some(value) => {
                let mut text = value.to_string();
                if text.len() > QUOTED {
                    let cut = (0..=QUOTED).rev().find(|&at| text.is_char_boundary(at));
                    text.truncate(cut.unwrap_or(0));
                    text.push('…');
                }
                format!("not {text}")
            }
        };
        Err(BadMessage(format!(
            "{}.{field}: {accepted} is expected, {found}",
            self.path
        )))
    }

    /// The value of a field; `null` is as good as none.
    pub(super) fn get(&self, field: &str) -> Option<&'v Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    /// Text for people, without the blanks around it.
    pub(super) fn text(&self, field: &str, most: usize) -> Result<String, BadMessage> {
        match self.get(field).and_then(Value::as_str).map(str::trim) {
            Some(text) if (1..=most).contains(&text.chars().count()) && is_plain(text) => Ok(text.to_owned()),
            _ => self.bad(
                field,
                &format!("text of 1 to {most} characters without control characters"),
            ),
        }
    }

    pub(super) fn optional_text(&self, field: &str, most: usize) -> Result<Option<String>, BadMessage> {
        match self.get(field) {
            None => Ok(None),
            Some(_) => self.text(field, most).map(Some),
        }
    }

    pub(super) fn id(&self, field: &str) -> Result<String, BadMessage> {
        match self.get(field).and_then(Value::as_str) {
            Some(id) if is_id(id) => Ok(id.to_owned()),
            _ => self.bad(field, "an id of 1 to 64 characters out of A-Z a-z 0-9 _ -"),
        }
    }

    pub(super) fn optional_id(&self, field: &str) -> Result<Option<String>, BadMessage> {
        match self.get(field) {
            None => Ok(None),
            Some(_) => self.id(field).map(Some),
        }
    }

    pub(super) fn optional_uuid(&self, field: &str) -> Result<Option<String>, BadMessage> {
        match self.get(field) {
            None => Ok(None),
            Some(_) => self.uuid(field).map(Some),
        }
    }

    /// The id of a buy, in small letters: one id has one spelling.
    pub(super) fn uuid(&self, field: &str) -> Result<String, BadMessage> {
        match self.get(field).and_then(Value::as_str) {
            Some(id) if is_uuid(id) => Ok(id.to_ascii_lowercase()),
            _ => self.bad(
                field,
                "a UUID of version 7 (or 4), as 0197f4c2-8a6b-7c3d-9e4f-001122334455,",
            ),
        }
    }

    pub(super) fn integer(&self, field: &str, least: i64, most: i64) -> Result<i64, BadMessage> {
        match self.get(field).and_then(Value::as_i64) {
            Some(number) if (least..=most).contains(&number) => Ok(number),
            _ => self.bad(field, &format!("a whole number from {least} to {most}")),
        }
    }

    pub(super) fn optional_integer(
        &self,
        field: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, BadMessage> {
        match self.get(field) {
            None => Ok(None),
            Some(_) => self.integer(field, least, most).map(Some),
        }
    }

    pub(super) fn flag(&self, field: &str) -> Result<bool, BadMessage> {
        match self.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => self.bad(field, "true or false"),
        }
    }

    pub(super) fn list(&self, field: &str, least: usize, most: usize) -> Result<&'v [Value], BadMessage> {
        match self.get(field) {
            Some(Value::Array(list)) if (least..=most).contains(&list.len()) => Ok(list),
            None if least == 0 => Ok(&[]),
            _ => self.bad(field, &format!("a list of {least} to {most} entries")),
        }
    }

    /// A list of short texts.
    pub(super) fn texts(
        &self,
        field: &str,
        (least, most): (usize, usize),
        longest: usize,
    ) -> Result<Vec<String>, BadMessage> {
        let texts = self.list(field, least, most)?.iter().map(|value| {
            let text = value.as_str().map(str::trim)?;
            let fits = (1..=longest).contains(&text.chars().count()) && is_plain(text);
            fits.then(|| text.to_owned())
        });
        match texts.collect() {
            Some(texts) => Ok(texts),
            None => self.bad(field, &format!("a list of texts of 1 to {longest} characters")),
        }
    }

    pub(super) fn object(&self, field: &'v str) -> Result<Fields<'v>, BadMessage> {
        match self.get(field) {
            Some(value) => Fields::of(value, field),
            None => self.bad(field, "an object"),
        }
    }
}

/// Whether an id is made of what ids are made of.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Whether an id is a UUID of version 4 or 7 (RFC 9562 §4), made by chance or by time: no two clients ever make the same.
pub(crate) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_hex = text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    let version = groups.get(2).and_then(|group| group.bytes().next());
    is_hex && lengths == [8, 4, 4, 4, 12] && matches!(version, Some(b'4' | b'7'))
}

/// No control characters but line breaks, nothing that reorders the text around it.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| {
        let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !reorders && (!c.is_control() || c == '\n')
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
