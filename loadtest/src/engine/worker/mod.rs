//! One thread of viewers: its sockets, its clock, its wheel.

mod members;
mod seconds;

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use rand::SeedableRng;
use rand::rngs::StdRng;
use slab::Slab;
use tokio::runtime::Handle;

use super::customer::Told;
use super::events::Wish;
use super::http::{Http, Server, Session};
use super::limits;
use super::line::{Fate, Line};
use super::outbox::Outbox;
use super::rtp;
use super::secure::{Identity, SCRATCH};
use super::tally::Tally;
use super::transit::{Transit, Way};
use super::viewer::{Moment, Name, Phase, Tools, Viewer, unix_us};
use super::wheel::Wheel;
use super::wire::{Seat, Wire};
use crate::Error;
use crate::crowd::{Buy, Group};
use crate::measure::{Counter, GroupId, Recorder};
use members::Members;
use seconds::LastTold;

/// Longest wait for something to happen: what the wheel can tell apart and a little.
const NAP: Duration = Duration::from_millis(2);
/// Packets of a second above which the thread looks for packets at most once in [`REST`]: looking costs as much as
/// several packets, and the kernel stamps their arrival.
const MANY: u64 = 20_000;
const REST: Duration = Duration::from_millis(1);
/// Viewers whose state is fetched together: more would push each other out of the nearest cache.
const GLANCED: usize = 16;
/// Between two deltas.
const SECOND: Duration = Duration::from_secs(1);
/// A wheel that is served so late spoils what is measured.
const LATE: Duration = Duration::from_millis(50);
const WAKE: Token = Token(usize::MAX);

/// What a thread is told.
pub(super) enum Order {
    /// Somebody joins; a buyer's token is made first.
    Join {
        group: GroupId,
        name: Name,
    },
    /// Somebody joins now, with the token that was made.
    Admit {
        group: GroupId,
        name: Name,
        token: Option<String>,
    },
    /// The oldest of a group leaves.
    Leave {
        group: GroupId,
        says_goodbye: bool,
    },
    Chat {
        group: GroupId,
    },
    Buy {
        group: GroupId,
        buy: Arc<Buy>,
    },
    /// The answer to a viewer's POST.
    Answered {
        group: GroupId,
        viewer: u32,
        serial: u64,
        answer: Box<Result<(Session, String), Error>>,
    },
    /// A customer by event stream was told something.
    Told {
        group: GroupId,
        told: Told,
    },
    /// A join that came to nothing before there was a viewer.
    Failed {
        group: GroupId,
        why: String,
    },
    Stop,
}

/// A group and where it goes.
pub(super) struct Party {
    pub(super) group: Group,
    pub(super) server: Server,
    /// Where the shop's HTTP is, when the group takes part.
    pub(super) shop: Option<Server>,
}

/// What all threads of a fleet share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) identity: Identity,
    pub(super) http: Http,
    pub(super) parties: Arc<[Party]>,
    pub(super) begin: Instant,
    pub(super) runtime: Handle,
    /// Held by every request under way: a stop waits until it is nobody's.
    pub(super) guard: tokio::sync::mpsc::Sender<()>,
}

impl Common {
    /// Runs a request. A stop waits for it.
    fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) {
        let guard = self.guard.clone();
        self.runtime.spawn(async move {
            request.await;
            drop(guard);
        });
    }
}

/// Puts orders into a thread's lane from anywhere.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) waker: Arc<Waker>,
}

impl Lane {
    /// A thread that has stopped takes no orders any more, and needs none.
    pub(super) fn send(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            // At worst it looks by itself two milliseconds later.
            let _ = self.waker.wake();
        }
    }
}

/// A viewer at its place.
struct Slot {
    viewer: Viewer,
    /// Tells it from who had the place before.
    serial: u64,
    group: GroupId,
    seat: Seat,
    line: Option<Box<Line>>,
    session: Option<Session>,
    /// Its shop side by event stream; it ends with this.
    events: Option<tokio::sync::mpsc::UnboundedSender<Wish>>,
}

/// A thread's state.
pub(super) struct Worker {
    common: Common,
    poll: Poll,
    orders: mpsc::Receiver<Order>,
    lane: Lane,
    deltas: mpsc::Sender<Recorder>,
    wire: Wire,
    wheel: Wheel,
    slots: Slab<Slot>,
    serial: u64,
    members: Vec<Members>,
    tallies: Vec<Tally>,
    outbox: Outbox,
    scratch: Vec<u8>,
    report: Vec<u8>,
    random: StdRng,
    transit: Transit,
    /// Many packets came in the last second.
    is_busy: bool,
    last_told: LastTold,
    cpu: Duration,
    dropped: u64,
}

