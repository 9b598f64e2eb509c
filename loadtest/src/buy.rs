//! Buyers: many want the same few units at once, and ask more than once.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::{Client, StatusCode, Url};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::token::make_token;
use crate::{Error, session};

/// What is bought, where, and by how many.
#[derive(Debug, Clone)]
pub struct BuyOptions {
    /// The server.
    pub url: Url,
    /// The room.
    pub room: String,
    /// A token with the scope `operator`: it makes the buyers' tokens.
    pub token: String,
    /// The variant everybody wants one of.
    pub variant: String,
    /// The show's price version the buyers name; at least the current one is accepted.
    pub price_version: u64,
    /// How many buyers.
    pub buyers: usize,
    /// How often each asks for the same buy, at the same time.
    pub repeats: usize,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BuyReport {
    /// Buyers.
    pub buyers: usize,
    /// Requests answered.
    pub answers: usize,
    /// Requests that were not answered.
    pub failures: usize,
    /// Buys by outcome.
    pub outcomes: Vec<(String, usize)>,
    /// Buys that got different receipts for one id. Must be 0.
    pub contradictions: usize,
}

/// Sends all buys at once.
///
/// # Errors
/// When the buyers' tokens cannot be made.
pub async fn buy(options: BuyOptions) -> Result<BuyReport, Error> {
    let client = session::client()?;
    let join = |path: &str| {
        options
            .url
            .join(path)
            .map_err(|error| Error::Options(error.to_string()))
    };
    let (tokens, endpoint) = (
        join("/api/tokens")?,
        join(&format!("/api/rooms/{}/buy", options.room))?,
    );
    let mut buyers = Vec::with_capacity(options.buyers);
    for number in 0..options.buyers {
        let wish = json!({"scopes": ["view"], "room": options.room, "sub": format!("loadtest-{number}")});
        buyers.push(make_token(&client, &tokens, &options.token, &wish).await?);
    }
    let options = Arc::new(options);
    let mut asking = JoinSet::new();
    for token in buyers {
        let id = uuid::Uuid::now_v7().to_string();
        for _ in 0..options.repeats.max(1) {
            let (client, endpoint, options) = (client.clone(), endpoint.clone(), options.clone());
            let (id, token) = (id.clone(), token.clone());
            asking.spawn(async move { (id.clone(), ask(&client, endpoint, &options, &id, &token).await) });
        }
    }
    let mut report = BuyReport {
        buyers: options.buyers,
        ..BuyReport::default()
    };
    let mut receipts: HashMap<String, String> = HashMap::new();
    while let Some(answered) = asking.join_next().await {
        let Ok((id, Ok(outcome))) = answered else {
            report.failures += 1;
            continue;
        };
        report.answers += 1;
        if let Some(known) = receipts.insert(id, outcome.clone())
            && known != outcome
        {
            report.contradictions += 1;
        }
    }
    for outcome in receipts.into_values() {
        match report.outcomes.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += 1,
            None => report.outcomes.push((outcome, 1)),
        }
    }
    report.outcomes.sort();
    Ok(report)
}

async fn ask(
    client: &Client,
    endpoint: Url,
    options: &BuyOptions,
    id: &str,
    token: &str,
) -> Result<String, Error> {
    let lines = json!([{"variant": options.variant, "quantity": 1}]);
    let response = client
        .post(endpoint)
        .bearer_auth(token)
        .header("Idempotency-Key", id)
        .json(&json!({"lines": lines, "price_version": options.price_version}))
        .send()
        .await?;
    let status = response.status();
    if status != StatusCode::OK {
        return Err(Error::Refused {
            status: status.as_u16(),
            body: response.text().await.unwrap_or_default(),
            retry_after: None,
        });
    }
    let receipt: Value = response.json().await?;
    let outcome = receipt.get("outcome").and_then(Value::as_str);
    outcome
        .map(str::to_owned)
        .ok_or_else(|| Error::Protocol("the receipt has no outcome".into()))
}
