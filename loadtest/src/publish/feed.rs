//! Sending in real time: frames leave when they are due, their packets a few at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use webrtc::media_stream::track_local::TrackLocal;

use super::offer::{Connection, Outgoing};
use super::packets::Packetizer;
use super::repair::Feedback;
use super::schedule::{Due, Schedule, rtp_ticks};
use super::stamp::{self, Stamp, unix_us};
use super::{PublishOptions, Stop, StreamReport};
use crate::Error;
use crate::clip::Clip;
use crate::clip::keyframe::{self, Codec};
use crate::clip::sound::Packet;
use crate::clip::video::Frame;

/// Packets that leave together, and the pause after them: a 50-packet keyframe takes 12 ms, a common frame leaves at
/// once. Chromium's pacer works in 5 ms bursts, so a server must take this anyway.
const BURST: usize = 4;
const BURST_PAUSE: Duration = Duration::from_millis(1);
/// After a longer standstill (a suspended laptop) the missed time is skipped instead of sent in one flood. It also bounds
/// the queue: at most this much of the clip waits.
const LONGEST_LAG: Duration = Duration::from_secs(1);
/// Keyframe requests closer than this to the last keyframe they got are not answered again: libwebrtc's encoders hold
/// back for 300 ms.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(300);
/// A jump begins this long after the last frame at least: two frames must not share an RTP timestamp.
const FRAME_STEP: Duration = Duration::from_millis(1);

/// Everything that is sent over one connection.
pub(super) struct Feed<'a> {
    streams: Vec<Stream<'a>>,
    schedule: Schedule,
    looped: bool,
    codec: Codec,
    queue: VecDeque<(usize, rtp::Packet)>,
    /// Sound does not wait behind a keyframe: it has a queue of its own, served first.
    sound: VecDeque<(usize, rtp::Packet)>,
    /// When the newest frame was due.
    newest: Duration,
    /// The stream that falls silent now and then, and for how long each time.
    dropout: Option<(usize, Duration)>,
    requests: Option<Requests>,
}

/// Keyframe requests of the server, answered by a jump to where all renditions have a keyframe.
struct Requests {
    feedback: Arc<Feedback>,
    /// Answered up to this count.
    answered: u64,
    last: Option<Duration>,
    places: Vec<Duration>,
}

impl Requests {
    fn new(clip: &Clip, feedback: &Arc<Feedback>) -> Self {
        let feedback = feedback.clone();
        Self {
            answered: feedback.keyframe_requests.load(Ordering::Relaxed),
            feedback,
            last: None,
            places: clip.keyframes(),
        }
    }

    /// Whether one waits that should be answered now.
    fn take(&mut self, now: Duration) -> bool {
        let asked = self.feedback.keyframe_requests.load(Ordering::Relaxed);
        let too_soon = self.last.is_some_and(|last| now < last + KEYFRAME_PAUSE);
        if asked == self.answered || too_soon {
            return false;
        }
        self.answered = asked;
        self.last = Some(now);
        true
    }
}

struct Stream<'a> {
    track: Arc<dyn TrackLocal>,
    frames: Frames<'a>,
    header: rtp::Header,
    clock_hz: u32,
    first_timestamp: u32,
    packetizer: Packetizer,
    stamped: bool,
    report: StreamReport,
}