impl Worker {
    /// A thread's state, and the lane into it.
    ///
    /// # Errors
    /// When the system gives no poll.
    pub(super) fn new(
        thread: u8,
        common: Common,
        deltas: mpsc::Sender<Recorder>,
    ) -> std::io::Result<(Worker, Lane)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (sender, orders) = mpsc::channel();
        let lane = Lane {
            orders: sender,
            waker,
        };
        let groups = common.parties.len();
        let worker = Worker {
            poll,
            orders,
            lane: lane.clone(),
            deltas,
            wire: Wire::new(thread),
            wheel: Wheel::new(common.begin),
            slots: Slab::new(),
            serial: 0,
            members: (0..groups).map(|_| Members::default()).collect(),
            tallies: (0..groups)
                .map(|group| Tally::new(GroupId(group as u8)))
                .collect(),
            outbox: Outbox::default(),
            scratch: vec![0; SCRATCH],
            report: Vec::new(),
            random: StdRng::from_rng(&mut rand::rng()),
            transit: Transit::default(),
            is_busy: false,
            last_told: LastTold::default(),
            cpu: Duration::ZERO,
            dropped: 0,
            common,
        };
        Ok((worker, lane))
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut due = Vec::new();
        let mut next_second = Instant::now() + SECOND;
        self.cpu = limits::thread_cpu().unwrap_or_default();
        loop {
            let now = Instant::now();
            let arrival = self
                .transit
                .next()
                .map_or(NAP, |next| next.saturating_duration_since(now));
            // An interrupted wait is a short one.
            let _ = self.poll.poll(&mut events, Some(arrival.min(NAP)));
            let woken = Instant::now();
            for event in &events {
                while event.token() != WAKE && self.receive(event.token()) {
                    self.flush();
                }
            }
            let now = Instant::now();
            self.deliver(now);
            self.serve(now, &mut due);
            self.flush();
            if now >= next_second {
                self.every_second(now);
                next_second += SECOND;
            }
            while let Ok(order) = self.orders.try_recv() {
                if let Order::Stop = order {
                    return self.stop();
                }
                self.obey(order);
                self.flush();
            }
            if self.is_busy && self.wire.holds_a_rest() {
                std::thread::sleep(REST.saturating_sub(woken.elapsed()));
            }
        }
    }

    /// Takes what waits on a socket; true when there may be more.
    fn receive(&mut self, token: Token) -> bool {
        let Worker {
            wire,
            slots,
            tallies,
            outbox,
            scratch,
            report,
            common,
            wheel,
            transit,
            ..
        } = self;
        let mut over = Vec::new();
        let more = wire.receive(token, |runs| {
            glance(runs.iter().filter_map(|run| {
                let slot = slots.get(run.viewer as usize)?;
                Some(slot.viewer.glance(run.first()))
            }));
            for run in runs {
                let (id, moment, from) = (run.viewer, run.moment, run.from);
                let Some(slot) = slots.get_mut(id as usize) else {
                    continue;
                };
                let Some(tally) = tallies.get_mut(usize::from(slot.group.0)) else {
                    continue;
                };
                let mut tools = Tools {
                    identity: &common.identity,
                    outbox,
                    scratch,
                    report,
                    tally,
                    begin: common.begin,
                };
                let mut may_differ = false;
                for datagram in run.datagrams() {
                    if let Some(line) = &mut slot.line {
                        let fate = line.down(moment.at, datagram.len());
                        let whose = (id, slot.serial);
                        put_on_line(fate, whose, &mut slot.viewer, from, datagram, transit, &mut tools);
                    } else {
                        may_differ |= slot.viewer.receive(moment, from, datagram, &mut tools);
                    }
                }
                if may_differ {
                    wheel.arm(id, slot.viewer.next());
                    if matches!(slot.viewer.phase(), Phase::Over(_)) {
                        over.push(id);
                    }
                }
            }
        });
        over.into_iter().for_each(|id| self.tidy(id));
        more
    }

    /// Datagrams whose time on a modelled line is over.
    fn deliver(&mut self, now: Instant) {
        while let Some(mut next) = self.transit.pop(now) {
            let Some(slot) = self
                .slots
                .get(next.viewer as usize)
                .filter(|slot| slot.serial == next.serial)
            else {
                continue;
            };
            if next.way == Way::Out {
                self.wire.send(slot.seat, next.viewer, next.peer, &next.bytes);
                continue;
            }
            let late = now.saturating_duration_since(next.due);
            let unix_us = unix_us().saturating_sub(late.as_micros() as u64);
            let moment = Moment {
                at: next.due,
                unix_us,
                is_held_back: next.way == Way::InLate,
            };
            self.with(next.viewer, |viewer, tools| {
                viewer.receive(moment, next.peer, &mut next.bytes, tools)
            });
            self.tidy(next.viewer);
        }
    }

    /// Everybody whose time has come.
    fn serve(&mut self, now: Instant, due: &mut Vec<u32>) {
        if self.wheel.expire(now, due) > LATE {
            self.count(Counter::LateTicks, 1);
        }
        for some in due.chunks(GLANCED) {
            glance(some.iter().filter_map(|id| {
                let slot = self.slots.get(*id as usize)?;
                Some(slot.viewer.glance(&[]))
            }));
            for &id in some {
                self.with(id, |viewer, tools| viewer.timeout(now, tools));
                self.tidy(id);
            }
        }
    }

    /// Does something with a viewer, and sets its next time.
    fn with<T>(&mut self, id: u32, act: impl FnOnce(&mut Viewer, &mut Tools<'_>) -> T) -> Option<T> {
        let slot = self.slots.get_mut(id as usize)?;
        let tally = self.tallies.get_mut(usize::from(slot.group.0))?;
        let mut tools = Tools {
            identity: &self.common.identity,
            outbox: &mut self.outbox,
            scratch: &mut self.scratch,
            report: &mut self.report,
            tally,
            begin: self.common.begin,
        };
        let done = act(&mut slot.viewer, &mut tools);
        self.wheel.arm(id, slot.viewer.next());
        Some(done)
    }

    /// Takes away who is over; the session, when there is one, is ended.
    fn tidy(&mut self, id: u32) {
        let is_over = |slot: &Slot| matches!(slot.viewer.phase(), Phase::Over(_));
        if self.slots.get(id as usize).is_some_and(is_over) {
            self.flush();
            let slot = self.slots.remove(id as usize);
            self.wheel.arm(id, None);
            self.wire.release(slot.seat, self.poll.registry());
            self.delete(slot.group, slot.session);
        }
    }

    fn delete(&self, group: GroupId, session: Option<Session>) {
        let Some(session) = session else {
            return;
        };
        let common = self.common.clone();
        self.common.spawn(async move {
            if let Some(party) = common.parties.get(usize::from(group.0)) {
                let token = party.group.token.as_deref();
                common.http.delete(&party.server, &session, token).await;
            }
        });
    }

    /// Sends what viewers have said, by their lines.
    fn flush(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        let Worker {
            outbox,
            slots,
            wire,
            transit,
            ..
        } = self;
        let now = Instant::now();
        for (id, to, datagram) in outbox.iter() {
            let Some(slot) = slots.get_mut(id as usize) else {
                continue;
            };
            let Some(line) = &mut slot.line else {
                wire.send(slot.seat, id, to, datagram);
                continue;
            };
            if let Fate::Arrives(at, again) = line.up(now, datagram.len()) {
                for due in [Some(at), again].into_iter().flatten() {
                    transit.push(due, (id, slot.serial), to, Way::Out, datagram);
                }
            }
        }
        outbox.clear();
    }

    /// Counts what belongs to no group of its own.
    fn count(&mut self, what: Counter, n: u64) {
        if let Some(tally) = self.tallies.first_mut() {
            tally.add(what, n);
        }
    }
}

