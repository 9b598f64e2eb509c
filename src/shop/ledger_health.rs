//! Whether the ledger's database answers. Its thread says when it asks and what came of it; who asks for readiness reads
//! it at once, without waiting for the thread, and the shop's task tells the log of every change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use overlay::ledger::{Action, Answer, Command, Ticket};

/// A batch that takes longer has met a database that stands still. Longer than another server that stands still may hold
/// rows (5 s), and than a database that is looked for may be silent (3 s).
const STILL: Duration = Duration::from_secs(6);

/// How the ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last tick was carried out, or there was none yet.
    Well,
    /// The last tick failed: the database refuses (its disk is full), or is not to be reached.
    Fails,
    /// A batch has waited for [`STILL`] and more.
    StandsStill,
}

/// Written by the ledger's thread, read by everybody. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LedgerHealth(Arc<Marks>);

#[derive(Debug)]
struct Marks {
    epoch: Instant,
    /// Milliseconds from the epoch to the beginning of the batch at work, and one; 0 while there is none.
    since: AtomicU64,
    has_failed: AtomicBool,
}

impl LedgerHealth {
    /// A ledger that is well, at a time that is before all others.
    pub fn new(now: Instant) -> LedgerHealth {
        LedgerHealth(Arc::new(Marks {
            epoch: now,
            since: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
        }))
    }

    /// A batch goes to the database; the tick in it, if there is one, is the sign of the ledger's health. A stranger's
    /// command is none: one that the database refuses is that command's own affair.
    pub fn begins(&self, now: Instant, batch: &[Command]) -> Option<Ticket> {
        self.0.since.store(self.ms(now) + 1, Ordering::Relaxed);
        let tick = batch.iter().find(|command| command.action == Action::Tick);
        tick.map(|tick| tick.ticket)
    }

    /// It came back like this.
    pub fn ends(&self, tick: Option<Ticket>, answers: &[Answer]) {
        if let Some(answer) = answers.iter().find(|answer| Some(answer.ticket) == tick) {
            self.0
                .has_failed
                .store(answer.decision.is_err(), Ordering::Relaxed);
        }
        self.0.since.store(0, Ordering::Relaxed);
    }

    /// How it is.
    pub fn at(&self, now: Instant) -> Health {
        match self.0.since.load(Ordering::Relaxed) {
            since if since > 0 && self.ms(now) + 1 >= since + STILL.as_millis() as u64 => Health::StandsStill,
            _ if self.0.has_failed.load(Ordering::Relaxed) => Health::Fails,
            _ => Health::Well,
        }
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.0.epoch).as_millis()).unwrap_or(u64::MAX / 2)
    }
}

/// Tells the log what changed, once each time.
#[derive(Debug)]
pub struct Watch {
    health: LedgerHealth,
    told: Health,
    ill_since: Instant,
}

impl Watch {
    /// Watches a ledger that is well.
    pub fn new(health: LedgerHealth, now: Instant) -> Watch {
        Watch {
            health,
            told: Health::Well,
            ill_since: now,
        }
    }

    /// Looks at it; how it is.
    pub fn look(&mut self, now: Instant) -> Health {
        let health = self.health.at(now);
        if health == self.told {
            return health;
        }
        if self.told == Health::Well {
            self.ill_since = now;
        }
        self.told = health;
        match health {
            Health::Well => {
                let seconds = now.saturating_duration_since(self.ill_since).as_secs();
                tracing::info!(seconds, "the ledger's database answers again");
            }
            // What failed was told by the ledger itself, in its database's words.
            Health::Fails => {
                tracing::error!("buys are refused, and /readyz answers 503, until the ledger works again")
            }
            Health::StandsStill => tracing::error!(
                "the ledger's database has not answered for {} s: buys wait, and /readyz answers 503",
                STILL.as_secs()
            ),
        }
        health
    }
}

#[cfg(test)]
mod tests {
    use overlay::ledger::{Decision, Refusal};

    use super::*;

    fn command(number: u64, action: Action) -> (Command, Answer) {
        let (ticket, show) = (Ticket(number), "demo");
        let answer = Answer::refusing(ticket, show.into(), Refusal::Failed);
        let show = show.into();
        (Command { ticket, show, action }, answer)
    }

    #[test]
    fn a_database_that_does_not_answer_is_known_while_it_does_not() {
        let start = Instant::now();
        let health = LedgerHealth::new(start);
        let mut watch = Watch::new(health.clone(), start);
        assert_eq!(watch.look(start + STILL * 100), Health::Well, "nothing was asked");
        let asked = start + STILL;
        let tick = health.begins(asked, &[]);
        assert_eq!(health.at(asked + STILL - Duration::from_millis(1)), Health::Well);
        assert_eq!(watch.look(asked + STILL), Health::StandsStill);
        health.ends(tick, &[]);
        assert_eq!(watch.look(asked + STILL * 2), Health::Well);
    }

    #[test]
    fn a_tick_that_fails_is_the_ledgers_affair_and_a_buy_that_fails_is_the_buys() {
        let now = Instant::now();
        let health = LedgerHealth::new(now);
        let mut watch = Watch::new(health.clone(), now);
        let mut decide = |(command, answer): (Command, Answer)| {
            let tick = health.begins(now, &[command]);
            health.ends(tick, &[answer]);
            watch.look(now)
        };
        assert_eq!(decide(command(1, Action::Orders)), Health::Well);
        assert_eq!(decide(command(2, Action::Tick)), Health::Fails);
        assert_eq!(decide(command(3, Action::Orders)), Health::Fails);
        let (tick, mut answer) = command(4, Action::Tick);
        answer.decision = Ok(Decision::Done);
        assert_eq!(decide((tick, answer)), Health::Well);
    }
}
