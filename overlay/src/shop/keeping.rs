//! What of the talk outlives the server: parts that changed are handed to the ledger as they are then, and are taken up
//! again at the next start. What a host or moderator did is kept before it is answered; what is said, within a second.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::show::Show;
use super::{Shop, Waiting};
use crate::UnixMillis;
use crate::ledger::{Action, Note, Part};
use crate::message::TalkCommand;

/// Between two times that what is said in a show is kept, in milliseconds.
const INTERVAL: i64 = 1000;
/// People whose standing changed and is not kept yet. Beyond, the staff has to wait.
const MAX_UNKEPT: usize = 1000;

/// A part, and whom it is about.
pub(super) type Place = (Part, String);

/// What is to be kept next.
#[derive(Debug, Default)]
pub(super) struct Unkept {
    places: BTreeSet<Place>,
    next: i64,
}

impl Unkept {
    /// A part is another than what is kept of it.
    pub(super) fn note(&mut self, part: Part) {
        self.places.insert((part, String::new()));
    }

    /// Whether a host's or moderator's word has to wait.
    pub(super) fn is_full(&self) -> bool {
        self.places.len() >= MAX_UNKEPT
    }

    /// What changed, or could not be kept, is kept next, as it is by then.
    pub(super) fn take_back(&mut self, places: Vec<Place>) {
        self.places.extend(places);
    }
}

/// The parts that a command changes.
pub(super) fn changed(command: &TalkCommand) -> Vec<Place> {
    let all = |part| (part, String::new());
    match command {
        TalkCommand::DeleteChat { .. } => vec![all(Part::Chat), all(Part::Pinned)],
        TalkCommand::PinChat { .. } | TalkCommand::UnpinChat => vec![all(Part::Pinned)],
        TalkCommand::Mute { user } | TalkCommand::Unmute { user } => vec![(Part::Muted, user.clone())],
        TalkCommand::Ban { user } | TalkCommand::Unban { user } => vec![(Part::Banned, user.clone())],
        TalkCommand::Slow { .. } => vec![all(Part::Slow)],
        TalkCommand::Words { .. } => vec![all(Part::Words)],
        TalkCommand::Answer { .. } | TalkCommand::Dismiss { .. } => vec![all(Part::Questions)],
        TalkCommand::OpenPoll { .. } | TalkCommand::ClosePoll { .. } => vec![all(Part::Polls)],
        TalkCommand::Announce { .. }
        | TalkCommand::ShowCountdown { .. }
        | TalkCommand::HideCountdown
        | TalkCommand::Recommend { .. } => Vec::new(),
    }
}

impl Show {
    /// The show is in the ledger from now on; what was said before it was is kept with it.
    pub(super) fn store(&mut self) {
        if std::mem::replace(&mut self.is_stored, true) {
            return;
        }
        for part in Part::ALL.into_iter().filter(|part| !part.is_of_people()) {
            self.unkept.note(part);
        }
        let muted = self.talk.muted().map(|person| (Part::Muted, person.to_owned()));
        let banned = self.talk.banned().map(|person| (Part::Banned, person.to_owned()));
        let people = muted.chain(banned).collect();
        self.unkept.take_back(people);
    }

    /// What is to be kept of a part: nothing where there is nothing.
    fn body(&self, part: Part, person: &str) -> String {
        let is = |is: bool| if is { "true".to_owned() } else { String::new() };
        match part {
            Part::Chat => list(&self.talk.chat),
            Part::Pinned => self.talk.pinned.as_ref().map_or_else(String::new, json),
            Part::Questions => list(&self.talk.questions),
            Part::Polls => list(self.polls.all().collect::<Vec<_>>()),
            Part::Slow if self.talk.slow_seconds > 0 => json(&self.talk.slow_seconds),
            Part::Slow => String::new(),
            Part::Words => list(self.talk.words()),
            Part::Muted => is(self.talk.is_muted(person)),
            Part::Banned => is(self.talk.is_banned(person)),
        }
    }

    /// Takes up what was kept, the oldest first. What cannot be read, as by an older server, is left out.
    pub(super) fn recall(&mut self, notes: Vec<Note>) {
        for Note { part, about, body } in notes {
            match part {
                Part::Chat => read(part, &body, |lines| self.talk.chat = lines),
                Part::Pinned => read(part, &body, |line| self.talk.pinned = Some(line)),
                Part::Questions => read(part, &body, |questions| self.talk.questions = questions),
                Part::Polls => read(part, &body, |polls| self.polls.recall(polls)),
                Part::Slow => read(part, &body, |seconds| self.talk.slow_seconds = seconds),
                Part::Words => read(part, &body, |words| self.talk.set_words(words)),
                // As many as fit: there were no more.
                Part::Muted => drop(self.talk.mute(&about)),
                Part::Banned => drop(self.talk.ban(&about)),
            }
        }
    }

    /// The highest number in the ids of what was said.
    pub(super) fn highest_number(&self) -> u64 {
        let lines = self
            .talk
            .chat
            .iter()
            .chain(&self.talk.pinned)
            .map(|line| &line.id);
        let questions = self.talk.questions.iter().map(|question| &question.id);
        let numbers = lines.chain(questions).filter_map(|id| id.get(1..)?.parse().ok());
        numbers.max().unwrap_or(0)
    }
}

impl Shop {
    /// Hands what changed to the ledger; `asker` is answered when it is kept. False when the ledger takes no more.
    pub(super) fn keep(&mut self, now: UnixMillis, room: &Arc<str>, asker: Waiting) -> bool {
        let Some(show) = self.shows.get_mut(room) else {
            return true;
        };
        show.unkept.next = now.0 + INTERVAL;
        let places: Vec<Place> = std::mem::take(&mut show.unkept.places).into_iter().collect();
        let notes = places.iter().map(|(part, about)| Note {
            part: *part,
            about: about.clone(),
            body: show.body(*part, about),
        });
        let action = Action::Keep(notes.collect());
        let waiting = Waiting::Kept {
            show: room.clone(),
            places: places.clone(),
            asker: Box::new(asker),
        };
        let is_asked = self.ask_ledger(room, action, waiting);
        if !is_asked && let Some(show) = self.shows.get_mut(room) {
            show.unkept.take_back(places);
        }
        is_asked
    }

    /// Keeps what was said since the last time.
    pub(super) fn keep_what_was_said(&mut self, now: UnixMillis, room: &Arc<str>) {
        let is_due =
            |show: &Show| show.is_stored && !show.unkept.places.is_empty() && show.unkept.next <= now.0;
        if self.shows.get(room).is_some_and(is_due) {
            self.keep(now, room, Waiting::Nobody);
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A list; an empty one is nothing.
fn list<T: Serialize>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<T> = values.into_iter().collect();
    if values.is_empty() {
        String::new()
    } else {
        json(&values)
    }
}

fn read<T: DeserializeOwned>(part: Part, body: &str, take: impl FnOnce(T)) {
    match serde_json::from_str(body) {
        Ok(value) => take(value),
        Err(error) => tracing::warn!(?part, %error, "a part of the talk cannot be read"),
    }
}
