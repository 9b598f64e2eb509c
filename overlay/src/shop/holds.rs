//! Buyers whose time to pay is nearly over are warned.

use std::collections::BTreeSet;

use super::Shop;
use crate::message::{OrderState, Sale, ServerMessage, encode};
use crate::{Channel, Priority, UnixMillis};

/// The warning comes so long before the end, or when two thirds of a short time are over. Milliseconds.
const BEFORE: i64 = 60_000;

/// Who is to be warned of what, and when. As many as there are open orders.
#[derive(Debug, Default)]
pub(super) struct Warnings(BTreeSet<(i64, String, String)>);

impl Warnings {
    /// Has the buyer warned before a hold ends.
    pub(super) fn arm(&mut self, now: UnixMillis, sale: &Sale) {
        let left = sale.expires_at - now.0;
        if left > 0 {
            let at = sale.expires_at - BEFORE.min(left / 3);
            self.0.insert((at, sale.user.clone(), sale.buy.clone()));
        }
    }

    /// Buyers and buys whose warning is due.
    fn take_due(&mut self, now: UnixMillis) -> Vec<(String, String)> {
        let mut due = Vec::new();
        while self.0.first().is_some_and(|(at, ..)| *at <= now.0)
            && let Some((_, user, buy)) = self.0.pop_first()
        {
            due.push((user, buy));
        }
        due
    }
}

impl Shop {
    /// Warns whose holds end soon.
    pub(super) fn warn_buyers(&mut self, now: UnixMillis) {
        let mut told = Vec::new();
        for show in self.shows.values_mut() {
            for (user, buy) in show.warnings.take_due(now) {
                let is_it = |sale: &&Sale| sale.buy == buy && sale.state == OrderState::Held;
                let Some(sale) = show.orders_of(&user).iter().find(is_it) else {
                    continue;
                };
                let warning = ServerMessage::HoldExpiring {
                    buy: &buy,
                    expires_at: sale.expires_at,
                };
                let warning = encode(&warning, now);
                let clients = show.audience.of_person(&user).iter();
                told.extend(clients.map(|client| (*client, warning.clone())));
            }
        }
        for (client, warning) in told {
            self.send(client, Channel::Shop, Priority::Receipt, warning);
        }
    }
}