/// The encoded frames of a stream.
#[derive(Clone, Copy)]
enum Frames<'a> {
    Video(&'a [Frame]),
    Audio(&'a [Packet]),
}

impl Frames<'_> {
    fn times(self) -> Vec<Duration> {
        match self {
            Self::Video(frames) => frames.iter().map(|f| f.at).collect(),
            Self::Audio(packets) => packets.iter().map(|p| p.at).collect(),
        }
    }

    fn data(self, n: usize) -> Option<Bytes> {
        match self {
            Self::Video(frames) => frames.get(n).map(|f| f.data.clone()),
            Self::Audio(packets) => packets.get(n).map(|p| p.data.clone()),
        }
    }
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        options: &'a PublishOptions,
        connection: &Connection,
        feedback: &Arc<Feedback>,
    ) -> Result<Self, Error> {
        let clip = &options.clip;
        let streams = connection
            .streams
            .iter()
            .map(|o| Stream::new(clip, o, options.stamped))
            .collect::<Result<Vec<_>, Error>>()?;
        // The best picture is the last stream.
        let dropout = options
            .dropout
            .map(|silence| (streams.len().saturating_sub(1), silence));
        let times = streams.iter().map(|s| s.frames.times()).collect();
        let schedule = Schedule::new(times, clip.period());
        let queue = VecDeque::new();
        Ok(Self {
            streams,
            schedule,
            looped: options.looped,
            codec: clip.codec(),
            queue,
            sound: VecDeque::new(),
            newest: Duration::ZERO,
            dropout,
            requests: (!options.ignore_pli).then(|| Requests::new(clip, feedback)),
        })
    }

    /// Sends until the clip is over or the connection refuses packets. May be dropped at any await.
    pub(super) async fn run(&mut self) -> Result<Stop, Error> {
        let mut started = Instant::now();
        loop {
            let now = started.elapsed();
            let lag = now.saturating_sub(self.schedule.next());
            if lag > LONGEST_LAG {
                tracing::warn!(?lag, "sending stood still; the missed time is skipped");
                started += lag;
                continue;
            }
            let free = now.max(self.newest + FRAME_STEP);
            if let Some(requests) = &mut self.requests
                && requests.take(now)
            {
                self.schedule.jump(free, &requests.places);
            }
            while let Some(due) = self.schedule.take(now) {
                if !self.looped && due.pass > 0 {
                    break;
                }
                self.newest = due.at;
                self.enqueue(&due)?;
            }
            for _ in 0..BURST {
                let Some((stream, packet)) = self.sound.pop_front().or_else(|| self.queue.pop_front()) else {
                    break;
                };
                if let Some(stream) = self.streams.get_mut(stream)
                    && !stream.send(packet).await
                {
                    return Ok(Stop::Lost);
                }
            }
            if self.is_idle() && !self.looped && self.schedule.pass() > 0 {
                return Ok(Stop::ClipOver);
            }
            let due = started + self.schedule.next();
            let wake = if self.is_idle() {
                due
            } else {
                due.min(Instant::now() + BURST_PAUSE)
            };
            tokio::time::sleep_until(wake).await;
        }
    }

    /// Nothing waits to be sent.
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.sound.is_empty()
    }

    fn enqueue(&mut self, due: &Due) -> Result<(), Error> {
        if self
            .dropout
            .is_some_and(|(stream, silence)| stream == due.stream && is_silent(due.at, silence))
        {
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(due.stream) else {
            return Ok(());
        };
        let Some(frame) = stream.frames.data(due.frame) else {
            return Ok(());
        };
        stream.report.frames += 1;
        stream.report.keyframes += u64::from(stream.is_video() && keyframe::in_frame(self.codec, &frame));
        let video = stream.is_video();
        for packet in stream.packets(&frame, due.at)? {
            let queue = if video { &mut self.queue } else { &mut self.sound };
            queue.push_back((due.stream, packet));
        }
        Ok(())
    }

    /// Adds what was sent to the publisher's report.
    pub(super) fn add_to(&self, reports: &mut Vec<StreamReport>) {
        for stream in &self.streams {
            stream.report.add_to(reports);
        }
    }
}

impl<'a> Stream<'a> {
    fn new(clip: &'a Clip, outgoing: &Outgoing, stamped: bool) -> Result<Self, Error> {
        let mut header = rtp::Header {
            version: 2,
            payload_type: outgoing.payload_type,
            sequence_number: rand::random(),
            ssrc: outgoing.ssrc,
            ..Default::default()
        };
        for (id, value) in &outgoing.extensions {
            header.set_extension(*id, value.clone())?;
        }
        let rendition = outgoing.rendition.and_then(|n| clip.renditions().get(n));
        let (frames, clock_hz, packetizer, name) = match rendition {
            Some(rendition) => {
                let spare = if stamped { stamp::LENGTH } else { 0 };
                let packetizer = Packetizer::new(clip.codec(), rand::random(), spare);
                (
                    Frames::Video(rendition.video.frames()),
                    90_000,
                    packetizer,
                    rendition.rid.clone(),
                )
            }
            None => {
                let packets = clip.audio().map_or(&[][..], |a| a.packets());
                (Frames::Audio(packets), 48_000, Packetizer::opus(), "audio".into())
            }
        };
        Ok(Self {
            track: outgoing.track.clone(),
            frames,
            header,
            clock_hz,
            first_timestamp: rand::random(),
            packetizer,
            stamped,
            report: StreamReport {
                name,
                ..Default::default()
            },
        })
    }

    fn is_video(&self) -> bool {
        matches!(self.frames, Frames::Video(_))
    }

    fn packets(&mut self, frame: &Bytes, at: Duration) -> Result<Vec<rtp::Packet>, Error> {
        let payloads = self.packetizer.cut(frame)?;
        let last = payloads.len().saturating_sub(1);
        // The marker ends a video frame (RFC 7741 §4.1); on sound it would mean a talkspurt (RFC 7587 §4.1).
        let video = self.is_video();
        self.header.timestamp = self.first_timestamp.wrapping_add(rtp_ticks(at, self.clock_hz));
        let packet = |(n, payload)| {
            self.header.marker = video && n == last;
            let header = self.header.clone();
            self.header.sequence_number = self.header.sequence_number.wrapping_add(1);
            rtp::Packet { header, payload }
        };
        Ok(payloads.into_iter().enumerate().map(packet).collect())
    }

    /// Hands a packet to the connection; false when that is over.
    async fn send(&mut self, mut packet: rtp::Packet) -> bool {
        if self.stamped {
            let stamp = Stamp {
                sent_us: unix_us(),
                number: self.report.packets,
            };
            packet.payload = [&packet.payload[..], &stamp.bytes()].concat().into();
        }
        self.report.packets += 1;
        self.report.bytes += packet.payload.len() as u64;
        self.track.write_rtp(packet).await.is_ok()
    }
}

/// Silence follows sound, each as long as the other.
fn is_silent(at: Duration, silence: Duration) -> bool {
    at.as_nanos() / silence.as_nanos().max(1) % 2 == 1
}
