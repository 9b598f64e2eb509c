//! A publisher that sends one of the patterns in real time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sfu::transport::{RtpParts, SrtpKeys};

use crate::crowd::{Crowd, Received};
use crate::house::House;
use crate::pattern::{FRAME_RATE, Frame, Pattern};
use crate::peer::{Part, Party, TRANSPORT_SEQUENCE};

/// SSRCs and payload types of the offers.
const CHROMIUM: (u32, u8) = (2_737_457_687, 96);
const ENCODER: (u32, u8) = (1_938_475_601, 106);
/// Bytes of their RTP headers.
const CHROMIUM_HEADER: usize = 28;
const ENCODER_HEADER: usize = 12;
const MARKER: u8 = 0x80;
/// Nothing comes to it that it reports on.
const FEEDBACK: Duration = Duration::from_secs(1);

/// The packets of a stream.
#[derive(Clone, Debug)]
pub struct Stream {
    pattern: Pattern,
    /// A group, again and again.
    frames: Vec<Frame>,
    /// Frames by which groups behind the first keyframe begin earlier than those of others.
    ahead: usize,
    sequence: u16,
}

impl Stream {
    /// A stream of that many bits per second.
    pub fn new(pattern: Pattern, bitrate: u32) -> Stream {
        let header = if pattern.is_browser() {
            CHROMIUM_HEADER
        } else {
            ENCODER_HEADER
        };
        Stream {
            pattern,
            frames: pattern.frames(bitrate, header),
            ahead: 0,
            sequence: 1,
        }
    }

    /// Who publishes such.
    pub fn part(&self) -> Part {
        if self.pattern.is_browser() {
            Part::Chromium
        } else {
            Part::Encoder
        }
    }

    /// A frame of it.
    pub fn frame(&self, number: u32) -> Frame {
        let place = match number as usize {
            0 => 0,
            later => (later + self.ahead) % self.frames.len(),
        };
        Frame {
            number,
            ..self.frames[place].clone()
        }
    }

    /// The next packet, one of a frame, sealed.
    pub fn seal(&mut self, frame: &Frame, place: usize, keys: &mut SrtpKeys) -> Vec<u8> {
        let part = frame.parts[place];
        let is_last = place + 1 == frame.parts.len();
        let is_browser = self.pattern.is_browser();
        let (ssrc, payload_type) = if is_browser { CHROMIUM } else { ENCODER };
        let extended = u8::from(is_browser);
        let mut header = vec![
            0x80 | extended << 4,
            payload_type | if is_last { MARKER } else { 0 },
        ];
        header.extend(self.sequence.to_be_bytes());
        header.extend((frame.number * 90_000 / FRAME_RATE).to_be_bytes());
        header.extend(ssrc.to_be_bytes());
        if is_browser {
            // abs-send-time, transport-wide number and mid, with the offer's ids.
            let [high, low] = self.sequence.to_be_bytes();
            header.extend([0xbe, 0xde, 0, 3, 0x22, 1, 2, 3]);
            header.extend([TRANSPORT_SEQUENCE << 4 | 1, high, low, 0x40, b'1', 0, 0, 0]);
        }
        let mut body = if is_browser {
            vp8(frame, part.starts)
        } else {
            let ends = is_last || frame.parts[place + 1].starts;
            h264(frame.is_key, part.starts, ends)
        };
        body.resize(part.len.max(body.len() + 8) - 8, 0x5a);
        // When it was sent, for viewers that time it; its last bit tells keyframes from other frames.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let stamp = now.as_nanos() as u64 & !1 | u64::from(frame.is_key);
        body.extend(stamp.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        let mut sealed = Vec::with_capacity(header.len() + body.len() + 32);
        let parts = RtpParts {
            header: &header,
            lead: &[],
            body: &body,
            padding: 0,
        };
        assert!(keys.seal_rtp(parts, &mut sealed));
        sealed
    }
}

/// One publisher on the air.
pub struct Publisher {
    crowd: Crowd,
    stream: Stream,
    frame: u32,
    next_frame: Instant,
}

impl Publisher {
    /// Connects one with that peer number, and takes the room's stage.
    pub fn join(
        house: &mut House,
        party: &Party,
        number: u64,
        shard: usize,
        room: &str,
        pattern: Pattern,
        bitrate: u32,
    ) -> Publisher {
        let stream = Stream::new(pattern, bitrate);
        let mut crowd = Crowd::new(party, number, false);
        crowd.join(house, shard, room, stream.part(), 1);
        Publisher {
            crowd,
            stream,
            frame: 0,
            next_frame: Instant::now(),
        }
    }

    /// One of many, whose keyframes are not to fall together with the others'.
    pub fn out_of_step(mut self, place: usize) -> Publisher {
        // By the golden section any number of them is spread evenly.
        let part = (place as f64 * 0.618_034).fract();
        self.stream.ahead = (part * self.stream.frames.len() as f64) as usize;
        self
    }

    /// Sends frames for that long. Returns the frames sent.
    pub fn run(&mut self, time: Duration) -> Vec<Frame> {
        let end = Instant::now() + time;
        let mut frames = Vec::new();
        // A pause between two runs is no reason to hurry.
        self.next_frame = self.next_frame.max(Instant::now());
        while self.next_frame < end {
            wait_until(self.next_frame);
            self.crowd
                .tend(Instant::now(), FEEDBACK, &mut Received::default());
            let frame = self.stream.frame(self.frame);
            self.frame += 1;
            for place in 0..frame.parts.len() {
                wait_until(self.next_frame + frame.parts[place].at);
                let keys = self.crowd.peer(0).keys.as_mut().unwrap();
                let sealed = self.stream.seal(&frame, place, keys);
                self.crowd.send(0, &sealed);
            }
            self.next_frame += Duration::from_secs(1) / FRAME_RATE;
            frames.push(frame);
        }
        frames
    }
}

/// RFC 7741 §4.2 with a 15-bit picture id, and RFC 6386 §9.1 at a frame's start.
fn vp8(frame: &Frame, starts: bool) -> Vec<u8> {
    let [high, low] = (frame.number as u16 & 0x7fff).to_be_bytes();
    let mut payload = vec![if starts { 0x90 } else { 0x80 }, 0x80, 0x80 | high, low];
    if starts {
        payload.extend([u8::from(!frame.is_key), 0, 0]);
        if frame.is_key {
            payload.extend([0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
        }
    }
    payload
}

/// A single NAL unit, or fragments of one (RFC 6184 §5.6, §5.8).
fn h264(is_key: bool, starts: bool, ends: bool) -> Vec<u8> {
    let (nal, kind) = if is_key { (0x65, 5) } else { (0x41, 1) };
    if starts && ends {
        // first_mb_in_slice 0.
        return vec![nal, 0x88, 0x84];
    }
    let fragment = u8::from(starts) << 7 | u8::from(ends) << 6 | kind;
    vec![nal & 0x60 | 28, fragment, 0x88, 0x84]
}

/// Sleeps; the kernel is some tens of microseconds late, as it is with any publisher.
fn wait_until(at: Instant) {
    let left = at.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}
