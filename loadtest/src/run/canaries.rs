//! A crowd on the `webrtc` crate: few viewers, each a whole and independent implementation. They are in a run to check
//! the cheap ones against.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::crowd::{Command, Crowd, Group};
use crate::joining::join;
use crate::measure::{Counter, GroupId, Level, Recorder, Timing, ViewerOutcome};
use crate::watch::{Sight, Viewer};
use crate::{Error, Goodbye, session};

/// Viewers are looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// After this a joiner has caught up with the live picture.
const SETTLED: Duration = Duration::from_secs(2);

/// Viewers on the `webrtc` crate.
pub struct Canaries {
    groups: Vec<Group>,
    client: Client,
    begin: Instant,
    recorder: Arc<Mutex<Recorder>>,
    /// By group, the longest there first.
    leaving: Vec<VecDeque<oneshot::Sender<Goodbye>>>,
    viewers: JoinSet<()>,
    next: u32,
}

impl Canaries {
    /// Nobody yet. `begin` is the run's start. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn start(groups: Vec<Group>, begin: Instant) -> Result<Self, Error> {
        Ok(Self {
            leaving: groups.iter().map(|_| VecDeque::new()).collect(),
            groups,
            client: session::client()?,
            begin,
            recorder: Arc::default(),
            viewers: JoinSet::new(),
            next: 0,
        })
    }

    fn join(&mut self, group: GroupId) {
        let place = usize::from(group.0);
        let (Some(of), Some(leaving)) = (self.groups.get(place), self.leaving.get_mut(place)) else {
            return;
        };
        let (leave, left) = oneshot::channel();
        leaving.push_back(leave);
        let canary = Canary {
            group,
            begin: self.begin,
            recorder: self.recorder.clone(),
            outcome: ViewerOutcome {
                number: self.next,
                joined_at_ms: millis(self.begin.elapsed()),
                ..ViewerOutcome::default()
            },
            watching_since: None,
        };
        self.next += 1;
        let told = async { left.await.unwrap_or(Goodbye::Leave) };
        self.viewers
            .spawn(canary.live(self.client.clone(), of.clone(), told));
    }

    fn leave(&mut self, group: GroupId, count: u32, goodbye: Goodbye) {
        let leaving = self.leaving.get_mut(usize::from(group.0)).into_iter();
        for leave in leaving.flat_map(|all| all.drain(..all.len().min(count as usize))) {
            let _ = leave.send(goodbye);
        }
    }
}

impl Crowd for Canaries {
    fn command(&mut self, command: Command) {
        match command {
            Command::Join { group, count } => (0..count).for_each(|_| self.join(group)),
            Command::Leave { group, count } => self.leave(group, count, Goodbye::Leave),
            Command::Vanish { group, count } => self.leave(group, count, Goodbye::Break),
            // They watch.
            Command::Chat { .. } | Command::Buy { .. } => {}
        }
    }

