//! The ledger on a thread of its own: whatever waits when it is free is decided in one transaction.

use std::io;
use std::sync::mpsc as lane;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use overlay::UnixMillis;
use overlay::ledger::{Answer, Command, Ledger};
use tokio::sync::mpsc;

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
}

impl LedgerLane {
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
) -> io::Result<(LedgerLane, mpsc::Receiver<Answer>, JoinHandle<()>)> {
    let (commands, waiting) = lane::sync_channel::<Command>(WAITING);
    let (answered, answers) = mpsc::channel(ANSWERS);
    let counts = metrics.clone();
    let thread = std::thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(move || {
            while let Ok(first) = waiting.recv() {
                let mut batch = vec![first];
                batch.extend(waiting.try_iter().take(BATCH - 1));
                counts.ledger_queue.sub(i64::try_from(batch.len()).unwrap_or(0));
                for answer in ledger.decide(unix_now(), batch) {
                    if answered.blocking_send(answer).is_err() {
                        // The shop is gone; what waits is decided all the same.
                        tracing::debug!("nobody hears the ledger");
                    }
                }
            }
        })?;
    Ok((LedgerLane { commands, metrics }, answers, thread))
}

/// The wall clock.
pub fn unix_now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
