//! Polls: one vote of each person, counted here.

use std::collections::{BTreeMap, HashMap};

use crate::UnixMillis;
use crate::message::Poll;

/// Polls kept: those that are open and the last that were.
const MAX_POLLS: usize = 5;
/// Votes of one poll; beyond, newcomers' are refused.
const MAX_VOTERS: usize = 100_000;

/// The polls of one show, the newest last.
#[derive(Debug, Default)]
pub(super) struct Polls {
    polls: Vec<Ballot>,
}

#[derive(Debug)]
struct Ballot {
    poll: Poll,
    votes: HashMap<String, usize>,
    /// Whether its counts have changed since they were told.
    is_changed: bool,
}

/// Why a vote is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoVote {
    /// There is no such poll or choice.
    NotFound,
    /// It is closed.
    Closed,
    /// This person has voted, for this choice.
    Voted(usize),
    /// Too many have.
    Full,
}

impl Polls {
    /// Polls of an earlier life of the server. Who voted is not known any more: they are closed.
    pub(super) fn recall(&mut self, polls: Vec<Poll>) {
        let ballots = polls.into_iter().map(|poll| Ballot {
            poll: Poll { open: false, ..poll },
            votes: HashMap::new(),
            is_changed: false,
        });
        self.polls = ballots.collect();
    }

    /// Opens a poll; `None` when its id was used already, or too many are open.
    pub(super) fn open(&mut self, poll: Poll) -> Option<&Poll> {
        if self.polls.iter().any(|known| known.poll.id == poll.id) {
            return None;
        }
        if self.polls.len() >= MAX_POLLS {
            let oldest = self.polls.iter().position(|known| !known.poll.open)?;
            self.polls.remove(oldest);
        }
        self.polls.push(Ballot {
            poll,
            votes: HashMap::new(),
            is_changed: false,
        });
        self.polls.last().map(|ballot| &ballot.poll)
    }

    /// Closes a poll; `None` when it is not open.
    pub(super) fn close(&mut self, id: &str) -> Option<Poll> {
        let mut open = self.polls.iter_mut().filter(|ballot| ballot.poll.open);
        let ballot = open.find(|ballot| ballot.poll.id == id)?;
        ballot.poll.open = false;
        ballot.is_changed = false;
        Some(ballot.poll.clone())
    }

    /// Counts a vote.
    pub(super) fn vote(&mut self, id: &str, person: &str, option: usize) -> Result<(), NoVote> {
        let ballot = self.polls.iter_mut().find(|ballot| ballot.poll.id == id);
        let ballot = ballot.ok_or(NoVote::NotFound)?;
        if let Some(voted) = ballot.votes.get(person) {
            return Err(NoVote::Voted(*voted));
        }
        if !ballot.poll.open {
            return Err(NoVote::Closed);
        }
        let count = ballot.poll.counts.get_mut(option).ok_or(NoVote::NotFound)?;
        if ballot.votes.len() >= MAX_VOTERS {
            return Err(NoVote::Full);
        }
        *count += 1;
        ballot.votes.insert(person.to_owned(), option);
        ballot.is_changed = true;
        Ok(())
    }

    /// Polls whose time is over.
    pub(super) fn due(&self, now: UnixMillis) -> Vec<String> {
        let is_due = |poll: &&Poll| poll.open && poll.closes_at.is_some_and(|at| at <= now.0);
        self.all().filter(is_due).map(|poll| poll.id.clone()).collect()
    }

    /// Polls whose counts have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<Poll> {
        let changed = self.polls.iter_mut().filter(|ballot| ballot.is_changed);
        let polls = changed.map(|ballot| {
            ballot.is_changed = false;
            ballot.poll.clone()
        });
        polls.collect()
    }

    /// Those kept, the oldest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Poll> {
        self.polls.iter().map(|ballot| &ballot.poll)
    }

    /// What a person voted for.
    pub(super) fn votes_of(&self, person: &str) -> BTreeMap<&str, usize> {
        let votes = self.polls.iter().filter_map(|ballot| {
            let option = ballot.votes.get(person)?;
            Some((ballot.poll.id.as_str(), *option))
        });
        votes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(id: &str) -> Poll {
        Poll {
            id: id.into(),
            question: "Which?".into(),
            options: vec!["Blue".into(), "Red".into()],
            counts: vec![0, 0],
            open: true,
            closes_at: Some(1000),
        }
    }

    #[test]
    fn the_first_vote_of_a_person_counts_while_the_poll_is_open() {
        let mut polls = Polls::default();
        polls.open(poll("a")).unwrap();
        assert_eq!(polls.vote("a", "anna", 1), Ok(()));
        assert_eq!(polls.vote("a", "anna", 0), Err(NoVote::Voted(1)));
        assert_eq!(polls.vote("a", "ben", 2), Err(NoVote::NotFound));
        assert_eq!(polls.vote("b", "ben", 0), Err(NoVote::NotFound));
        assert_eq!(polls.take_changed()[0].counts, [0, 1]);
        assert!(polls.take_changed().is_empty());
        assert!(polls.due(UnixMillis(999)).is_empty());
        assert_eq!(polls.due(UnixMillis(1000)), ["a"]);
        assert_eq!(polls.close("a").unwrap().counts, [0, 1]);
        assert_eq!(polls.vote("a", "ben", 0), Err(NoVote::Closed));
        assert_eq!(polls.votes_of("anna"), BTreeMap::from([("a", 1)]));
        assert_eq!(polls.close("a"), None);
    }

    #[test]
    fn as_many_vote_as_are_counted() {
        let mut polls = Polls::default();
        polls.open(poll("a")).unwrap();
        assert!((0..MAX_VOTERS).all(|person| polls.vote("a", &person.to_string(), 0) == Ok(())));
        assert_eq!(polls.vote("a", "one more", 0), Err(NoVote::Full));
        assert_eq!(polls.vote("a", "7", 1), Err(NoVote::Voted(0)));
        assert_eq!(polls.all().next().unwrap().counts, [MAX_VOTERS as u64, 0]);
        polls.open(poll("b")).unwrap();
        assert_eq!(polls.vote("b", "one more", 0), Ok(()), "each poll has its own");
    }

    #[test]
    fn closed_polls_make_room_and_open_ones_do_not() {
        let mut polls = Polls::default();
        for number in 0..MAX_POLLS {
            polls.open(poll(&number.to_string())).unwrap();
        }
        assert_eq!(polls.open(poll("more")), None);
        polls.close("2").unwrap();
        assert!(polls.open(poll("more")).is_some());
        assert_eq!(polls.all().count(), MAX_POLLS);
        assert_eq!(polls.open(poll("more")), None, "an id is used once");
    }
}
