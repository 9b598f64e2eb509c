//! What every route needs: the house, the settings, the sessions.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use tokio::sync::watch;

use crate::access;
use crate::body::BodyLimits;
use crate::complaint::Complaint;
use crate::files::Files;
use crate::house::House;
use crate::network::is_private;
use crate::origin::{PeerAddress, client_address, household};
use crate::pace::Pace;
use crate::problem::Problem;
use crate::sessions::{Sessions, Slot};
use crate::settings::DoorSettings;
use crate::shop::Shop;
use crate::token::{Claims, Scope, Tokens};

/// How soon an address that has too many sessions may try again: sessions end when people leave.
const SLOT_WAIT: Duration = Duration::from_secs(10);

/// The state of the routes.
pub(crate) struct Reception<H> {
    pub(crate) house: H,
    pub(crate) settings: DoorSettings,
    pub(crate) tokens: Tokens,
    pub(crate) sessions: Sessions,
    /// Pages and what belongs to them.
    pub(crate) files: Files,
    /// Turns true when event streams must end because the door closes.
    pub(crate) closing: watch::Receiver<bool>,
    pace: Pace,
    /// Of messages in the name of nobody.
    guesses: Pace,
    /// Of addresses with too many sessions, and with too many requests.
    crowded: Mutex<Complaint>,
    hurried: Mutex<Complaint>,
}

/// The state as handlers take it.
pub(crate) type Shared<H> = Arc<Reception<H>>;

impl<H: House> Reception<H> {
    pub(crate) fn new(
        house: H,
        settings: DoorSettings,
        tokens: Tokens,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Reception {
            house,
            tokens,
            files: Files::new(settings.front_room.as_deref()),
            sessions: Sessions::new(settings.sessions_per_address, Instant::now()),
            closing,
            pace: Pace::new(settings.session_requests_per_second),
            guesses: Pace::new(settings.session_requests_per_second),
            crowded: Mutex::default(),
            hurried: Mutex::default(),
            settings,
        }
    }

    pub(crate) fn sdp_limits(&self) -> BodyLimits {
        BodyLimits {
            max_bytes: self.settings.sdp_max_bytes,
            timeout: self.settings.body_timeout,
        }
    }

    pub(crate) fn json_limits(&self) -> BodyLimits {
        BodyLimits {
            max_bytes: self.settings.json_max_bytes,
            timeout: self.settings.body_timeout,
        }
    }

    pub(crate) fn check_room(&self, room: &str) -> Result<(), Problem> {
        match self.settings.rooms.allows(room) {
            true => Ok(()),
            false => Err(Problem::no_such_room()),
        }
    }

    /// Whether watching the room needs a token.
    pub(crate) fn watching_needs_token(&self, room: &str) -> bool {
        self.settings.watch_needs_token || self.house.shop().is_private(room)
    }

    /// The claims of the request's token, which must have the scope for the room.
    pub(crate) fn require(&self, headers: &HeaderMap, scope: Scope, room: &str) -> Result<Claims, Problem> {
        access::require(&self.tokens, access::bearer(headers), unix_seconds(), scope, room)
    }

    /// Where a request comes from.
    pub(crate) fn client(&self, peer: PeerAddress, headers: &HeaderMap) -> IpAddr {
        client_address(peer, headers, &self.settings.trusted_proxies)
    }

    /// Counts a request that changes sessions.
    pub(crate) fn keep_pace(&self, client: IpAddr) -> Result<(), Problem> {
        if is_private(client) {
            return Ok(());
        }
        let taken = self.pace.take(household(client), Instant::now());
        taken.map_err(|wait| {
            complain(&self.hurried, client, "http_session_requests_per_second");
            let detail = "too many requests from this address (http_session_requests_per_second)";
            Problem::too_many(detail, wait)
        })
    }

    /// Whether an address may name a client of the shop: whoever has named too many who are not there may not for a
    /// while, for each name is looked up where buys wait, too.
    pub(crate) fn may_name(&self, client: IpAddr) -> Result<(), Problem> {
        match self.guesses.wait(household(client), Instant::now()) {
            Some(wait) => Err(Problem::too_many("too many messages of unknown clients", wait)),
            None => Ok(()),
        }
    }

    /// An address named a client who is not there.
    pub(crate) fn named_nobody(&self, client: IpAddr) {
        if !is_private(client) {
            // Full or not: the next one is asked before.
            let _ = self.guesses.take(household(client), Instant::now());
        }
    }

    /// The right of this address to one more session or stream.
    pub(crate) fn slot(&self, client: IpAddr) -> Result<Slot, Problem> {
        self.sessions.slot(client).ok_or_else(|| {
            complain(&self.crowded, client, "http_sessions_per_address");
            let most = self.settings.sessions_per_address;
            let detail = format!(
                "this address has as many sessions and event streams as it may have, {most} (http_sessions_per_address)"
            );
            Problem::too_many(detail, SLOT_WAIT)
        })
    }
}

/// Tells the operator, who cannot know it from numbers: behind a proxy that was not made known all viewers are one.
fn complain(complaint: &Mutex<Complaint>, client: IpAddr, bound: &str) {
    let mut complaint = complaint.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(times) = complaint.again(Instant::now()) {
        tracing::warn!(
            %client, times,
            "requests are refused, beyond {bound}; or http_trusted_proxies lacks that address, where it is a proxy's"
        );
    }
}

/// The clock of tokens, seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

impl<S: Sync> FromRequestParts<S> for PeerAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<PeerAddress>().copied();
        // Only a router that is not behind our listener could lack it.
        peer.ok_or_else(Problem::internal)
    }
}
