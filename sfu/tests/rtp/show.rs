//! One publisher with two layers and sound, and one viewer, in virtual time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_rtcp::sender_report::SenderReport;
use sfu::media::{MediaConfig, Publication, RtpPacket};
use sfu::playback::{Playback, PlaybackConfig, RtpSink};
use sfu::relay::Generation;
use sfu::rtcp;
use sfu::transport::RtpParts;

use super::{AUDIO_PT, MID_ID, Packet, RID_ID, VIDEO_PT, begin, publisher_media, viewer_media};

pub const FRAME: Duration = Duration::from_millis(40);

/// What left, as whole packets.
#[derive(Default)]
pub struct Sent(pub Vec<Vec<u8>>);

impl RtpSink for Sent {
    fn send(&mut self, packet: RtpParts<'_>) -> bool {
        let mut bytes = [packet.header, packet.lead, packet.body].concat();
        bytes.extend(std::iter::repeat_n(packet.padding, packet.padding.into()));
        self.0.push(bytes);
        true
    }
}

/// What an encoder that began anew adds to its numbers, timestamps and SSRCs.
#[derive(Clone, Copy, Default)]
pub struct Anew {
    pub number: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

/// One publisher with two layers and sound, and one viewer.
pub struct Show {
    pub begin: Instant,
    pub now: Instant,
    pub publication: Publication,
    pub generation: u64,
    pub frames: u32,
    pub base: u16,
    /// Frames sent of `h` and of `l`, and which of them is switched off. It returns with a keyframe.
    pub pictures: [u16; 2],
    pub off: [bool; 2],
    returns: [bool; 2],
    pub anew: Anew,
    /// Its pictures have ids of seven bits.
    pub short_ids: bool,
    pub playback: Playback,
    pub sent: Sent,
    pub keyframes: usize,
}

impl Show {
    pub fn new() -> Show {
        Show::with(|_| {})
    }

    pub fn with(prepare: impl FnOnce(&mut PlaybackConfig)) -> Show {
        let now = begin();
        let mut config = PlaybackConfig {
            start_delay: Duration::from_millis(50),
            ..PlaybackConfig::new((now, 3_900_000_000_000_000_000))
        };
        prepare(&mut config);
        Show {
            begin: now,
            now,
            publication: Publication::new(Arc::new(publisher_media()), MediaConfig::default(), 1, now),
            generation: 1,
            frames: 0,
            base: 65_000,
            pictures: [0; 2],
            off: [false; 2],
            returns: [false; 2],
            anew: Anew::default(),
            short_ids: false,
            playback: Playback::new(viewer_media(), config, 5, now),
            sent: Sent::default(),
            keyframes: 0,
        }
    }

    /// Another publisher with numbers of its own takes over.
    pub fn replace_publisher(&mut self) {
        self.publication = Publication::new(Arc::new(publisher_media()), MediaConfig::default(), 2, self.now);
        self.generation += 1;
        self.base = 1234;
        self.attach();
    }

    pub fn attach(&mut self) {
        let source = Some((Generation(self.generation), &self.publication));
        self.playback.attach(self.now, source);
    }

    pub fn join(&mut self) {
        self.attach();
        self.playback.start(self.now);
    }

    /// One frame of both layers (the low one smaller), two packets of sound, 40 ms.
    pub fn frame(&mut self, keyframe: bool) {
        for (layer, rid, ssrc, packets) in [(0, b"h", 0xaa, 4u16), (1, b"l", 0xbb, 1)] {
            if self.off[layer] {
                self.returns[layer] = true;
                continue;
            }
            let keyframe = keyframe || std::mem::take(&mut self.returns[layer]);
            let number = self.base.wrapping_add(self.pictures[layer]);
            self.pictures[layer] += 1;
            for part in 0..packets {
                let sequence = number.wrapping_mul(packets).wrapping_add(part);
                let mut packet = self
                    .packet(VIDEO_PT, sequence, self.frames * 3600 + ssrc, ssrc)
                    .extension(MID_ID, b"1")
                    .extension(RID_ID, rid)
                    .vp8_part(keyframe, number & 0x7fff, part);
                if self.short_ids {
                    packet = packet.short_id();
                }
                if part + 1 == packets {
                    packet = packet.marker();
                }
                self.publication.handle_rtp(self.now, &packet.bytes());
            }
        }
        let number = self.base.wrapping_add(self.frames as u16);
        for half in 0..2u32 {
            let sequence = number.wrapping_mul(2).wrapping_add(half as u16);
            let timestamp = self.frames * 1920 + half * 960;
            let packet = self.packet(AUDIO_PT, sequence, timestamp, 0xcc).payload(&[1; 80]);
            self.publication.handle_rtp(self.now, &packet.bytes());
        }
        self.frames += 1;
        self.publication.handle_timeout(self.now);
        let until = self.now + FRAME;
        while self.now < until {
            self.forward();
            self.now += Duration::from_millis(5);
        }
    }

