//! The API's description says what there is: no more, no less.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fake::stage;

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// Paths of the source, as the description writes them.
fn paths_of_source() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/routes");
    let mut paths = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for call in source.split(".route(").skip(1) {
            let path = call
                .trim_start()
                .strip_prefix('"')
                .expect("a route's path is a text");
            paths.insert(path.split('"').next().unwrap().replace("{*", "{"));
        }
    }
    paths
}

#[tokio::test]
async fn the_description_has_every_route_and_every_method() {
    let stage = stage().await;
    let response = stage.get("/api/openapi.json").await;
    assert_eq!(response.status(), 200);
    let description: Value = response.json().await.unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    let described = description["paths"].as_object().unwrap();
    let paths: BTreeSet<String> = described.keys().cloned().collect();
    assert_eq!(paths, paths_of_source());

    for (path, operations) in described {
        let address = path
            .replace("{room}", "demo")
            .replace("{session}", "s")
            .replace(['{', '}'], "");
        for method in METHODS {
            let request = stage.request(&method.to_uppercase(), &address);
            // Nobody is kept waiting by a stream of events.
            let status = request.send().await.unwrap().status();
            let is_described = operations.get(method).is_some();
            assert_eq!(status == 405, !is_described, "{method} {path}: {status}");
            if let Some(operation) = operations.get(method) {
                check(path, method, operation);
            }
        }
    }
}

/// Every parameter of the address is described, and what needs a token says so.
fn check(path: &str, method: &str, operation: &Value) {
    let place = format!("{method} {path}");
    assert!(operation["summary"].is_string(), "{place}");
    assert!(!operation["responses"].as_object().unwrap().is_empty(), "{place}");
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let names: BTreeSet<String> = parameters
        .iter()
        .filter_map(|parameter| match parameter["$ref"].as_str() {
            Some(reference) => reference.rsplit('/').next().map(str::to_owned),
            None => (parameter["in"] == "path").then(|| parameter["name"].as_str().unwrap().to_owned()),
        })
        .collect();
    let in_address: BTreeSet<String> = path
        .split('{')
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, in_address, "{place}");
    let needs_token = operation["responses"].get("401").is_some();
    assert_eq!(operation.get("security").is_some(), needs_token, "{place}");
}
