//! A viewer: a client that plays what it gets and asks for a keyframe when it cannot.

use std::time::{Duration, Instant};

use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc_rtcp::packet::Packet;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

use super::client::{AUDIO_PAYLOAD_TYPE, Client};
use super::screen::{Screen, Shown, Speaker};

/// Between two requests for a keyframe.
const ASKS: Duration = Duration::from_millis(300);

pub(crate) struct Viewer {
    pub(crate) client: Client,
    pub(crate) screen: Screen,
    pub(crate) speaker: Speaker,
    asked_at: Option<Instant>,
    pub(crate) asked: usize,
    picture_ssrc: Option<u32>,
}

impl Viewer {
    pub(crate) fn new(mut client: Client) -> Viewer {
        for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
            client.connection.add_transceiver_from_kind(kind, None).unwrap();
        }
        Viewer {
            client,
            screen: Screen::default(),
            speaker: Speaker::default(),
            asked_at: None,
            asked: 0,
            picture_ssrc: None,
        }
    }

    pub(crate) fn listen(&mut self, now: Instant) {
        for packet in self.client.listen(now) {
            if packet.header.payload_type == AUDIO_PAYLOAD_TYPE {
                self.speaker.receive(now, &packet);
            } else {
                self.picture_ssrc = Some(packet.header.ssrc);
                self.screen.receive(now, packet);
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        self.screen.show(now);
        let Some(media_ssrc) = self.picture_ssrc else {
            return;
        };
        let mut packets: Vec<Box<dyn Packet>> = Vec::new();
        let missing = self.screen.nacks(now);
        if !missing.is_empty() {
            packets.push(Box::new(TransportLayerNack {
                sender_ssrc: 1,
                media_ssrc,
                nacks: nack_pairs_from_sequence_numbers(&missing),
            }));
        }
        let may_ask = self.asked_at.is_none_or(|at| now - at >= ASKS);
        if may_ask && self.screen.needs_keyframe() {
            self.asked_at = Some(now);
            self.asked += 1;
            packets.push(Box::new(PictureLossIndication {
                sender_ssrc: 1,
                media_ssrc,
            }));
        }
        if !packets.is_empty() {
            let receiver = self.client.connection.get_receivers().last().unwrap();
            let mut receiver = self.client.connection.rtp_receiver(receiver).unwrap();
            receiver.write_rtcp(now, packets).unwrap();
        }
    }

    pub(crate) fn picture_ssrc(&self) -> Option<u32> {
        self.picture_ssrc
    }

    /// Frames shown since.
    pub(crate) fn shown_since(&self, since: Instant) -> impl Iterator<Item = &Shown> {
        self.screen.shown.iter().filter(move |shown| shown.at >= since)
    }

    /// The longest time without a new frame between two instants.
    pub(crate) fn longest_freeze(&self, from: Instant, to: Instant) -> Duration {
        let within = self
            .shown_since(from)
            .map(|shown| shown.at)
            .take_while(|at| *at <= to);
        let times: Vec<Instant> = std::iter::once(from).chain(within).chain([to]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }

    /// Nothing that the network does not explain.
    #[track_caller]
    pub(crate) fn assert_seamless(&self) {
        assert!(self.screen.faults.is_empty(), "{:#?}", self.screen.faults);
        assert!(self.speaker.faults.is_empty(), "{:#?}", self.speaker.faults);
    }
}