    fn packet(&self, payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) -> Packet {
        let Anew {
            number,
            timestamp: time,
            ssrc: source,
        } = self.anew;
        let (number, time) = (sequence.wrapping_add(number), timestamp.wrapping_add(time));
        Packet::new(payload_type, number, time, ssrc + source)
    }

    pub fn forward(&mut self) {
        let mut keyframes = Vec::new();
        self.playback
            .forward(self.now, &self.publication, &mut self.sent, &mut keyframes);
        self.keyframes += keyframes.len();
    }

    /// The publisher says what the clock of one of its streams reads at an instant of its wall clock.
    pub fn report(&mut self, ssrc: u32, ntp_time: u64, rtp_time: u32) {
        let mut compound = Vec::new();
        let report = SenderReport {
            ssrc,
            ntp_time,
            rtp_time,
            ..SenderReport::default()
        };
        assert!(rtcp::append(&mut compound, &[Box::new(report)]));
        self.publication.handle_rtcp(self.now, &compound);
    }

    /// The newest reports the viewer gets, by SSRC.
    pub fn reports(&mut self) -> HashMap<u32, SenderReport> {
        let mut found = HashMap::new();
        let mut out = Vec::new();
        while self
            .playback
            .poll_rtcp(self.now, Some(&self.publication), &mut out)
        {
            for packet in rtcp::parse(&out) {
                if let Some(report) = rtcp::as_type::<SenderReport>(&*packet) {
                    found.insert(report.ssrc, report.clone());
                }
            }
            out.clear();
        }
        found
    }

    /// By how many milliseconds sound is behind the picture by the viewer's reports, when both came together.
    pub fn sound_behind(&mut self) -> i64 {
        let reports = self.reports();
        let age = |ssrc: u32, rate: i64| {
            let last = self.packets(ssrc).last().unwrap().timestamp();
            i64::from(reports[&ssrc].rtp_time.wrapping_sub(last) as i32) * 1000 / rate
        };
        assert_eq!(reports[&0x1000].ntp_time, reports[&0x2000].ntp_time);
        age(0x1000, 48_000) - age(0x2000, 90_000)
    }

    pub fn frames(&mut self, count: u32, group: u32) {
        for _ in 0..count {
            self.frame(self.frames.is_multiple_of(group));
        }
    }

    pub fn packets(&self, ssrc: u32) -> Vec<RtpPacket<'_>> {
        let all = self.sent.0.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
        all.filter(|packet| packet.ssrc() == ssrc).collect()
    }

    /// Everything a player relies on.
    pub fn check_video(&self) {
        let packets = self.packets(0x2000);
        for pair in packets.windows(2) {
            assert_eq!(pair[1].sequence(), pair[0].sequence().wrapping_add(1), "no hole");
            let step = pair[1].timestamp().wrapping_sub(pair[0].timestamp());
            assert!(step < 90_000 * 5, "time goes on: {step}");
            let pictures = [picture(&pair[0]), picture(&pair[1])];
            let same = pictures[0] == pictures[1];
            assert!(same || pictures[1] == (pictures[0] + 1) & 0x7fff, "{pictures:?}");
            assert_eq!(same, step == 0, "one picture, one time");
        }
    }
}

pub fn picture(packet: &RtpPacket<'_>) -> u16 {
    let payload = packet.payload();
    u16::from_be_bytes([payload[2] & 0x7f, payload[3]])
}
