//! Who is where: the sessions of this process, the shard each lives on, and the rooms they are in. Past one process
//! this is the place that knows other nodes.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use dashmap::DashMap;
use sfu::negotiation::IceCredentials;
use sfu::relay::{Generation, RoomName, ShardId};
use sfu::sdp::Tag;
use sfu::shard::PeerId;
use signaling::PlayerReport;

use crate::contest::Contest;

/// Packets a second that a new session is expected to bring, until it is measured: a viewer of 2.5 Mbit/s.
const EXPECTED: u64 = 260;
/// What a session costs even when nothing flows, in packets a second: checks, reports, and its place in memory.
const PRESENCE: u64 = 10;

/// What a session does in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Sends the room's media.
    Publisher(Generation),
    /// Receives it.
    Viewer,
}

/// A media session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its shard.
    pub shard: ShardId,
    /// Its room.
    pub room: RoomName,
    /// What it does there.
    pub part: Part,
    /// Where its request came from: decides the order of candidates.
    pub from: IpAddr,
    /// The peer's ICE credentials; others in a fragment mean a restart.
    pub remote_ice: IceCredentials,
    /// The m-section that carries its transport.
    pub tag: Tag,
    /// What its player told.
    pub player: PlayerReport,
}

/// Media in a room now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// The publication on the air.
    pub live: Option<Generation>,
    /// Viewers with a session.
    pub viewers: u64,
    /// Publishers with a session: one, or two while the second takes over.
    pub publishers: u64,
    /// Whether what is on the air only fills the time until a host comes.
    pub stand_in: bool,
    contest: Contest,
}

impl Presence {
    /// Whether two publishers fought over the room of late, and the one on the air is left there.
    pub fn is_fought_over(&self, now: Instant) -> bool {
        self.contest.is_fought_over(now)
    }

    fn is_empty(&self) -> bool {
        self.live.is_none() && !self.stand_in && self.viewers == 0 && self.publishers == 0
    }
}

/// The process's sessions and rooms.
pub struct Directory {
    sessions: DashMap<PeerId, Session>,
    rooms: DashMap<RoomName, Presence>,
    loads: Vec<Load>,
    next_peer: AtomicU64,
    next_generation: AtomicU64,
}

/// How busy a shard is.
#[derive(Default)]
struct Load {
    sessions: AtomicU64,
    /// Packets a second when it was last measured.
    packets: AtomicU64,
    /// Sessions that came since.
    unmeasured: AtomicU64,
    /// Its thread has ended; it takes nobody.
    is_retired: AtomicBool,
}

impl Load {
    /// Packets a second now and soon; none when it takes nobody.
    fn weight(&self) -> Option<u64> {
        let (sessions, unmeasured) = (
            self.sessions.load(Ordering::Relaxed),
            self.unmeasured.load(Ordering::Relaxed),
        );
        let weight = self.packets.load(Ordering::Relaxed) + PRESENCE * sessions + EXPECTED * unmeasured;
        (!self.is_retired.load(Ordering::Relaxed)).then_some(weight)
    }
}

impl Directory {
    /// An empty directory of so many shards.
    pub fn new(shards: u16) -> Directory {
        Directory {
            sessions: DashMap::new(),
            rooms: DashMap::new(),
            loads: (0..shards).map(|_| Load::default()).collect(),
            next_peer: AtomicU64::new(1),
            next_generation: AtomicU64::new(1),
        }
    }

