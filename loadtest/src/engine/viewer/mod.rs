//! One viewer, without sockets or clocks: datagrams and the time go in, datagrams come out.

mod feedback;
mod glance;
mod media;
mod shop;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::answer::{Answer, Format};
use super::channels::Channels;
use super::customer::Customer;
use super::ice::{self, Credentials, Ice};
use super::offer::Offer;
use super::outbox::Outbox;
use super::rtp::{self, Head};
use super::secure::{Dtls, Happened, Identity};
use super::srtp::Keys;
use super::stream::Stream;
use super::tally::Tally;
use super::twcc;
use crate::measure::{Counter, Timing, ViewerOutcome};
use rand::Rng;

/// Between two transport-wide feedbacks: libwebrtc sends them every 50 to 250 ms.
const FEEDBACK: Duration = Duration::from_millis(100);
/// Between two receiver reports.
const REPORT: Duration = Duration::from_secs(1);
/// A picture that stands still for want of a keyframe asks for one, at most this often.
const KEYFRAME_REPEAT: Duration = Duration::from_secs(1);
/// A join that takes longer has failed for any person.
const CONNECT: Duration = Duration::from_secs(15);
/// Streams of one viewer: sound, picture and its repairs, and as many again after the publisher changed.
const MAX_STREAMS: usize = 8;
/// So long after its first picture a viewer is at the live edge.
const SETTLED: Duration = Duration::from_secs(2);

/// When something arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Instant,
    /// The same as microseconds of Unix time: what stamps are compared with.
    pub(super) unix_us: u64,
    /// Our own network model held it back.
    pub(super) is_held_back: bool,
}

/// What a viewer works with; one set per thread and group.
pub(super) struct Tools<'a> {
    pub(super) identity: &'a Identity,
    pub(super) outbox: &'a mut Outbox,
    pub(super) scratch: &'a mut [u8],
    /// Where a report is written before it is sealed; empty between two.
    pub(super) report: &'a mut Vec<u8>,
    pub(super) tally: &'a mut Tally,
    /// The run's start.
    pub(super) begin: Instant,
}

impl Tools<'_> {
    fn since_begin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begin)
    }
}

/// How far a viewer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// The POST is on its way.
    Asking,
    /// ICE and DTLS.
    Connecting,
    /// Media may come.
    Up,
    /// It is over; why, when it did not leave by itself.
    Over(Option<String>),
}

/// One of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    /// Counts the viewers of a run.
    pub(super) number: u32,
    /// Every packet is authenticated and decrypted.
    pub(super) inspects: bool,
}

/// What a viewer is to be.
pub(super) struct Role {
    pub(super) name: Name,
    pub(super) address: SocketAddr,
    /// It takes part in the shop on its own data channels.
    pub(super) customer: Option<Customer>,
}

/// One viewer.
pub(super) struct Viewer {
    id: u32,
    role: Role,
    phase: Phase,
    posted: Instant,
    credentials: Credentials,
    ice: Ice,
    /// Large, and out of the way of what every packet needs.
    dtls: Option<Box<Dtls>>,
    dtls_next: Instant,
    keys: Option<Keys>,
    agreed: Option<Box<Answer>>,
    /// What is agreed about the transport-wide number, for every packet.
    transport_id: Option<u8>,
    /// SSRCs of the streams, in their order: no packet has to look at another's stream.
    ssrcs: [u32; MAX_STREAMS],
    streams: Vec<Stream>,
    arrivals: twcc::Arrivals,
    feedback: Option<Instant>,
    report: Instant,
    ssrc: u32,
    channels: Option<Box<Channels>>,
    channels_open: bool,
    story: ViewerOutcome,
    /// Since the first whole picture.
    watching: Option<Instant>,
}

