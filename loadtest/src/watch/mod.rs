//! Viewers: join, count what arrives, and say how it was.

mod frames;
mod viewer;

use std::time::Duration;

use hdrhistogram::Histogram;
use reqwest::Url;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{Error, session};
pub use frames::Watched;
use viewer::Viewer;

/// Whom to send and for how long.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The WHEP endpoint.
    pub whep_url: Url,
    /// The bearer token, when the endpoint wants one.
    pub token: Option<String>,
    /// How many viewers, 1 or more.
    pub viewers: usize,
    /// Joins per second, above 0.
    pub joins_per_second: f64,
    /// How long each stays after the last has joined.
    pub stay: Duration,
}

/// How it was for all viewers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WatchReport {
    /// Viewers that tried.
    pub viewers: usize,
    /// Viewers that saw a picture.
    pub watched: usize,
    /// Why others did not, each reason once with how many.
    pub failures: Vec<(String, usize)>,
    /// From the POST to the first whole picture, milliseconds: median, 95th and 99th percentile, longest.
    pub first_picture_ms: Spread,
    /// RTP packets of picture and sound.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets of the picture that never came.
    pub lost: u64,
    /// Whole pictures.
    pub frames: u64,
    /// Times in which no whole picture came for more than half a second.
    pub freezes: u64,
    /// Viewers to whom no sound came.
    pub silent: usize,
}

/// A spread of times in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Spread {
    /// Half were faster.
    pub p50: u64,
    /// 95 % were faster.
    pub p95: u64,
    /// 99 % were faster.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

/// The longest time a histogram holds, milliseconds.
const LONGEST_MS: u64 = 120_000;

/// Sends the viewers, waits for them, and sums up.
///
/// # Errors
/// [`Error::Options`] for numbers that make no sense. A viewer's own failure is counted, not returned.
pub async fn watch(options: WatchOptions) -> Result<WatchReport, Error> {
    if options.viewers == 0 || options.joins_per_second <= 0.0 {
        return Err(Error::Options(
            "at least one viewer and a join rate above 0 are needed".into(),
        ));
    }
    let client = session::client()?;
    let pause = Duration::from_secs_f64(1.0 / options.joins_per_second);
    let begin = Instant::now();
    let end = begin + pause * u32::try_from(options.viewers).unwrap_or(u32::MAX) + options.stay;
    let mut viewers = JoinSet::new();
    for number in 0..options.viewers {
        tokio::time::sleep_until(begin + pause * u32::try_from(number).unwrap_or(u32::MAX)).await;
        let (client, options) = (client.clone(), options.clone());
        viewers.spawn(async move {
            let viewer = Viewer::join(&client, &options).await?;
            tokio::time::sleep_until(end).await;
            Ok::<Watched, Error>(viewer.leave().await)
        });
    }
    let mut report = WatchReport {
        viewers: options.viewers,
        ..WatchReport::default()
    };
    let mut first = Histogram::<u64>::new_with_bounds(1, LONGEST_MS, 3)
        .map_err(|error| Error::Options(error.to_string()))?;
    while let Some(ended) = viewers.join_next().await {
        match ended {
            Ok(Ok(watched)) => report.add(&watched, &mut first),
            Ok(Err(error)) => report.fail(error.to_string()),
            Err(error) => report.fail(error.to_string()),
        }
    }
    let at = |quantile| first.value_at_quantile(quantile);
    report.first_picture_ms = Spread {
        p50: at(0.5),
        p95: at(0.95),
        p99: at(0.99),
        max: first.max(),
    };
    Ok(report)
}

impl WatchReport {
    fn add(&mut self, watched: &Watched, first: &mut Histogram<u64>) {
        match watched.first_picture {
            None => self.fail("no picture came".into()),
            Some(after) => {
                self.watched += 1;
                first.saturating_record(u64::try_from(after.as_millis()).unwrap_or(LONGEST_MS).max(1));
            }
        }
        self.packets += watched.packets;
        self.bytes += watched.bytes;
        self.lost += watched.lost;
        self.frames += watched.frames;
        self.freezes += watched.freezes;
        self.silent += usize::from(!watched.has_sound);
    }

    fn fail(&mut self, reason: String) {
        match self.failures.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.failures.push((reason, 1)),
        }
    }
}
