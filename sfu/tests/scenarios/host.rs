//! A publisher: layers of one picture and sound, each packet stamped so that a viewer's screen knows what it sees.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp::Packet;
use rtc::rtp::header::Header;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sdp::extmap::{SDES_MID_URI, SDES_RTP_STREAM_ID_URI};

use super::client::{AUDIO_PAYLOAD_TYPE, Client, Picture, opus};
use super::screen::Stamp;

pub(crate) const FRAME: Duration = Duration::from_micros(33_333);
const SOUND: Duration = Duration::from_millis(20);
/// Payload bytes of a full packet.
const PART: usize = 1100;

/// What a host sends.
#[derive(Clone, Debug)]
pub(crate) struct Camera {
    pub(crate) picture: Picture,
    /// Width, height and bits per second of each layer; several are sent as simulcast.
    pub(crate) layers: Vec<(u16, u16, u32)>,
    /// Between keyframes nobody asked for.
    pub(crate) gop: Duration,
    /// Whether it makes a keyframe when asked; OBS does not.
    pub(crate) obeys: bool,
}

impl Camera {
    /// One layer of 1 Mbit/s.
    pub(crate) fn simple() -> Camera {
        Camera {
            picture: Picture::Vp8,
            layers: vec![(1280, 720, 1_000_000)],
            gop: Duration::from_secs(2),
            obeys: true,
        }
    }

    /// Three layers up to 2.5 Mbit/s.
    pub(crate) fn simulcast() -> Camera {
        Camera {
            layers: vec![(320, 180, 150_000), (640, 360, 600_000), (1280, 720, 2_000_000)],
            ..Camera::simple()
        }
    }
}

struct Layer {
    rid: String,
    size: (u16, u16),
    bitrate: u32,
    ssrc: u32,
    sequence: u16,
    frame: u32,
    picture_id: u16,
    keyframe_at: Instant,
    asked: bool,
    off: bool,
}

pub(crate) struct Host {
    pub(crate) client: Client,
    /// Stamped into every packet.
    number: u8,
    camera: Camera,
    layers: Vec<Layer>,
    video: RTCRtpSenderId,
    audio: RTCRtpSenderId,
    sound_ssrc: u32,
    sound_sequence: u16,
    begins: Instant,
    next_frame: Instant,
    next_sound: Instant,
    /// While true the camera is off and nothing is sent.
    pub(crate) paused: bool,
    pub(crate) keyframe_requests: usize,
}

