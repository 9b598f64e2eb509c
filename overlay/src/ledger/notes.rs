//! What of a show's talk outlives the server. The ledger keeps it without knowing what it says.

use std::sync::Arc;

use super::decide::Work;
use super::rows::TalkRow;
use super::{Decided, Decision};

/// A part of the talk that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The last lines.
    Chat,
    /// The line on top.
    Pinned,
    /// Questions and their answers.
    Questions,
    /// Polls with their counts.
    Polls,
    /// The time between two lines of one person.
    Slow,
    /// Words that are not let through.
    Words,
    /// Somebody who may not write.
    Muted,
    /// Somebody who may not come.
    Banned,
}

impl Part {
    /// Every part.
    pub(crate) const ALL: [Part; 8] = [
        Part::Chat,
        Part::Pinned,
        Part::Questions,
        Part::Polls,
        Part::Slow,
        Part::Words,
        Part::Muted,
        Part::Banned,
    ];

    /// Whether each of those concerned has a note, and not the show as a whole.
    pub(crate) fn is_of_people(self) -> bool {
        matches!(self, Part::Muted | Part::Banned)
    }

    /// The name in the database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Part::Chat => "chat",
            Part::Pinned => "pinned",
            Part::Questions => "questions",
            Part::Polls => "polls",
            Part::Slow => "slow",
            Part::Words => "words",
            Part::Muted => "muted",
            Part::Banned => "banned",
        }
    }

    /// The part of a name.
    pub(super) fn from_name(name: &str) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// A part of the talk as it is now; it takes the place of what was kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which.
    pub part: Part,
    /// Whom it is about; empty where it is about nobody.
    pub about: String,
    /// JSON. Empty: nothing is to be kept of it any more.
    pub body: String,
}

/// Keeps notes of the show.
pub(super) fn keep(work: &mut Work<'_>, notes: &[Note]) -> Decided {
    let rows = notes.iter().map(|note| TalkRow {
        show: work.show.clone(),
        part: note.part,
        about: note.about.clone(),
        at: work.now,
        body: note.body.clone(),
    });
    let rows: Vec<TalkRow> = rows.collect();
    rows.into_iter().for_each(|row| work.books.note_talk(row));
    Ok(Decision::Done)
}

/// What is kept of a show, the oldest first.
pub(super) fn of_show(rows: &[TalkRow], show: &Arc<str>) -> Vec<Note> {
    let rows = rows.iter().filter(|row| row.show == *show);
    rows.map(|row| Note {
        part: row.part,
        about: row.about.clone(),
        body: row.body.clone(),
    })
    .collect()
}