impl Viewer {
    /// A viewer whose POST leaves now. `id` is its place on its thread.
    pub(super) fn new(
        id: u32,
        role: Role,
        random: &mut impl Rng,
        now: Instant,
        tools: &mut Tools<'_>,
    ) -> Viewer {
        tools.tally.add(Counter::JoinsStarted, 1);
        let credentials = Credentials::generate(random);
        let story = ViewerOutcome {
            number: role.name.number,
            joined_at_ms: ms(tools.since_begin(now)),
            ..ViewerOutcome::default()
        };
        Viewer {
            id,
            phase: Phase::Asking,
            posted: now,
            ice: Ice::new(credentials.clone(), random, now),
            credentials,
            dtls: None,
            dtls_next: now,
            keys: None,
            agreed: None,
            transport_id: None,
            ssrcs: [0; MAX_STREAMS],
            streams: Vec::new(),
            arrivals: twcc::Arrivals::new(now),
            feedback: None,
            report: now + REPORT,
            ssrc: random.next_u32() | 1,
            channels: None,
            channels_open: false,
            story,
            watching: None,
            role,
        }
    }

    /// The offer to POST.
    pub(super) fn offer(&self, identity: &Identity) -> String {
        Offer {
            credentials: &self.credentials,
            fingerprint: &identity.fingerprint,
            address: self.role.address,
            with_channels: self.role.customer.is_some(),
        }
        .write()
    }

