//! Changes the stock while a run goes on, by the public API of the shop, so that its way to the viewers can be timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use reqwest::Client;
use serde_json::json;
use tokio::sync::mpsc;

use super::shelf::{Count, Shelf};
use super::tokens::Access;
use crate::crowd::Restocks;
use crate::scenario::Scenario;
use crate::{Error, session};

/// Changes that wait for the one before: a second of the fastest pace. A server that falls further behind gets fewer.
const MAX_WAITING: usize = 20;

/// One changer for each room.
pub(super) struct Restockers {
    rooms: Vec<(Arc<Restocks>, mpsc::Sender<()>)>,
    missed: Arc<AtomicU64>,
}

impl Restockers {
    /// Ready, where some phase changes the stock. Must run on a tokio runtime.
    ///
    /// # Errors
    /// Without a host's token, or when there can be no HTTP client.
    pub(super) fn new(scenario: &Scenario, access: &Access) -> Result<Restockers, Error> {
        let mut restockers = Restockers {
            rooms: Vec::new(),
            missed: Arc::default(),
        };
        let is_wanted = scenario
            .phases
            .iter()
            .any(|phase| phase.stock_changes_per_second > 0.0);
        let Some(shop) = scenario.shop.as_ref().filter(|_| is_wanted) else {
            return Ok(restockers);
        };
        for room in access.rooms() {
            let token = room.host_token.clone().ok_or_else(|| {
                Error::Options(
                    "changes of the stock need server.operator_token: it makes a host's token".into(),
                )
            })?;
            let restocks = Arc::new(Restocks::of(&shop.variant));
            let (sender, ticks) = mpsc::channel(MAX_WAITING);
            let changer = Changer {
                client: session::client()?,
                shelf: Shelf::of(access, room, &shop.variant)?,
                token,
                restocks: restocks.clone(),
            };
            tokio::spawn(changer.run(ticks, restockers.missed.clone()));
            restockers.rooms.push((restocks, sender));
        }
        Ok(restockers)
    }

    /// What is noted of a room's changes.
    pub(super) fn of_room(&self, n: usize) -> Option<Arc<Restocks>> {
        self.rooms.get(n).map(|(restocks, _)| restocks.clone())
    }

    /// The stock changes so often, as soon as it can.
    pub(super) fn change(&self, times: u32) {
        for _ in 0..times {
            for (_, changer) in &self.rooms {
                if changer.try_send(()).is_err() {
                    self.missed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Changes that were asked for and did not come about.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// Changes the stock of one room, one change after the other.
struct Changer {
    client: Client,
    shelf: Shelf,
    token: String,
    restocks: Arc<Restocks>,
}

impl Changer {
    async fn run(self, mut ticks: mpsc::Receiver<()>, missed: Arc<AtomicU64>) {
        let mut known = None;
        while ticks.recv().await.is_some() {
            if known.is_none() {
                known = self.shelf.count(&self.client, &self.token).await;
            }
            known = match known {
                Some(count) => self.add(count).await,
                None => None,
            };
            if known.is_none() {
                missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// One unit more.
    async fn add(&self, count: Count) -> Option<Count> {
        self.restocks.begin(count.available + 1, Instant::now());
        let request = self
            .client
            .put(self.shelf.one.clone())
            .bearer_auth(&self.token)
            .json(&json!({ "on_hand": count.on_hand + 1 }));
        let response = request.send().await.ok()?.error_for_status().ok()?;
        Count::of(&response.json().await.ok()?)
    }
}
