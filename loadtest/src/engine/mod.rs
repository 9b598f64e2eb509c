//! Cheap real viewers, by the thousand: ICE, DTLS, SRTP, reports, feedback, repairs and data channels as browsers have
//! them, without decoding. Public protocols only.
//!
//! A [`Fleet`] has a few threads. Each has one socket toward servers on this machine, with a loopback address for
//! every viewer behind it, a wheel of times and the viewers themselves, which are values: datagrams and the time go
//! in, datagrams come out. Of most viewers the headers are counted and the first packet of each picture is opened, so
//! that keyframes and layers are known; a share opens every packet, and all open what repairs a loss.

mod answer;
mod arrivals;
mod channels;
mod customer;
mod events;
pub mod hostile;
mod http;
mod ice;
mod limits;
mod line;
mod offer;
mod outbox;
mod picture;
mod repair;
mod rtcp;
mod rtp;
mod secure;
mod srtp;
mod stream;
mod tally;
mod transit;
mod twcc;
mod viewer;
mod wheel;
mod wire;
mod worker;

use std::pin::Pin;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Error;
use crate::crowd::{Command, Crowd, Group};
use crate::measure::{GroupId, Recorder};
use http::{Http, Server};
use secure::Identity;
use viewer::Name;
use worker::{Common, Lane, Order, Party, Worker};

/// Threads of a fleet; more than that many cores nobody gives to a load test.
pub const MAX_THREADS: usize = 64;
/// How long the goodbyes of everybody may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// Viewers on threads of their own.
pub struct Fleet {
    threads: Vec<Thread>,
    deltas: mpsc::Receiver<Recorder>,
    /// For each group: the thread of the next join, of the next leave, and the next viewer's number.
    turns: Vec<Turns>,
    number: u32,
    requests: tokio::sync::mpsc::Receiver<()>,
}

/// Which of the turns.
type Turn = fn(&mut Turns) -> &mut usize;

#[derive(Default, Clone)]
struct Turns {
    /// The share of the group that opens every packet.
    inspect: f64,
    join: usize,
    leave: usize,
    speak: usize,
    buy: usize,
}

struct Thread {
    lane: Lane,
    handle: JoinHandle<()>,
}

impl Fleet {
    /// Starts the threads; viewers come with [`Command::Join`]. Must run on a tokio runtime, which makes the requests.
    ///
    /// # Errors
    /// A URL that cannot be used, more than 255 groups, or a system that gives no threads.
    pub fn start(groups: Vec<Group>, threads: usize, begin: Instant) -> Result<Fleet, Error> {
        if groups.len() > usize::from(u8::MAX) || !(1..=MAX_THREADS).contains(&threads) {
            return Err(Error::Options(format!(
                "at most 255 groups on 1 to {MAX_THREADS} threads"
            )));
        }
        let turns = groups.iter().map(|group| Turns {
            inspect: group.inspect.clamp(0.0, 1.0),
            ..Turns::default()
        });
        let turns = turns.collect();
        let parties = groups.into_iter().map(|group| {
            let server = Server::of(&group.whep)?;
            let shop = group
                .shop
                .as_ref()
                .map(|shop| Server::of(&shop.api))
                .transpose()?;
            Ok(Party { group, server, shop })
        });
        let parties = parties.collect::<Result<Vec<_>, Error>>()?;
        let runtime = tokio::runtime::Handle::try_current();
        let runtime = runtime.map_err(|error| Error::Options(error.to_string()))?;
        let (guard, requests) = tokio::sync::mpsc::channel(1);
        let common = Common {
            identity: Identity::generate()?,
            http: Http::new()?,
            parties: parties.into(),
            begin,
            runtime,
            guard,
        };
        let (sender, deltas) = mpsc::channel();
        let start = |number: usize| {
            let (worker, lane) = Worker::new(number as u8, common.clone(), sender.clone())?;
            let handle = std::thread::Builder::new()
                .name(format!("viewers {number}"))
                .spawn(move || worker.run())?;
            Ok(Thread { lane, handle })
        };
        let threads = (0..threads).map(start).collect::<std::io::Result<Vec<_>>>();
        let threads = threads.map_err(|error| Error::Unreachable(format!("threads: {error}")))?;
        Ok(Fleet {
            threads,
            deltas,
            turns,
            number: 0,
            requests,
        })
    }

    /// The next viewer of a group. The first opens every packet, and then as many as their share says.
    fn name(&mut self, group: GroupId) -> Name {
        let number = self.number;
        self.number += 1;
        let turns = self.turns.get(usize::from(group.0));
        let inspects = turns.is_some_and(|turns| {
            let those_of = |viewers: usize| (viewers as f64 * turns.inspect).ceil();
            those_of(turns.join + 1) > those_of(turns.join)
        });
        Name { number, inspects }
    }

    /// Gives an order to one of the threads, the next in turn.
    fn tell(&mut self, group: GroupId, turn: Turn, order: Order) {
        let Some(turns) = self.turns.get_mut(usize::from(group.0)) else {
            return;
        };
        let turn = turn(turns);
        if let Some(thread) = self.threads.get(*turn % self.threads.len().max(1)) {
            thread.lane.send(order);
        }
        *turn += 1;
    }

    /// Gives an order to so many threads in turn.
    fn tell_each(&mut self, group: GroupId, count: u32, turn: Turn, order: impl Fn() -> Order) {
        for _ in 0..count {
            self.tell(group, turn, order());
        }
    }
}

impl Drop for Fleet {
    /// The threads of a fleet that nobody stops end with it.
    fn drop(&mut self) {
        for thread in &self.threads {
            thread.lane.send(Order::Stop);
        }
    }
}

impl Crowd for Fleet {
    fn command(&mut self, command: Command) {
        let leaves: Turn = |turns| &mut turns.leave;
        let speaks: Turn = |turns| &mut turns.speak;
        // In the order of the joins: whoever is next on a thread has not bought.
        let buys: Turn = |turns| &mut turns.buy;
        match command {
            Command::Join { group, count } => {
                for _ in 0..count {
                    let name = self.name(group);
                    self.tell(group, |turns| &mut turns.join, Order::Join { group, name });
                }
            }
            Command::Leave { group, count } => self.tell_each(group, count, leaves, || Order::Leave {
                group,
                says_goodbye: true,
            }),
            Command::Vanish { group, count } => self.tell_each(group, count, leaves, || Order::Leave {
                group,
                says_goodbye: false,
            }),
            Command::Chat { group, count } => self.tell_each(group, count, speaks, || Order::Chat { group }),
            Command::Buy { group, count, buy } => self.tell_each(group, count, buys, || Order::Buy {
                group,
                buy: buy.clone(),
            }),
        }
    }

    fn take(&mut self) -> Recorder {
        let mut taken = Recorder::new();
        while let Ok(delta) = self.deltas.try_recv() {
            taken.merge(delta);
        }
        taken
    }

    fn stop(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = Recorder> + Send>> {
        Box::pin(async move {
            for thread in &self.threads {
                thread.lane.send(Order::Stop);
            }
            let threads = std::mem::take(&mut self.threads);
            let joined = tokio::task::spawn_blocking(|| {
                let panicked = threads
                    .into_iter()
                    .filter_map(|thread| thread.handle.join().err())
                    .count();
                if panicked > 0 {
                    tracing::error!(panicked, "threads of viewers panicked");
                }
            });
            let _ = tokio::time::timeout(GOODBYE, joined).await;
            // Resolves when the last request has dropped its guard.
            let _ = tokio::time::timeout(GOODBYE, self.requests.recv()).await;
            self.take()
        })
    }
}
