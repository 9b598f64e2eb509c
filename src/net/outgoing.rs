//! What waits to be written to one TCP connection: bounded in bytes and, for media, in age. A line that is too slow
//! loses pictures, not seconds.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::framing::PREFIX;

/// Media older than this is not sent any more. A player's buffer holds about as much before it stands still, and a
/// viewer of a show half a second late does not notice.
pub(super) const MAX_AGE: Duration = Duration::from_millis(400);
/// A stream of fewer bytes holds nothing up; it may be twice as old. Sound of [`MAX_AGE`] has 3 to 6 KB.
const LIGHT: usize = 8 << 10;
/// Bytes waiting in all: [`MAX_AGE`] of 5 Mbit/s.
pub(super) const MAX_BYTES: usize = 256 << 10;
/// Bytes of everything but media within that. SCTP, whose window opens with what arrives, holds less.
const MAX_SIGNALLING: usize = 128 << 10;
/// Packets given to one write.
const SLICES: usize = 64;

/// Dropped packets by reason; only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// There was no room.
    pub(super) full: u64,
    /// Media that would have come too late.
    pub(super) late: u64,
}

/// Framed packets (RFC 4571) in order of their sending.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<Waiting>,
    /// Bytes of the first one that are written already.
    written: usize,
    media_bytes: usize,
    signalling_bytes: usize,
    pub(super) dropped: Dropped,
}

