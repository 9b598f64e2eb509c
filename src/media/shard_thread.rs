//! A shard's thread: reads everything that is waiting, lets the shard handle it, sends what comes of it, and waits
//! for more or for the next deadline. The only place where the media path meets a clock and a socket.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use sfu::Shard;
use sfu::relay::{Relay, ShardId};
use sfu::shard::{Event, OpenError, PublisherPath, ShardConfig};
use sfu::transport::Outbox;
use tokio::sync::{mpsc, oneshot};

use super::command::{Command, LaneCounts, ShardReport};
use super::lanes::{ShardInbox, ShardLane, is_lossy, lanes};
use super::load::Load;
use super::pause::{Pause, TURN_INTERVAL};
use crate::net::connected::MAX_CONNECTED;
use crate::net::tcp::{TcpCounts, TcpPort};
use crate::net::udp::UdpPort;

const UDP: Token = Token(0);
const WAKE: Token = Token(1);
const TCP: Token = Token(2);
/// Tokens from here on are sockets of publishers.
const FIRST_PUBLISHER: usize = 3;
/// Tokens from here on are TCP connections.
const FIRST_CONNECTION: usize = FIRST_PUBLISHER + MAX_CONNECTED;

/// Commands taken in one turn, so that a burst of them cannot hold up packets.
const COMMANDS_PER_TURN: usize = 256;
/// Relayed messages taken in one turn, for the same reason.
const RELAYS_PER_TURN: usize = 2048;
/// The longest wait without a deadline.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Relay control messages that wait for room in another shard's lane; beyond this that shard's thread is dead.
const MAX_RELAY_BACKLOG: usize = 16 << 10;
/// Events other than messages and health that wait for room: a few per peer, so this is every peer of a full shard.
const MAX_EVENT_BACKLOG: usize = 64 << 10;

/// A shard before its thread starts: its poll exists, so that others can hold its lane.
pub struct ShardSeat {
    poll: Poll,
    inbox: ShardInbox,
    udp: UdpPort,
    tcp: Option<TcpPort>,
    /// TCP connections with more to read.
    unread: Vec<u64>,
    /// The lasting load above which viewers are refused.
    load_max: f32,
    turn_interval: Duration,
}

impl ShardSeat {
    /// Prepares a seat at bound ports, and the lane to it.
    ///
    /// # Errors
    /// When the system gives no poll.
    pub fn new(mut udp: UdpPort, mut tcp: Option<TcpPort>) -> io::Result<(ShardSeat, ShardLane)> {
        let poll = Poll::new()?;
        poll.registry().register(udp.source(), UDP, Interest::READABLE)?;
        if let Some(tcp) = &mut tcp {
            poll.registry().register(tcp.source(), TCP, Interest::READABLE)?;
        }
        let (lane, inbox) = lanes(Waker::new(poll.registry(), WAKE)?);
        let seat = ShardSeat {
            poll,
            inbox,
            udp,
            tcp,
            unread: Vec::new(),
            load_max: 1.0,
            turn_interval: TURN_INTERVAL,
        };
        Ok((seat, lane))
    }

    /// Refuses viewers while the thread has worked more than this share of its time, 0 to 1, for a second or two.
    #[must_use]
    pub fn refusing_above(self, load_max: f32) -> ShardSeat {
        ShardSeat { load_max, ..self }
    }

    /// Another time than [`TURN_INTERVAL`] from turn to turn of a thread that has many; zero wakes for every datagram.
    #[must_use]
    pub fn turning_every(self, turn_interval: Duration) -> ShardSeat {
        ShardSeat {
            turn_interval,
            ..self
        }
    }