    fn take(&mut self) -> Recorder {
        while self.viewers.try_join_next().is_some() {}
        std::mem::take(&mut *self.recorder.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = Recorder> + Send>> {
        Box::pin(async move {
            for group in 0..self.leaving.len() {
                self.leave(GroupId(group as u8), u32::MAX, Goodbye::Leave);
            }
            while self.viewers.join_next().await.is_some() {}
            self.take()
        })
    }
}

/// One viewer's life.
struct Canary {
    group: GroupId,
    begin: Instant,
    recorder: Arc<Mutex<Recorder>>,
    outcome: ViewerOutcome,
    watching_since: Option<Instant>,
}

impl Canary {
    async fn live(mut self, client: Client, group: Group, told: impl Future<Output = Goodbye> + Send) {
        let joining = Instant::now();
        self.count(Counter::JoinsStarted, 1);
        let mut told = pin!(told);
        let opening = Viewer::open(&client, &group.whep, group.token.as_deref());
        let viewer = match join(opening, told.as_mut()).await {
            Ok(Ok(viewer)) => viewer,
            Ok(Err(_)) => return self.left(),
            Err(error) => return self.fail(&error.to_string()),
        };
        self.count(Counter::Joined, 1);
        let (answered, connected) = (viewer.answered - joining, joining.elapsed());
        self.outcome.answer_ms = Some(millis(answered));
        self.outcome.dtls_ms = Some(millis(connected));
        self.with(|recorder, group, at| {
            recorder.time(group, at, Timing::Answer, answered);
            recorder.time(group, at, Timing::Dtls, connected);
        });
        let mut looking = tokio::time::interval(LOOK);
        looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let goodbye = loop {
            tokio::select! {
                _ = looking.tick() => {
                    self.look(&viewer.take());
                    self.stand();
                }
                goodbye = told.as_mut() => break goodbye,
                () = viewer.ended() => {
                    self.count(Counter::Ended, 1);
                    self.look(&viewer.take());
                    viewer.leave(Goodbye::Break).await;
                    return self.fail("the server ended it");
                }
            }
        };
        self.look(&viewer.take());
        self.look(&viewer.leave(goodbye).await);
        self.left();
    }

    /// Records what came since the last look.
    fn look(&mut self, sight: &Sight) {
        let seen = &sight.seen;
        let first = seen
            .first_picture
            .filter(|_| self.outcome.first_picture_ms.is_none());
        let first_packet = sight
            .first_packet
            .filter(|_| self.outcome.first_packet_ms.is_none());
        self.outcome.first_picture_ms = self.outcome.first_picture_ms.or(first.map(millis));
        self.outcome.first_packet_ms = self.outcome.first_packet_ms.or(first_packet.map(millis));
        self.outcome.packets += seen.packets;
        self.outcome.bytes += seen.bytes;
        self.outcome.lost += seen.lost;
        self.outcome.frames += seen.frames;
        self.outcome.freezes += u32::try_from(seen.freezes).unwrap_or(u32::MAX);
        self.outcome.frozen_ms += millis(seen.frozen);
        self.outcome.height = seen.height;
        self.outcome.layer_switches += seen.layer_switches;
        // What is sent to a joiner from the server's cache is old by design.
        let is_settled = self
            .watching_since
            .is_some_and(|since| since.elapsed() >= SETTLED);
        if first.is_some() {
            self.watching_since = Some(Instant::now());
        }
        let watching = u64::from(first.is_some());
        self.with(|recorder, group, at| {
            for (what, n) in [
                (Counter::Packets, seen.packets),
                (Counter::Inspected, seen.packets),
                (Counter::Bytes, seen.bytes),
                (Counter::Lost, seen.lost),
                (Counter::Frames, seen.frames),
                (Counter::Freezes, seen.freezes),
                (Counter::FrozenMs, seen.frozen.as_millis() as u64),
                (Counter::LayerSwitches, seen.layer_switches.into()),
                (Counter::Watching, watching),
            ] {
                recorder.add(group, at, what, n);
            }
            for (what, took) in [(Timing::FirstPacket, first_packet), (Timing::FirstPicture, first)] {
                if let Some(took) = took {
                    recorder.time(group, at, what, took);
                }
            }
            for took in sight.one_way.iter().filter(|_| is_settled) {
                recorder.time(group, at, Timing::OneWay, *took);
            }
        });
    }

    /// Tells that it is there; once a second.
    fn stand(&self) {
        let is_watching = self.outcome.first_picture_ms.is_some();
        let level = if is_watching {
            Level::Viewers
        } else {
            Level::Joining
        };
        self.with(|recorder, group, at| {
            recorder.level(group, at, level, 1);
            if is_watching {
                recorder.layer(group, at, self.outcome.height, 1);
            }
        });
    }

    fn left(self) {
        self.count(Counter::Left, 1);
        self.end();
    }

    fn fail(mut self, why: &str) {
        self.outcome.failure = Some(why.to_owned());
        let has_joined = self.outcome.dtls_ms.is_some();
        self.with(|recorder, group, at| {
            recorder.add(group, at, Counter::JoinsFailed, u64::from(!has_joined));
            recorder.failure(group, why);
        });
        self.end();
    }

    fn end(mut self) {
        self.outcome.left_at_ms = millis(self.begin.elapsed());
        let outcome = std::mem::take(&mut self.outcome);
        self.with(|recorder, group, _| recorder.outcome(group, outcome));
    }

    fn count(&self, what: Counter, n: u64) {
        self.with(|recorder, group, at| recorder.add(group, at, what, n));
    }

    fn with(&self, record: impl FnOnce(&mut Recorder, GroupId, Duration)) {
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        record(&mut recorder, self.group, self.begin.elapsed());
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