#[derive(Debug)]
struct Waiting {
    frame: Box<[u8]>,
    /// The RTP stream it belongs to; none for what must not be lost: STUN, DTLS with the data channels, RTCP.
    stream: Option<u32>,
    since: Instant,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes waiting.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.media_bytes + self.signalling_bytes - self.written
    }

    /// Puts a packet behind what waits, the first `written` bytes of its frame being on the wire already.
    pub(super) fn push(&mut self, now: Instant, packet: &[u8], written: usize) {
        let Ok(len) = u16::try_from(packet.len()) else {
            self.dropped.full += 1;
            return;
        };
        self.drop_late(now);
        let stream = media_stream(packet);
        let size = PREFIX + packet.len();
        let fits = match stream {
            Some(_) => self.media_bytes + self.signalling_bytes + size <= MAX_BYTES,
            None => self.signalling_bytes + size <= MAX_SIGNALLING,
        };
        // A frame that is begun must be ended, or all behind it is unreadable.
        if !fits && written == 0 {
            self.dropped.full += 1;
            return;
        }
        let bytes = match stream {
            Some(_) => &mut self.media_bytes,
            None => &mut self.signalling_bytes,
        };
        *bytes += size;
        if self.waiting.is_empty() {
            self.written = written;
        }
        self.waiting.push_back(Waiting {
            frame: [&len.to_be_bytes(), packet].concat().into(),
            stream,
            since: now,
        });
    }

    /// Gives `write` what waits until it takes no more, which it says by `None`.
    ///
    /// # Errors
    /// Those of `write`.
    pub(super) fn write_to<E>(
        &mut self,
        now: Instant,
        mut write: impl FnMut(&[IoSlice<'_>]) -> Result<Option<usize>, E>,
    ) -> Result<(), E> {
        self.drop_late(now);
        while !self.waiting.is_empty() {
            let skip = self.written;
            let frames = self.waiting.iter().take(SLICES).enumerate();
            let slices: Vec<IoSlice<'_>> = frames
                .map(|(place, waiting)| {
                    let from = if place == 0 { skip } else { 0 };
                    IoSlice::new(waiting.frame.get(from..).unwrap_or_default())
                })
                .collect();
            let Some(count) = write(&slices)? else {
                break;
            };
            self.advance(count);
        }
        Ok(())
    }

    fn advance(&mut self, count: usize) {
        self.written += count;
        while let Some(first) = self.waiting.front()
            && self.written >= first.frame.len()
        {
            self.written -= first.frame.len();
            if let Some(first) = self.waiting.pop_front() {
                self.forget(&first);
            }
        }
    }

    fn forget(&mut self, waiting: &Waiting) {
        match waiting.stream {
            Some(_) => self.media_bytes -= waiting.frame.len(),
            None => self.signalling_bytes -= waiting.frame.len(),
        }
    }

    /// When media has waited too long, the stream with most bytes goes as a whole: that is the picture, of which a
    /// part is worth nothing, and with it gone the sound, which is light, is as good as sent.
    fn drop_late(&mut self, now: Instant) {
        while let Some(oldest) = self.oldest_media()
            && now.saturating_duration_since(oldest) > MAX_AGE
            && let Some((heaviest, weight)) = self.heaviest_stream()
            && (weight > LIGHT || now.saturating_duration_since(oldest) > 2 * MAX_AGE)
        {
            // What is partly on the wire stays.
            let (mut place, begun) = (0, usize::from(self.written > 0));
            let (dropped, media_bytes) = (&mut self.dropped, &mut self.media_bytes);
            self.waiting.retain(|waiting| {
                place += 1;
                let keeps = place <= begun || waiting.stream != Some(heaviest);
                if !keeps {
                    dropped.late += 1;
                    *media_bytes -= waiting.frame.len();
                }
                keeps
            });
        }
    }

    /// Since when the oldest media waits that can still be dropped.
    fn oldest_media(&self) -> Option<Instant> {
        let begun = usize::from(self.written > 0);
        let mut droppable = self.waiting.iter().skip(begun);
        let oldest = droppable.find(|waiting| waiting.stream.is_some())?;
        Some(oldest.since)
    }

    fn heaviest_stream(&self) -> Option<(u32, usize)> {
        // A picture, its retransmissions and sound: three streams.
        let mut weights: Vec<(u32, usize)> = Vec::with_capacity(4);
        let begun = usize::from(self.written > 0);
        for waiting in self.waiting.iter().skip(begun) {
            let Some(stream) = waiting.stream else { continue };
            match weights.iter_mut().find(|(known, _)| *known == stream) {
                Some((_, weight)) => *weight += waiting.frame.len(),
                None => weights.push((stream, waiting.frame.len())),
            }
        }
        weights.into_iter().max_by_key(|&(_, weight)| weight)
    }
}

/// The SSRC of an RTP packet, which SRTP leaves readable; none for anything else (RFC 7983 §7, RFC 5761 §4).
fn media_stream(packet: &[u8]) -> Option<u32> {
    match *packet {
        [128..=191, 192..=223, ..] => None,
        [128..=191, _, _, _, _, _, _, _, s0, s1, s2, s3, ..] => Some(u32::from_be_bytes([s0, s1, s2, s3])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: u32 = 1;
    const AUDIO: u32 = 2;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A packet that says when it was sent, in milliseconds.
    fn packet(stream: Option<u32>, number: u32, at: u64, len: usize) -> Vec<u8> {
        let mut packet = match stream {
            Some(_) => vec![0x80, 96],
            None => vec![23, 0xfe],
        };
        packet.extend([0, 0]);
        packet.extend((at as u32).to_be_bytes());
        packet.extend(stream.unwrap_or(0).to_be_bytes());
        packet.extend(number.to_be_bytes());
        packet.resize(len, 7);
        packet
    }

    fn write(outgoing: &mut Outgoing, now: Instant, mut take: impl FnMut(&[IoSlice<'_>]) -> Option<usize>) {
        let written: Result<(), std::convert::Infallible> = outgoing.write_to(now, |slices| Ok(take(slices)));
        written.unwrap();
    }

    /// The far end of a line: what came when.
    #[derive(Default)]
    struct FarEnd {
        bytes: Vec<u8>,
        came: Vec<(Option<u32>, u32, u64, u64)>,
    }

    impl FarEnd {
        fn take(&mut self, at: u64, slices: &[IoSlice<'_>], room: &mut usize) -> Option<usize> {
            let mut taken = 0;
            for slice in slices {
                let part = slice.len().min(*room);
                self.bytes.extend_from_slice(&slice[..part]);
                (taken, *room) = (taken + part, *room - part);
            }
            while let Some(len) = self
                .bytes
                .first_chunk()
                .map(|len| usize::from(u16::from_be_bytes(*len)))
                && let Some(packet) = self.bytes.get(2..2 + len)
            {
                let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
                let stream = (packet[0] == 0x80).then(|| word(8));
                assert!(packet[16..].iter().all(|byte| *byte == 7), "a torn packet");
                self.came.push((stream, word(12), word(4).into(), at));
                self.bytes.drain(..2 + len);
            }
            (taken > 0).then_some(taken)
        }

        fn numbers(&self, stream: Option<u32>) -> Vec<u32> {
            let of = self.came.iter().filter(|(known, ..)| *known == stream);
            of.map(|&(_, number, ..)| number).collect()
        }
    }

    /// Runs a show over a line of so many bytes per millisecond, standing still for a while in between.
    fn show(rate: impl Fn(u64) -> usize) -> (Outgoing, FarEnd) {
        let begin = Instant::now();
        let (mut outgoing, mut end) = (Outgoing::default(), FarEnd::default());
        for at in 0..10_000 {
            let now = begin + ms(at);
            if at % 33 == 0 {
                // 2.3 Mbit/s.
                for part in 0..8 {
                    outgoing.push(
                        now,
                        &packet(Some(VIDEO), (at / 33 * 8 + part) as u32, at, 1200),
                        0,
                    );
                }
            }
            if at % 20 == 0 {
                outgoing.push(now, &packet(Some(AUDIO), (at / 20) as u32, at, 100), 0);
            }
            if at % 250 == 0 {
                outgoing.push(now, &packet(None, (at / 250) as u32, at, 300), 0);
            }
            let mut room = rate(at);
            write(&mut outgoing, now, |slices| end.take(at, slices, &mut room));
            assert!(outgoing.len() <= MAX_BYTES);
        }
        (outgoing, end)
    }

    fn longest_delay(end: &FarEnd) -> u64 {
        end.came
            .iter()
            .map(|(_, _, sent, came)| came - sent)
            .max()
            .unwrap()
    }

    #[test]
    fn a_slow_line_gets_all_the_sound_and_messages_and_never_lags() {
        // A quarter of what the show needs.
        let (outgoing, end) = show(|_| 75);
        assert!(outgoing.dropped.late > 1000 && outgoing.dropped.full == 0);
        // At the bound, and then as long as one packet takes.
        assert!(
            longest_delay(&end) <= MAX_AGE.as_millis() as u64 + 20,
            "{}",
            longest_delay(&end)
        );
        let in_order = |numbers: &[u32]| {
            numbers
                .iter()
                .enumerate()
                .all(|(place, number)| place as u32 == *number)
        };
        let (audio, messages) = (end.numbers(Some(AUDIO)), end.numbers(None));
        assert!(in_order(&audio) && audio.len() >= 470, "{} of 500", audio.len());
        assert!(
            in_order(&messages) && messages.len() >= 38,
            "{} of 40",
            messages.len()
        );
        assert!(end.numbers(Some(VIDEO)).len() > 300);
    }

    #[test]
    fn after_a_standstill_only_what_is_fresh_comes() {
        let (outgoing, end) = show(|at| if (3000..6000).contains(&at) { 0 } else { 1000 });
        assert!(outgoing.dropped.late > 0);
        let latest = |stream| {
            let of = end.came.iter().filter(|(known, ..)| *known == stream);
            of.map(|(_, _, sent, came)| came - sent).max().unwrap()
        };
        assert!(latest(Some(VIDEO)) <= 400, "{}", latest(Some(VIDEO)));
        assert!(latest(Some(AUDIO)) <= 800, "{}", latest(Some(AUDIO)));
        assert_eq!(
            end.numbers(None).len(),
            40,
            "no message is lost, and they come when the line does"
        );
    }

    #[test]
    fn a_line_that_carries_it_all_loses_nothing() {
        let (outgoing, end) = show(|_| 400);
        assert_eq!(outgoing.dropped, Dropped::default());
        assert!(longest_delay(&end) <= 25, "{}", longest_delay(&end));
    }

    #[test]
    fn a_packet_that_is_partly_on_the_wire_is_finished() {
        let begin = Instant::now();
        let (mut outgoing, mut end) = (Outgoing::default(), FarEnd::default());
        let first = packet(Some(VIDEO), 0, 0, 500);
        let head = [&500_u16.to_be_bytes(), &first[..]].concat();
        let mut room = 100;
        end.take(0, &[IoSlice::new(&head)], &mut room).unwrap();
        outgoing.push(begin, &first, 100);
        outgoing.push(begin, &packet(Some(VIDEO), 1, 0, 500), 0);
        let later = begin + ms(1000);
        outgoing.push(later, &packet(None, 0, 1000, 500), 0);
        let mut room = 10_000;
        write(&mut outgoing, later, |slices| end.take(1000, slices, &mut room));
        assert_eq!((end.numbers(Some(VIDEO)), end.numbers(None)), (vec![0], vec![0]));
        assert!(outgoing.is_empty());
        assert_eq!((outgoing.media_bytes, outgoing.signalling_bytes), (0, 0));
    }

    #[test]
    fn every_kind_has_its_bound() {
        let now = Instant::now();
        let mut outgoing = Outgoing::default();
        for number in 0..1000 {
            outgoing.push(now, &packet(Some(VIDEO), number, 0, 1200), 0);
            outgoing.push(now, &packet(None, number, 0, 1200), 0);
        }
        assert!(outgoing.len() <= MAX_BYTES + MAX_SIGNALLING);
        assert!(outgoing.dropped.full > 1000);
    }
}
