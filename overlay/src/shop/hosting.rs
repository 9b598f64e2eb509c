//! What hosts do. Changes of the shop go by the ledger; what is said is ours.

use std::sync::Arc;

use super::moderation::{Moved, Unmoved};
use super::moment::Moment;
use super::{Shop, Waiting};
use crate::ledger::Action;
use crate::message::{HostCommand, NoticeCode, ServerMessage, is_uuid, spelled_command};
use crate::{Channel, ClientId, Condition, Reply, RequestId};

/// A command that was asked for.
pub(super) struct Asked {
    pub(super) condition: Condition,
    pub(super) command: HostCommand,
    /// As it was written, in one spelling.
    pub(super) body: String,
}

impl HostCommand {
    /// Whether moderators may do it, too.
    pub(super) fn is_moderation(&self) -> bool {
        matches!(self, HostCommand::Talk(command) if command.is_moderation())
    }
}

impl Unmoved {
    fn code_and_text(self) -> (NoticeCode, String) {
        match self {
            Unmoved::NotFound(what) => (NoticeCode::NotFound, format!("there is no {what}")),
            Unmoved::NotPossible(why) => (NoticeCode::NotPossible, why.to_owned()),
        }
    }
}

impl Shop {
    /// A command of a client who may give it, and the message it came in.
    pub(super) fn take_command(
        &mut self,
        at: Moment,
        id: ClientId,
        (about, message): (String, &[u8]),
        command: HostCommand,
    ) {
        let Some((room, subject)) = self.person(id) else {
            return;
        };
        let now = at.now;
        match command {
            HostCommand::Talk(command) => match self.moderate_once(at, &room, (&subject, &about), command) {
                Ok(Moved::ToKeep) => {
                    if !self.keep(now, &room, Waiting::command(id, &about)) {
                        self.busy(now, id, &about);
                    }
                }
                Ok(Moved::Done) => self.tell(now, id, Channel::Shop, &ServerMessage::Done { r#ref: &about }),
                Err(unmoved) => {
                    let (code, text) = unmoved.code_and_text();
                    self.notice(now, id, code, &text, Some(&about), None);
                }
            },
            command => {
                let waiting = Waiting::Command {
                    client: id,
                    about: about.clone(),
                    captured_at: at.captured_at,
                };
                // What is asked for again is remembered by the ledger, as it is for requests.
                let action = if is_uuid(&about) {
                    Action::ChangeOnce {
                        key: Some(about.clone()),
                        if_version: None,
                        command,
                        body: spelled_command(message),
                    }
                } else {
                    Action::Change(command)
                };
                if !self.ask_ledger(&room, action, waiting) {
                    self.busy(now, id, &about);
                }
            }
        }
    }

    /// The same by request.
    pub(super) fn take_requested_command(
        &mut self,
        at: Moment,
        request: RequestId,
        room: &Arc<str>,
        asked: Asked,
    ) {
        let Asked {
            condition,
            command,
            body,
        } = asked;
        if !self.enter(at.now, room) {
            return self.reply(request, Reply::Unavailable);
        }
        match command {
            HostCommand::Talk(command) => {
                let reply = match self.moderate(at, room, command) {
                    Ok(Moved::ToKeep) => {
                        if self.keep(at.now, room, Waiting::Request(request)) {
                            return;
                        }
                        Reply::Unavailable
                    }
                    Ok(Moved::Done) => Reply::Done,
                    Err(unmoved) => match unmoved.code_and_text() {
                        (NoticeCode::NotFound, text) => Reply::NotFound(text),
                        (_, text) => Reply::Conflict(text),
                    },
                };
                self.reply(request, reply);
            }
            command => {
                let action = match condition {
                    Condition {
                        key: None,
                        if_version: None,
                    } => Action::Change(command),
                    Condition { key, if_version } => Action::ChangeOnce {
                        key,
                        if_version,
                        command,
                        body,
                    },
                };
                if !self.ask_ledger(room, action, Waiting::Request(request)) {
                    self.reply(request, Reply::Unavailable);
                }
            }
        }
    }
}