    /// Who it is, for somebody who comes back as the same.
    pub(super) fn name(&self) -> Name {
        self.role.name
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether it has had a picture.
    pub(super) fn is_watching(&self) -> bool {
        self.watching.is_some()
    }

    /// Whether its data channels are open.
    pub(super) fn has_channels(&self) -> bool {
        self.channels_open
    }

    /// Height of the picture it gets; 0 when unknown.
    pub(super) fn height(&self) -> u16 {
        let watched = self.streams.iter().filter_map(|stream| stream.watched.as_deref());
        watched.map(|watched| watched.height).max().unwrap_or(0)
    }

    /// The server's answer to the POST came.
    pub(super) fn answered(&mut self, answer: Answer, now: Instant, tools: &mut Tools<'_>) {
        self.story.answer_ms = self.milestone(Timing::Answer, now, tools);
        self.phase = Phase::Connecting;
        let (ours, theirs) = (self.role.address, answer.credentials.clone());
        self.ice.start(theirs, ours, &answer.candidates, now);
        let is_client = !answer.server_is_active;
        let dtls = tools.identity.dtls(is_client, now);
        if let (Some(agreed), Some(_)) = (answer.channels, &self.role.customer) {
            self.channels = Some(Box::new(Channels::new(agreed, is_client)));
        }
        self.dtls = Some(Box::new(dtls));
        self.transport_id = answer.transport_id;
        self.agreed = Some(Box::new(answer));
        self.timeout(now, tools);
    }

    /// Counts a step of the join, which took so many milliseconds since the POST.
    fn milestone(&mut self, what: Timing, now: Instant, tools: &mut Tools<'_>) -> Option<u32> {
        let took = now.saturating_duration_since(self.posted);
        let at = tools.since_begin(now);
        tools.tally.time(at, what, took);
        Some(ms(took))
    }

    /// It will not work out, or it does not any more.
    pub(super) fn fail(&mut self, why: &str, now: Instant, tools: &mut Tools<'_>) {
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        let counter = match self.phase {
            Phase::Up => Counter::Ended,
            _ => Counter::JoinsFailed,
        };
        tools.tally.add(counter, 1);
        let group = tools.tally.group();
        tools.tally.recorder().failure(group, why);
        self.end(Some(why.to_owned()), now, tools);
    }

    /// Leaves: says goodbye, unless it is to vanish.
    pub(super) fn leave(&mut self, says_goodbye: bool, now: Instant, tools: &mut Tools<'_>) {
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        if says_goodbye && let Some(dtls) = &mut self.dtls {
            dtls.close();
            self.drive(now, tools);
        }
        // It may have turned out that the server was faster.
        if !matches!(self.phase, Phase::Over(_)) {
            tools.tally.add(Counter::Left, 1);
            self.end(None, now, tools);
        }
    }

    fn end(&mut self, failure: Option<String>, now: Instant, tools: &mut Tools<'_>) {
        for stream in &mut self.streams {
            stream.arrivals.finish();
            if let Some(watched) = &stream.watched
                && let Some(still) = watched.pictures.stood_still(now)
                && failure.is_none()
            {
                count_freeze(&mut self.story, still, tools.begin, now, tools.tally);
            }
        }
        self.tell(tools);
        self.story.height = self.height();
        self.story.failure.clone_from(&failure);
        self.story.left_at_ms = ms(tools.since_begin(now));
        let group = tools.tally.group();
        tools
            .tally
            .recorder()
            .outcome(group, std::mem::take(&mut self.story));
        self.phase = Phase::Over(failure);
        self.streams.clear();
        (self.dtls, self.keys, self.channels, self.agreed) = (None, None, None, None);
        self.channels_open = false;
    }

    /// The customer goes on with another connection.
    pub(super) fn take_customer(&mut self) -> Option<Customer> {
        self.role.customer.take()
    }

    /// Tells what the streams have counted since the last time.
    pub(super) fn tell(&mut self, tools: &mut Tools<'_>) {
        for stream in &mut self.streams {
            let (now, told) = (stream.arrivals.counts, stream.told);
            // Probes come as repairs of nothing, with gaps: what counts is whether holes were filled.
            if stream.format != Format::Repair {
                tools.tally.add(Counter::Lost, now.lost - told.lost);
                self.story.lost += now.lost - told.lost;
            }
            tools
                .tally
                .add(Counter::Reordered, now.reordered - told.reordered);
            tools
                .tally
                .add(Counter::Duplicates, now.duplicates - told.duplicates);
            stream.told = now;
        }
    }

    /// Once a second: counts, and jitter of what is playing.
    pub(super) fn every_second(&mut self, now: Instant, tools: &mut Tools<'_>) {
        let at = tools.since_begin(now);
        if self.is_watching() {
            let playing = self
                .streams
                .iter()
                .filter(|stream| stream.format != Format::Repair);
            for stream in playing.filter(|stream| stream.arrivals.counts != stream.told) {
                tools.tally.time(at, Timing::Jitter, stream.jitter());
            }
        }
        self.tell(tools);
    }

    /// A datagram for this viewer; whether its next time may be another.
    pub(super) fn receive(
        &mut self,
        moment: Moment,
        from: SocketAddr,
        datagram: &mut [u8],
        tools: &mut Tools<'_>,
    ) -> bool {
        if matches!(self.phase, Phase::Over(_) | Phase::Asking) {
            return false;
        }
        // RFC 7983 §7; RTCP by its second byte (RFC 5761 §4).
        match datagram {
            [0..=3, ..] => self.stun(moment.at, from, datagram, tools),
            [20..=63, ..] => {
                let taken = self.dtls.as_mut().map(|dtls| dtls.receive(moment.at, datagram));
                match taken {
                    Some(Err(_)) => self.fail("DTLS failed", moment.at, tools),
                    _ => self.drive(moment.at, tools),
                }
            }
            [128..=191, 192..=223, ..] => self.rtcp(moment.at, datagram, tools),
            [128..=191, ..] => return self.rtp(moment, datagram, tools),
            _ => {}
        }
        true
    }

    /// Our own network model took this datagram.
    pub(super) fn taken(&mut self, datagram: &[u8], tools: &mut Tools<'_>) {
        let Some(head) = Head::parse(datagram, None).filter(|_| rtp::is_media(datagram)) else {
            return;
        };
        tools.tally.add(Counter::InjectedLost, 1);
        self.story.injected_lost += 1;
        if let Some(place) = self.stream(&head)
            && let Some(stream) = self.streams.get_mut(place)
        {
            stream.arrivals.take(head.sequence);
        }
    }

    fn stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], tools: &mut Tools<'_>) {
        let crypto = tools.identity.crypto();
        let (id, outbox) = (self.id, &mut *tools.outbox);
        let brought = self.ice.receive(now, from, datagram, crypto, |answer| {
            outbox.push(id, from, answer)
        });
        if let ice::Brought::Connected(_) = brought {
            self.story.ice_ms = self.milestone(Timing::Ice, now, tools);
            self.timeout(now, tools);
        }
    }

    /// Moves DTLS on, and what is inside it.
    fn drive(&mut self, now: Instant, tools: &mut Tools<'_>) {
        let (Some(dtls), Some(agreed)) = (&mut self.dtls, &self.agreed) else {
            return;
        };
        let Some(server) = self.ice.selected() else {
            return;
        };
        let (mut keys, mut why) = (None, None);
        let mut brought = Vec::new();
        let (id, outbox, channels) = (self.id, &mut *tools.outbox, &mut self.channels);
        self.dtls_next =
            dtls.poll(
                tools.identity,
                &agreed.fingerprint,
                tools.scratch,
                |happened| match happened {
                    Happened::Send(datagram) => outbox.push(id, server, datagram),
                    Happened::Keys(agreed) => keys = Some(agreed),
                    Happened::Data(data) => {
                        if let Some(channels) = channels {
                            channels.receive(now, data, &mut brought);
                        }
                    }
                    Happened::Refused => why = Some("the DTLS certificate or profile is not what was agreed"),
                    Happened::Closed => why = Some("the server ended the session"),
                },
            );
        if let Some(keys) = keys {
            self.keys = Some(keys);
            self.phase = Phase::Up;
            tools.tally.add(Counter::Joined, 1);
            self.story.dtls_ms = self.milestone(Timing::Dtls, now, tools);
        }
        if let Some(why) = why {
            return self.fail(why, now, tools);
        }
        self.shop(now, &mut brought, tools);
    }

    /// When [`Viewer::timeout`] is wanted.
    pub(super) fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::Over(_) | Phase::Asking => return None,
            Phase::Connecting | Phase::Up => {}
        }
        let holes = self
            .streams
            .iter()
            .filter_map(|stream| stream.watched.as_deref()?.holes.next());
        let customer = self.role.customer.as_ref().filter(|_| self.channels_open);
        let times = [
            self.ice.next(),
            self.ice.selected().map(|_| self.dtls_next),
            // A report rides with the feedback, while there is any.
            self.feedback.or(self.keys.as_ref().map(|_| self.report)),
            (self.phase == Phase::Connecting).then(|| self.posted + CONNECT),
            self.channels
                .as_ref()
                .filter(|_| self.keys.is_some())
                .and_then(|channels| channels.next()),
            customer.and_then(Customer::next),
        ];
        times.into_iter().flatten().chain(holes).min()
    }

    /// Does what is due.
    pub(super) fn timeout(&mut self, now: Instant, tools: &mut Tools<'_>) {
        match self.phase {
            Phase::Over(_) | Phase::Asking => return,
            Phase::Connecting if now >= self.posted + CONNECT => {
                let step = if self.ice.selected().is_some() {
                    "DTLS"
                } else {
                    "ICE"
                };
                return self.fail(&format!("{step} did not come about in {CONNECT:?}"), now, tools);
            }
            Phase::Connecting | Phase::Up => {}
        }
        if self.ice.is_dead(now) {
            return self.fail("the server's address fell silent", now, tools);
        }
        let crypto = tools.identity.crypto();
        let (id, outbox) = (self.id, &mut *tools.outbox);
        self.ice
            .timeout(now, crypto, |to, check| outbox.push(id, to, check));
        if self.ice.selected().is_some() && self.dtls_next <= now {
            let is_broken = self.dtls.as_mut().is_some_and(|dtls| dtls.timeout(now).is_err());
            if is_broken {
                return self.fail("DTLS timed out", now, tools);
            }
            self.drive(now, tools);
        }
        if self.keys.is_some() {
            self.channel_timeout(now, tools);
            self.feedback(now, tools);
        }
    }
}

fn ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// Microseconds of Unix time, now.
pub(super) fn unix_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

fn count_freeze(story: &mut ViewerOutcome, still: Duration, begin: Instant, now: Instant, tally: &mut Tally) {
    tally.add(Counter::Freezes, 1);
    tally.add(Counter::FrozenMs, ms(still).into());
    tally.time(now.saturating_duration_since(begin), Timing::Freeze, still);
    story.freezes += 1;
    story.frozen_ms = story.frozen_ms.saturating_add(ms(still));
}
