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
        let shelf = Shelf::of(access, room, &shop.variant)?;
        // What is held or sold is on hand, too: so many are to be had, whatever a test before this one has bought.
        let known = shelf.count(&client, token).await;
        let taken = known.map_or(0, |count| count.on_hand.saturating_sub(count.available));
        let units = json!({ "on_hand": taken + u64::from(units) });
        let stock = shelf.one;
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

/// Where the stock of a variant is.
pub(super) struct Shelf {
    variant: String,
    all: Url,
    /// The variant's own.
    pub(super) one: Url,
}

impl Shelf {
    pub(super) fn of(access: &Access, room: &Room, variant: &str) -> Result<Shelf, Error> {
        Ok(Shelf {
            variant: variant.to_owned(),
            all: endpoint(access, room, "stock")?,
            one: endpoint(access, room, &format!("stock/{variant}"))?,
        })
    }

    /// Units on hand and available now; none where there is no such variant.
    pub(super) async fn count(&self, client: &Client, token: &str) -> Option<Count> {
        let response = client.get(self.all.clone()).bearer_auth(token).send();
        let body: Value = response.await.ok()?.error_for_status().ok()?.json().await.ok()?;
        let variants = body.get("stock")?.as_array()?;
        let is_ours = |count: &&Value| count.get("variant").and_then(Value::as_str) == Some(&self.variant);
        Count::of(variants.iter().find(is_ours)?)
    }
}

/// A count of the stock.
#[derive(Clone, Copy)]
pub(super) struct Count {
    pub(super) on_hand: u64,
    pub(super) available: u64,
}

impl Count {
    pub(super) fn of(count: &Value) -> Option<Count> {
        let of = |name: &str| count.get(name)?.as_u64();
        Some(Count {
            on_hand: of("on_hand")?,
            available: of("available")?,
        })
    }
}

fn endpoint(access: &Access, room: &Room, path: &str) -> Result<Url, Error> {
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
