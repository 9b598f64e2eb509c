//! The rooms of a run and how to get into them.

use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use crate::scenario::{Scenario, Server};
use crate::token::make_token;
use crate::{Error, peer, session};

/// Tokens outlive the longest run the scenario can make by this: joins and goodbyes take time.
const TOKEN_MARGIN_SECONDS: u64 = 3_600;

/// Where the rooms are, and the tokens for them.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// The server.
    pub(super) base: Url,
    rooms: Vec<Room>,
}

/// One room.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) whip: Url,
    pub(super) whep: Url,
    pub(super) publish_token: Option<String>,
    pub(super) watch_token: Option<String>,
    /// For the shop: `host` of this room.
    pub(super) host_token: Option<String>,
}

impl Access {
    /// Works out the endpoints, refuses targets that are not this machine unless that is allowed, and makes the tokens
    /// that an operator's token makes.
    pub(super) async fn gain(scenario: &Scenario, i_own_this_server: bool) -> Result<Self, Error> {
        let server = &scenario.server;
        let base: Url = server
            .url
            .parse()
            .map_err(|error| Error::Options(format!("server.url: {error}")))?;
        let mut rooms = Vec::new();
        for n in 0..server.rooms {
            let name = if server.rooms == 1 {
                server.room.clone()
            } else {
                format!("{}{}", server.room, n + 1)
            };
            rooms.push(room(&base, server, name)?);
        }
        let metrics = base.join(&server.metrics).unwrap_or_else(|_| base.clone());
        let endpoints = rooms
            .iter()
            .flat_map(|room| [&room.whip, &room.whep])
            .chain([&base, &metrics]);
        for url in endpoints {
            if !i_own_this_server && !peer::is_loopback(url) {
                return Err(Error::Options(format!(
                    "{url} is not this machine; if that server is yours, say --i-own-this-server"
                )));
            }
        }
        let mut access = Self { base, rooms };
        if !server.operator_token.is_empty() {
            access.make_tokens(scenario).await?;
        }
        Ok(access)
    }

    /// Whether the server has a shop: whether it knows rooms by the shop's API. One that cannot be asked will say so itself
    /// to what is tried next.
    pub(super) async fn has_shop(&self) -> Result<bool, Error> {
        let room = &self.room(0).name;
        let url = self.base.join(&format!("/api/rooms/{room}"));
        let url = url.map_err(|error| Error::Options(error.to_string()))?;
        let Ok(response) = session::client()?.get(url).send().await else {
            return Ok(true);
        };
        if !response.status().is_success() {
            return Ok(!matches!(
                response.status(),
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
            ));
        }
        // Some servers have a page for every address.
        let known: Value = response.json().await.unwrap_or_default();
        Ok(known.get("room").and_then(Value::as_str) == Some(room))
    }

    /// The room with this number.
    pub(super) fn room(&self, n: u32) -> &Room {
        // There is at least one: the scenario's check holds that.
        #[allow(clippy::indexing_slicing, reason = "a scenario has 1 to 50 rooms")]
        &self.rooms[n as usize % self.rooms.len()]
    }

    /// All rooms.
    pub(super) fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    async fn make_tokens(&mut self, scenario: &Scenario) -> Result<(), Error> {
        let client = session::client()?;
        let endpoint = self
            .base
            .join("/api/tokens")
            .map_err(|error| Error::Options(error.to_string()))?;
        let most = scenario.phase_seconds() as u64 + TOKEN_MARGIN_SECONDS * 2;
        for room in &mut self.rooms {
            let name = room.name.as_str();
            let make = async |scopes: &[&str]| {
                let wish = json!({"scopes": scopes, "room": name, "sub": "loadtest", "ttl_seconds": most});
                make_token(&client, &endpoint, &scenario.server.operator_token, &wish).await
            };
            if room.publish_token.is_none() {
                room.publish_token = Some(make(&["publish", "host"]).await?);
            }
            if room.watch_token.is_none() {
                room.watch_token = Some(make(&["view"]).await?);
            }
            if scenario.shop.is_some() {
                room.host_token = Some(make(&["host"]).await?);
            }
        }
        Ok(())
    }
}

fn room(base: &Url, server: &Server, name: String) -> Result<Room, Error> {
    let endpoint = |key: &str, path: &str| {
        let path = path.replace("{room}", &name);
        base.join(&path)
            .map_err(|error| Error::Options(format!("server.{key}: {error}")))
    };
    let token = |token: &str| (!token.is_empty()).then(|| token.to_owned());
    Ok(Room {
        whip: endpoint("whip", &server.whip)?,
        whep: endpoint("whep", &server.whep)?,
        publish_token: token(&server.publish_token),
        watch_token: token(&server.watch_token),
        host_token: None,
        name,
    })
}
