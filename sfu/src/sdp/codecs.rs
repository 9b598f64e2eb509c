//! Payload types: an m-section's formats, `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` become [`Payload`]s.

use super::text::{Attribute, Section, excerpt};
use super::{Direction, OfferError, malformed, unacceptable};
use crate::negotiation::{Codec, Feedback, MediaKind, Payload};

/// Chromium's longest list has 18 that are kept; past this the answer would not stay below 8 KB.
const MAX_PAYLOADS: usize = 20;
/// RTP payload types have seven bits.
const PAYLOAD_TYPES: usize = 128;
/// With RTCP on the same port these could not be told from RTCP (RFC 5761 §4).
const RTCP_LOOKALIKES: std::ops::RangeInclusive<u8> = 64..=95;

/// What the lines of one payload type say.
#[derive(Clone, Default)]
struct Format<'a> {
    offered: bool,
    encoding: Option<&'a str>,
    parameters: &'a str,
    feedback: Feedback,
}

/// The payloads kept in the offer's order, never empty, and the `a=fmtp` values of the answer.
pub(super) struct Codecs {
    pub(super) payloads: Vec<Payload>,
    pub(super) formats: Vec<(u8, String)>,
}

/// Reads the payload types of an audio or video section.
pub(super) fn parse(
    section: &Section<'_>,
    kind: MediaKind,
    direction: Direction,
) -> Result<Codecs, OfferError> {
    let (order, formats) = formats(section)?;
    let mut kept = Codecs {
        payloads: Vec::new(),
        formats: Vec::new(),
    };
    let rtx = retransmissions(&order, &formats);
    for &payload_type in &order {
        let Some(format) = formats.get(usize::from(payload_type)) else {
            continue;
        };
        let Some(codec) = codec(format, direction).filter(|codec| codec.kind() == kind) else {
            continue;
        };
        if codec == Codec::RedundantOpus && !is_of_opus(format, &order, &formats) {
            continue;
        }
        if kept.payloads.len() == MAX_PAYLOADS {
            break;
        }
        kept.payloads.push(Payload {
            payload_type,
            codec,
            rtx: rtx.get(usize::from(payload_type)).copied().flatten(),
            feedback: format.feedback,
        });
        if let Some(answered) = answered_parameters(codec, format.parameters, direction) {
            kept.formats.push((payload_type, answered));
        }
    }
    if kept.payloads.is_empty() {
        return unacceptable(match kind {
            MediaKind::Audio => "no audio codec in common; accepted is opus/48000/2",
            MediaKind::Video => {
                "no video codec in common; accepted are VP8, VP9, H264 (packetization-mode 0 or 1) and AV1"
            }
        });
    }
    Ok(kept)
}

/// The usable payload types in the m-line's order, and what is said of each.
fn formats<'a>(section: &Section<'a>) -> Result<(Vec<u8>, Vec<Format<'a>>), OfferError> {
    let mut formats = vec![Format::default(); PAYLOAD_TYPES];
    let mut order = Vec::new();
    for text in &section.formats {
        let format =
            payload_type(text).and_then(|number| Some((number, formats.get_mut(usize::from(number))?)));
        let Some((number, format)) = format else {
            return malformed(format!("\"{}\" is not a payload type", excerpt(text)));
        };
        if format.offered {
            return malformed(format!("payload type {number} is in the m-line twice"));
        }
        format.offered = true;
        if !RTCP_LOOKALIKES.contains(&number) {
            order.push(number);
        }
    }
    for &Attribute { key, value } in &section.attributes {
        let Some((number, rest)) = value.split_once(' ') else {
            continue;
        };
        if key == "rtcp-fb" && number == "*" {
            formats
                .iter_mut()
                .for_each(|format| add_feedback(&mut format.feedback, rest));
            continue;
        }
        let format = payload_type(number).and_then(|number| formats.get_mut(usize::from(number)));
        match (key, format) {
            ("rtpmap", Some(format)) => format.encoding = Some(rest.trim()),
            ("fmtp", Some(format)) => format.parameters = rest.trim(),
            ("rtcp-fb", Some(format)) => add_feedback(&mut format.feedback, rest),
            ("rtpmap" | "fmtp" | "rtcp-fb", None) => {
                return malformed(format!("a={key}:{}", excerpt(value)));
            }
            _ => {}
        }
    }
    Ok((order, formats))
}

fn payload_type(text: &str) -> Option<u8> {
    text.parse()
        .ok()
        .filter(|&number: &u8| usize::from(number) < PAYLOAD_TYPES)
}

fn add_feedback(feedback: &mut Feedback, value: &str) {
    let mut words = value.split_whitespace();
    match (words.next(), words.next()) {
        (Some("nack"), None) => feedback.nack = true,
        (Some("nack"), Some("pli")) => feedback.pli = true,
        (Some("ccm"), Some("fir")) => feedback.fir = true,
        (Some("transport-cc"), None) => feedback.transport_cc = true,
        (Some("goog-remb"), None) => feedback.remb = true,
        _ => {}
    }
}

