//! What hosts and moderators do about what is said, and what hosts say to everybody.

use super::Shop;
use super::keeping::changed;
use super::moment::Moment;
use super::show::Show;
use crate::message::{
    Countdown, CountdownOf, Listed, NoticeCode, Poll, QuestionState, ServerMessage, TalkCommand, encode,
};
use crate::{Channel, ClientId, Output, Priority, UnixMillis};

/// People of each list the staff is told of: the latest, as many as fit one message.
const TOLD: usize = 25;

/// Why a command about the talk was not carried out.
pub(super) enum Unmoved {
    /// Nothing of that name.
    NotFound(&'static str),
    /// It cannot be done as things are.
    NotPossible(&'static str),
}

/// What is left to do of a command that was carried out.
pub(super) enum Moved {
    /// Nothing.
    Done,
    /// The ledger has to keep it.
    ToKeep,
}

type Done = Result<(), Unmoved>;

impl Shop {
    /// Carries a command about the talk out, and tells what is left to do.
    pub(super) fn moderate(
        &mut self,
        at: Moment,
        room: &str,
        command: TalkCommand,
    ) -> Result<Moved, Unmoved> {
        self.moderate_once(at, room, ("", ""), command)
    }

    /// The same for a person who has an id for it: what was carried out is only kept once more, in case it is not yet.
    pub(super) fn moderate_once(
        &mut self,
        at: Moment,
        room: &str,
        (subject, about): (&str, &str),
        command: TalkCommand,
    ) -> Result<Moved, Unmoved> {
        let Some(show) = self.shows.get(room) else {
            return Err(Unmoved::NotFound("such show"));
        };
        if show.unkept.is_full() {
            return Err(Unmoved::NotPossible("the shop is busy, try again"));
        }
        let changed = changed(&command);
        if !show.said.has(subject, about) {
            self.carry_out(at, room, command)?;
        }
        if let Some(show) = self.shows.get_mut(room) {
            show.said.note(subject, about);
        }
        match self.shows.get_mut(room) {
            Some(show) if show.is_stored && !changed.is_empty() => {
                show.unkept.take_back(changed);
                Ok(Moved::ToKeep)
            }
            // What nobody sells in is forgotten with its last guest.
            _ => Ok(Moved::Done),
        }
    }

    fn carry_out(&mut self, at: Moment, room: &str, command: TalkCommand) -> Done {
        let Some(show) = self.shows.get_mut(room) else {
            return Ok(());
        };
        match command {
            TalkCommand::DeleteChat { message } => show.delete_chat(at, &message)?,
            TalkCommand::PinChat { message } => show.pin_chat(at, Some(&message))?,
            TalkCommand::UnpinChat => show.pin_chat(at, None)?,
            TalkCommand::Slow { seconds } => {
                show.talk.slow_seconds = seconds;
                let slow_seconds = seconds;
                show.tell(at, Channel::Chat, &ServerMessage::ChatMode { slow_seconds });
            }
            TalkCommand::Answer { question, text } => {
                show.settle_question(at, &question, QuestionState::Answered, text)?;
            }
            TalkCommand::Dismiss { question } => {
                show.settle_question(at, &question, QuestionState::Dismissed, None)?;
            }
            TalkCommand::OpenPoll {
                poll,
                question,
                options,
                seconds,
            } => show.open_poll(at, poll, question, options, seconds)?,
            TalkCommand::ClosePoll { poll } => show.close_poll(at, &poll)?,
            TalkCommand::Announce { text } => {
                show.tell(at, Channel::Shop, &ServerMessage::Announcement { text: &text });
            }
            TalkCommand::ShowCountdown { variant } => {
                let countdown = show.deadline(at.now, variant)?;
                show.count_down(at, Some(countdown));
            }
            TalkCommand::HideCountdown => show.count_down(at, None),
            TalkCommand::Recommend { product, text } => {
                if !show.products.contains_key(&product) {
                    return Err(Unmoved::NotFound("such product"));
                }
                let message = ServerMessage::Recommendation {
                    product: &product,
                    text: text.as_deref(),
                };
                show.tell(at, Channel::Shop, &message);
            }
            command => {
                self.keep_order(at.now, room, command)?;
            }
        }
        Ok(())
    }

    /// Changes the lists of the staff, and tells the staff.
    fn keep_order(&mut self, now: UnixMillis, room: &str, command: TalkCommand) -> Done {
        let Some(show) = self.shows.get_mut(room) else {
            return Ok(());
        };
        let full = || Unmoved::NotPossible("the list is full: take somebody off it first");
        let mut out = Vec::new();
        match command {
            TalkCommand::Mute { user } => show.talk.mute(&user).then_some(()).ok_or_else(full)?,
            TalkCommand::Unmute { user } => {
                let was_muted = show.talk.unmute(&user);
                was_muted
                    .then_some(())
                    .ok_or(Unmoved::NotFound("such person among the muted"))?;
            }
            TalkCommand::Ban { user } => {
                show.talk.ban(&user).then_some(()).ok_or_else(full)?;
                out = show.audience.of_person(&user).to_vec();
            }
            TalkCommand::Unban { user } => {
                let was_banned = show.talk.unban(&user);
                was_banned
                    .then_some(())
                    .ok_or(Unmoved::NotFound("such person among the banned"))?;
            }
            TalkCommand::Words { words } => show.talk.set_words(words),
            _ => {}
        }
        let lists = show.lists(now);
        for client in show.audience.staff().collect::<Vec<_>>() {
            self.send(client, Channel::Shop, Priority::State, lists.clone());
        }
        for client in out {
            self.turn_away(now, client);
        }
        Ok(())
    }

    /// Lets somebody go who is banned.
    pub(super) fn turn_away(&mut self, now: UnixMillis, client: ClientId) {
        self.notice(
            now,
            client,
            NoticeCode::Banned,
            "you cannot take part in this show",
            None,
            None,
        );
        self.outputs.push_back(Output::Disconnect { client });
        self.disconnect(client);
    }
}

impl Show {
    /// Those kept quiet or out, for the staff.
    pub(super) fn lists(&self, now: UnixMillis) -> crate::Bytes {
        let lists = Listed {
            muted: self.talk.muted().take(TOLD).collect(),
            banned: self.talk.banned().take(TOLD).collect(),
            words: self.talk.words(),
        };
        encode(&ServerMessage::Moderation(lists), now)
    }

    fn delete_chat(&mut self, at: Moment, id: &str) -> Done {
        let (was_there, was_pinned) = self.talk.delete_chat(id);
        if !was_there {
            return Err(Unmoved::NotFound("such line"));
        }
        self.tell(at, Channel::Chat, &ServerMessage::ChatDeleted { id });
        if was_pinned {
            self.tell(at, Channel::Chat, &ServerMessage::ChatPinned { line: None });
        }
        Ok(())
    }

    fn pin_chat(&mut self, at: Moment, id: Option<&str>) -> Done {
        match id {
            Some(id) if !self.talk.pin_chat(id) => return Err(Unmoved::NotFound("such line")),
            Some(_) => {}
            None => self.talk.pinned = None,
        }
        let line = self.talk.pinned.clone();
        self.tell(
            at,
            Channel::Chat,
            &ServerMessage::ChatPinned { line: line.as_ref() },
        );
        Ok(())
    }

    fn settle_question(
        &mut self,
        at: Moment,
        id: &str,
        state: QuestionState,
        answer: Option<String>,
    ) -> Done {
        let question = self.talk.settle_question(id, state, answer);
        let question = question.ok_or(Unmoved::NotFound("such question"))?;
        self.tell(at, Channel::Chat, &ServerMessage::Question(&question));
        Ok(())
    }

    fn open_poll(
        &mut self,
        at: Moment,
        id: String,
        question: String,
        options: Vec<String>,
        seconds: Option<i64>,
    ) -> Done {
        let poll = Poll {
            id,
            question,
            counts: vec![0; options.len()],
            options,
            open: true,
            closes_at: seconds.map(|seconds| at.now.0 + seconds * 1000),
        };
        let opened = self.polls.open(poll).cloned();
        let poll = opened.ok_or(Unmoved::NotPossible(
            "this id was used, or too many polls are open: close one first",
        ))?;
        self.tell(at, Channel::Shop, &ServerMessage::Poll { poll: &poll });
        Ok(())
    }

    pub(super) fn close_poll(&mut self, at: impl Into<Moment>, id: &str) -> Done {
        let poll = self.polls.close(id).ok_or(Unmoved::NotFound("such open poll"))?;
        self.tell(at, Channel::Shop, &ServerMessage::Poll { poll: &poll });
        Ok(())
    }

    /// What can be counted down to, out of the shop's own book.
    fn deadline(&mut self, now: UnixMillis, variant: Option<String>) -> Result<Countdown, Unmoved> {
        let (until, of) = match &variant {
            None => (self.starts_at, CountdownOf::ShowStart),
            Some(id) => {
                let known = self.variant_mut(id).ok_or(Unmoved::NotFound("such variant"))?;
                match &known.flash {
                    Some(flash) if flash.running => (Some(flash.ends_at), CountdownOf::SaleEnd),
                    Some(flash) => (Some(flash.starts_at), CountdownOf::SaleStart),
                    None => (None, CountdownOf::SaleEnd),
                }
            }
        };
        match until.filter(|until| *until > now.0) {
            Some(until) => Ok(Countdown { until, of, variant }),
            None => Err(Unmoved::NotPossible(
                "there is no such time ahead in the shop's book",
            )),
        }
    }

    /// Shows a countdown, or takes it away; nothing is told when nothing changes.
    pub(super) fn count_down(&mut self, at: impl Into<Moment>, countdown: Option<Countdown>) {
        if self.countdown != countdown {
            let message = ServerMessage::Countdown {
                countdown: countdown.as_ref(),
            };
            self.tell(at, Channel::Shop, &message);
            self.countdown = countdown;
        }
    }
}
