//! Shows and their clients: what is said is understood, judged or passed to the ledger, and everybody is told.
//! Messages, answers of the ledger and the time go in, [`Output`]s come out.

mod answers;
mod audience;
mod cart;
mod chat;
mod client;
mod hello;
mod holds;
mod hosting;
mod keeping;
mod lag;
mod limits;
mod messages;
mod moderation;
mod moment;
mod outbox;
mod pace;
mod polls;
mod refresh;
mod requests;
mod said;
mod show;
mod talk;
mod ticks;
mod waitlist;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::ledger::{Action, Command, ShowRecord, Ticket};
use crate::message::{EncodingStatus, NoticeCode, ServerMessage, ShowState, encode};
use crate::{Channel, ClientId, Identities, Output, Priority, RequestId, UnixMillis};
use client::Client;
use pace::Pace;
use show::Show;

/// Settings of the shop.
#[derive(Clone, Debug)]
pub struct ShopConfig {
    /// How long a hold lasts, in milliseconds.
    pub hold_ms: i64,
    /// How long one from the waitlist has when it is its turn, in milliseconds.
    pub turn_ms: i64,
    /// Whether who has no customer's token may buy.
    pub guest_checkout: bool,
    /// Buys one viewer may begin within ten seconds.
    pub buys_per_ten_seconds: u32,
    /// Chat lines one viewer may write per second.
    pub chat_per_second: u32,
    /// Questions one viewer may ask within ten seconds, after three at once.
    pub questions_per_ten_seconds: u32,
    /// Messages with reactions one viewer may send within ten seconds.
    pub reactions_per_ten_seconds: u32,
    /// Messages of any kind one client may send within ten seconds, a third of them at once; more is a flood.
    pub messages_per_ten_seconds: u32,
    /// The same for all clients of an address, a fifth of them at once; private networks are not counted.
    pub address_messages_per_ten_seconds: u32,
    /// Rooms known at once; a room nobody is in and that has no show is forgotten.
    pub max_rooms: usize,
}

impl Default for ShopConfig {
    fn default() -> Self {
        ShopConfig {
            hold_ms: 600_000,
            turn_ms: 120_000,
            guest_checkout: true,
            buys_per_ten_seconds: 5,
            chat_per_second: 2,
            questions_per_ten_seconds: 1,
            reactions_per_ten_seconds: 20,
            messages_per_ten_seconds: 300,
            address_messages_per_ten_seconds: 10_000,
            max_rooms: 10_000,
        }
    }
}

/// A room as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// Its name.
    pub room: Arc<str>,
    /// Whether a host's media is there.
    pub live: bool,
    /// Clients now.
    pub viewers: u64,
    /// The show's title.
    pub title: String,
    /// Where the show is in its life.
    pub state: ShowState,
    /// When it is to begin, unix milliseconds.
    pub starts_at: Option<i64>,
    /// A picture of what is shown, else of what there is; an address as the product has it.
    pub image: Option<String>,
}

/// Who waits for an answer of the ledger.
#[derive(Clone, Debug)]
enum Waiting {
    /// A client's buy.
    Buy(ClientId),
    /// A client's command.
    Command {
        /// The client.
        client: ClientId,
        /// The client's id of it.
        about: String,
        /// The moment before the camera it belongs to.
        captured_at: Option<i64>,
    },
    /// A request.
    Request(RequestId),
    /// Whoever wanted a change of the talk, when it is kept.
    Kept {
        /// Of which show.
        show: Arc<str>,
        /// What was handed over.
        places: Vec<keeping::Place>,
        /// Who is told.
        asker: Box<Waiting>,
    },
    /// Nobody.
    Nobody,
}

impl Waiting {
    /// A client that is told of what it calls `about`.
    fn command(client: ClientId, about: &str) -> Waiting {
        Waiting::Command {
            client,
            about: about.to_owned(),
            captured_at: None,
        }
    }
}

/// Commands the ledger has not answered; beyond, it is out of order and buys are refused.
const MAX_WAITING: usize = 50_000;

/// All shows of the process.
pub struct Shop {
    config: ShopConfig,
    /// This life of the server: numbers of events mean something only within it.
    epoch: String,
    shows: HashMap<Arc<str>, Show>,
    clients: HashMap<ClientId, Client>,
    pace: Pace,
    waiting: HashMap<Ticket, Waiting>,
    next_ticket: u64,
    /// Of chat lines and questions.
    next_number: u64,
    /// Clients whose lines do not keep up, since when.
    behind: BTreeMap<ClientId, i64>,
    next_expiry: i64,
    /// Rooms with something to tell that must wait a moment, until when. Unix milliseconds.
    unsettled: BTreeMap<Arc<str>, i64>,
    outputs: VecDeque<Output>,
}

