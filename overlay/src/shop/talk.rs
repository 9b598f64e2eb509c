//! What is said in a show, and who may say it: chat, questions, and the lists of those who keep order.

use std::collections::{HashMap, VecDeque};

use indexmap::IndexSet;

use crate::UnixMillis;
use crate::message::{ChatLine, Question, QuestionState};

/// Chat lines a newcomer sees.
const MAX_CHAT: usize = 50;
/// Questions kept; the oldest that is not open goes first.
const MAX_QUESTIONS: usize = 50;
/// People muted, and people banned, at once. Beyond, the command is refused.
const MAX_LISTED: usize = 10_000;
/// The longest slow mode, in milliseconds.
const SLOWEST: i64 = 120_000;
/// People whose last words are remembered. Beyond, slow mode is not enforced for newcomers.
const MAX_SPEAKERS: usize = 20_000;

/// The talk of one show.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) chat: VecDeque<ChatLine>,
    /// The line kept on top.
    pub(super) pinned: Option<ChatLine>,
    pub(super) questions: VecDeque<Question>,
    pub(super) slow_seconds: i64,
    muted: IndexSet<String>,
    banned: IndexSet<String>,
    words: Words,
    /// When people spoke last, for slow mode.
    spoke: HashMap<String, i64>,
}

impl Talk {
    pub(super) fn add_chat(&mut self, line: ChatLine) {
        if self.chat.len() >= MAX_CHAT {
            self.chat.pop_front();
        }
        self.chat.push_back(line);
    }

    /// Takes a line away; whether it was there, and whether it was the one on top.
    pub(super) fn delete_chat(&mut self, id: &str) -> (bool, bool) {
        let before = self.chat.len();
        self.chat.retain(|line| line.id != id);
        let was_pinned = self.pinned.as_ref().is_some_and(|line| line.id == id);
        if was_pinned {
            self.pinned = None;
        }
        (self.chat.len() != before || was_pinned, was_pinned)
    }

    /// Puts a line on top; false when it is not there.
    pub(super) fn pin_chat(&mut self, id: &str) -> bool {
        let found = self.chat.iter().find(|line| line.id == id);
        if let Some(line) = found {
            self.pinned = Some(line.clone());
        }
        found.is_some()
    }

    /// Keeps a question; false when nobody has looked at those there are.
    pub(super) fn add_question(&mut self, question: Question) -> bool {
        if self.questions.len() >= MAX_QUESTIONS {
            let settled = |question: &Question| question.state != QuestionState::Open;
            match self.questions.iter().position(settled) {
                Some(oldest) => drop(self.questions.remove(oldest)),
                None => return false,
            }
        }
        self.questions.push_back(question);
        true
    }

    /// A question as it is after a host's word.
    pub(super) fn settle_question(
        &mut self,
        id: &str,
        state: QuestionState,
        answer: Option<String>,
    ) -> Option<Question> {
        let at = self.questions.iter().position(|question| question.id == id)?;
        let question = self.questions.get_mut(at)?;
        question.state = state;
        question.answer = answer;
        let settled = question.clone();
        if state == QuestionState::Dismissed {
            self.questions.remove(at);
        }
        Some(settled)
    }

    pub(super) fn mute(&mut self, user: &str) -> bool {
        list(&mut self.muted, user)
    }

    pub(super) fn unmute(&mut self, user: &str) -> bool {
        self.muted.shift_remove(user)
    }

    pub(super) fn is_muted(&self, user: &str) -> bool {
        self.muted.contains(user)
    }

    pub(super) fn ban(&mut self, user: &str) -> bool {
        list(&mut self.banned, user)
    }

    pub(super) fn unban(&mut self, user: &str) -> bool {
        self.banned.shift_remove(user)
    }

    pub(super) fn is_banned(&self, user: &str) -> bool {
        self.banned.contains(user)
    }

    /// Those muted, the latest first.
    pub(super) fn muted(&self) -> impl Iterator<Item = &str> {
        self.muted.iter().rev().map(String::as_str)
    }

    /// Those banned, the latest first.
    pub(super) fn banned(&self) -> impl Iterator<Item = &str> {
        self.banned.iter().rev().map(String::as_str)
    }

    pub(super) fn set_words(&mut self, words: Vec<String>) {
        self.words = Words::new(words);
    }

    pub(super) fn words(&self) -> &[String] {
        &self.words.listed
    }

    /// Whether a text holds a listed word.
    pub(super) fn is_listed(&self, text: &str) -> bool {
        self.words.are_in(text)
    }

