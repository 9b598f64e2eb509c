//! The session resources of WHIP and WHEP: unguessable addresses, entity tags, and a bound for each client address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::media::{Answer, Door, MediaSession};
use crate::network::is_private;
use crate::origin::household;
use crate::routes::follow::Kind;

/// 128 bits from the system's generator: a session's address is also the key to it (RFC 9725 §5).
const ID_BYTES: usize = 16;
/// 64 bits: entity tags must differ within one session only.
const TAG_BYTES: usize = 8;
/// Sessions that ended by themselves are looked for this often, while new ones come.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A session resource.
pub(crate) struct Session {
    pub(crate) media: MediaSession,
    pub(crate) door: Door,
    pub(crate) room: String,
    /// Whether its requests need a token, as its POST did.
    pub(crate) needs_token: bool,
    /// The m-line of the picture in its SDP.
    pub(crate) video: Option<usize>,
    streams: Mutex<VecDeque<EventStream>>,
    /// The strong entity tag of its ICE session, quoted. Held while a PATCH runs, so that they come one by one.
    pub(crate) tag: tokio::sync::Mutex<String>,
    _slot: Slot,
}

/// An event stream: what it is to tell, and how many have come to hear it.
struct EventStream {
    id: String,
    kinds: Vec<Kind>,
    listeners: u64,
}

/// Event streams of one session: a page and its reloads. The oldest makes room for a new one.
const MAX_STREAMS: usize = 4;

impl Session {
    /// A new event stream; its id.
    pub(crate) fn add_stream(&self, kinds: Vec<Kind>) -> String {
        let id = random(ID_BYTES);
        let mut streams = lock(&self.streams);
        if streams.len() >= MAX_STREAMS {
            streams.pop_front();
        }
        streams.push_back(EventStream {
            id: id.clone(),
            kinds,
            listeners: 0,
        });
        id
    }

    /// What a stream is to tell its newest listener, who takes the place of the one before: a player that comes again has
    /// lost that connection, and nobody is told twice. None when it is forgotten.
    pub(crate) fn listen(&self, id: &str) -> Option<(Vec<Kind>, u64)> {
        let mut streams = lock(&self.streams);
        let known = streams.iter_mut().find(|known| known.id == id)?;
        known.listeners += 1;
        Some((known.kinds.clone(), known.listeners))
    }

    /// Whether a stream is there and this is still its listener.
    pub(crate) fn is_listening(&self, id: &str, listener: u64) -> bool {
        let streams = lock(&self.streams);
        streams
            .iter()
            .any(|known| known.id == id && known.listeners == listener)
    }

    /// Forgets a stream; false when there is none of that id.
    pub(crate) fn remove_stream(&self, id: &str) -> bool {
        let mut streams = lock(&self.streams);
        let before = streams.len();
        streams.retain(|known| known.id != id);
        streams.len() < before
    }
}

/// How many slots each address has taken.
type Slots = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The sessions of the process, and the slots of every address.
pub(crate) struct Sessions {
    per_address: usize,
    slots: Slots,
    book: Mutex<Book>,
}

struct Book {
    sessions: HashMap<String, Arc<Session>>,
    swept: Instant,
}

/// The right to one session or event stream; given back when dropped.
pub(crate) struct Slot {
    owner: Option<(IpAddr, Slots)>,
}

impl Sessions {
    pub(crate) fn new(per_address: usize, now: Instant) -> Sessions {
        Sessions {
            per_address,
            slots: Arc::default(),
            book: Mutex::new(Book {
                sessions: HashMap::new(),
                swept: now,
            }),
        }
    }

    /// A slot for this address; `None` when it has as many as it may. Private networks are not counted.
    pub(crate) fn slot(&self, address: IpAddr) -> Option<Slot> {
        if is_private(address) {
            return Some(Slot { owner: None });
        }
        let address = household(address);
        let mut slots = lock(&self.slots);
        let taken = slots.entry(address).or_insert(0);
        if *taken >= self.per_address {
            return None;
        }
        *taken += 1;
        let owner = Some((address, Arc::clone(&self.slots)));
        Some(Slot { owner })
    }

    /// Enters an opened session; its id.
    pub(crate) fn enter(
        &self,
        slot: Slot,
        door: Door,
        room: &str,
        answer: &Answer,
        needs_token: bool,
    ) -> (String, String) {
        let (id, tag) = (random(ID_BYTES), fresh_tag());
        let session = Session {
            media: answer.session,
            door,
            room: room.to_owned(),
            needs_token,
            video: answer.video,
            streams: Mutex::default(),
            tag: tokio::sync::Mutex::new(tag.clone()),
            _slot: slot,
        };
        lock(&self.book).sessions.insert(id.clone(), Arc::new(session));
        (id, tag)
    }

