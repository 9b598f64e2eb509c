//! What the crates may know of each other (ARCHITECTURE.md), and what keeps the tree readable.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code a file may have; beyond it hides a second concept.
const MAX_LINES: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of a member's ordinary dependencies; those of its tests are its own affair.
fn dependencies(member: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let platform = manifest.get("target").and_then(toml::Value::as_table);
    let tables = platform.into_iter().flat_map(|table| table.values());
    let tables = tables.filter_map(toml::Value::as_table).chain([&manifest]);
    let tables = tables.filter_map(|table| table.get("dependencies")?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

#[track_caller]
fn assert_knows_none_of(member: &str, strangers: &[&str]) {
    let known = dependencies(member);
    assert!(
        !known.is_empty(),
        "{member} has no dependencies: is it read right?"
    );
    for stranger in strangers {
        assert!(
            !known.iter().any(|name| name == stranger),
            "{member} must not depend on {stranger}"
        );
    }
}

const SOCKETS: &[&str] = &["mio", "quinn-udp", "socket2", "tokio", "core_affinity"];
const HTTP: &[&str] = &["axum", "hyper", "http", "tower", "tower-http", "reqwest"];
const MEDIA: &[&str] = &[
    "rtp",
    "rtc",
    "webrtc",
    "dimpl",
    "sctp-proto",
    "rtc-sdp",
    "rtc-stun",
];

#[test]
fn the_media_core_knows_no_socket_no_http_and_no_shop() {
    assert_knows_none_of("sfu", SOCKETS);
    assert_knows_none_of("sfu", HTTP);
    assert_knows_none_of(
        "sfu",
        &["overlay", "signaling", "loadtest", "vitrine", "rusqlite"],
    );
}

#[test]
fn the_shop_knows_no_socket_no_http_and_no_media() {
    assert_knows_none_of("overlay", SOCKETS);
    assert_knows_none_of("overlay", HTTP);
    assert_knows_none_of("overlay", MEDIA);
    assert_knows_none_of("overlay", &["sfu", "signaling", "loadtest", "vitrine"]);
}

#[test]
fn the_http_door_knows_neither_media_nor_ledger() {
    assert_knows_none_of("signaling", MEDIA);
    assert_knows_none_of(
        "signaling",
        &["sfu", "overlay", "loadtest", "vitrine", "rusqlite"],
    );
}

#[test]
fn the_load_test_knows_nothing_of_the_server() {
    assert_knows_none_of("loadtest", &["sfu", "overlay", "signaling", "vitrine"]);
}

/// Every file of the tree with one of the endings, but for what was built or fetched.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    fn collect(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let skipped =
                name.starts_with('.') || ["target", "node_modules", "data", "output"].contains(&&*name);
            if path.is_dir() && !skipped {
                collect(&path, endings, found);
            } else if path
                .extension()
                .is_some_and(|ending| endings.iter().any(|known| ending == *known))
            {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(root(), endings, &mut found);
    assert!(!found.is_empty());
    found
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    for path in files(&["rs", "js", "mjs", "css"]) {
        let lines = fs::read_to_string(&path).unwrap().lines().filter(code).count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines of code", path.display());
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    for path in files(&["md"]) {
        let text = fs::read_to_string(&path).unwrap();
        for target in link_targets(&text) {
            let there = path.parent().unwrap().join(target);
            assert!(
                there.exists(),
                "{} links to {target}, which is not there",
                path.display()
            );
        }
    }
}

/// What `[text](target)` and `src="target"` name within the tree.
fn link_targets(text: &str) -> impl Iterator<Item = &str> {
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next());
    let sources = text
        .split("src=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    links
        .chain(sources)
        .filter(|target| {
            !target.contains("://") && !target.starts_with(['#', '/']) && !target.starts_with("mailto:")
        })
        .filter_map(|target| target.split('#').next())
}
