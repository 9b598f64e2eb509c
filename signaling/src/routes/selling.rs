//! Buying and selling by single requests: the same commands and the same ledger as on the data channels.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::access;
use crate::body;
use crate::house::House;
use crate::origin::PeerAddress;
use crate::problem::Problem;
use crate::reception::{Reception, Shared};
use crate::routes::events::check_watcher;
use crate::shop::{HostRequest, Shop, ShopList};
use crate::token::Scope;

/// The client's name for what it asks: a repeated request is the same one. For a buy its id, a UUIDv7.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Characters of the longest key of a host's change.
const KEY_MAX: usize = 64;

type Object = Map<String, Value>;

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/api/rooms/{room}/buy", post(buy::<H>))
        .route("/api/rooms/{room}/commands", post(command::<H>))
        .route("/api/rooms/{room}/products", get(products::<H>))
        .route("/api/rooms/{room}/products/{id}", put(put_product::<H>))
        .route("/api/rooms/{room}/stock", list(ShopList::Stock))
        .route("/api/rooms/{room}/stock/{variant}", put(set_stock::<H>))
        .route("/api/rooms/{room}/promos", list(ShopList::Promos))
        .route("/api/rooms/{room}/orders", list(ShopList::Orders))
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
    let key = idempotency_key(&headers).ok_or_else(|| {
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

/// Any command of a host (`overlay/PROTOCOL.md`).
async fn command<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let command = host_request(&reception, &room, &headers, body).await?;
    command_shop(&reception, &room, &headers, command).await
}

async fn put_product<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut product = host_request(&reception, &room, &headers, body).await?;
    name(&mut product, "id", &id)?;
    let mut command = Object::new();
    command.insert("op".to_owned(), "product.put".into());
    command.insert("product".to_owned(), Value::Object(product));
    command_shop(&reception, &room, &headers, command).await
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
    // The count has a version of its own, which the command names.
    if let Some(version) = if_match(&headers)? {
        command.insert("version".to_owned(), version.into());
    }
    let mut headers = headers;
    headers.remove(IF_MATCH);
    command_shop(&reception, &room, &headers, command).await
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
    command_shop(&reception, &room, &headers, command).await
}

/// A list that is the host's alone.
fn list<H: House>(list: ShopList) -> MethodRouter<Shared<H>> {
    get(
        async move |State(reception): State<Shared<H>>, Path(room): Path<String>, headers: HeaderMap| {
            reception.check_room(&room)?;
            reception.require(&headers, Scope::Host, &room)?;
            Ok::<_, Problem>(reception.house.shop().list(&room, list).await.into_response())
        },
    )
}

/// The products, for everybody who may watch.
async fn products<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    check_watcher(&reception, access::bearer(&headers), &room)?;
    let products = reception.house.shop().list(&room, ShopList::Products).await;
    Ok(products.into_response())
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
    headers: &HeaderMap,
    command: Object,
) -> Result<Response, Problem> {
    let key = idempotency_key(headers);
    if key.is_some_and(|key| key.len() > KEY_MAX) {
        return Err(Problem::malformed(format!(
            "Idempotency-Key has at most {KEY_MAX} characters"
        )));
    }
    let request = HostRequest {
        command: encode(&Value::Object(command))?,
        key: key.map(str::to_owned),
        if_version: if_match(headers)?,
    };
    Ok(reception
        .house
        .shop()
        .command(room, request)
        .await
        .into_response())
}

/// Structured headers would have it in quotes (RFC 8941), most clients do not.
fn idempotency_key(headers: &HeaderMap) -> Option<&str> {
    let key = headers.get(IDEMPOTENCY_KEY)?.to_str().ok()?;
    Some(key.trim().trim_matches('"')).filter(|key| !key.is_empty())
}

/// The version that a change is for (RFC 9110 §13.1.1); none with `*`.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let tag = value.to_str().map(str::trim).unwrap_or_default();
    if tag == "*" {
        return Ok(None);
    }
    let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let version = version.and_then(|version| version.parse().ok());
    let wrong = || Problem::malformed("If-Match is one version as the ETag gave it, \"7\", or *");
    version.map(Some).ok_or_else(wrong)
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
