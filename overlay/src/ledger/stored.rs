//! A ledger over a database: a batch is loaded, decided, written and committed, and then answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::backup::{self, BackupError};
use super::decide::decide;
use super::provider::{Manual, Provider};
use super::store::Store;
use super::waitlist::Round;
use super::{
    Action, Answer, Audit, Command, Event, Ledger, LedgerError, Refusal, ShowRecord, Ticket, audit,
    catalogue, load, notes,
};
use crate::UnixMillis;

/// Of the tables.
pub(super) const VERSION: i64 = 3;
/// How often a batch that another server was faster than is tried again. Each time somebody's batch was done.
const TRIES: usize = 20;
/// How long an idempotency key is remembered, in milliseconds: a day.
const KEYS_KEPT: i64 = 86_400_000;
/// How long what became of orders is kept for the world outside, in milliseconds, unless it is told otherwise: 30 days.
const EVENTS_KEPT: i64 = 30 * 86_400_000;
/// Events forgotten in one go, so that buys need not wait for it; the rest follows with the next tick.
const MAX_FORGOTTEN: i64 = 5000;
/// Between two looks for what is too old, in milliseconds.
const PRUNE_INTERVAL: i64 = 600_000;

/// Writes, and changes nothing. SQLite does not write over a row what is in it already.
const PROOF: &str =
    "INSERT INTO meta VALUES ('proof', '') ON CONFLICT DO NOTHING; DELETE FROM meta WHERE name = 'proof'";

/// How often a ledger that fails says so at most, in milliseconds: a crowd buys again and again, and the disk may be full.
const COMPLAINT_INTERVAL: i64 = 1000;

/// What is told of failures that follow one another.
#[derive(Debug, Default)]
struct Complaints {
    next: i64,
    untold: u64,
}

impl Complaints {
    /// Counts one; how many there were since the last were told, if it is time to tell.
    fn add(&mut self, now: UnixMillis) -> Option<u64> {
        self.untold += 1;
        // A clock that was set back silences nobody.
        let is_soon = (self.next - COMPLAINT_INTERVAL..self.next).contains(&now.0);
        if is_soon {
            return None;
        }
        self.next = now.0 + COMPLAINT_INTERVAL;
        Some(std::mem::take(&mut self.untold))
    }
}

/// A ledger whose rows are in a store.
pub struct StoredLedger<S> {
    store: S,
    provider: Box<dyn Provider>,
    /// Another one means that the database was restored from a backup.
    generation: String,
    /// Whether what was told last may differ from what is in the database.
    is_stale: bool,
    /// Shows that other servers changed and that were not told yet.
    others: BTreeSet<Arc<str>>,
    round: Round,
    next_prune: i64,
    events_kept: i64,
    complaints: Complaints,
}

fn failed(command: &Command) -> Answer {
    Answer::refusing(command.ticket, command.show.clone(), Refusal::Failed)
}

#[expect(
    private_bounds,
    reason = "stores are named by the types of the ledgers on them alone"
)]
impl<S: Store> StoredLedger<S> {
    pub(super) fn on(mut store: S) -> Result<StoredLedger<S>, LedgerError> {
        let generation = generation(&mut store)?;
        Ok(StoredLedger {
            store,
            provider: Box::new(Manual),
            generation,
            is_stale: false,
            others: BTreeSet::new(),
            round: Round::default(),
            next_prune: 0,
            events_kept: EVENTS_KEPT,
            complaints: Complaints::default(),
        })
    }

    /// The same with another way to pay than by hand.
    #[must_use]
    pub fn paid_by(mut self, provider: Box<dyn Provider>) -> StoredLedger<S> {
        self.provider = provider;
        self
    }

    /// The same, with another time after which what became of an order is forgotten, delivered or not, in milliseconds.
    #[must_use]
    pub fn keeping_events(mut self, ms: i64) -> StoredLedger<S> {
        self.events_kept = ms;
        self
    }

    fn try_decide(&mut self, now: i64, batch: &[Command]) -> Result<Vec<Answer>, LedgerError> {
        let mut tries = 1;
        loop {
            match self.try_once(now, batch) {
                Err(error) if error.is_contested() && tries < TRIES => {
                    self.store.roll_back();
                    tries += 1;
                }
                Err(error) => {
                    self.store.roll_back();
                    return Err(error);
                }
                Ok(answers) => return Ok(answers),
            }
        }
    }

    fn try_once(&mut self, now: i64, batch: &[Command]) -> Result<Vec<Answer>, LedgerError> {
        self.store.begin()?;
        let generation = generation(&mut self.store)?;
        if self.is_stale {
            // A database that failed is well when it can be written to: a tick alone may find nothing to write.
            self.store.run(PROOF)?;
        }
        let mut refreshed = Vec::new();
        let others = self.store.changed_by_others();
        self.others.extend(others);
        if self.is_stale || generation != self.generation {
            refreshed = catalogue::records(&load::load_everything(&mut self.store)?);
        } else if !self.others.is_empty() {
            refreshed = catalogue::records(&load::load_shows(&mut self.store, &self.others)?);
        }
        let mut books = load::load(&mut self.store, now, batch, &mut self.round)?;
        let mut answers = decide(&mut books, now, &*self.provider, batch);
        books.save(&mut self.store)?;
        let mut next_prune = self.next_prune;
        if now >= next_prune && batch.iter().any(|command| command.action == Action::Tick) {
            let is_done = prune(&mut self.store, now - KEYS_KEPT, now - self.events_kept)?;
            next_prune = if is_done { now + PRUNE_INTERVAL } else { now };
        }
        let shows = answers.iter().flat_map(Answer::changed_shows).collect();
        self.store.tell_others(&shows)?;
        self.store.commit()?;
        self.round.go_on(&books);
        self.is_stale = false;
        self.others.clear();
        self.generation = generation;
        self.next_prune = next_prune;
        if let Some(first) = answers.first_mut() {
            first.refreshed = refreshed;
        }
        Ok(answers)
    }