impl Shop {
    /// A shop with the shows of a ledger. `epoch` must be another one at every start.
    pub fn new(now: UnixMillis, config: ShopConfig, epoch: String, shows: Vec<ShowRecord>) -> Shop {
        let shows = shows.into_iter().map(|record| {
            let name: Arc<str> = record.id.as_str().into();
            (name.clone(), Show::new(now, name, Some(record)))
        });
        let shows: HashMap<Arc<str>, Show> = shows.collect();
        // What was said before keeps its ids.
        let said = shows.values().map(Show::highest_number).max().unwrap_or(0);
        Shop {
            shows,
            pace: Pace::new(&config),
            config,
            epoch,
            clients: HashMap::new(),
            waiting: HashMap::new(),
            next_ticket: 1,
            next_number: said + 1,
            behind: BTreeMap::new(),
            next_expiry: 0,
            unsettled: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// A client can be reached. It says hello next. `from` is where it comes from, for limits.
    pub fn connect(&mut self, now: UnixMillis, client: ClientId, room: &Arc<str>, from: IpAddr) {
        if !self.clients.contains_key(&client) && self.enter(now, room) {
            self.clients
                .insert(client, Client::new(room.clone(), from, &self.config, now));
        }
    }

    /// A client is gone.
    pub fn disconnect(&mut self, client: ClientId) {
        let Some(gone) = self.clients.remove(&client) else {
            return;
        };
        self.behind.remove(&client);
        if let Some(show) = self.shows.get_mut(&gone.room) {
            show.audience.leave(client);
        }
        self.forget_if_empty(&gone.room);
    }

    /// A message of a client.
    pub fn handle_message(
        &mut self,
        now: UnixMillis,
        client: ClientId,
        message: &[u8],
        identities: &dyn Identities,
    ) {
        let room = self.clients.get(&client).map(|client| client.room.clone());
        self.take_message(now, client, message, identities);
        self.settle(now, room.as_deref());
    }

    /// What the ledger decided.
    pub fn handle_answer(&mut self, now: UnixMillis, answer: crate::ledger::Answer) {
        let others = answer.stock.iter().map(|(show, _)| show);
        let refreshed = answer.refreshed.iter().map(|record| record.id.as_str().into());
        let rooms = others.chain([&answer.show]).cloned().chain(refreshed);
        let rooms: BTreeSet<Arc<str>> = rooms.collect();
        self.take_answer(now, answer);
        for room in rooms {
            self.settle(now, Some(&room));
        }
    }

    /// A host's media came or went.
    pub fn set_on_air(&mut self, now: UnixMillis, room: &Arc<str>, live: bool) {
        if self.enter(now, room)
            && let Some(show) = self.shows.get_mut(room)
            && show.on_air != live
        {
            show.on_air = live;
            show.tell(now, Channel::Shop, &ServerMessage::OnAir { live });
        }
        self.settle(now, Some(room));
        self.forget_if_empty(room);
    }

    /// How the host's media arrives, for hosts.
    pub fn tell_health(
        &mut self,
        now: UnixMillis,
        room: &str,
        encodings: &[EncodingStatus],
        warnings: Vec<String>,
    ) {
        let message = ServerMessage::Health { encodings, warnings };
        self.tell_hosts(room, encode(&message, now));
    }

    /// Tells a client what its picture's clock means: what has the RTP timestamp `rtp`, at `rate` ticks a second, was
    /// captured at `captured_at`, unix milliseconds.
    pub fn tell_clock(&mut self, now: UnixMillis, client: ClientId, rtp: u32, rate: u32, captured_at: i64) {
        if self
            .clients
            .get(&client)
            .is_some_and(|known| known.identity.is_some())
        {
            let message = ServerMessage::Clock {
                rtp,
                rate,
                captured_at,
            };
            self.tell(now, client, Channel::Live, &message);
        }
    }

    /// A client's player has no decoder for the picture, which comes in `codec`; with none it plays what there is.
    pub fn set_unplayable(&mut self, now: UnixMillis, client: ClientId, codec: Option<&'static str>) {
        let Some(known) = self.clients.get_mut(&client) else {
            return;
        };
        let is_news = std::mem::replace(&mut known.unplayable, codec) != codec;
        if is_news && known.identity.is_some() {
            self.tell(now, client, Channel::Shop, &ServerMessage::Unplayable { codec });
        }
    }

    /// Lets time pass: viewer counts are told, holds run out. To be called a few times a second.
    pub fn handle_time(&mut self, now: UnixMillis) {
        self.tick(now);
    }

    /// Whether something was asked of the ledger that it has not answered.
    pub fn awaits_ledger(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When [`handle_due`](Shop::handle_due) has something to do, if nothing else happens before.
    pub fn poll_due(&self) -> Option<UnixMillis> {
        self.unsettled.values().min().map(|due| UnixMillis(*due))
    }

    /// Tells what has waited its time.
    pub fn handle_due(&mut self, now: UnixMillis) {
        let due = self.unsettled.iter().filter(|(_, due)| **due <= now.0);
        for room in due.map(|(room, _)| room.clone()).collect::<Vec<_>>() {
            self.settle(now, Some(&room));
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Rooms that are live, have viewers or have a show, by name.
    pub fn rooms(&self) -> Vec<RoomState> {
        let mut rooms: Vec<RoomState> = self.shows.values().map(Show::state).collect();
        rooms.sort_by(|a, b| a.room.cmp(&b.room));
        rooms
    }

    /// One room, if anything is known of it.
    pub fn room(&self, room: &str) -> Option<RoomState> {
        self.shows.get(room).map(Show::state)
    }

    /// Clients that were welcomed, of the process.
    pub fn viewers(&self) -> u64 {
        self.shows.values().map(|show| show.audience.viewers()).sum()
    }

    /// Makes sure a room is known; false when there are too many.
    fn enter(&mut self, now: UnixMillis, room: &Arc<str>) -> bool {
        if self.shows.contains_key(room) {
            return true;
        }
        if self.shows.len() >= self.config.max_rooms {
            return false;
        }
        self.shows
            .insert(room.clone(), Show::new(now, room.clone(), None));
        true
    }

    fn forget_if_empty(&mut self, room: &str) {
        if self.shows.get(room).is_some_and(Show::is_forgettable) {
            let nobody = !self.clients.values().any(|client| *client.room == *room);
            if nobody {
                self.shows.remove(room);
                self.unsettled.remove(room);
            }
        }
    }

    fn ask_ledger(&mut self, show: &Arc<str>, action: Action, waiting: Waiting) -> bool {
        if self.waiting.len() >= MAX_WAITING {
            return false;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.insert(ticket, waiting);
        self.outputs.push_back(Output::Ledger(Command {
            ticket,
            show: show.clone(),
            action,
        }));
        true
    }

    /// Tells everybody in a room what may leave by now.
    fn settle(&mut self, now: UnixMillis, room: Option<&str>) {
        let Some(show) = room.and_then(|room| self.shows.get_mut(room)) else {
            room.map(|room| self.unsettled.remove(room));
            return;
        };
        show.push_stock(now);
        for (channel, events) in show.outbox.take(now, show.audience.viewers()) {
            let messages = outbox::batches(&events, now).into_iter();
            let room = &show.name;
            self.outputs.extend(messages.map(|message| Output::Broadcast {
                room: room.clone(),
                channel,
                message,
            }));
            for client in show
                .audience
                .plain()
                .filter(|client| !self.behind.contains_key(client))
            {
                self.outputs.extend(events.iter().map(|event| Output::Send {
                    client,
                    channel,
                    priority: Priority::of(channel),
                    message: event.clone(),
                }));
            }
        }
        match show.due(now) {
            Some(due) => drop(self.unsettled.insert(show.name.clone(), due)),
            None => drop(self.unsettled.remove(&show.name)),
        }
    }

    /// A client's room and person.
    fn person(&self, client: ClientId) -> Option<(Arc<str>, String)> {
        let client = self.clients.get(&client)?;
        Some((client.room.clone(), client.identity.as_ref()?.subject.clone()))
    }

    fn show_of(&mut self, client: ClientId) -> Option<&mut Show> {
        self.shows.get_mut(&self.clients.get(&client)?.room)
    }

    /// A number for what somebody says.
    fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn send(&mut self, client: ClientId, channel: Channel, priority: Priority, message: Bytes) {
        self.outputs.push_back(Output::Send {
            client,
            channel,
            priority,
            message,
        });
    }

    fn tell(&mut self, now: UnixMillis, client: ClientId, channel: Channel, message: &ServerMessage<'_>) {
        let priority = match message {
            ServerMessage::Receipt(_) | ServerMessage::Order(_) | ServerMessage::Notice { .. } => {
                Priority::Receipt
            }
            _ => Priority::of(channel),
        };
        self.send(client, channel, priority, encode(message, now));
    }

    fn busy(&mut self, now: UnixMillis, client: ClientId, about: &str) {
        let text = "the shop is busy, try again";
        self.notice(
            now,
            client,
            NoticeCode::Unavailable,
            text,
            Some(about),
            Some(1000),
        );
    }

    fn notice(
        &mut self,
        now: UnixMillis,
        client: ClientId,
        code: NoticeCode,
        text: &str,
        about: Option<&str>,
        retry_after_ms: Option<i64>,
    ) {
        let message = ServerMessage::Notice {
            code,
            text,
            r#ref: about,
            retry_after_ms,
        };
        self.tell(now, client, Channel::Shop, &message);
    }

    fn tell_hosts(&mut self, room: &str, message: Bytes) {
        let Some(show) = self.shows.get(room) else { return };
        let hosts: Vec<ClientId> = show.audience.hosts().collect();
        for host in hosts {
            self.send(host, Channel::Shop, Priority::State, message.clone());
        }
    }
}
