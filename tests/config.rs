//! The configuration: the file that explains every key says the truth, and mistakes are named.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use toml::Table;
use vitrine::config::{Config, KEYS_ENV_PREFIX, load};

fn file() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml"))
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(None, variables, &Vec::new()).map_err(|error| error.to_string())
}

#[test]
fn the_file_has_every_key_with_its_built_in_default() {
    let written: Table = std::fs::read_to_string(file()).unwrap().parse().unwrap();
    let built_in = Table::try_from(Config::default()).unwrap();
    assert_eq!(written, built_in);
    assert_eq!(load(Some(file()), [], &Vec::new()).unwrap(), Config::default());
}

#[test]
fn every_key_is_explained_above_it() {
    let text = std::fs::read_to_string(file()).unwrap();
    let mut explained = false;
    for line in text.lines() {
        if line.starts_with('#') {
            explained = true;
        } else if line.is_empty() {
            explained = false;
        } else {
            assert!(explained, "{line}");
        }
    }
}

#[test]
fn every_key_is_a_variable_and_flags_are_stronger() {
    for (key, value) in Table::try_from(Config::default()).unwrap() {
        let variable = format!("{KEYS_ENV_PREFIX}{}", key.to_ascii_uppercase());
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Array(_) => String::new(),
            other => other.to_string(),
        };
        assert_eq!(
            from_environment(&[(&variable, &text)]),
            Ok(Config::default()),
            "{variable}"
        );
    }
    let variables = [("VITRINE_MEDIA_PORT".to_owned(), "7100".to_owned())];
    let flags = vec![
        ("media_port".to_owned(), "7200".to_owned()),
        ("rooms".to_owned(), "a, b".to_owned()),
    ];
    let config = load(None, variables, &flags).unwrap();
    assert_eq!(
        (config.media_port, config.rooms),
        (7200, vec!["a".to_owned(), "b".to_owned()])
    );
}

#[test]
fn mistakes_are_named_with_what_is_accepted() {
    let error = |name, value| from_environment(&[(name, value)]).unwrap_err();
    let networks = error("VITRINE_HTTP_TRUSTED_PROXIES", "10.0.0.0/8, 10.0.0.0/99");
    assert!(
        networks.contains("http_trusted_proxies")
            && networks.contains("\"10.0.0.0/99\" is neither an address nor a network"),
        "{networks}"
    );
    assert!(error("VITRINE_HTTP_PUBLIC_URL", "https://shop.example/live").contains("has no path"));
    assert!(from_environment(&[("VITRINE_HTTP_PUBLIC_URL", "https://shop.example:8443/")]).is_ok());
    assert!(from_environment(&[("VITRINE_HTTP_TRUSTED_PROXIES", "10.0.0.0/8, ::1")]).is_ok());
    assert_eq!(
        error("VITRINE_COLOUR", "red"),
        "VITRINE_COLOUR: there is no key colour; `vitrine --help` explains all there are"
    );
    assert!(error("VITRINE_HTTP_LISTN", "x").contains("no key http_listn, but http_listen;"));
    assert!(error("VITRINE_SHOP_HOLD_TIME", "9").contains(", but shop_hold_seconds;"));
    assert_eq!(
        error("VITRINE_MEDIA_TCP", "yes"),
        "VITRINE_MEDIA_TCP: true or false is expected, not \"yes\""
    );
    assert!(error("VITRINE_MEDIA_PORT", "70000").contains("media_port"));
    assert!(
        error("VITRINE_MEDIA_PORT", "65535").contains("room above it") || Config::default().shards() == 1
    );
    assert_eq!(
        error("VITRINE_SHOP_HOLD_SECONDS", "1"),
        "shop_hold_seconds: a number from 5 to 86400 is expected, not 1"
    );
    assert_eq!(
        error("VITRINE_MEDIA_PLAYOUT_DELAY_MIN_MS", "10"),
        "media_playout_delay_min_ms: a number from 0 to 0 is expected, not 10"
    );
    let [short, long] = [31, 32].map(|len| "x".repeat(len));
    let refused = error("VITRINE_TOKEN_SECRET", &short);
    assert!(
        refused.contains("token_secret: at least 32 characters, or none"),
        "{refused}"
    );
    assert!(from_environment(&[("VITRINE_TOKEN_SECRET", &long)]).is_ok());
    assert!(error("VITRINE_MEDIA_PLAYOUT_DELAY_MAX_MS", "10001").contains("0 to 10000"));
    assert!(error("VITRINE_HTTP_LISTEN", "8080").contains("an address and a port"));
    assert!(error("VITRINE_HTTP_TLS_KEY", "key.pem").contains("both or none"));
    assert!(error("VITRINE_ROOMS", "a b").contains("1 to 64 characters"));
    assert!(error("VITRINE_MEDIA_PUBLIC_ADDRESSES", "here").contains("media_public_addresses"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "demo = true\ncolour = 'red'\n").unwrap();
    let error = load(Some(&path), [], &Vec::new()).unwrap_err().to_string();
    assert!(
        error.contains("config.toml") && error.contains("colour") && error.contains("line 2"),
        "{error}"
    );
}