    fn reading<T>(&mut self, read: impl FnOnce(&mut S) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        self.store.begin_reading()?;
        let read = read(&mut self.store);
        self.store.roll_back();
        read
    }
}

/// Forgets keys, and events of the outbox, of before a time each; whether that was all of them.
fn prune(store: &mut dyn Store, keys: i64, events: i64) -> Result<bool, LedgerError> {
    store.run(&format!("DELETE FROM requests WHERE at < {keys}"))?;
    let oldest = "SELECT COALESCE((SELECT at FROM outbox ORDER BY n LIMIT 1), 9223372036854775807)";
    if store.number(oldest)? >= events {
        return Ok(true);
    }
    // First what may be gone is noted: the database keeps the rest by this.
    store.run(&format!(
        "UPDATE meta SET value = '{events}' WHERE name = 'outbox_from' AND CAST(value AS BIGINT) < {events}"
    ))?;
    store.run(&format!(
        "DELETE FROM outbox WHERE at < {events} AND n < (SELECT MIN(n) + {MAX_FORGOTTEN} FROM outbox)"
    ))?;
    Ok(store.number(oldest)? >= events)
}

fn generation(store: &mut dyn Store) -> Result<String, LedgerError> {
    let found = store.pairs("SELECT value, name FROM meta WHERE name = 'generation'")?;
    match found.into_iter().next() {
        Some((generation, _)) => Ok(generation),
        None => Err(LedgerError::Content("no generation".to_owned())),
    }
}

impl<S: Store> Ledger for StoredLedger<S> {
    fn shows(&mut self) -> Result<Vec<ShowRecord>, LedgerError> {
        let (books, talk) =
            self.reading(|store| Ok((load::load_everything(store)?, load::load_talk(store)?)))?;
        let mut shows = catalogue::records(&books);
        for show in &mut shows {
            show.talk = notes::of_show(&talk, &show.id.as_str().into());
        }
        Ok(shows)
    }

    fn seed(&mut self, now: UnixMillis, show: &ShowRecord) -> Result<bool, LedgerError> {
        let command = Command {
            ticket: Ticket(0),
            show: show.id.as_str().into(),
            action: Action::Seed(Box::new(show.clone())),
        };
        let answers = self.try_decide(now.0, &[command])?;
        Ok(answers.iter().any(|answer| answer.decision.is_ok()))
    }

    fn decide(&mut self, now: UnixMillis, batch: Vec<Command>) -> Vec<Answer> {
        match self.try_decide(now.0, &batch) {
            Ok(answers) => return answers,
            Err(error) if error.is_of_one_command() => {
                tracing::error!(%error, commands = batch.len(), "a batch failed; each is tried alone");
            }
            Err(error) => {
                if let Some(times) = self.complaints.add(now) {
                    tracing::error!(%error, commands = batch.len(), times, "the ledger failed; nothing was answered");
                }
                // A commit whose answer was lost may have lasted.
                self.is_stale = true;
                return batch.iter().map(failed).collect();
            }
        }
        let alone = batch.iter().flat_map(|command| {
            let decided = self.try_decide(now.0, std::slice::from_ref(command));
            decided.unwrap_or_else(|error| {
                tracing::error!(%error, show = %command.show, "a command failed; nothing was done");
                vec![failed(command)]
            })
        });
        alone.collect()
    }

    fn audit(&mut self) -> Result<Audit, LedgerError> {
        self.reading(|store| audit::audit(store))
    }

    fn undelivered(&mut self, most: usize) -> Result<Vec<Event>, LedgerError> {
        let sql =
            format!("SELECT CAST(n AS TEXT), body FROM outbox WHERE delivered = 0 ORDER BY n LIMIT {most}");
        let found = self.reading(|store| store.pairs(&sql))?;
        let events = found.into_iter().filter_map(|(n, body)| {
            Some(Event {
                n: n.parse().ok()?,
                body,
            })
        });
        Ok(events.collect())
    }

    fn delivered(&mut self, events: &[Event]) -> Result<(), LedgerError> {
        let numbers: Vec<String> = events.iter().map(|event| event.n.to_string()).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        self.store.begin()?;
        let sql = format!(
            "UPDATE outbox SET delivered = 1 WHERE n IN ({})",
            numbers.join(", ")
        );
        let done = self.store.run(&sql).and_then(|()| self.store.commit());
        self.store.roll_back();
        done
    }

    fn back_up(&mut self, to: &mut dyn std::io::Write) -> Result<u64, BackupError> {
        self.store.begin_reading()?;
        let done = backup::write(&mut self.store, to);
        self.store.roll_back();
        done
    }

    fn restore(&mut self, from: &mut dyn std::io::BufRead) -> Result<u64, BackupError> {
        self.store.begin()?;
        let done = backup::read(&mut self.store, from).and_then(|rows| {
            self.store.commit()?;
            Ok(rows)
        });
        self.store.roll_back();
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_fails_says_so_once_a_second() {
        let mut complaints = Complaints::default();
        let mut add = |now| complaints.add(UnixMillis(now));
        assert_eq!(add(5000), Some(1));
        assert_eq!((add(5001), add(5999)), (None, None));
        assert_eq!(add(6000), Some(3));
        assert_eq!(add(6500), None);
        assert_eq!(add(1000), Some(2), "the clock was set back");
    }
}