    /// Enters a session on the least loaded shard, before the shard hears of it: its end may be told at once.
    pub fn admit(
        &self,
        room: RoomName,
        part: Part,
        from: IpAddr,
        remote_ice: IceCredentials,
        tag: Tag,
    ) -> (PeerId, ShardId) {
        let weights = self.loads.iter().map(Load::weight).enumerate();
        let (_, shard) = weights
            .filter_map(|(shard, weight)| Some((weight?, shard)))
            .min()
            .unwrap_or_default();
        let shard = ShardId(u16::try_from(shard).unwrap_or_default());
        let peer = PeerId(self.next_peer.fetch_add(1, Ordering::Relaxed));
        if let Some(load) = self.load(shard) {
            load.sessions.fetch_add(1, Ordering::Relaxed);
            load.unmeasured.fetch_add(1, Ordering::Relaxed);
        }
        self.change_room(&room, |room| match part {
            Part::Viewer => room.viewers += 1,
            Part::Publisher(_) => room.publishers += 1,
        });
        self.sessions.insert(
            peer,
            Session {
                shard,
                room,
                part,
                from,
                remote_ice,
                tag,
                player: PlayerReport::default(),
            },
        );
        (peer, shard)
    }

    /// A generation above all before it.
    pub fn next_generation(&self) -> Generation {
        Generation(self.next_generation.fetch_add(1, Ordering::Relaxed))
    }

    /// The shared name of a room.
    pub fn room_name(&self, room: &str) -> RoomName {
        match self.rooms.get(room) {
            Some(known) => known.key().clone(),
            None => Arc::from(room),
        }
    }

    /// A session.
    pub fn session(&self, peer: PeerId) -> Option<Session> {
        self.sessions.get(&peer).map(|session| session.clone())
    }

    /// The shard of a session.
    pub fn shard_of(&self, peer: PeerId) -> Option<ShardId> {
        self.sessions.get(&peer).map(|session| session.shard)
    }

    /// Notes the peer's credentials after an ICE restart.
    pub fn restarted(&self, peer: PeerId, remote_ice: IceCredentials) {
        if let Some(mut session) = self.sessions.get_mut(&peer) {
            session.remote_ice = remote_ice;
        }
    }

    /// Notes what a viewer's player told: what it had told before, and what it has by now.
    pub fn reported(&self, peer: PeerId, report: PlayerReport) -> Option<(PlayerReport, PlayerReport)> {
        let mut session = self.sessions.get_mut(&peer)?;
        let before = session.player;
        session.player = PlayerReport {
            first_frame_ms: before.first_frame_ms.or(report.first_frame_ms),
            freezes: report.freezes.max(before.freezes),
            freeze_ms: report.freeze_ms.max(before.freeze_ms),
            playout_delay_ms: report.playout_delay_ms.or(before.playout_delay_ms),
        };
        Some((before, session.player))
    }

    /// Takes a session out; `None` when it is not there (any more).
    pub fn remove(&self, peer: PeerId) -> Option<Session> {
        let (_, session) = self.sessions.remove(&peer)?;
        if let Some(load) = self.load(session.shard) {
            load.sessions.fetch_sub(1, Ordering::Relaxed);
        }
        self.change_room(&session.room, |room| match session.part {
            Part::Viewer => room.viewers = room.viewers.saturating_sub(1),
            Part::Publisher(_) => room.publishers = room.publishers.saturating_sub(1),
        });
        Some(session)
    }

    /// Notes that a publication is on or off the air. An older one going off changes nothing. Returns whether the
    /// room's state changed.
    pub fn on_air(&self, room: &RoomName, generation: Generation, live: bool) -> bool {
        let mut changed = false;
        self.change_room(room, |presence| {
            let before = presence.live;
            if live {
                presence.live = presence.live.max(Some(generation));
                // Whoever takes over from it is a host; it learns that it is off the air seconds later.
                presence.stand_in &= before.is_none_or(|before| before >= generation);
            } else if presence.live == Some(generation) {
                presence.live = None;
            }
            changed = before.is_some() != presence.live.is_some();
        });
        changed
    }

    /// Somebody with the right to it asks to publish to a room: whether they may, or whoever is on the air is left there.
    pub fn challenge(&self, room: &RoomName, now: Instant) -> bool {
        let mut may_have = true;
        self.change_room(room, |presence| {
            let is_on_air = presence.live.is_some() && !presence.stand_in;
            may_have = presence.contest.challenge(now, is_on_air);
        });
        may_have
    }