    /// Starts the thread, on a core of its own if one is given. `lanes` are those of all shards in order of their
    /// numbers, this one's included. `alive` is dropped when the thread ends, for whatever reason.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        self,
        config: ShardConfig,
        seed: u64,
        core: Option<core_affinity::CoreId>,
        lanes: Vec<ShardLane>,
        events: mpsc::Sender<(ShardId, Event)>,
        alive: oneshot::Sender<Infallible>,
    ) -> io::Result<JoinHandle<()>> {
        let id = config.id;
        std::thread::Builder::new()
            .name(format!("shard-{}", id.0))
            .spawn(move || {
                let _alive = alive;
                if core.is_some_and(|core| !core_affinity::set_for_current(core)) {
                    tracing::warn!(shard = id.0, "cannot pin the shard to a core");
                }
                let now = Instant::now();
                let thread = ShardThread {
                    id,
                    shard: Shard::new(config, seed, now),
                    pause: Pause::new(self.turn_interval, now),
                    seat: self,
                    relay_backlog: lanes.iter().map(|_| VecDeque::new()).collect(),
                    woken: vec![false; lanes.len()],
                    lanes,
                    events,
                    event_backlog: VecDeque::new(),
                    counts: LaneCounts::default(),
                    is_refusing: false,
                    busy: Duration::ZERO,
                    load: Load::new(now),
                    turns: 0,
                };
                thread.run();
            })
    }
}

struct ShardThread {
    id: ShardId,
    shard: Shard,
    seat: ShardSeat,
    lanes: Vec<ShardLane>,
    /// For each lane the control messages that found it full.
    relay_backlog: Vec<VecDeque<Relay>>,
    events: mpsc::Sender<(ShardId, Event)>,
    /// Events that found the lane full and must not be lost.
    event_backlog: VecDeque<Event>,
    counts: LaneCounts,
    is_refusing: bool,
    busy: Duration,
    load: Load,
    pause: Pause,
    turns: u64,
    /// Lanes with something new in this turn.
    woken: Vec<bool>,
}

impl ShardThread {
    fn run(mut self) {
        let mut waiting = Events::with_capacity(256);
        let mut readable = true;
        let mut timeout = Duration::ZERO;
        loop {
            if let Err(error) = self.seat.poll.poll(&mut waiting, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(shard = self.id.0, %error, "poll failed; the shard stops");
                return;
            }
            for event in &waiting {
                match event.token() {
                    UDP => readable = true,
                    Token(number @ FIRST_PUBLISHER..FIRST_CONNECTION) => {
                        self.seat.udp.wake(number - FIRST_PUBLISHER);
                    }
                    _ => {}
                }
            }
            // One time per turn: what came in together happened together.
            let now = Instant::now();
            let (commands_left, shutdown) = self.take_commands(now);
            let relays_left = self.take_relays(now);
            let shard = &mut self.shard;
            let mut take = |from, datagram: &mut [u8]| shard.handle_datagram(now, from, datagram);
            // What publishers send comes first, however much there is of everything else.
            let media_left = self.seat.udp.receive_connected(&mut take);
            if readable {
                readable = self.seat.udp.receive(&mut take);
            }
            self.serve_tcp(now, &waiting);
            if self.shard.poll_timeout().is_some_and(|deadline| deadline <= now) {
                self.shard.handle_timeout(now);
            }
            if shutdown.is_some() {
                // The last receipts, before the goodbyes.
                self.send(now);
                self.shard.close_all(now);
            }
            self.send(now);
            self.follow_publishers();
            self.deliver_relays();
            self.deliver_events();
            self.turns += 1;
            if let Some(reply) = shutdown {
                // Nobody waits any more if this fails.
                let _ = reply.send(());
                return;
            }
            let finished = Instant::now();
            self.busy += finished - now;
            if let Some((load, worked)) = self.load.measure(finished, self.busy) {
                self.shard.set_load(load, worked);
            }
            timeout =
                if readable || media_left || commands_left || relays_left || !self.seat.unread.is_empty() {
                    Duration::ZERO
                } else {
                    self.wait(finished)
                };
            // Never past a deadline, and never while there is work left.
            let pause = self.pause.after_turn(finished).min(timeout);
            if !pause.is_zero() {
                std::thread::sleep(pause);
                timeout -= pause;
            }
        }
    }

    fn follow_publishers(&mut self) {
        while let Some(PublisherPath { peer, path }) = self.shard.poll_publisher_path() {
            let ShardSeat { udp, poll, .. } = &mut self.seat;
            udp.follow(peer.0, path, poll.registry(), FIRST_PUBLISHER);
        }
    }