/// Reads what thousands of viewers have in memory, and no cache has, for a handful of them at once: the memory answers all
/// of these reads in the time of one, where each viewer's work would wait for its own.
fn glance(seen: impl Iterator<Item = u64>) {
    std::hint::black_box(seen.fold(0, u64::wrapping_add));
}

/// Lets a modelled line have its way with a datagram for a viewer.
fn put_on_line(
    fate: Fate,
    whose: (u32, u64),
    viewer: &mut Viewer,
    from: SocketAddr,
    datagram: &[u8],
    transit: &mut Transit,
    tools: &mut Tools<'_>,
) {
    let (due, again, way) = match fate {
        Fate::Arrives(due, again) => (due, again, Way::In),
        Fate::Overtaken(due) => (due, None, Way::InLate),
        Fate::Lost | Fate::Overflowed => return viewer.taken(datagram, tools),
    };
    if !transit.push(due, whose, from, way, datagram) {
        return viewer.taken(datagram, tools);
    }
    let Some(again) = again else {
        return;
    };
    if rtp::is_media(datagram) {
        // A copy of a media packet changes nothing for a viewer, and it is no duplicate of the server's.
        tools.tally.add(Counter::InjectedDuplicates, 1);
    } else {
        transit.push(again, whose, from, way, datagram);
    }
}