    /// Milliseconds until somebody may speak again in slow mode.
    pub(super) fn slow_mode_wait(&self, subject: &str, now: UnixMillis) -> Option<i64> {
        let next = self.spoke.get(subject)? + self.slow_seconds * 1000;
        (now.0 < next).then_some(next - now.0)
    }

    pub(super) fn note_spoken(&mut self, subject: &str, now: UnixMillis) {
        if self.spoke.len() >= MAX_SPEAKERS {
            let slowest = now.0 - SLOWEST;
            self.spoke.retain(|_, at| *at > slowest);
        }
        if self.spoke.len() < MAX_SPEAKERS || self.spoke.contains_key(subject) {
            self.spoke.insert(subject.to_owned(), now.0);
        }
    }
}

fn list(people: &mut IndexSet<String>, user: &str) -> bool {
    let fits = people.len() < MAX_LISTED || people.contains(user);
    if fits {
        people.insert(user.to_owned());
    }
    fits
}

/// Words that are not let through. They are compared as whole words in small letters, whatever stands between them.
#[derive(Debug, Default)]
struct Words {
    listed: Vec<String>,
    normal: Vec<String>,
}

impl Words {
    fn new(listed: Vec<String>) -> Words {
        let normal = listed.iter().map(|word| normalise(word));
        let normal = normal.filter(|word| !word.trim().is_empty()).collect();
        Words { listed, normal }
    }

    fn are_in(&self, text: &str) -> bool {
        let text = normalise(text);
        self.normal.iter().any(|word| text.contains(word))
    }
}

/// ` every word in small letters between blanks `.
fn normalise(text: &str) -> String {
    let mut normal = String::with_capacity(text.len() + 2);
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        normal.push(' ');
        normal.extend(word.chars().flat_map(char::to_lowercase));
    }
    normal.push(' ');
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Person;

    fn question(number: usize) -> Question {
        Question {
            id: format!("q{number}"),
            r#ref: None,
            user: Person {
                id: "anna".into(),
                name: "Anna".into(),
                role: "viewer".into(),
            },
            text: "?".into(),
            state: QuestionState::Open,
            answer: None,
        }
    }

    #[test]
    fn listed_words_are_found_whole_in_any_case_and_between_anything() {
        let words = Words::new(vec!["Darn".into(), "buy elsewhere".into(), "!!".into()]);
        for text in ["darn", "oh DARN!", "x,darn-y", "Buy... ELSEWHERE now"] {
            assert!(words.are_in(text), "{text}");
        }
        for text in ["darning", "buy it, elsewhere", "", "!!"] {
            assert!(!words.are_in(text), "{text}");
        }
    }

    #[test]
    fn answered_questions_make_room_for_new_ones() {
        let mut talk = Talk::default();
        assert!((0..MAX_QUESTIONS).all(|number| talk.add_question(question(number))));
        assert!(!talk.add_question(question(99)));
        talk.settle_question("q3", QuestionState::Answered, Some("Yes".into()))
            .unwrap();
        assert!(talk.add_question(question(99)));
        assert!(talk.questions.iter().all(|question| question.id != "q3"));
        talk.settle_question("q4", QuestionState::Dismissed, None)
            .unwrap();
        assert_eq!(talk.questions.len(), MAX_QUESTIONS - 1);
        assert_eq!(talk.settle_question("q4", QuestionState::Answered, None), None);
    }

    #[test]
    fn the_last_words_of_so_many_are_remembered() {
        let mut talk = Talk {
            slow_seconds: 10,
            ..Talk::default()
        };
        let now = UnixMillis(0);
        for speaker in 0..MAX_SPEAKERS {
            talk.note_spoken(&speaker.to_string(), now);
        }
        talk.note_spoken("one more", now);
        assert_eq!(talk.slow_mode_wait("one more", now), None);
        assert_eq!(talk.slow_mode_wait("7", now), Some(10_000));
        talk.note_spoken("7", UnixMillis(5000));
        assert_eq!(talk.slow_mode_wait("7", UnixMillis(5000)), Some(10_000));
        // After the longest slow mode nobody else has to wait any more.
        let later = UnixMillis(SLOWEST);
        talk.note_spoken("one more", later);
        assert_eq!(talk.slow_mode_wait("one more", later), Some(10_000));
        assert_eq!(talk.spoke.len(), 2);
    }

    #[test]
    fn as_many_are_muted_as_fit_and_no_more() {
        let mut talk = Talk::default();
        assert!((0..MAX_LISTED).all(|number| talk.mute(&number.to_string())));
        assert!(!talk.mute("one more") && talk.mute("7"));
        assert!(talk.unmute("7") && talk.mute("one more"));
    }
}