    /// A room's publisher was replaced by another one. Whether that was once too often.
    pub fn taken_over(&self, room: &RoomName, now: Instant) -> bool {
        let mut is_fight = false;
        self.change_room(room, |presence| is_fight = presence.contest.taken_over(now));
        is_fight
    }

    /// Notes that a room's publisher is, or is no more, one that fills the time until a host comes.
    pub fn stands_in(&self, room: &str, stand_in: bool) {
        self.change_room(&self.room_name(room), |presence| presence.stand_in = stand_in);
    }

    /// A room's media; none where nobody is.
    pub fn presence(&self, room: &str) -> Presence {
        self.rooms
            .get(room)
            .map(|presence| presence.clone())
            .unwrap_or_default()
    }

    /// Every room with a session or media.
    pub fn rooms(&self) -> Vec<(RoomName, Presence)> {
        let entries = self.rooms.iter();
        entries
            .map(|entry| (entry.key().clone(), entry.value().clone()))
            .collect()
    }

    /// Sessions now.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    fn load(&self, shard: ShardId) -> Option<&Load> {
        self.loads.get(usize::from(shard.0))
    }

    /// Notes how many packets a second pass a shard: all its sessions' so far.
    pub fn measured(&self, shard: ShardId, packets_per_second: u64) {
        if let Some(load) = self.load(shard) {
            load.packets.store(packets_per_second, Ordering::Relaxed);
            load.unmeasured.store(0, Ordering::Relaxed);
        }
    }

    /// Takes a shard whose thread ended out of service. Nobody is placed on it any more; the sessions it had end and
    /// are returned.
    pub fn retire(&self, shard: ShardId) -> Vec<(PeerId, Session)> {
        if let Some(load) = self.load(shard) {
            load.is_retired.store(true, Ordering::Relaxed);
        }
        let sessions = self.sessions.iter();
        let here: Vec<PeerId> = sessions
            .filter(|session| session.shard == shard)
            .map(|session| *session.key())
            .collect();
        let gone = here
            .into_iter()
            .filter_map(|peer| Some((peer, self.remove(peer)?)));
        gone.collect()
    }

    /// Shards in service.
    pub fn shard_count(&self) -> usize {
        self.loads.iter().filter_map(Load::weight).count()
    }

    /// Changes a room's entry, which exists only while it says anything.
    fn change_room(&self, room: &RoomName, change: impl FnOnce(&mut Presence)) {
        change(self.rooms.entry(room.clone()).or_default().value_mut());
        self.rooms.remove_if(room, |_, presence| presence.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu::sdp::{Direction, Offer};

    const OFFER: &str = include_str!("../sfu/tests/offers/ffmpeg.sdp");

    fn admit(directory: &Directory, part: Part) -> (PeerId, ShardId) {
        let offer = Offer::parse(OFFER, Direction::Publish, 1).unwrap();
        let from = IpAddr::from([127, 0, 0, 1]);
        directory.admit(
            directory.room_name("demo"),
            part,
            from,
            offer.ice.clone(),
            offer.tag(),
        )
    }

    #[test]
    fn sessions_spread_over_the_shards() {
        let directory = Directory::new(3);
        let mut shards: Vec<u16> = (0..6).map(|_| admit(&directory, Part::Viewer).1.0).collect();
        shards.sort_unstable();
        assert_eq!(shards, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn a_shard_with_fewer_packets_is_chosen_though_it_has_more_sessions() {
        let directory = Directory::new(2);
        let shards: Vec<u16> = (0..10).map(|_| admit(&directory, Part::Viewer).1.0).collect();
        assert_eq!(shards.iter().filter(|&&shard| shard == 1).count(), 5);
        // On one a show is on the air, on the other everybody waits.
        directory.measured(ShardId(0), 1300);
        directory.measured(ShardId(1), 5);
        let next: Vec<u16> = (0..9).map(|_| admit(&directory, Part::Viewer).1.0).collect();
        assert_eq!(next[..4], [1; 4]);
        assert!(
            next[4..].contains(&0),
            "a crowd between two measurements is not all sent to one"
        );
    }

    #[test]
    fn a_place_is_free_again_when_its_session_ends() {
        let directory = Directory::new(2);
        let (first, shard) = admit(&directory, Part::Viewer);
        admit(&directory, Part::Viewer);
        assert_eq!(directory.presence("demo").viewers, 2);
        assert!(directory.remove(first).is_some());
        assert!(directory.remove(first).is_none());
        assert_eq!(admit(&directory, Part::Viewer).1, shard);
    }

    #[test]
    fn a_retired_shard_takes_its_sessions_along_and_gets_no_new_ones() {
        let directory = Directory::new(2);
        let all = [(); 4].map(|()| admit(&directory, Part::Viewer));
        let gone = directory.retire(ShardId(1));
        assert!(gone.iter().all(|(_, session)| session.shard == ShardId(1)));
        assert_eq!((gone.len(), directory.session_count()), (2, 2));
        assert_eq!(directory.shard_count(), 1);
        assert!((0..4).all(|_| admit(&directory, Part::Viewer).1 == ShardId(0)));
        assert!(
            all.iter()
                .all(|(peer, shard)| directory.shard_of(*peer).is_some() == (*shard == ShardId(0)))
        );
    }

    #[test]
    fn a_room_is_forgotten_with_its_last_session() {
        let directory = Directory::new(1);
        let (viewer, _) = admit(&directory, Part::Viewer);
        assert_eq!(directory.rooms().len(), 1);
        directory.remove(viewer);
        assert!(directory.rooms().is_empty());
    }

    #[test]
    fn a_stand_in_is_known_while_it_is_there() {
        let directory = Directory::new(1);
        directory.stands_in("demo", true);
        assert!(directory.presence("demo").stand_in);
        directory.stands_in("demo", false);
        assert!(directory.rooms().is_empty());
    }

    #[test]
    fn a_host_who_takes_over_is_no_stand_in() {
        let directory = Directory::new(1);
        let room = directory.room_name("demo");
        let (demo, host) = (directory.next_generation(), directory.next_generation());
        directory.stands_in("demo", true);
        directory.on_air(&room, demo, true);
        directory.on_air(&room, demo, true);
        assert!(directory.presence("demo").stand_in);
        directory.on_air(&room, host, true);
        assert!(!directory.presence("demo").stand_in);
    }

    #[test]
    fn a_room_that_is_fought_over_is_left_to_who_is_on_the_air() {
        let (directory, now) = (Directory::new(1), Instant::now());
        let room = directory.room_name("demo");
        let take_over = || {
            let may = directory.challenge(&room, now);
            if may {
                directory.on_air(&room, directory.next_generation(), true);
                directory.taken_over(&room, now);
            }
            may
        };
        directory.stands_in("demo", true);
        assert!((0..2).all(|_| take_over()), "a stand-in is nobody");
        assert!((0..3).all(|_| take_over()));
        assert!(directory.presence("demo").is_fought_over(now) && !take_over());
        let live = directory.presence("demo").live.unwrap();
        directory.on_air(&room, live, false);
        assert!(
            directory.rooms().is_empty(),
            "nothing is kept of a room without anybody"
        );
        assert!(take_over());
    }

    #[test]
    fn an_older_publication_going_off_leaves_the_newer_on_the_air() {
        let directory = Directory::new(1);
        let room = directory.room_name("demo");
        let (old, new) = (directory.next_generation(), directory.next_generation());
        assert!(directory.on_air(&room, old, true));
        assert!(!directory.on_air(&room, new, true));
        assert!(!directory.on_air(&room, old, false));
        assert_eq!(directory.presence("demo").live, Some(new));
        assert!(directory.on_air(&room, new, false));
    }
}
