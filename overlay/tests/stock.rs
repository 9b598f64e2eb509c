//! How soon everybody knows what is left.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use serde_json::{Value, json};
use stage::{Stage, buy};

#[test]
fn a_stock_leaves_at_once_and_what_follows_closely_together() {
    let mut stage = Stage::demo();
    for client in 1..=3 {
        stage.join(client, json!({"token": format!("viewer:v{client}")}));
    }
    stage.wait(1000);
    stage.broadcasts.clear();
    let told = |stage: &mut Stage| -> Vec<Value> {
        let told = std::mem::take(&mut stage.broadcasts).into_iter();
        told.filter(|message| message["t"] == "stock")
            .map(|message| message["items"].clone())
            .collect()
    };
    stage.say(1, buy(1, "candle", 1, &json!(1)));
    let first = told(&mut stage);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0][0]["available"], 29);
    stage.say(2, buy(2, "candle", 2, &json!(1)));
    stage.say(3, buy(3, "lamp", 1, &json!(1)));
    stage.say(3, buy(4, "candle", 3, &json!(1)));
    assert!(
        told(&mut stage).is_empty(),
        "a moment later there may be newer ones"
    );
    let due = stage.shop.poll_due().unwrap();
    assert_eq!(due.0 - stage.now.0, 25);
    stage.shop.handle_due(overlay::UnixMillis(due.0 - 1));
    stage.pump();
    assert!(told(&mut stage).is_empty());
    stage.now = due;
    stage.shop.handle_due(due);
    stage.pump();
    let then = told(&mut stage);
    assert_eq!(then.len(), 1, "in one message");
    let counts: Vec<_> = then[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["variant"].as_str().unwrap(),
                item["available"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(counts, [("candle", 24), ("lamp", 9)], "the latest alone");
    assert_eq!(stage.shop.poll_due(), None);
}