    fn serve_tcp(&mut self, now: Instant, waiting: &Events) {
        let seat = &mut self.seat;
        let Some(tcp) = &mut seat.tcp else { return };
        if waiting.iter().any(|event| event.token() == TCP) {
            while tcp.accept(now, seat.poll.registry(), FIRST_CONNECTION) {}
        }
        let named = waiting
            .iter()
            .filter_map(|event| event.token().0.checked_sub(FIRST_CONNECTION));
        let mut numbers = std::mem::take(&mut seat.unread);
        numbers.extend(named.map(|number| number as u64));
        let shard = &mut self.shard;
        numbers.retain(|&number| {
            tcp.serve(now, number, |from, packet| {
                shard.handle_datagram(now, from, packet)
            })
        });
        numbers.sort_unstable();
        numbers.dedup();
        seat.unread = numbers;
        tcp.sweep(now);
    }

    fn wait(&self, now: Instant) -> Duration {
        /// A full lane has room again soon, and nobody wakes us for it.
        const RETRY: Duration = Duration::from_millis(5);
        /// A full network card sends a few hundred datagrams in this time.
        const UDP_RETRY: Duration = Duration::from_micros(500);
        let is_clear = self.relay_backlog.iter().all(VecDeque::is_empty) && self.event_backlog.is_empty();
        let longest = match (self.seat.udp.is_waiting(), is_clear) {
            (true, _) => UDP_RETRY,
            (false, true) => LONGEST_WAIT,
            (false, false) => RETRY,
        };
        let deadline = self.shard.poll_timeout();
        deadline.map_or(longest, |deadline| {
            deadline.saturating_duration_since(now).min(longest)
        })
    }

    fn send(&mut self, now: Instant) {
        let ShardSeat { udp, tcp, .. } = &mut self.seat;
        udp.send_waiting();
        let mut send = |outbox: &Outbox| {
            udp.send(outbox);
            if let Some(tcp) = tcp {
                tcp.send(now, outbox);
            }
        };
        self.shard.flush_through(now, &mut send);
        let outbox = self.shard.outbox();
        if !outbox.is_empty() {
            send(outbox);
            outbox.clear();
        }
    }

    /// Whether commands are left, and the reply a shutdown waits for.
    fn take_commands(&mut self, now: Instant) -> (bool, Option<oneshot::Sender<()>>) {
        for _ in 0..COMMANDS_PER_TURN {
            match self.seat.inbox.command() {
                None => return (false, None),
                Some(Command::Shutdown { reply }) => return (false, Some(reply)),
                Some(command) => self.obey(now, command),
            }
        }
        (true, None)
    }

    /// Whether a viewer who asks is turned away, because those inside already take all the thread has. Counted, and told
    /// once.
    fn turns_away(&mut self) -> bool {
        let is_exhausted = self.load.has_lasted_above(self.seat.load_max);
        if is_exhausted && !self.is_refusing {
            tracing::warn!(
                shard = self.id.0,
                "the media thread is busier than media_load_max_percent: viewers are refused"
            );
        }
        self.is_refusing = is_exhausted;
        self.counts.viewers_refused += u64::from(is_exhausted);
        is_exhausted
    }

    /// Carries out one command. A requester that has gone does not need its reply.
    fn obey(&mut self, now: Instant, command: Command) {
        let is_turned_away = matches!(command, Command::OpenViewer { .. }) && self.turns_away();
        let shard = &mut self.shard;
        match command {
            Command::OpenPublisher {
                peer,
                room,
                generation,
                offer,
                ice,
                reply,
            } => {
                let _ = reply.send(shard.open_publisher(now, peer, room, generation, *offer, ice));
            }
            Command::OpenViewer { reply, .. } if is_turned_away => {
                let _ = reply.send(Err(OpenError::Busy));
            }
            Command::OpenViewer {
                peer,
                room,
                offer,
                ice,
                reply,
            } => {
                let _ = reply.send(shard.open_viewer(now, peer, room, *offer, ice));
            }
            Command::RestartIce {
                peer,
                local,
                remote,
                reply,
            } => {
                let _ = reply.send(shard.restart_ice(peer, local, remote));
            }
            Command::Close { peer, reply } => {
                shard.close(now, peer);
                let _ = reply.send(());
            }
            Command::SendMessage {
                peer,
                channel,
                urgency,
                data,
            } => {
                shard.send_message(peer, channel, &data, urgency);
            }
            Command::Listen { peer, listens } => shard.listen(peer, listens),
            Command::Broadcast {
                room,
                channel,
                data,
                urgency,
            } => shard.broadcast(&room, channel, &data, urgency),
            Command::SetLimit { peer, limit, reply } => {
                let _ = reply.send(shard.set_limit(peer, limit));
            }
            Command::Viewers { room, most, reply } => {
                let _ = reply.send(shard.viewers(now, &room, most));
            }
            Command::Stats { reply } => {
                let _ = reply.send(self.report());
            }
            Command::Shutdown { .. } => {}
        }
    }

