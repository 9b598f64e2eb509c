//! Puts the units of a sale on the shelf, by the public API of the shop.

use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};

use super::tokens::{Access, Room};
use crate::scenario::Shop;
use crate::{Error, session};

/// The product of a variant that the show does not have yet.
const PRODUCT: &str = "loadtest";

/// Sets the stock of the scenario's variant in every room; makes the product where there is none.
pub(super) async fn stock(shop: &Shop, access: &Access) -> Result<(), Error> {
    let Some(units) = shop.stock else { return Ok(()) };
    let client = session::client()?;
    for room in access.rooms() {
        let token = room.host_token.as_deref().ok_or_else(|| {
            Error::Options(
                "shop.stock needs server.operator_token: a host's token puts units on the shelf".into(),
            )
        })?;
        let stock = endpoint(access, room, &format!("stock/{}", shop.variant))?;
        let units = json!({ "on_hand": units });
        if put(&client, &stock, token, &units).await? == StatusCode::NOT_FOUND {
            let product = endpoint(access, room, &format!("products/{PRODUCT}"))?;
            let price = json!({"minor": 100, "currency": "EUR"});
            let variant = json!({"id": shop.variant, "title": shop.variant, "price": price});
            let body = json!({"id": PRODUCT, "title": "Load test", "variants": [variant]});
            accepted(put(&client, &product, token, &body).await?, &product)?;
            accepted(put(&client, &stock, token, &units).await?, &stock)?;
        }
    }
    Ok(())
}

pub(super) fn endpoint(access: &Access, room: &Room, path: &str) -> Result<Url, Error> {
    let url = access.base.join(&format!("/api/rooms/{}/{path}", room.name));
    url.map_err(|error| Error::Options(error.to_string()))
}

/// The status when it is a success or says that there is no such thing.
async fn put(client: &Client, url: &Url, token: &str, body: &Value) -> Result<StatusCode, Error> {
    let response = client
        .put(url.clone())
        .bearer_auth(token)
        .json(body)
        .send()
        .await?;
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_FOUND {
        return Ok(status);
    }
    Err(Error::Refused {
        status: status.as_u16(),
        body: response.text().await.unwrap_or_default(),
        retry_after: None,
    })
}

fn accepted(status: StatusCode, url: &Url) -> Result<(), Error> {
    let missing = || Error::Refused {
        status: status.as_u16(),
        body: format!("{url} is not there"),
        retry_after: None,
    };
    status.is_success().then_some(()).ok_or_else(missing)
}
