//! What viewers say to the others: everybody reads it, so who writes is bounded.

use super::Shop;
use super::client::role_name;
use super::polls::NoVote;
use crate::ledger::Part;
use crate::message::{
    ChatLine, NoticeCode, Person, Question, QuestionState, Reaction, ServerMessage, TalkMessage,
};
use crate::{Channel, ClientId, Identity, Role, UnixMillis};

/// Why something is not said.
struct Unsaid {
    code: NoticeCode,
    text: String,
    retry_after_ms: Option<i64>,
}

impl Shop {
    pub(super) fn take_talk(&mut self, now: UnixMillis, id: ClientId, message: TalkMessage) {
        match message {
            TalkMessage::Chat { id: line, text } => self.take_chat(now, id, line, text),
            TalkMessage::Question { id: line, text } => self.take_question(now, id, line, text),
            TalkMessage::React { kind, count } => self.take_reaction(now, id, kind, count),
            TalkMessage::Vote { poll, option } => self.take_vote(now, id, &poll, option),
        }
    }

    fn take_chat(&mut self, now: UnixMillis, id: ClientId, line: String, text: String) {
        if self.was_said(id, &line) {
            return self.tell(now, id, Channel::Shop, &ServerMessage::Done { r#ref: &line });
        }
        let identity = match self.may_say(now, id, &text, true) {
            Ok(identity) => identity,
            Err(unsaid) => return self.unsaid(now, id, &line, unsaid),
        };
        let number = self.next_number();
        let Some(show) = self.show_of(id) else { return };
        show.talk.note_spoken(&identity.subject, now);
        show.said.note(&identity.subject, &line);
        let said = ChatLine {
            id: format!("c{number}"),
            r#ref: Some(line),
            user: person(identity),
            text,
        };
        show.tell(now, Channel::Chat, &ServerMessage::Chat(&said));
        show.talk.add_chat(said);
        show.unkept.note(Part::Chat);
    }

    fn take_question(&mut self, now: UnixMillis, id: ClientId, line: String, text: String) {
        if self.was_said(id, &line) {
            return self.tell(now, id, Channel::Shop, &ServerMessage::Done { r#ref: &line });
        }
        let identity = match self.may_say(now, id, &text, false) {
            Ok(identity) => identity,
            Err(unsaid) => return self.unsaid(now, id, &line, unsaid),
        };
        let number = self.next_number();
        let Some(show) = self.show_of(id) else { return };
        let subject = identity.subject.clone();
        let question = Question {
            id: format!("q{number}"),
            r#ref: Some(line.clone()),
            user: person(identity),
            text,
            state: QuestionState::Open,
            answer: None,
        };
        if show.talk.add_question(question.clone()) {
            show.said.note(&subject, &line);
            show.unkept.note(Part::Questions);
            show.tell(now, Channel::Chat, &ServerMessage::Question(&question));
        } else {
            let text = "too many questions wait already";
            self.notice(now, id, NoticeCode::QuestionsFull, text, Some(&line), None);
        }
    }

    /// Whether a client says again what it has said, or a host asks again for what was done.
    pub(super) fn was_said(&self, id: ClientId, about: &str) -> bool {
        let known = self.person(id);
        known.is_some_and(|(room, subject)| {
            let show = self.shows.get(&room);
            show.is_some_and(|show| show.said.has(&subject, about))
        })
    }

    /// Whether somebody may say something now, as a chat line or as a question.
    fn may_say(
        &mut self,
        now: UnixMillis,
        id: ClientId,
        text: &str,
        is_chat: bool,
    ) -> Result<Identity, Unsaid> {
        let unsaid = |code, text: &str, retry_after_ms| Unsaid {
            code,
            text: text.to_owned(),
            retry_after_ms,
        };
        let client = self.clients.get_mut(&id);
        let known = client.and_then(|client| Some((client.identity.clone()?, client)));
        let Some((identity, client)) = known else {
            return Err(unsaid(NoticeCode::HelloFirst, "say hello first", None));
        };
        let Some(show) = self.shows.get_mut(&client.room) else {
            return Err(unsaid(NoticeCode::NotFound, "there is no such show", None));
        };
        if identity.role == Role::Viewer {
            if show.talk.is_muted(&identity.subject) {
                return Err(unsaid(NoticeCode::Muted, "you cannot write in this chat", None));
            }
            if show.talk.is_listed(text) {
                return Err(unsaid(
                    NoticeCode::NotAllowed,
                    "a word in it is not welcome here",
                    None,
                ));
            }
            if is_chat && let Some(wait) = show.talk.slow_mode_wait(&identity.subject, now) {
                let text = format!("slow mode: one line every {} seconds", show.talk.slow_seconds);
                return Err(unsaid(NoticeCode::SlowMode, &text, Some(wait)));
            }
        }
        let bucket = if is_chat {
            &mut client.chat
        } else {
            &mut client.questions
        };
        match bucket.take(now) {
            Ok(()) => Ok(identity),
            Err(wait) => Err(unsaid(NoticeCode::TooFast, "you write too fast", Some(wait))),
        }
    }

    fn unsaid(&mut self, now: UnixMillis, id: ClientId, line: &str, unsaid: Unsaid) {
        let Unsaid {
            code,
            text,
            retry_after_ms,
        } = unsaid;
        self.notice(now, id, code, &text, Some(line), retry_after_ms);
    }

    fn take_reaction(&mut self, now: UnixMillis, id: ClientId, kind: Reaction, count: i64) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Err(wait) = client.reactions.take(now) {
            let text = "sum your reactions up: two messages a second are taken";
            return self.notice(now, id, NoticeCode::TooFast, text, None, Some(wait));
        }
        if let Some(show) = self.show_of(id) {
            let total = show.reactions.entry(kind).or_default();
            *total = total.saturating_add(count.unsigned_abs());
            show.reactions_changed = true;
        }
    }

    fn take_vote(&mut self, now: UnixMillis, id: ClientId, poll: &str, option: i64) {
        let option = usize::try_from(option).unwrap_or(usize::MAX);
        let Some((room, person)) = self.person(id) else {
            return;
        };
        let Some(show) = self.shows.get_mut(&room) else {
            return;
        };
        let (code, text) = match show.polls.vote(poll, &person, option) {
            Ok(()) => return self.tell(now, id, Channel::Shop, &ServerMessage::Voted { poll, option }),
            // The answer of a vote that is repeated, or of another tab's.
            Err(NoVote::Voted(option)) => {
                return self.tell(now, id, Channel::Shop, &ServerMessage::Voted { poll, option });
            }
            Err(NoVote::NotFound) => (NoticeCode::NotFound, "there is no such poll or choice"),
            Err(NoVote::Closed) => (NoticeCode::Closed, "this poll is closed"),
            Err(NoVote::Full) => (NoticeCode::PollFull, "this poll takes no more votes"),
        };
        self.notice(now, id, code, text, Some(poll), None);
    }
}

fn person(identity: Identity) -> Person {
    Person {
        role: role_name(identity.role).to_owned(),
        id: identity.subject,
        name: identity.name,
    }
}
