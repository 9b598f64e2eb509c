//! The ledger on a thread of its own: whatever waits when it is free is decided in one transaction.

use std::io;
use std::sync::mpsc as lane;
use std::thread::JoinHandle;
use std::time::Instant;

use overlay::ledger::{Answer, Command, Ledger};
use tokio::sync::mpsc;

use super::clock::Clock;
use super::ledger_health::LedgerHealth;
use crate::telemetry::ShopMetrics;

/// Commands waiting. At the slowest disk's hundred commits a second and [`BATCH`] each this is seconds of work.
const WAITING: usize = 64 << 10;
/// Commands of one transaction: enough to share a commit, few enough that the first need not wait for the last.
const BATCH: usize = 1024;
/// Answers the shop has not taken; then the ledger waits for it.
const ANSWERS: usize = 16 << 10;

/// The way to the ledger. Dropping the last one ends the thread when it has decided what waits.
#[derive(Clone)]
pub struct LedgerLane {
    commands: lane::SyncSender<Command>,
    metrics: ShopMetrics,
    health: LedgerHealth,
}

impl LedgerLane {
    /// How the ledger is.
    pub fn health(&self) -> &LedgerHealth {
        &self.health
    }

    /// Hands a command over; it comes back when the lane is full or the thread gone.
    ///
    /// # Errors
    /// The command.
    pub fn send(&self, command: Command) -> Result<(), Box<Command>> {
        self.metrics.ledger_queue.inc();
        self.commands.try_send(command).map_err(|refused| {
            self.metrics.ledger_queue.dec();
            match refused {
                lane::TrySendError::Full(command) | lane::TrySendError::Disconnected(command) => {
                    Box::new(command)
                }
            }
        })
    }
}

/// Starts the thread.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    mut ledger: Box<dyn Ledger>,
    metrics: ShopMetrics,
    clock: Clock,
) -> io::Result<(LedgerLane, mpsc::Receiver<Answer>, JoinHandle<()>)> {
    let (commands, waiting) = lane::sync_channel::<Command>(WAITING);
    let (answered, answers) = mpsc::channel(ANSWERS);
    let counts = metrics.clone();
    let health = LedgerHealth::new(Instant::now());
    let marks = health.clone();
    let thread = std::thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(move || {
            while let Ok(first) = waiting.recv() {
                let mut batch = vec![first];
                batch.extend(waiting.try_iter().take(BATCH - 1));
                counts.ledger_queue.sub(i64::try_from(batch.len()).unwrap_or(0));
                let tick = marks.begins(Instant::now(), &batch);
                let decided = ledger.decide(clock.now(), batch);
                marks.ends(tick, &decided);
                for answer in decided {
                    if answered.blocking_send(answer).is_err() {
                        // The shop is gone; what waits is decided all the same.
                        tracing::debug!("nobody hears the ledger");
                    }
                }
            }
        })?;
    let lane = LedgerLane {
        commands,
        metrics,
        health,
    };
    Ok((lane, answers, thread))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use overlay::UnixMillis;
    use overlay::ledger::{Action, Audit, BackupError, Event, LedgerError, Refusal, ShowRecord, Ticket};

    use super::*;
    use crate::telemetry::Telemetry;

    /// A ledger that decides when it is let, and notes how much it was handed together.
    struct Gate {
        opens: lane::Receiver<()>,
        batches: Arc<Mutex<Vec<usize>>>,
    }

    impl Ledger for Gate {
        fn decide(&mut self, _: UnixMillis, batch: Vec<Command>) -> Vec<Answer> {
            self.batches.lock().unwrap().push(batch.len());
            // When nobody holds it shut any more, it is open.
            let _ = self.opens.recv();
            let refused = |command: Command| Answer::refusing(command.ticket, command.show, Refusal::Failed);
            batch.into_iter().map(refused).collect()
        }
        fn shows(&mut self) -> Result<Vec<ShowRecord>, LedgerError> {
            Ok(Vec::new())
        }
        fn seed(&mut self, _: UnixMillis, _: &ShowRecord) -> Result<bool, LedgerError> {
            Ok(false)
        }
        fn audit(&mut self) -> Result<Audit, LedgerError> {
            Err(LedgerError::Content("nobody asks".to_owned()))
        }
        fn undelivered(&mut self, _: usize) -> Result<Vec<Event>, LedgerError> {
            Ok(Vec::new())
        }
        fn delivered(&mut self, _: &[Event]) -> Result<(), LedgerError> {
            Ok(())
        }
        fn back_up(&mut self, _: &mut dyn io::Write) -> Result<u64, BackupError> {
            Ok(0)
        }
        fn restore(&mut self, _: &mut dyn io::BufRead) -> Result<u64, BackupError> {
            Ok(0)
        }
    }

    #[test]
    fn so_many_wait_and_so_many_are_decided_together() {
        let (open, opens) = lane::channel();
        let batches = Arc::new(Mutex::new(Vec::new()));
        let ledger = Gate {
            opens,
            batches: batches.clone(),
        };
        let (lane, mut answers, thread) = start(
            Box::new(ledger),
            Telemetry::new(&[]).unwrap().shop,
            Clock::start(),
        )
        .unwrap();
        let command = |number: usize| Command {
            ticket: Ticket(number as u64),
            show: "demo".into(),
            action: Action::Tick,
        };
        lane.send(command(0)).unwrap();
        while batches.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        // The first is being decided; then the lane fills.
        for number in 1..=WAITING {
            assert!(lane.send(command(number)).is_ok(), "{number}");
        }
        assert_eq!(
            lane.send(command(WAITING + 1)).unwrap_err().ticket,
            Ticket(WAITING as u64 + 1)
        );
        drop((open, lane));
        for number in 0..=WAITING {
            assert_eq!(answers.blocking_recv().unwrap().ticket, Ticket(number as u64));
        }
        assert!(answers.blocking_recv().is_none());
        thread.join().unwrap();
        let batches = batches.lock().unwrap();
        assert_eq!(batches[0], 1);
        assert!(batches[1..].iter().all(|batch| *batch == BATCH), "{batches:?}");
    }
}