    fn report(&self) -> ShardReport {
        ShardReport {
            shard: self.shard.stats(),
            udp: self.seat.udp.counts(),
            tcp: self
                .seat
                .tcp
                .as_ref()
                .map_or_else(TcpCounts::default, TcpPort::counts),
            lanes: LaneCounts {
                relay_queue: self.seat.inbox.relay_depth() as u64,
                event_queue: (self.events.max_capacity() - self.events.capacity()) as u64,
                ..self.counts
            },
            busy: self.busy,
            turns: self.turns,
        }
    }

    /// Whether relayed messages are left.
    fn take_relays(&mut self, now: Instant) -> bool {
        for _ in 0..RELAYS_PER_TURN {
            let Some((from, relay)) = self.seat.inbox.relay() else {
                return false;
            };
            self.shard.handle_relay(now, from, relay);
        }
        true
    }

    fn deliver_relays(&mut self) {
        let mut woken = std::mem::take(&mut self.woken);
        woken.fill(false);
        for ((lane, backlog), woken) in self.lanes.iter().zip(&mut self.relay_backlog).zip(&mut woken) {
            while let Some(relay) = backlog.front()
                && lane.relay(self.id, relay.clone()).is_ok()
            {
                backlog.pop_front();
                *woken = true;
            }
        }
        while let Some((to, relay)) = self.shard.poll_relay() {
            match to {
                Some(to) => self.relay(usize::from(to.0), relay, &mut woken),
                None => {
                    let this = usize::from(self.id.0);
                    for to in (0..self.lanes.len()).filter(|&place| place != this) {
                        self.relay(to, relay.clone(), &mut woken);
                    }
                }
            }
        }
        for (lane, _) in self.lanes.iter().zip(&woken).filter(|(_, woken)| **woken) {
            lane.wake();
        }
        self.woken = woken;
    }

    fn relay(&mut self, to: usize, relay: Relay, woken: &mut [bool]) {
        let (Some(lane), Some(backlog), Some(woken)) = (
            self.lanes.get(to),
            self.relay_backlog.get_mut(to),
            woken.get_mut(to),
        ) else {
            return;
        };
        // Nothing passes control messages that wait: a packet before its publication is worthless.
        if is_lossy(&relay) {
            if !backlog.is_empty() || lane.relay(self.id, relay).is_err() {
                self.counts.relayed_media_dropped += 1;
                return;
            }
        } else if !backlog.is_empty() || lane.relay(self.id, relay.clone()).is_err() {
            if backlog.len() < MAX_RELAY_BACKLOG {
                backlog.push_back(relay);
            } else {
                self.counts.relayed_control_dropped += 1;
            }
            return;
        }
        *woken = true;
    }

    fn deliver_events(&mut self) {
        while let Some(event) = self.event_backlog.pop_front() {
            if let Err(mpsc::error::TrySendError::Full((_, event))) = self.events.try_send((self.id, event)) {
                self.event_backlog.push_front(event);
                break;
            }
        }
        while let Some(event) = self.shard.poll_event() {
            let refused = if self.event_backlog.is_empty() {
                match self.events.try_send((self.id, event)) {
                    Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => continue,
                    Err(mpsc::error::TrySendError::Full((_, event))) => event,
                }
            } else {
                event
            };
            match refused {
                // A client repeats what matters until it is answered.
                Event::Message { .. } => self.counts.messages_dropped += 1,
                Event::Health { .. } | Event::Audience { .. } => self.counts.health_dropped += 1,
                event if self.event_backlog.len() < MAX_EVENT_BACKLOG => self.event_backlog.push_back(event),
                _ => self.counts.events_dropped += 1,
            }
        }
    }
}