impl Host {
    pub(crate) fn new(now: Instant, number: u8, mut client: Client, camera: Camera) -> Host {
        let simulcast = camera.layers.len() > 1;
        let base = u32::from(number) << 16;
        let layers: Vec<Layer> = camera
            .layers
            .iter()
            .enumerate()
            .map(|(index, &(width, height, bitrate))| Layer {
                rid: if simulcast {
                    format!("r{index}")
                } else {
                    String::new()
                },
                size: (width, height),
                bitrate,
                ssrc: base + 0x100 + index as u32,
                // Each begins anywhere, near the end of the number space too.
                sequence: 65_000_u16.wrapping_add(u16::from(number) * 200),
                frame: 0,
                picture_id: 0x7ff0 + index as u16,
                keyframe_at: now,
                asked: false,
                off: false,
            })
            .collect();
        let encoding = |rid: &str, ssrc: u32, rtx, codec| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                rid: rid.to_owned(),
                ssrc: Some(ssrc),
                rtx,
                fec: None,
            },
            codec,
            active: true,
            ..Default::default()
        };
        let sound_ssrc = base + 0x10;
        let audio = add(
            &mut client,
            RtpCodecKind::Audio,
            vec![encoding("", sound_ssrc, None, opus())],
        );
        // Of several layers RTX could not be told apart: it does not carry their rids. What is missing comes again as it was.
        let rtx = |ssrc| (!simulcast).then_some(RTCRtpRtxParameters { ssrc: ssrc + 0x100 });
        let encodings = layers
            .iter()
            .map(|layer| encoding(&layer.rid, layer.ssrc, rtx(layer.ssrc), camera.picture.codec()));
        let encodings = encodings.collect();
        let video = add(&mut client, RtpCodecKind::Video, encodings);
        Host {
            client,
            number,
            camera,
            layers,
            video,
            audio,
            sound_ssrc,
            sound_sequence: 65_500,
            begins: now,
            next_frame: now,
            next_sound: now,
            paused: false,
            keyframe_requests: 0,
        }
    }

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        let media = self.next_frame.min(self.next_sound);
        Some(self.client.poll_timeout().map_or(media, |at| at.min(media)))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        while self.next_frame <= now {
            self.next_frame += FRAME;
            if self.client.is_connected() && !self.paused {
                let on: Vec<usize> = (0..self.layers.len())
                    .filter(|layer| !self.layers[*layer].off)
                    .collect();
                on.into_iter().for_each(|layer| self.send_frame(now, layer));
            }
        }
        while self.next_sound <= now {
            self.next_sound += SOUND;
            if self.client.is_connected() && !self.paused {
                self.send_sound(now);
            }
        }
    }

    /// Sends no more of these layers, as a browser does whose line is thin; all others it sends. One that returns
    /// begins with a keyframe.
    pub(crate) fn switch_off(&mut self, layers: Range<usize>) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let off = layers.contains(&index);
            layer.asked |= layer.off && !off;
            layer.off = off;
        }
    }

    pub(crate) fn listen(&mut self, now: Instant) {
        self.client.listen(now);
        let asked = std::mem::take(&mut *self.client.asked.lock().unwrap());
        self.keyframe_requests += asked.len();
        for layer in self.layers.iter_mut().filter(|layer| asked.contains(&layer.ssrc)) {
            layer.asked = self.camera.obeys;
        }
    }

    fn send_frame(&mut self, now: Instant, index: usize) {
        let layer = &mut self.layers[index];
        let keyframe = layer.asked || layer.keyframe_at <= now;
        if keyframe {
            layer.asked = false;
            layer.keyframe_at = now + self.camera.gop;
        }
        let usual = layer.bitrate as usize / 8 / 30;
        let size = if keyframe { usual * 4 } else { usual };
        let parts = size.div_ceil(PART).max(1);
        let timestamp = ticks(now - self.begins, 90_000).wrapping_add(0xffff_0000);
        let mut packets = Vec::new();
        for part in 0..parts {
            let mut payload = match self.camera.picture {
                Picture::Vp8 => vp8(keyframe, part == 0, layer.picture_id, layer.size),
                Picture::H264 => h264(keyframe, part),
            };
            let stamp = Stamp {
                host: self.number,
                layer: index as u8,
                frame: layer.frame,
                part: part as u8,
                parts: parts as u8,
                keyframe,
                captured_ms: (now - self.begins).as_millis() as u32,
            };
            let room = size / parts;
            payload.resize(payload.len().max(room.saturating_sub(Stamp::LEN)), part as u8 + 1);
            payload.extend_from_slice(&stamp.to_bytes());
            packets.push((layer.sequence, part + 1 == parts, payload));
            layer.sequence = layer.sequence.wrapping_add(1);
        }
        layer.frame += 1;
        layer.picture_id = (layer.picture_id + 1) & 0x7fff;
        let (ssrc, rid) = (layer.ssrc, layer.rid.clone());
        for (sequence, marker, payload) in packets {
            let header = Header {
                version: 2,
                marker,
                payload_type: self.camera.picture.payload_type(),
                sequence_number: sequence,
                timestamp,
                ssrc,
                ..Default::default()
            };
            self.write(now, self.video, header, &rid, payload);
        }
    }

    fn send_sound(&mut self, now: Instant) {
        let header = Header {
            version: 2,
            payload_type: AUDIO_PAYLOAD_TYPE,
            sequence_number: self.sound_sequence,
            timestamp: ticks(now - self.begins, 48_000),
            ssrc: self.sound_ssrc,
            ..Default::default()
        };
        self.sound_sequence = self.sound_sequence.wrapping_add(1);
        self.write(now, self.audio, header, "", vec![0xfc; 80]);
    }

    fn write(
        &mut self,
        now: Instant,
        sender: RTCRtpSenderId,
        mut header: Header,
        rid: &str,
        payload: Vec<u8>,
    ) {
        let mut sender = self.client.connection.rtp_sender(sender).unwrap();
        let parameters = &sender.get_parameters().rtp_parameters;
        let mid = if header.payload_type == AUDIO_PAYLOAD_TYPE {
            "0"
        } else {
            "1"
        };
        for (uri, value) in [(SDES_MID_URI, mid), (SDES_RTP_STREAM_ID_URI, rid)] {
            let known = parameters.header_extensions.iter().find(|known| known.uri == uri);
            if let Some(known) = known.filter(|_| !value.is_empty()) {
                header
                    .set_extension(known.id as u8, Bytes::copy_from_slice(value.as_bytes()))
                    .unwrap();
            }
        }
        let packet = Packet {
            header,
            payload: payload.into(),
        };
        sender.write_rtp(now, packet).unwrap();
    }
}

fn add(client: &mut Client, kind: RtpCodecKind, encodings: Vec<RTCRtpEncodingParameters>) -> RTCRtpSenderId {
    let track = MediaStreamTrack::new("host".into(), kind.to_string(), kind.to_string(), kind, encodings);
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Sendonly,
        streams: vec![],
        send_encodings: vec![],
    };
    client
        .connection
        .add_transceiver_from_track(track, Some(init))
        .unwrap();
    client.connection.get_senders().last().unwrap()
}

fn ticks(time: Duration, rate: u32) -> u32 {
    (time.as_nanos() * u128::from(rate) / 1_000_000_000) as u32
}

/// RFC 7741 §4.2 with a 15-bit picture id, and the frame header of RFC 6386 §9.1 at a frame's start.
fn vp8(keyframe: bool, start: bool, picture_id: u16, (width, height): (u16, u16)) -> Vec<u8> {
    let [high, low] = picture_id.to_be_bytes();
    let mut payload = vec![if start { 0x90 } else { 0x80 }, 0x80, 0x80 | high, low];
    if start {
        payload.extend_from_slice(&[u8::from(!keyframe), 0, 0]);
        if keyframe {
            payload.extend_from_slice(&[0x9d, 0x01, 0x2a]);
            payload.extend_from_slice(&width.to_le_bytes());
            payload.extend_from_slice(&height.to_le_bytes());
        }
    }
    payload
}

/// Single units (RFC 6184 §5.6): parameter sets before a keyframe's slices.
fn h264(keyframe: bool, part: usize) -> Vec<u8> {
    let parameters = [
        0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
    ];
    match (keyframe, part) {
        (true, 0) => parameters.to_vec(),
        (true, 1) => vec![0x68, 0xcb, 0x83, 0xcb, 0x20],
        (true, 2) => vec![0x65, 0x88, 0x84],
        (true, _) => vec![0x65, 0x08, 0x84],
        (false, 0) => vec![0x41, 0x9a, 0x24],
        (false, _) => vec![0x41, 0x1a, 0x24],
    }
}
