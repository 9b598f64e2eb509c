//! Tokens that a server with a shop makes for whoever holds an operator's token.

use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use crate::Error;

/// Asks `endpoint` for the token that `wish` describes.
///
/// # Errors
/// When the server cannot be reached, refuses, or answers without a token.
pub(crate) async fn make_token(
    client: &Client,
    endpoint: &Url,
    operator: &str,
    wish: &Value,
) -> Result<String, Error> {
    let response = client
        .post(endpoint.clone())
        .bearer_auth(operator)
        .json(wish)
        .send()
        .await?;
    if response.status() != StatusCode::CREATED {
        return Err(Error::Refused {
            status: response.status().as_u16(),
            body: response.text().await.unwrap_or_default(),
            retry_after: None,
        });
    }
    let body: Value = response.json().await?;
    let token = body.get("token").and_then(Value::as_str);
    token
        .map(str::to_owned)
        .ok_or_else(|| Error::Protocol("the answer has no token".into()))
}
