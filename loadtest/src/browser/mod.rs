//! A few viewers in a real browser, headless: the last word on what people would see.

mod devtools;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::Error;
use crate::crowd::{Command, Crowd, Group};
use crate::measure::{Counter, GroupId, Level, Recorder, Timing, ViewerOutcome};
use devtools::Page;

/// The browser is asked this often.
const LOOK: Duration = Duration::from_secs(1);
const GROUP: GroupId = GroupId(0);
const SCRIPT: &str = include_str!("viewer.js");

/// Viewers who are a browser's.
pub struct Browsers {
    wishes: mpsc::UnboundedSender<Wish>,
    recorder: Arc<Mutex<Recorder>>,
    task: JoinHandle<()>,
}

enum Wish {
    Join(u32),
    Leave,
}

/// What the page tells of one viewer, since its beginning.
#[derive(Debug, Clone, Default, Deserialize)]
struct Seen {
    packets: u64,
    bytes: u64,
    lost: u64,
    frames: u64,
    freezes: u64,
    frozen_ms: u64,
    height: u16,
    answer: Option<f64>,
    dtls: Option<f64>,
    picture: Option<f64>,
    failure: Option<String>,
}

impl Browsers {
    /// Starts a browser, nobody in it yet. `begin` is the run's start.
    ///
    /// # Errors
    /// [`Error::Options`] when there is none on this machine; when it does not start.
    pub async fn start(group: Group, begin: Instant) -> Result<Browsers, Error> {
        let path = devtools::find().ok_or_else(|| {
            Error::Options(
                "no Chromium on this machine: browsers cannot take part (apt install chromium)".into(),
            )
        })?;
        let mut page = Page::open(path).await?;
        page.evaluate(SCRIPT).await?;
        let (wishes, wished) = mpsc::unbounded_channel();
        let recorder = Arc::<Mutex<Recorder>>::default();
        let leader = Leader {
            page,
            group,
            begin,
            recorder: recorder.clone(),
            viewers: Vec::new(),
        };
        let task = tokio::spawn(leader.lead(wished));
        Ok(Browsers {
            wishes,
            recorder,
            task,
        })
    }
}

impl Crowd for Browsers {
    fn command(&mut self, command: Command) {
        // They come and watch.
        if let Command::Join { count, .. } = command {
            let _ = self.wishes.send(Wish::Join(count));
        }
    }

    fn take(&mut self) -> Recorder {
        std::mem::take(&mut *self.recorder.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = Recorder> + Send>> {
        Box::pin(async move {
            let _ = self.wishes.send(Wish::Leave);
            let _ = (&mut self.task).await;
            self.take()
        })
    }
}

/// Leads the page and records what it tells.
struct Leader {
    page: Page,
    group: Group,
    begin: Instant,
    recorder: Arc<Mutex<Recorder>>,
    /// What is known of each viewer, and when it joined.
    viewers: Vec<(Seen, Duration)>,
}

impl Leader {
    async fn lead(mut self, mut wishes: mpsc::UnboundedReceiver<Wish>) {
        let mut looking = tokio::time::interval(LOOK);
        looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                _ = looking.tick() => self.look().await,
                wish = wishes.recv() => match wish {
                    Some(Wish::Join(count)) => self.join(count).await,
                    Some(Wish::Leave) | None => break,
                },
            };
            if let Err(error) = done {
                return self.fail(&error.to_string());
            }
        }
        let left = match self.look().await {
            Ok(()) => self.page.evaluate("loadtest.leave()").await.map(drop),
            Err(error) => Err(error),
        };
        match left {
            Ok(()) => self.end(),
            Err(error) => self.fail(&error.to_string()),
        }
    }

    async fn join(&mut self, count: u32) -> Result<(), Error> {
        for _ in 0..count {
            let (whep, token) = (json!(self.group.whep.as_str()), json!(self.group.token));
            self.viewers.push((Seen::default(), self.begin.elapsed()));
            self.record(|recorder, at| recorder.add(GROUP, at, Counter::JoinsStarted, 1));
            self.page
                .evaluate(&format!("loadtest.join({whep}, {token})"))
                .await?;
        }
        Ok(())
    }

    /// Records what came since the last look.
    async fn look(&mut self) -> Result<(), Error> {
        let told = self.page.evaluate("loadtest.look()").await?;
        let told: Vec<Seen> = serde_json::from_str(told.as_str().unwrap_or_default())
            .map_err(|error| Error::Protocol(format!("the browser's page: {error}")))?;
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.begin.elapsed();
        for ((known, _), now) in self.viewers.iter_mut().zip(told) {
            tell(&mut recorder, at, known, &now);
            *known = now;
        }
        Ok(())
    }

    /// The browser is no more: so are its viewers.
    fn fail(mut self, why: &str) {
        for (seen, _) in &mut self.viewers {
            seen.failure.get_or_insert_with(|| why.to_owned());
        }
        self.record(|recorder, _| recorder.failure(GROUP, why));
        self.end();
    }

