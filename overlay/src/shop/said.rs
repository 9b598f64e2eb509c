//! What was said and done lately, by the ids its senders gave it: whoever says it again, because no answer came before
//! the line broke, is answered and does nothing twice.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::show::Show;
use crate::message::is_uuid;

/// What is remembered of a show. At twenty lines a second these are three minutes; a client gives up after one.
const MAX_SAID: usize = 4096;

/// What has been said, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Said {
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Said {
    /// Whether this person has said or done this before.
    pub(super) fn has(&self, subject: &str, id: &str) -> bool {
        is_uuid(id) && self.known.contains(&name(subject, id))
    }

    /// Remembers it. Only what is named by a UUID is: other ids may be those of many lines.
    pub(super) fn note(&mut self, subject: &str, id: &str) {
        if !is_uuid(id) || !self.known.insert(name(subject, id)) {
            return;
        }
        self.order.push_back(name(subject, id));
        if self.order.len() > MAX_SAID
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// One number for both: among so few, two are the same once in 10^12 shows.
fn name(subject: &str, id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (subject, id).hash(&mut hasher);
    hasher.finish()
}

impl Show {
    /// What is kept of the talk was said.
    pub(super) fn note_all_said(&mut self) {
        let lines = self.talk.chat.iter().map(|line| (&line.user.id, &line.r#ref));
        let questions = &self.talk.questions;
        let questions = questions
            .iter()
            .map(|question| (&question.user.id, &question.r#ref));
        for (subject, id) in lines.chain(questions) {
            if let Some(id) = id {
                self.said.note(subject, id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0197f4c2-0000-7000-8000-000000000001";

    #[test]
    fn as_much_is_remembered_as_is_said() {
        let mut said = Said::default();
        said.note("anna", FIRST);
        assert!(said.has("anna", FIRST));
        assert!(!said.has("ben", FIRST), "another's may have the same name");
        for n in 1..MAX_SAID {
            said.note("anna", &format!("0197f4c2-0000-7000-a000-{n:012x}"));
        }
        assert!(said.has("anna", FIRST));
        said.note("anna", "0197f4c2-0000-7000-9000-000000000000");
        assert!(!said.has("anna", FIRST), "the oldest goes");
        assert_eq!((said.order.len(), said.known.len()), (MAX_SAID, MAX_SAID));
    }

    #[test]
    fn an_id_that_many_lines_may_have_is_no_name() {
        let mut said = Said::default();
        said.note("anna", "1");
        assert!(!said.has("anna", "1"));
    }
}
