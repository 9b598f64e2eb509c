//! The publishers of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::tokens::Access;
use crate::clip::Clip;
use crate::clip::synthetic::{self, Recipe};
use crate::scenario::{HostAct, Publisher, Scenario, Source};
use crate::{Error, Goodbye, PublishOptions, PublishReport, demo, publish};

/// A server that has not let a publisher in after this long will not.
const FIRST_CONNECTION: Duration = Duration::from_secs(20);

/// All publishers.
pub(super) struct Hosts {
    options: Vec<PublishOptions>,
    running: Vec<Option<Host>>,
    connections: Arc<AtomicU64>,
    report: PublishReport,
    reconnect_every: Option<Duration>,
    last_reconnect: Duration,
}

struct Host {
    stop: oneshot::Sender<Goodbye>,
    task: JoinHandle<Result<PublishReport, Error>>,
}

impl Hosts {
    /// None yet on the air.
    pub(super) fn new(scenario: &Scenario, access: &Access) -> Result<Self, Error> {
        let publisher = &scenario.publisher;
        let connections = Arc::<AtomicU64>::default();
        let mut options = Vec::new();
        if let Some(clip) = clip(publisher)? {
            let every = Duration::from_secs(publisher.dropout_every_seconds.into());
            for n in 0..publisher.count {
                let room = access.room(n % scenario.server.rooms);
                options.push(PublishOptions {
                    token: room.publish_token.clone(),
                    ignore_pli: publisher.ignore_pli,
                    stamped: publisher.source == Source::Synthetic,
                    dropout: (!every.is_zero()).then_some(every / 2),
                    connections: connections.clone(),
                    ..PublishOptions::new(room.whip.clone(), clip.clone())
                });
            }
        }
        let every = Duration::from_secs(publisher.reconnect_every_seconds.into());
        Ok(Self {
            running: options.iter().map(|_| None).collect(),
            options,
            connections,
            report: PublishReport::default(),
            reconnect_every: (!every.is_zero()).then_some(every),
            last_reconnect: Duration::ZERO,
        })
    }

    /// Brings all on the air and waits until they are.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        self.start();
        let deadline = Instant::now() + FIRST_CONNECTION;
        while (self.connections.load(Ordering::Relaxed) as usize) < self.options.len() {
            if self.running.iter().flatten().any(|host| host.task.is_finished()) {
                return Err(self.why_one_ended().await);
            }
            if Instant::now() > deadline {
                return Err(Error::Timeout(FIRST_CONNECTION, "the publishers to connect"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Does something to all of them.
    pub(super) async fn act(&mut self, act: HostAct) {
        match act {
            HostAct::Start => self.start(),
            HostAct::Stop => self.stop(Goodbye::Leave).await,
            HostAct::Reconnect => {
                self.stop(Goodbye::Break).await;
                self.start();
            }
        }
    }

    /// Reconnects those whose time it is; says what ended by itself.
    pub(super) async fn tick(&mut self, now: Duration) -> Option<Error> {
        if self
            .reconnect_every
            .is_some_and(|every| now >= self.last_reconnect + every)
        {
            self.last_reconnect = now;
            self.act(HostAct::Reconnect).await;
        }
        let ended = self.running.iter().flatten().any(|host| host.task.is_finished());
        if ended {
            Some(self.why_one_ended().await)
        } else {
            None
        }
    }

    /// Takes all off the air and says what they sent.
    pub(super) async fn end(mut self) -> PublishReport {
        self.stop(Goodbye::Leave).await;
        self.report
    }

    fn start(&mut self) {
        for (host, options) in self.running.iter_mut().zip(&self.options) {
            if host.is_none() {
                let (stop, stopped) = oneshot::channel();
                let stopped = async { stopped.await.unwrap_or(Goodbye::Leave) };
                *host = Some(Host {
                    stop,
                    task: tokio::spawn(publish(options.clone(), stopped)),
                });
            }
        }
    }

    async fn stop(&mut self, goodbye: Goodbye) {
        let mut stopping = Vec::new();
        for host in self.running.iter_mut().filter_map(Option::take) {
            let _ = host.stop.send(goodbye);
            stopping.push(host.task);
        }
        for task in stopping {
            if let Ok(Ok(report)) = task.await {
                self.report.merge(&report);
            }
        }
    }

    async fn why_one_ended(&mut self) -> Error {
        let ended = self
            .running
            .iter_mut()
            .find(|host| host.as_ref().is_some_and(|host| host.task.is_finished()));
        match ended.and_then(Option::take) {
            Some(host) => match host.task.await {
                Ok(Ok(report)) => {
                    self.report.merge(&report);
                    Error::Ended
                }
                Ok(Err(error)) => error,
                Err(_) => Error::Ended,
            },
            None => Error::Ended,
        }
    }
}

fn clip(publisher: &Publisher) -> Result<Option<Clip>, Error> {
    match publisher.source {
        Source::None => Ok(None),
        Source::Demo => demo::clip().map(Some),
        Source::Files => {
            let audio = (!publisher.audio.is_empty()).then_some(publisher.audio.as_ref());
            Clip::from_paths(publisher.files.iter().map(AsRef::as_ref), audio).map(Some)
        }
        Source::Synthetic => {
            let layers = publisher.layers.iter();
            let layers = layers.map(|layer| (u16::try_from(layer.height).unwrap_or(u16::MAX), layer.kbps));
            synthetic::clip(&Recipe {
                codec: publisher.codec,
                layers: layers.collect(),
                fps: publisher.fps,
                gop: Duration::from_secs_f64(publisher.gop_seconds),
                audio_kbps: publisher.audio_kbps,
            })
            .map(Some)
        }
    }
}
