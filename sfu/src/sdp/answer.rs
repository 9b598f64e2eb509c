//! Answers: the sections of an offer in its order, with what the server agrees to (RFC 8829 §5.3).

use super::lines::Lines;
use super::outline::{SectionKind, SectionOutline};
use super::{AnswerParams, Offer, extensions};
use crate::negotiation::{
    AgreedMedia, Codec, DtlsRole, Fingerprint, Label, MediaKind, Payload, ReceivedMedia, SentMedia,
};

/// ffmpeg refuses answers of more than 8192 bytes: candidates stop before that, the best having come first.
const MAX_ANSWER: usize = 8_000;

/// The answer to an offer.
pub(super) fn write(offer: &Offer, params: &AnswerParams<'_>) -> String {
    let mut answer = Lines::default();
    session(&mut answer, offer, params);
    let mut tagged_end = 0;
    for outline in &offer.outline.sections {
        section(&mut answer, offer, outline, params);
        if outline.mid == offer.outline.tag.mid {
            tagged_end = answer.len();
        }
    }
    // One section carries the candidates of all (RFC 8843 §7.1.3).
    let mut candidates = Lines::default();
    candidates.candidates(params, MAX_ANSWER.saturating_sub(answer.len()));
    answer.insert(tagged_end, &candidates);
    answer.into_text()
}

fn session(out: &mut Lines, offer: &Offer, params: &AnswerParams<'_>) {
    out.line(format_args!("v=0"));
    out.line(format_args!(
        "o=- {} 1 IN IP4 127.0.0.1",
        session_id(&params.ice.ufrag)
    ));
    out.line(format_args!("s=-"));
    out.line(format_args!("t=0 0"));
    if offer.outline.bundled {
        let mids: Vec<&str> = offer
            .outline
            .sections
            .iter()
            .map(|section| section.mid.as_str())
            .collect();
        out.line(format_args!("a=group:BUNDLE {}", mids.join(" ")));
    }
    out.line(format_args!("a=ice-lite"));
    out.line(format_args!("a=msid-semantic: WMS *"));
}

/// A number below 2^63 (RFC 8829 §5.2.1) that follows the session's own random name.
fn session_id(ufrag: &str) -> u64 {
    let hash = ufrag.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash >> 1
}

fn section(out: &mut Lines, offer: &Offer, outline: &SectionOutline, params: &AnswerParams<'_>) {
    match (&offer.media, outline.kind) {
        (AgreedMedia::Publisher(media), SectionKind::Audio | SectionKind::Video) => {
            for media in media.iter().filter(|media| media.mid == outline.mid) {
                start(out, offer, outline, &numbers(&media.payloads), params);
                received(out, outline, media);
            }
        }
        (AgreedMedia::Viewer(media), SectionKind::Audio | SectionKind::Video) => {
            for media in media.iter().filter(|media| media.mid == outline.mid) {
                start(out, offer, outline, &numbers(&media.payloads), params);
                sent(out, outline, media, params.stream);
            }
        }
        (_, SectionKind::Data) => {
            start(out, offer, outline, " webrtc-datachannel", params);
            let port = offer
                .data_channels
                .as_ref()
                .map_or(0, |channels| channels.sctp_port);
            // Both ends of an association over DTLS have ports of their own; the same one confuses nobody.
            out.line(format_args!("a=sctp-port:{port}"));
            out.line(format_args!("a=max-message-size:{}", params.max_message));
        }
    }
}

/// The m-line's formats: payload types and their retransmissions.
fn numbers(payloads: &[Payload]) -> String {
    let mut text = String::new();
    for payload in payloads {
        for number in [Some(payload.payload_type), payload.rtx].into_iter().flatten() {
            text.push_str(&format!(" {number}"));
        }
    }
    text
}

/// What every section begins with: its m-line and the transport.
fn start(out: &mut Lines, offer: &Offer, outline: &SectionOutline, formats: &str, params: &AnswerParams<'_>) {
    out.line(format_args!(
        "m={} 9 {}{formats}",
        outline.kind.name(),
        outline.protocol
    ));
    out.line(format_args!("c=IN IP4 0.0.0.0"));
    out.line(format_args!("a=mid:{}", outline.mid));
    out.ice(params);
    fingerprint(out, params.fingerprint);
    let setup = match offer.role {
        DtlsRole::Server => "passive",
        DtlsRole::Client => "active",
    };
    out.line(format_args!("a=setup:{setup}"));
}