/// For each payload type the first one that retransmits it (RFC 4588 §8.1).
fn retransmissions(order: &[u8], formats: &[Format<'_>]) -> Vec<Option<u8>> {
    let mut rtx = vec![None; formats.len()];
    for &number in order {
        let Some(format) = formats.get(usize::from(number)) else {
            continue;
        };
        if !encoding_name(format).is_some_and(|name| name.eq_ignore_ascii_case("rtx")) {
            continue;
        }
        let media = parameter(format.parameters, "apt").and_then(payload_type);
        if let Some(slot) = media.and_then(|media| rtx.get_mut(usize::from(media)))
            && slot.is_none()
        {
            *slot = Some(number);
        }
    }
    rtx
}

/// Whether every block of a redundant format is the Opus that is offered (RFC 2198 §5).
fn is_of_opus(redundant: &Format<'_>, order: &[u8], formats: &[Format<'_>]) -> bool {
    redundant.parameters.split('/').all(|block| {
        let block = payload_type(block.trim()).filter(|block| order.contains(block));
        let format = block.and_then(|block| formats.get(usize::from(block)));
        format.and_then(|format| codec(format, Direction::Play)) == Some(Codec::Opus)
    })
}

fn encoding_name<'a>(format: &Format<'a>) -> Option<&'a str> {
    format.encoding?.split('/').next()
}

/// The codec of a format, if it is one the server forwards.
fn codec(format: &Format<'_>, direction: Direction) -> Option<Codec> {
    let encoding = format.encoding?.to_ascii_lowercase();
    let number = |name, default| match parameter(format.parameters, name) {
        Some(text) => text.parse::<u8>().ok(),
        None => Some(default),
    };
    match encoding.as_str() {
        // RFC 7587 §7 wants the two channels said; GStreamer leaves them out.
        "opus/48000/2" | "opus/48000" => Some(Codec::Opus),
        "red/48000/2" => Some(Codec::RedundantOpus),
        "vp8/90000" => Some(Codec::Vp8),
        "vp9/90000" => Some(Codec::Vp9 {
            profile: number("profile-id", 0)?,
        }),
        "av1/90000" => Some(Codec::Av1 {
            profile: number("profile", 0)?,
        }),
        "h264/90000" => {
            let (profile, mode) = unsaid_h264(direction);
            Some(Codec::H264 {
                profile_level_id: match parameter(format.parameters, "profile-level-id") {
                    Some(text) => profile_level_id(text)?,
                    None => profile,
                },
                packetization_mode: number("packetization-mode", mode).filter(|&mode| mode <= 1)?,
            })
        }
        _ => None,
    }
}

/// Profile and packetization mode of H.264 where nothing is said of them. RFC 6184 §8.1 has baseline at level 1 and
/// mode 0; a viewer that leaves one of them out (GStreamer's do) takes all there is, and by the letter would see nothing.
fn unsaid_h264(direction: Direction) -> ([u8; 3], u8) {
    match direction {
        Direction::Publish => ([0x42, 0x00, 0x0a], 0),
        Direction::Play => ([0x64, 0x00, 0x34], 1),
    }
}

/// Three bytes in hexadecimal.
fn profile_level_id(text: &str) -> Option<[u8; 3]> {
    if text.len() != 6 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let [_, idc, iop, level] = u32::from_str_radix(text, 16).ok()?.to_be_bytes();
    Some([idc, iop, level])
}

/// The value of `name=value` in a list separated by semicolons; names in any case.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The `a=fmtp` value that agrees to a payload: the offered parameters that are understood, rewritten.
fn answered_parameters(codec: Codec, offered: &str, direction: Direction) -> Option<String> {
    /// Parameters of RFC 7587 §6.1, all decimal numbers, that pass between publisher, server and viewer unchanged.
    const OPUS: [&str; 8] = [
        "minptime",
        "useinbandfec",
        "usedtx",
        "stereo",
        "sprop-stereo",
        "cbr",
        "maxaveragebitrate",
        "maxplaybackrate",
    ];
    const AV1: [&str; 3] = ["profile", "level-idx", "tier"];
    match codec {
        Codec::Vp8 => None,
        Codec::Vp9 { profile } => (!offered.is_empty()).then(|| format!("profile-id={profile}")),
        Codec::Opus => numbers(offered, &OPUS),
        Codec::RedundantOpus => Some(offered.to_owned()),
        Codec::Av1 { .. } => numbers(offered, &AV1),
        Codec::H264 {
            profile_level_id: [idc, iop, level],
            packetization_mode,
        } => {
            let mode = format!("packetization-mode={packetization_mode}");
            let profile = format!("profile-level-id={idc:02x}{iop:02x}{level:02x}");
            // What a viewer left open stays open.
            let is_told = |name| direction == Direction::Publish || parameter(offered, name).is_some();
            let told: Vec<String> = [("packetization-mode", mode), ("profile-level-id", profile)]
                .into_iter()
                .filter(|(name, _)| is_told(*name))
                .map(|(_, value)| value)
                .collect();
            (!told.is_empty()).then(|| format!("level-asymmetry-allowed=1;{}", told.join(";")))
        }
    }
}

/// Those of the parameters named that have a decimal value.
fn numbers(offered: &str, names: &[&str]) -> Option<String> {
    let mut answered = String::new();
    for name in names {
        if let Some(value) = parameter(offered, name).and_then(|value| value.parse::<u32>().ok()) {
            let separator = if answered.is_empty() { "" } else { ";" };
            answered.push_str(&format!("{separator}{name}={value}"));
        }
    }
    (!answered.is_empty()).then_some(answered)
}
