//! What clients say, and who may say it.

use super::moment::Moment;
use super::{Shop, Waiting};
use crate::ledger::{Action, Buyer};
use crate::message::{BuyMessage, ClientMessage, NoticeCode, ServerMessage, parse_message, reference};
use crate::{Channel, ClientId, Identities, Output, Role, UnixMillis};

impl Shop {
    pub(super) fn take_message(
        &mut self,
        now: UnixMillis,
        id: ClientId,
        bytes: &[u8],
        identities: &dyn Identities,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let paced = self.pace.message(client.from, now);
        if client.messages.take(now).is_err() {
            self.outputs.push_back(Output::Disconnect { client: id });
            self.disconnect(id);
            return;
        }
        if let Err(wait) = paced {
            let text = "too much comes from your address";
            return self.notice(
                now,
                id,
                NoticeCode::TooFast,
                text,
                reference(bytes).as_deref(),
                Some(wait),
            );
        }
        let message = match parse_message(bytes) {
            Ok(message) => message,
            Err(bad) => {
                let about = reference(bytes);
                return self.notice(now, id, NoticeCode::BadMessage, &bad.0, about.as_deref(), None);
            }
        };
        if let ClientMessage::Hello(hello) = message {
            return self.say_hello(now, id, hello, identities);
        }
        if client.identity.is_none() {
            return self.notice(now, id, NoticeCode::HelloFirst, "say hello first", None, None);
        }
        match message {
            ClientMessage::Hello(_) | ClientMessage::Unknown => {}
            ClientMessage::Buy(buy) => self.take_buy(now, id, buy),
            ClientMessage::Cancel { buy } => self.take_cancel(now, id, buy),
            ClientMessage::CheckPromo { id: about, code } => self.take_promo(now, id, about, code),
            ClientMessage::Cart { lines } => self.take_cart(now, id, lines),
            ClientMessage::Talk(message) => self.take_talk(now, id, message),
            ClientMessage::Ping { n } => self.tell(now, id, Channel::Shop, &ServerMessage::Pong { n }),
            ClientMessage::Host {
                id: about,
                command,
                captured_at,
            } => {
                let role = self
                    .clients
                    .get(&id)
                    .and_then(|client| client.identity.as_ref())
                    .map(|known| known.role);
                let moderates = role == Some(Role::Moderator) && command.is_moderation();
                if role == Some(Role::Host) || moderates {
                    let at = Moment::captured(now, captured_at);
                    self.take_command(at, id, (about, bytes), command);
                } else {
                    let text = "this needs the host's right";
                    self.notice(now, id, NoticeCode::Forbidden, text, Some(&about), None);
                }
            }
        }
    }

    fn take_buy(&mut self, now: UnixMillis, id: ClientId, buy: BuyMessage) {
        let guest_checkout = self.config.guest_checkout;
        let (hold_ms, turn_ms) = (self.config.hold_ms, self.config.turn_ms);
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let Some(identity) = &client.identity else { return };
        if identity.anonymous && !guest_checkout {
            let text = "buying needs a customer's token";
            return self.notice(now, id, NoticeCode::Forbidden, text, Some(&buy.id), None);
        }
        if client.buying.as_ref() == Some(&buy.id) {
            // A repetition: the receipt is on its way.
            return;
        }
        let wait = match &client.buying {
            Some(_) => Err(500),
            None => self.pace.buy(&client.room, &identity.subject, now),
        };
        if let Err(wait) = wait {
            let text = "one buy at a time, and a few in ten seconds";
            return self.notice(now, id, NoticeCode::TooFast, text, Some(&buy.id), Some(wait));
        }
        let buyer = Buyer {
            subject: identity.subject.clone(),
            name: identity.name.clone(),
        };
        let (room, about) = (client.room.clone(), buy.id.clone());
        let action = Action::Buy {
            buyer,
            buy,
            hold_ms,
            turn_ms,
        };
        if self.ask_ledger(&room, action, Waiting::Buy(id)) {
            if let Some(client) = self.clients.get_mut(&id) {
                client.buying = Some(about);
            }
        } else {
            self.busy(now, id, &about);
        }
    }

    fn take_promo(&mut self, now: UnixMillis, id: ClientId, about: String, code: String) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let Some(identity) = &client.identity else { return };
        // Codes are guessed at the pace of buys.
        if let Err(wait) = self.pace.buy(&client.room, &identity.subject, now) {
            let text = "a few codes in ten seconds";
            return self.notice(now, id, NoticeCode::TooFast, text, Some(&about), Some(wait));
        }
        let (subject, room) = (identity.subject.clone(), client.room.clone());
        let action = Action::CheckPromo { subject, code };
        let waiting = Waiting::command(id, &about);
        if !self.ask_ledger(&room, action, waiting) {
            self.busy(now, id, &about);
        }
    }

    fn take_cancel(&mut self, now: UnixMillis, id: ClientId, buy: String) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let Some(identity) = &client.identity else { return };
        let (subject, room, about) = (identity.subject.clone(), client.room.clone(), buy.clone());
        let action = Action::Cancel { subject, buy };
        let waiting = Waiting::command(id, &about);
        if !self.ask_ledger(&room, action, waiting) {
            self.busy(now, id, &about);
        }
    }
}