    pub(crate) fn find(&self, door: Door, room: &str, id: &str) -> Option<Arc<Session>> {
        let book = lock(&self.book);
        let found = book.sessions.get(id);
        found
            .filter(|session| session.door == door && session.room == room)
            .cloned()
    }

    pub(crate) fn remove(&self, id: &str) -> Option<Arc<Session>> {
        lock(&self.book).sessions.remove(id)
    }

    /// Forgets sessions that are no longer open, if the last look was long enough ago.
    pub(crate) fn sweep(&self, now: Instant, is_open: impl Fn(MediaSession) -> bool) {
        let mut book = lock(&self.book);
        if now.saturating_duration_since(book.swept) >= SWEEP_INTERVAL {
            book.swept = now;
            book.sessions.retain(|_, session| is_open(session.media));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some((address, slots)) = self.owner.take() {
            let mut slots = lock(&slots);
            if let Some(taken) = slots.get_mut(&address) {
                *taken = taken.saturating_sub(1);
                if *taken == 0 {
                    slots.remove(&address);
                }
            }
        }
    }
}

/// A strong entity tag (RFC 9110 §8.8.3) that was never used.
pub(crate) fn fresh_tag() -> String {
    format!("\"{}\"", random(TAG_BYTES))
}

fn random(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    rand::fill(&mut random[..]);
    URL_SAFE_NO_PAD.encode(random)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(per_address: usize) -> (Sessions, Instant) {
        let now = Instant::now();
        (Sessions::new(per_address, now), now)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn answer() -> Answer {
        Answer {
            session: MediaSession(1),
            sdp: String::new(),
            video: Some(1),
        }
    }

    #[test]
    fn a_session_is_found_at_its_own_address_only() {
        let (sessions, _) = sessions(1);
        let slot = sessions.slot(ip("192.0.2.1")).unwrap();
        let (id, tag) = sessions.enter(slot, Door::Whip, "demo", &answer(), true);
        assert!(id.len() >= 21 && tag.starts_with('"') && tag.ends_with('"'));
        assert!(sessions.find(Door::Whip, "demo", &id).is_some());
        assert!(sessions.find(Door::Whep, "demo", &id).is_none());
        assert!(sessions.find(Door::Whip, "other", &id).is_none());
        assert!(sessions.remove(&id).is_some() && sessions.remove(&id).is_none());
    }

    #[test]
    fn an_address_has_so_many_slots_and_gets_them_back() {
        let (sessions, now) = sessions(2);
        let first = sessions.slot(ip("2001:db8::1")).unwrap();
        let second = sessions.slot(ip("2001:db8::2")).unwrap();
        assert!(sessions.slot(ip("2001:db8::3")).is_none(), "one household");
        assert!(sessions.slot(ip("192.0.2.1")).is_some());
        drop(first);
        sessions.enter(second, Door::Whep, "demo", &answer(), false);
        let third = sessions.slot(ip("2001:db8::3"));
        assert!(third.is_some() && sessions.slot(ip("2001:db8::4")).is_none());

        sessions.sweep(now + SWEEP_INTERVAL, |_| false);
        assert!(
            sessions.slot(ip("2001:db8::4")).is_some(),
            "the ended session's slot"
        );
    }

    #[test]
    fn a_session_has_few_streams_and_forgets_them() {
        let (sessions, _) = sessions(1);
        let slot = sessions.slot(ip("192.0.2.1")).unwrap();
        let (id, _) = sessions.enter(slot, Door::Whep, "demo", &answer(), false);
        let session = sessions.find(Door::Whep, "demo", &id).unwrap();
        let first = session.add_stream(vec![Kind::Active]);
        assert_eq!(session.listen(&first), Some((vec![Kind::Active], 1)));
        assert!(session.is_listening(&first, 1));
        assert_eq!(session.listen(&first), Some((vec![Kind::Active], 2)));
        assert!(session.is_listening(&first, 2) && !session.is_listening(&first, 1));
        let later: Vec<String> = (0..MAX_STREAMS).map(|_| session.add_stream(Vec::new())).collect();
        assert!(session.listen(&first).is_none() && !session.is_listening(&first, 2));
        assert!(
            later
                .iter()
                .all(|id| session.remove_stream(id) && !session.remove_stream(id))
        );
    }

    #[test]
    fn private_networks_are_not_counted() {
        let (sessions, _) = sessions(0);
        for near in ["127.0.0.1", "::1", "172.17.0.1", "fd00::1"] {
            assert!(sessions.slot(ip(near)).is_some(), "{near}");
        }
        assert!(sessions.slot(ip("192.0.2.1")).is_none());
    }
}
