//! What is asked over HTTP, without a client that listens.

use std::net::IpAddr;
use std::sync::Arc;

use super::hosting::Asked;
use super::{Shop, Waiting};
use crate::ledger::{Action, Buyer};
use crate::message::{ClientMessage, Product, one_spelling, parse_command, parse_message};
use crate::{Condition, Identities, List, Reply, RequestId, UnixMillis};

impl Shop {
    /// A buy; the reply is its receipt. The token says who buys.
    pub fn request_buy(
        &mut self,
        now: UnixMillis,
        request: RequestId,
        (room, from): (&Arc<str>, IpAddr),
        token: Option<&str>,
        message: &[u8],
        identities: &dyn Identities,
    ) {
        if let Err(retry_after_ms) = self.pace.message(from, now) {
            return self.reply(request, Reply::TooMany { retry_after_ms });
        }
        let buy = match parse_message(message) {
            Ok(ClientMessage::Buy(buy)) => buy,
            Ok(_) => {
                return self.reply(
                    request,
                    Reply::Bad("a message of kind buy is expected".to_owned()),
                );
            }
            Err(bad) => return self.reply(request, Reply::Bad(bad.0)),
        };
        let Some(token) = token else {
            let text = "a buy by HTTP needs a token: without one nobody could repeat it".to_owned();
            return self.reply(request, Reply::Bad(text));
        };
        let identity = match identities.verify(token, room) {
            Ok(identity) => identity,
            Err(why) => return self.reply(request, Reply::Bad(why)),
        };
        if identity.anonymous && !self.config.guest_checkout {
            return self.reply(request, Reply::Bad("buying needs a customer's token".to_owned()));
        }
        if let Err(retry_after_ms) = self.pace.buy(room, &identity.subject, now) {
            return self.reply(request, Reply::TooMany { retry_after_ms });
        }
        let buyer = Buyer {
            subject: identity.subject,
            name: identity.name,
        };
        let action = Action::Buy {
            buyer,
            buy,
            hold_ms: self.config.hold_ms,
            turn_ms: self.config.turn_ms,
        };
        if !self.ask_ledger(room, action, Waiting::Request(request)) {
            self.reply(request, Reply::Unavailable);
        }
    }

    /// A host's command, whose right was checked.
    pub fn request_command(
        &mut self,
        now: UnixMillis,
        request: RequestId,
        room: &Arc<str>,
        condition: Condition,
        command: &[u8],
    ) {
        match parse_command(command) {
            Ok(parsed) => {
                let asked = Asked {
                    condition,
                    command: parsed,
                    body: one_spelling(command),
                };
                self.take_requested_command(now.into(), request, room, asked);
                self.settle(now, Some(room));
            }
            Err(bad) => self.reply(request, Reply::Bad(bad.0)),
        }
    }

    /// One of the show's lists, whose asker's right was checked.
    pub fn request_list(&mut self, request: RequestId, room: &Arc<str>, list: List) {
        let action = match list {
            List::Orders => Action::Orders,
            List::Stock => Action::Counts,
            List::Promos => Action::Promos,
            List::Products => {
                let show = self.shows.get(room);
                let products: Vec<&Product> = show.iter().flat_map(|show| show.products.values()).collect();
                let body = serde_json::json!({
                    "price_version": show.map_or(1, |show| show.price_version),
                    "products": products,
                });
                return self.reply(request, Reply::Ok(body.to_string().into()));
            }
        };
        if !self.ask_ledger(room, action, Waiting::Request(request)) {
            self.reply(request, Reply::Unavailable);
        }
    }
}
