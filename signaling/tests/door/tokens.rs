//! Tokens made by operators.

use crate::fake::{now, refused, stage, token};
use serde_json::{Value, json};
use signaling::token::Scope;

#[tokio::test]
async fn an_operator_makes_tokens_that_work() {
    let stage = stage().await;
    let make = |by: String, wanted: Value| stage.request("POST", "/api/tokens").bearer_auth(by).json(&wanted);
    let operator = || token(&[Scope::Operator], "*");
    let wanted = json!({"scopes": ["publish", "host"], "room": "demo", "name": "Anna", "ttl_seconds": 600});
    let response = make(operator(), wanted.clone()).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let made: Value = response.json().await.unwrap();
    assert!(made["expires_at"].as_u64().unwrap().abs_diff(now() + 600) < 5);
    let published = stage.whip().bearer_auth(made["token"].as_str().unwrap());
    assert_eq!(published.send().await.unwrap().status(), 201);

    refused(stage.request("POST", "/api/tokens").json(&wanted), 401).await;
    refused(make("nonsense".into(), wanted.clone()), 401).await;
    refused(make(token(&[Scope::Host], "*"), wanted.clone()), 403).await;
    refused(make(token(&[Scope::Operator], "other"), wanted), 403).await;
    let with = |field: &str, value: Value| {
        let mut wanted = json!({"scopes": ["view"], "room": "demo"});
        wanted[field] = value;
        make(operator(), wanted)
    };
    let year = 366 * 24 * 3600;
    for (field, least, most) in [
        ("ttl_seconds", json!(60), json!(year)),
        ("name", json!("n"), json!("n".repeat(64))),
        ("sub", json!("s"), json!("s".repeat(64))),
    ] {
        for value in [least, most] {
            assert_eq!(with(field, value).send().await.unwrap().status(), 201, "{field}");
        }
    }
    for (field, below, above) in [
        ("ttl_seconds", json!(59), json!(year + 1)),
        ("name", json!(""), json!("n".repeat(65))),
        ("sub", json!(""), json!("s".repeat(65))),
    ] {
        for value in [below, above] {
            refused(with(field, value), 400).await;
        }
    }
    for bad in [
        json!({"scopes": ["dance"], "room": "demo"}),
        json!({"scopes": [], "room": "demo"}),
        json!({"scopes": ["view"], "room": "no room"}),
        json!({"scopes": ["view"], "room": "demo", "ttl_seconds": 1}),
        json!({"scopes": ["view"], "room": "demo", "ttl_seconds": -1}),
        json!({"scopes": ["view"], "room": "demo", "name": ""}),
        json!({"scopes": ["view"], "room": "demo", "role": "king"}),
        json!({"scopes": "view"}),
    ] {
        refused(make(operator(), bad), 400).await;
    }
    let for_all = json!({"scopes": ["view"], "room": "*"});
    refused(make(token(&[Scope::Operator], "demo"), for_all), 403).await;
}
