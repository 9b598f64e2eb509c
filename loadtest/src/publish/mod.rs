//! A publisher: sends a clip in a loop over WHIP, and comes back when the server does.

mod feed;
mod offer;
mod packets;
mod repair;
mod schedule;
pub mod stamp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::Error;
use crate::clip::Clip;
use crate::joining::{Goodbye, Opened, join};
use crate::session;
use feed::Feed;
use offer::Connection;
use repair::Feedback;

/// The first wait after a lost connection: a server that restarts is often back at once.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// The longest wait between two attempts: a show should return within seconds of its server.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// A connection that lasted this long was a good one: the next loss starts from the first wait again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// What to publish and where.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// The WHIP endpoint.
    pub whip_url: Url,
    /// The bearer token, when the endpoint wants one.
    pub token: Option<String>,
    /// The endpoint is this very process, by an address that its certificate need not name: whatever it shows is taken.
    pub is_own_server: bool,
    /// What is sent.
    pub clip: Clip,
    /// Start again when the clip is over. Otherwise the publisher stops after one pass.
    pub looped: bool,
    /// Connect again after a lost connection or a refusal that can pass. Otherwise either ends the publisher.
    pub reconnect: bool,
    /// Do not answer keyframe requests, as most encoders do not. Otherwise the clip jumps to its next keyframe.
    pub ignore_pli: bool,
    /// Put a [`stamp`] at the end of each payload. A picture does not survive it.
    pub stamped: bool,
    /// The best rendition falls silent for so long, and comes back for so long, over and over.
    pub dropout: Option<Duration>,
    /// Counts connections as they come up; may be looked at from elsewhere.
    pub connections: Arc<AtomicU64>,
}

impl PublishOptions {
    /// A looped clip that returns after a loss and answers keyframe requests; no token.
    pub fn new(whip_url: Url, clip: Clip) -> Self {
        Self {
            whip_url,
            token: None,
            is_own_server: false,
            clip,
            looped: true,
            reconnect: true,
            ignore_pli: false,
            stamped: false,
            dropout: None,
            connections: Arc::default(),
        }
    }
}

/// What a publisher has done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PublishReport {
    /// How often it got through to sending.
    pub connections: u64,
    /// Seconds spent sending.
    pub seconds: f64,
    /// What was sent, per RTP stream.
    pub streams: Vec<StreamReport>,
    /// Packets the server asked for again.
    pub nacked: u64,
    /// Packets sent again.
    pub repaired: u64,
    /// PLI and FIR received.
    pub keyframe_requests: u64,
}

/// One RTP stream of a [`PublishReport`], summed over all connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamReport {
    /// The RID; `audio` for the sound.
    pub name: String,
    /// RTP packets, retransmissions not counted.
    pub packets: u64,
    /// RTP payload bytes.
    pub bytes: u64,
    /// Frames (sound: packets).
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
}

impl StreamReport {
    /// Adds it to the stream of the same name.
    pub(crate) fn add_to(&self, reports: &mut Vec<StreamReport>) {
        match reports.iter_mut().find(|known| known.name == self.name) {
            None => reports.push(self.clone()),
            Some(sum) => {
                sum.packets += self.packets;
                sum.bytes += self.bytes;
                sum.frames += self.frames;
                sum.keyframes += self.keyframes;
            }
        }
    }
}

/// Why a connection stopped sending.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Asked(Goodbye),
    ClipOver,
    Lost,
}

/// Publishes until `shutdown` resolves (or the clip is over, when not looped), then DELETEs the session, unless told to
/// break off.
///
/// Must run on a tokio runtime with time and I/O.
///
/// # Errors
/// A refusal that trying again cannot help (such as 401), a broken answer, or, without `reconnect`, any loss.
pub async fn publish<G: Into<Goodbye>>(
    options: PublishOptions,
    shutdown: impl Future<Output = G> + Send,
) -> Result<PublishReport, Error> {
    let client = match options.is_own_server {
        true => session::client_of_oneself()?,
        false => session::client()?,
    };
    let feedback = Arc::new(Feedback::default());
    let mut report = PublishReport::default();
    let mut backoff = FIRST_BACKOFF;
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let attempt = one_connection(&client, &options, &feedback, &mut report, shutdown.as_mut()).await;
        let (wait, retry) = match attempt {
            Ok((Stop::Asked(_) | Stop::ClipOver, _)) => break,
            Ok((Stop::Lost, lasted)) => {
                if !options.reconnect {
                    return Err(Error::Ended);
                }
                if lasted >= GOOD_CONNECTION {
                    backoff = FIRST_BACKOFF;
                }
                tracing::warn!("the connection to {} is lost; connecting again", options.whip_url);
                (backoff, backoff)
            }
            Err(error) if options.reconnect && error.is_passing() => {
                tracing::warn!("{error}; trying again");
                let asked = match error {
                    Error::Refused {
                        retry_after: Some(asked),
                        ..
                    } => asked.min(LONGEST_BACKOFF),
                    _ => Duration::ZERO,
                };
                (backoff.max(asked), backoff)
            }
            Err(error) => return Err(error),
        };
        backoff = (retry * 2).min(LONGEST_BACKOFF);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = shutdown.as_mut() => break,
        }
    }
    report.nacked = feedback.nacked.load(Ordering::Relaxed);
    report.repaired = feedback.repaired.load(Ordering::Relaxed);
    report.keyframe_requests = feedback.keyframe_requests.load(Ordering::Relaxed);
    Ok(report)
}

/// Connects, sends until something stops it, and leaves properly. Returns why it stopped and how long it lasted.
async fn one_connection<G: Into<Goodbye>>(
    client: &Client,
    options: &PublishOptions,
    feedback: &Arc<Feedback>,
    report: &mut PublishReport,
    mut shutdown: std::pin::Pin<&mut (impl Future<Output = G> + Send)>,
) -> Result<(Stop, Duration), Error> {
    let opening = Connection::open(client, options, feedback);
    let connection = match join(opening, shutdown.as_mut()).await? {
        Ok(connection) => connection,
        Err(goodbye) => return Ok((Stop::Asked(goodbye), Duration::ZERO)),
    };
    report.connections += 1;
    options.connections.fetch_add(1, Ordering::Relaxed);
    let started = Instant::now();
    let mut feed = Feed::new(options, &connection, feedback)?;
    let stop = tokio::select! {
        sent = feed.run() => sent,
        () = connection.ended() => Ok(Stop::Lost),
        goodbye = shutdown => Ok(Stop::Asked(goodbye.into())),
    };
    let lasted = started.elapsed();
    report.seconds += lasted.as_secs_f64();
    feed.add_to(&mut report.streams);
    connection
        .end(match stop {
            Ok(Stop::Asked(goodbye)) => goodbye,
            _ => Goodbye::Leave,
        })
        .await;
    Ok((stop?, lasted))
}