fn fingerprint(out: &mut Lines, Fingerprint(digest): Fingerprint) {
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    out.line(format_args!("a=fingerprint:sha-256 {}", bytes.join(":")));
}

fn received(out: &mut Lines, outline: &SectionOutline, media: &ReceivedMedia) {
    rtp(out, outline, "recvonly", &media.payloads);
    for rid in &media.rids {
        out.line(format_args!("a=rid:{rid} recv"));
    }
    if !media.rids.is_empty() {
        let rids: Vec<&str> = media.rids.iter().map(Label::as_str).collect();
        out.line(format_args!("a=simulcast:recv {}", rids.join(";")));
    }
}

fn sent(out: &mut Lines, outline: &SectionOutline, media: &SentMedia, stream: &str) {
    rtp(out, outline, "sendonly", &media.payloads);
    let (ssrc, rtx_ssrc) = (media.ssrc, media.rtx_ssrc);
    let track = match media.kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    out.line(format_args!("a=msid:{stream} {track}"));
    if media.payloads.iter().any(|payload| payload.rtx.is_some()) {
        out.line(format_args!("a=ssrc-group:FID {ssrc} {rtx_ssrc}"));
        out.line(format_args!("a=ssrc:{ssrc} cname:{stream}"));
        out.line(format_args!("a=ssrc:{rtx_ssrc} cname:{stream}"));
    } else {
        out.line(format_args!("a=ssrc:{ssrc} cname:{stream}"));
    }
}

/// What is the same both ways: direction, RTCP, header extensions and payload types.
fn rtp(out: &mut Lines, outline: &SectionOutline, direction: &str, payloads: &[Payload]) {
    out.line(format_args!("a={direction}"));
    out.line(format_args!("a=rtcp-mux"));
    if outline.reduced_size_rtcp {
        out.line(format_args!("a=rtcp-rsize"));
    }
    if outline.mixed_extensions {
        out.line(format_args!("a=extmap-allow-mixed"));
    }
    for &(id, extension, suffix) in &outline.extensions {
        out.line(format_args!(
            "a=extmap:{id}{suffix} {}",
            extensions::uri(extension)
        ));
    }
    for payload in payloads {
        self::payload(out, outline, payload);
    }
}

fn payload(out: &mut Lines, outline: &SectionOutline, payload: &Payload) {
    let number = payload.payload_type;
    let clock_rate = payload.codec.clock_rate();
    let (name, channels) = match payload.codec {
        Codec::Opus => ("opus", "/2"),
        Codec::RedundantOpus => ("red", "/2"),
        Codec::Vp8 => ("VP8", ""),
        Codec::Vp9 { .. } => ("VP9", ""),
        Codec::H264 { .. } => ("H264", ""),
        Codec::Av1 { .. } => ("AV1", ""),
    };
    out.line(format_args!("a=rtpmap:{number} {name}/{clock_rate}{channels}"));
    if let Some((_, parameters)) = outline.formats.iter().find(|(known, _)| *known == number) {
        out.line(format_args!("a=fmtp:{number} {parameters}"));
    }
    let feedback = payload.feedback;
    for (agreed, name) in [
        // Not both: Firefox then waits for REMB, which a publisher is never sent, and its line seems thin for half a
        // minute.
        (feedback.remb && !feedback.transport_cc, "goog-remb"),
        (feedback.transport_cc, "transport-cc"),
        (feedback.fir, "ccm fir"),
        (feedback.nack, "nack"),
        (feedback.pli, "nack pli"),
    ] {
        if agreed {
            out.line(format_args!("a=rtcp-fb:{number} {name}"));
        }
    }
    if let Some(rtx) = payload.rtx {
        out.line(format_args!("a=rtpmap:{rtx} rtx/{clock_rate}"));
        out.line(format_args!("a=fmtp:{rtx} apt={number}"));
    }
}
