//! Chat: everybody reads it, so who writes is bounded.

use super::Shop;
use super::client::role_name;
use crate::message::{ChatLine, Person, ServerMessage};
use crate::{Channel, ClientId, Role, UnixMillis};

impl Shop {
    pub(super) fn take_chat(&mut self, now: UnixMillis, id: ClientId, line: String, text: String) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let Some(identity) = client.identity.clone() else {
            return;
        };
        let Some(show) = self.shows.get_mut(&client.room) else {
            return;
        };
        let is_viewer = identity.role == Role::Viewer;
        if is_viewer && show.is_muted(&identity.subject) {
            return self.notice(
                now,
                id,
                "muted",
                "you cannot write in this chat",
                Some(&line),
                None,
            );
        }
        if let Some(wait) = show.slow_mode_wait(&identity.subject, now).filter(|_| is_viewer) {
            let text = format!("slow mode: one line every {} seconds", show.slow_seconds);
            return self.notice(now, id, "slow_mode", &text, Some(&line), Some(wait));
        }
        if let Err(wait) = client.chat.take(now) {
            return self.notice(now, id, "too_fast", "you write too fast", Some(&line), Some(wait));
        }
        show.note_spoken(&identity.subject, now);
        let said = ChatLine {
            id: format!("c{}", self.next_chat),
            r#ref: Some(line),
            user: Person {
                id: identity.subject,
                name: identity.name,
                role: role_name(identity.role).to_owned(),
            },
            text,
        };
        self.next_chat += 1;
        let event = show.event(now, Channel::Chat, &ServerMessage::Chat(&said));
        show.add_chat(said);
        self.outputs.push_back(event);
    }
}
