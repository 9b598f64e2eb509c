//! Buying and selling by single requests: the same commands and the same ledger as on the data channels.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::access;
use crate::body;
use crate::house::House;
use crate::origin::PeerAddress;
use crate::problem::Problem;
use crate::reception::{Reception, Shared};
use crate::routes::events::check_watcher;
use crate::shop::Shop;
use crate::token::Scope;

/// The buy's id, made by the client (UUIDv7): a repeated request is the same buy.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

type Object = Map<String, Value>;

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/api/rooms/{room}/buy", post(buy::<H>))
        .route("/api/rooms/{room}/products/{id}", put(put_product::<H>))
        .route("/api/rooms/{room}/stock/{variant}", put(set_stock::<H>))
        .route("/api/rooms/{room}/orders", get(orders::<H>))
        .route("/api/rooms/{room}/orders/{buy}", post(settle::<H>))
}

async fn buy<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    peer: PeerAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    let client = reception.client(peer, &headers);
    let token = access::bearer(&headers);
    check_watcher(&reception, token, &room)?;
    let mut message: Object = body::json(&headers, body, reception.json_limits()).await?;
    // Structured headers would have it in quotes (RFC 8941), most clients do not.
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok());
    let key = key
        .map(|key| key.trim().trim_matches('"'))
        .filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| {
        Problem::malformed("Idempotency-Key must carry the buy's id, a UUID made by the client")
    })?;
    name(&mut message, "id", key)?;
    message.insert("v".to_owned(), 1.into());
    message.insert("t".to_owned(), "buy".into());
    let message = encode(&Value::Object(message))?;
    let token = token.map(str::to_owned);
    Ok(reception
        .house
        .shop()
        .buy(&room, token, message, client)
        .await
        .into_response())
}

async fn put_product<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut product = host_request(&reception, &room, &headers, body).await?;
    name(&mut product, "id", &id)?;
    let command = json!({"op": "product.put", "product": product});
    command_shop(&reception, &room, &command).await
}

async fn set_stock<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, variant)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut command = host_request(&reception, &room, &headers, body).await?;
    name(&mut command, "variant", &variant)?;
    command.insert("op".to_owned(), "stock.set".into());
    command_shop(&reception, &room, &Value::Object(command)).await
}

async fn orders<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    reception.require(&headers, Scope::Host, &room)?;
    Ok(reception.house.shop().orders(&room).await.into_response())
}

async fn settle<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, buy)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut command = host_request(&reception, &room, &headers, body).await?;
    name(&mut command, "buy", &buy)?;
    command.insert("op".to_owned(), "order.settle".into());
    command_shop(&reception, &room, &Value::Object(command)).await
}

/// The JSON object of a request that only the room's host may make.
async fn host_request<H: House>(
    reception: &Reception<H>,
    room: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Object, Problem> {
    reception.check_room(room)?;
    reception.require(headers, Scope::Host, room)?;
    body::json(headers, body, reception.json_limits()).await
}

async fn command_shop<H: House>(
    reception: &Reception<H>,
    room: &str,
    command: &Value,
) -> Result<Response, Problem> {
    let command = encode(command)?;
    Ok(reception
        .house
        .shop()
        .command(room, command)
        .await
        .into_response())
}

/// Sets the field that the address already names; a body that names another is a mistake.
fn name(object: &mut Object, field: &'static str, value: &str) -> Result<(), Problem> {
    match object.insert(field.to_owned(), value.into()) {
        Some(other) if other != value => Err(Problem::malformed(format!(
            "{field} in the body differs from the request's, which is {value}"
        ))),
        _ => Ok(()),
    }
}

fn encode(value: &Value) -> Result<Bytes, Problem> {
    let encoded = serde_json::to_vec(value).map_err(|_| Problem::internal())?;
    Ok(Bytes::from(encoded))
}
