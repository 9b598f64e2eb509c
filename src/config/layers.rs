//! Where values come from, the later the stronger: built-in, file, environment, flags.

use std::net::IpAddr;
use std::path::Path;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::de::DeTable;
use toml::{Table, Value};

use super::{BadConfig, Config};

/// Environment variables are the keys in capitals behind this.
pub const KEYS_ENV_PREFIX: &str = "VITRINE_";

/// How alike a word and a key must be for the one to be taken for the other, 0 to 1.
const ALIKE: f64 = 0.85;

/// Values given as text, by key.
pub type Overrides = Vec<(String, String)>;

/// Puts the layers together and checks the result. `environment` is all variables of the process.
///
/// # Errors
/// [`BadConfig`] with the key, what is wrong with it and what is accepted.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &Overrides,
) -> Result<Config, BadConfig> {
    let known = Table::try_from(Config::default()).map_err(|error| BadConfig(error.to_string()))?;
    let mut table = match file {
        None => Table::new(),
        Some(path) => read(path, &known)?,
    };
    for (variable, text) in environment {
        let Some(name) = variable.strip_prefix(KEYS_ENV_PREFIX) else {
            continue;
        };
        let key = name.to_ascii_lowercase();
        set(&mut table, &known, &key, &text, &variable)?;
    }
    for (key, text) in flags {
        set(
            &mut table,
            &known,
            key,
            text,
            &format!("--{}", key.replace('_', "-")),
        )?;
    }
    let config: Config = table.try_into().map_err(|error| BadConfig(error.to_string()))?;
    config.check()?;
    Ok(config)
}

fn read(path: &Path, known: &Table) -> Result<Table, BadConfig> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| BadConfig(format!("cannot read {}: {error}", path.display())))?;
    let place = |error: toml::de::Error| BadConfig(format!("{}: {error}", path.display()));
    for key in DeTable::parse(&text).map_err(place)?.get_ref().keys() {
        if !known.contains_key(key.get_ref().as_ref()) {
            let before = text.get(..key.span().start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            return Err(no_such_key(
                &format!("{}, line {line}", path.display()),
                key.get_ref(),
                known,
            ));
        }
    }
    // As a whole first: its errors show the place in the file.
    toml::from_str::<Config>(&text).map_err(place)?;
    text.parse().map_err(place)
}

fn no_such_key(source: &str, key: &str, known: &Table) -> BadConfig {
    let alike = known
        .keys()
        .map(|other| (strsim::jaro_winkler(key, other), other))
        .filter(|(likeness, _)| *likeness > ALIKE);
    let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    let hint = nearest.map_or_else(String::new, |(_, other)| format!(", but {other}"));
    BadConfig(format!(
        "{source}: there is no key {key}{hint}; `vitrine --help` explains all there are"
    ))
}

/// Reads a text as what the key's default is; lists are separated by commas.
fn set(table: &mut Table, known: &Table, key: &str, text: &str, source: &str) -> Result<(), BadConfig> {
    let bad = |accepted: &str| BadConfig(format!("{source}: {accepted} is expected, not {text:?}"));
    let value = match known.get(key) {
        None => return Err(no_such_key(source, key, known)),
        Some(Value::Integer(_)) => Value::Integer(text.parse().map_err(|_| bad("a whole number"))?),
        Some(Value::Boolean(_)) => Value::Boolean(text.parse().map_err(|_| bad("true or false"))?),
        Some(Value::Array(_)) => {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            Value::Array(entries.map(|entry| Value::String(entry.to_owned())).collect())
        }
        Some(_) => Value::String(text.to_owned()),
    };
    table.insert(key.to_owned(), value);
    Ok(())
}

/// Addresses, or what one of them is instead.
pub(super) fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let read = |text: &String| {
        text.parse().map_err(|_| {
            D::Error::custom(format!(
                "\"{text}\" is no address, as in 203.0.113.7 or 2001:db8::1; names are not looked up"
            ))
        })
    };
    texts.iter().map(read).collect()
}