    /// Keeps everybody's story.
    fn end(self) {
        let left_at_ms = ms(self.begin.elapsed());
        for (number, (seen, joined)) in (0..).zip(&self.viewers) {
            let since = |time: Option<f64>| time.map(|ms| ms as u32);
            let outcome = ViewerOutcome {
                number,
                joined_at_ms: ms(*joined),
                left_at_ms,
                failure: seen.failure.clone(),
                answer_ms: since(seen.answer),
                dtls_ms: since(seen.dtls),
                first_picture_ms: since(seen.picture),
                packets: seen.packets,
                bytes: seen.bytes,
                lost: seen.lost,
                frames: seen.frames,
                freezes: u32::try_from(seen.freezes).unwrap_or(u32::MAX),
                frozen_ms: u32::try_from(seen.frozen_ms).unwrap_or(u32::MAX),
                height: seen.height,
                ..ViewerOutcome::default()
            };
            self.record(|recorder, at| {
                recorder.add(GROUP, at, Counter::Left, u64::from(outcome.failure.is_none()));
                recorder.outcome(GROUP, outcome);
            });
        }
    }

    fn record(&self, record: impl FnOnce(&mut Recorder, Duration)) {
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        record(&mut recorder, self.begin.elapsed());
    }
}

/// What is new of one viewer. The browser's counts may fall, when a late packet was no loss after all.
fn tell(recorder: &mut Recorder, at: Duration, known: &Seen, now: &Seen) {
    for (what, before, now) in [
        (Counter::Packets, known.packets, now.packets),
        (Counter::Inspected, known.packets, now.packets),
        (Counter::Bytes, known.bytes, now.bytes),
        (Counter::Lost, known.lost, now.lost),
        (Counter::Frames, known.frames, now.frames),
        (Counter::Freezes, known.freezes, now.freezes),
        (Counter::FrozenMs, known.frozen_ms, now.frozen_ms),
    ] {
        recorder.add(GROUP, at, what, now.saturating_sub(before));
    }
    for (what, counter, before, now) in [
        (Timing::Answer, None, known.answer, now.answer),
        (Timing::Dtls, Some(Counter::Joined), known.dtls, now.dtls),
        (
            Timing::FirstPicture,
            Some(Counter::Watching),
            known.picture,
            now.picture,
        ),
    ] {
        if let (None, Some(took)) = (before, now) {
            recorder.time(GROUP, at, what, Duration::from_secs_f64((took / 1000.0).max(0.0)));
            if let Some(counter) = counter {
                recorder.add(GROUP, at, counter, 1);
            }
        }
    }
    if let (None, Some(why)) = (&known.failure, &now.failure) {
        let what = if now.dtls.is_some() {
            Counter::Ended
        } else {
            Counter::JoinsFailed
        };
        recorder.add(GROUP, at, what, 1);
        recorder.failure(GROUP, why);
    }
    let level = match now {
        Seen { failure: Some(_), .. } => return,
        Seen { picture: Some(_), .. } => {
            recorder.layer(GROUP, at, now.height, 1);
            Level::Viewers
        }
        _ => Level::Joining,
    };
    recorder.level(GROUP, at, level, 1);
}

fn ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_tells_is_counted_once() {
        let looks = [
            r#"{"packets":0,"bytes":0,"lost":0,"frames":0,"freezes":0,"frozen_ms":0,"height":0,"answer":8.5,"dtls":null,"picture":null,"failure":null}"#,
            r#"{"packets":90,"bytes":9000,"lost":3,"frames":20,"freezes":0,"frozen_ms":0,"height":360,"answer":8.5,"dtls":30,"picture":80.2,"failure":null}"#,
            r#"{"packets":190,"bytes":19000,"lost":2,"frames":45,"freezes":1,"frozen_ms":300,"height":720,"answer":8.5,"dtls":30,"picture":80.2,"failure":null}"#,
            r#"{"packets":190,"bytes":19000,"lost":2,"frames":45,"freezes":1,"frozen_ms":300,"height":720,"answer":8.5,"dtls":30,"picture":80.2,"failure":"gone"}"#,
        ];
        let (mut recorder, mut known) = (Recorder::new(), Seen::default());
        for (look, second) in looks.into_iter().zip(0..) {
            let now = serde_json::from_str(look).unwrap();
            tell(&mut recorder, Duration::from_secs(second), &known, &now);
            known = now;
        }
        let [measures] = recorder.groups() else {
            panic!("one group")
        };
        let counts = [
            Counter::Packets,
            Counter::Lost,
            Counter::Frames,
            Counter::Freezes,
            Counter::Joined,
            Counter::Watching,
            Counter::Ended,
            Counter::JoinsFailed,
        ];
        assert_eq!(
            counts.map(|what| measures.counter(what)),
            [190, 3, 45, 1, 1, 1, 1, 0]
        );
        let first = measures.timing(Timing::FirstPicture).unwrap();
        assert_eq!(
            (first.count(), first.max().map(|took| took.as_millis())),
            (1, Some(80))
        );
        assert_eq!(measures.second(2).unwrap().layers()[&720], 1);
        assert_eq!(
            measures.second(3).and_then(|second| second.level(Level::Viewers)),
            None
        );
        assert_eq!(measures.failures()["gone"], 1);
    }
}
