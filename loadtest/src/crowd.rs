//! The seam between a scenario, which says what happens when, and the viewers to whom it happens.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::measure::{GroupId, Recorder};

/// Viewers of several groups, on threads of their own.
///
/// A crowd obeys at once; the pace is the caller's. It measures without being asked.
pub trait Crowd: Send {
    /// Does something. Never waits.
    fn command(&mut self, command: Command);

    /// What was measured since the last time; about a second late at most.
    fn take(&mut self) -> Recorder;

    /// Everybody leaves properly, within a bounded time; returns what was measured since the last [`Crowd::take`].
    fn stop(self: Box<Self>) -> Pin<Box<dyn Future<Output = Recorder> + Send>>;
}

/// What a crowd is told.
#[derive(Debug, Clone)]
pub enum Command {
    /// Start these joins now.
    Join {
        /// Of which group.
        group: GroupId,
        /// How many.
        count: u32,
    },
    /// Those who have been there longest leave, each with a DELETE.
    Leave {
        /// Of which group.
        group: GroupId,
        /// How many.
        count: u32,
    },
    /// Those who have been there longest fall silent, without a word: a phone that lost its network.
    Vanish {
        /// Of which group.
        group: GroupId,
        /// How many.
        count: u32,
    },
    /// That many say a line each, now. The line carries its send time.
    Chat {
        /// Of which group.
        group: GroupId,
        /// How many.
        count: u32,
    },
    /// That many of those who have not bought yet buy now.
    Buy {
        /// Of which group.
        group: GroupId,
        /// How many.
        count: u32,
        /// What.
        buy: Arc<Buy>,
    },
}

/// Viewers who have the same server, room, line and habits.
#[derive(Debug, Clone)]
pub struct Group {
    /// The name in the report.
    pub name: String,
    /// The WHEP endpoint.
    pub whep: Url,
    /// The bearer token, when the endpoint wants one.
    pub token: Option<String>,
    /// The share of viewers, 0 to 1, whose packets are all authenticated and decrypted. Of the others headers are counted.
    pub inspect: f64,
    /// The line they are on.
    pub network: Network,
    /// The shop they take part in; none where the server has none.
    pub shop: Option<Shop>,
}

/// The shop side of a group, by the public overlay protocol.
#[derive(Debug, Clone)]
pub struct Shop {
    /// The server: `api/…` is joined to it.
    pub api: Url,
    /// The room.
    pub room: String,
    /// A token with the scope `operator`: it makes the buyers' own. Without one, viewers cannot buy.
    pub operator_token: Option<String>,
    /// How its messages go.
    pub by: ShopBy,
    /// The changes of the stock whose way to viewers is timed.
    pub restocks: Option<Arc<Restocks>>,
}

/// When the newest changes of a variant's stock began, by the units they made available: whoever is told of so many knows
/// how long it took.
#[derive(Debug)]
pub struct Restocks {
    /// The variant.
    pub variant: String,
    begun: RwLock<VecDeque<(u64, Instant)>>,
}

/// Changes remembered: at twenty a second, news of three seconds ago is still timed.
const MAX_RESTOCKS: usize = 64;

impl Restocks {
    /// None yet.
    pub fn of(variant: &str) -> Restocks {
        Restocks {
            variant: variant.to_owned(),
            begun: RwLock::default(),
        }
    }

    /// A change begins that will leave so many units available.
    pub fn begin(&self, available: u64, now: Instant) {
        let mut begun = self.begun.write().unwrap_or_else(PoisonError::into_inner);
        begun.truncate(MAX_RESTOCKS - 1);
        begun.push_front((available, now));
    }

    /// When the newest change to so many units began; none when it is none of ours, or forgotten.
    pub fn begun(&self, available: u64) -> Option<Instant> {
        let begun = self.begun.read().unwrap_or_else(PoisonError::into_inner);
        begun
            .iter()
            .find(|(known, _)| *known == available)
            .map(|(_, at)| *at)
    }
}

/// How a group speaks to the shop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShopBy {
    /// On the data channels of the viewer's own peer connection.
    #[default]
    Channel,
    /// By event stream and POST.
    Http,
}

/// A buy many want to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Buy {
    /// The variant.
    pub variant: String,
    /// How many units each wants, 1 or more.
    pub quantity: u32,
    /// The price version the buyers name.
    pub price_version: u64,
    /// How often each sends the same buy, 1 or more.
    pub repeats: u32,
    /// The share, 0 to 1, of those who break off before the receipt and ask again.
    pub hang_up: f64,
}

/// A viewer's line, modelled inside the client. The default is the line as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Kilobits per second toward the viewer; unlimited when not given.
    pub rate_kbps: Option<u32>,
    /// How long a packet waits at most in front of that rate, milliseconds; what waits longer is lost. 0: [`Network::QUEUE_MS`].
    pub queue_ms: u32,
    /// One-way delay toward the viewer, milliseconds; as much again on the way back.
    pub delay_ms: u32,
    /// Delay added at random, 0 to this, milliseconds.
    pub jitter_ms: u32,
    /// The share of packets lost, 0 to 1.
    pub loss: f64,
    /// How many packets are lost in a row on average, 1 or more (0 counts as 1).
    pub burst: f64,
    /// The share of packets that arrive twice, 0 to 1.
    pub duplicates: f64,
    /// The share of media packets toward the viewer that others overtake, 0 to 1.
    pub reorder: f64,
    /// Decides the run: viewer `n` draws from `seed + n`.
    pub seed: u64,
}

impl Network {
    /// A queue of a common home router.
    pub const QUEUE_MS: u32 = 200;
}
