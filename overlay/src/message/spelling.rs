//! One spelling for each meaning, to compare what was asked for with what is asked for again.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

/// JSON in one spelling: names in their order, no blanks, `null` left out as what it says is. What is no JSON stays.
pub(crate) fn one_spelling(bytes: &[u8]) -> String {
    match serde_json::from_slice(bytes) {
        Ok(value) => {
            let mut text = String::with_capacity(bytes.len());
            write(&value, &mut text);
            text
        }
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The command of a host's message, as it is spelled where it comes by request.
pub(crate) fn spelled_command(message: &[u8]) -> String {
    let message: Value = serde_json::from_slice(message).unwrap_or_default();
    let mut text = String::new();
    write(message.get("do").unwrap_or_default(), &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            // Whatever order the map is in.
            let fields: BTreeMap<_, _> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            text.push('{');
            for (number, (name, value)) in fields.into_iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                // A name is written as the text it is, with what must be escaped.
                let _ = write!(text, "{}:", Value::from(name.as_str()));
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        plain => {
            let _ = write!(text, "{plain}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_spelled_the_same() {
        let spelled = |text: &str| one_spelling(text.as_bytes());
        let one = spelled(
            r#"{"op":"stock.add", "variant":"a", "more":{"z":[1, {"y":null,"x":"\u0041\n"}],"b":true}}"#,
        );
        assert_eq!(
            one,
            r#"{"more":{"b":true,"z":[1,{"x":"A\n"}]},"op":"stock.add","variant":"a"}"#
        );
        let other = r#"{"more":{"b":true,"z":[1,{"x":"A\u000a"}],"c":null},"variant":"a","op":"stock.add"}"#;
        assert_eq!(spelled(other), one);
        assert_ne!(spelled(r#"{"a":1}"#), spelled(r#"{"a":"1"}"#));
        assert_ne!(spelled("[1,null]"), spelled("[1]"), "places in a list count");
        assert_eq!(spelled("{"), "{");
        let message = r#"{"t":"host","id":"a","do":{"variant":"v", "op":"stock.add"}}"#;
        assert_eq!(
            spelled_command(message.as_bytes()),
            spelled(r#"{"op":"stock.add","variant":"v"}"#)
        );
    }
}
