//! What hosts do. Changes of the shop go by the ledger; the chat is ours.

use std::sync::Arc;

use super::{Shop, Waiting};
use crate::ledger::Action;
use crate::message::{HostCommand, ServerMessage};
use crate::{Channel, ClientId, Reply, RequestId, UnixMillis};

impl HostCommand {
    /// Whether moderators may do it, too.
    pub(super) fn is_moderation(&self) -> bool {
        matches!(
            self,
            HostCommand::DeleteChat { .. } | HostCommand::Mute { .. } | HostCommand::Slow { .. }
        )
    }
}

impl Shop {
    /// A command of a client who may give it.
    pub(super) fn take_command(
        &mut self,
        now: UnixMillis,
        id: ClientId,
        about: String,
        command: HostCommand,
    ) {
        let Some(room) = self.clients.get(&id).map(|client| client.room.clone()) else {
            return;
        };
        match self.moderate(now, &room, command) {
            Ok(true) => self.tell(now, id, Channel::Shop, &ServerMessage::Done { r#ref: &about }),
            Ok(false) => self.notice(now, id, "not_found", "there is no such line", Some(&about), None),
            Err(command) => {
                let waiting = Waiting::Done(id, about.clone());
                if !self.ask_ledger(&room, Action::Change(command), waiting) {
                    self.notice(
                        now,
                        id,
                        "unavailable",
                        "the shop is busy, try again",
                        Some(&about),
                        Some(1000),
                    );
                }
            }
        }
    }

    /// The same by request.
    pub(super) fn take_requested_command(
        &mut self,
        now: UnixMillis,
        request: RequestId,
        room: &Arc<str>,
        command: HostCommand,
    ) {
        if !self.enter(room) {
            return self.reply(request, Reply::Unavailable);
        }
        match self.moderate(now, room, command) {
            Ok(true) => self.reply(request, Reply::Done),
            Ok(false) => self.reply(request, Reply::NotFound("there is no such line".to_owned())),
            Err(command) => {
                if !self.ask_ledger(room, Action::Change(command), Waiting::Request(request)) {
                    self.reply(request, Reply::Unavailable);
                }
            }
        }
    }

    /// Carries out what concerns the chat: whether there was something to do it to. Gives back what is the ledger's.
    fn moderate(&mut self, now: UnixMillis, room: &str, command: HostCommand) -> Result<bool, HostCommand> {
        let Some(show) = self.shows.get_mut(room) else {
            return Ok(false);
        };
        let event = match command {
            HostCommand::DeleteChat { message } => {
                let before = show.chat.len();
                show.chat.retain(|line| line.id != message);
                if show.chat.len() == before {
                    return Ok(false);
                }
                show.event(now, Channel::Chat, &ServerMessage::ChatDeleted { id: &message })
            }
            HostCommand::Mute { user } => {
                show.mute(user);
                return Ok(true);
            }
            HostCommand::Slow { seconds } => {
                show.slow_seconds = seconds;
                show.event(
                    now,
                    Channel::Chat,
                    &ServerMessage::ChatMode {
                        slow_seconds: seconds,
                    },
                )
            }
            HostCommand::Announce(text) => {
                show.event(now, Channel::Shop, &ServerMessage::Announcement { text: &text })
            }
            command => return Err(command),
        };
        self.outputs.push_back(event);
        Ok(true)
    }
}
