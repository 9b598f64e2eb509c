//! How a packet leaves: its header and the start of its payload as this viewer reads them, sealed.

use super::super::RtpSink;
use super::super::descriptor::Lead;
use super::super::header::{self, Extensions, Fields, HeaderBytes};
use super::super::segments::Segment;
use super::{Line, Sender};
use crate::media::history::PayloadInfo;
use crate::media::{Publication, StoredPacket};
use crate::negotiation::{Codec, Extension, ExtensionMap, MediaKind};
use crate::relay::EncodingId;
use crate::transport::RtpParts;

impl Sender {
    /// Rewrites the payload's start behind `lead` and sends the packet.
    pub(super) fn write<S: RtpSink>(
        &self,
        fields: Fields,
        segment: &Segment,
        packet: &StoredPacket,
        publisher: Option<&ExtensionMap>,
        mut lead: Lead,
        line: &mut Line<'_, S>,
    ) -> bool {
        let delay = line.playout_delay;
        let dependency;
        let mut extensions = Extensions::new();
        if let Some(publisher) = publisher {
            header::passed_through(packet, publisher, &self.media.extensions, &mut extensions);
        }
        if let Some(delay) = &delay
            && let Some(id) = self.media.extensions.id(Extension::PlayoutDelay)
        {
            extensions.retain(|&mut (passed, _)| passed != id);
            // It holds until another one comes.
            if !self.is_known || packet.keyframe_start {
                extensions.push((id, delay.bytes()));
            }
        }
        // The other codecs' payloads say it, and browsers read it there.
        if matches!(packet.codec, Codec::Av1 { .. })
            && let Some(id) = self.media.extensions.id(Extension::DependencyDescriptor)
            && let Some(rewritten) = segment.pictures.dependency(packet)
        {
            dependency = rewritten;
            extensions.push((id, dependency.as_slice()));
        }
        let replaced = match packet.info {
            PayloadInfo::Red(header) => self.rename(header, packet, &mut lead),
            _ => segment.pictures.rewrite(packet, &mut lead),
        };
        let body = packet.payload().get(replaced..).unwrap_or_default();
        self.seal(fields, &extensions, &lead, body, line)
    }

    /// Seals a packet behind its header, with the extensions of the viewer's line besides those that are given.
    pub(super) fn seal<S: RtpSink>(
        &self,
        fields: Fields,
        passed: &[(u8, &[u8])],
        lead: &[u8],
        body: &[u8],
        line: &mut Line<'_, S>,
    ) -> bool {
        let (number, send_time);
        let mut own = header::OwnExtensions::new();
        let map = &self.media.extensions;
        if !self.knows(fields.ssrc)
            && let Some(id) = map.id(Extension::Mid)
        {
            own.push((id, self.media.mid.as_bytes()));
        }
        let bytes = lead.len() + body.len() + usize::from(fields.padding);
        if let Some(id) = map.id(Extension::TransportSequence) {
            number = line.bandwidth.number(line.now, bytes).to_be_bytes();
            own.push((id, &number));
        } else if let Some(id) = map.id(Extension::AbsSendTime) {
            send_time = line.bandwidth.send_time(line.now);
            own.push((id, &send_time));
        }
        let mut header = HeaderBytes::new();
        if !header::write(&mut header, fields, passed, &own) {
            return false;
        }
        let packet = RtpParts {
            header: &header,
            lead,
            body,
            padding: fields.padding,
        };
        let sent = match self.media.kind {
            MediaKind::Audio => line.sink.send(packet),
            MediaKind::Video => line.sink.send_video(packet),
        };
        if sent {
            line.stats.packets += 1;
            line.stats.bytes += (header.len() + bytes) as u64;
        }
        sent
    }

    /// Whether the viewer knows which m-section an SSRC belongs to.
    fn knows(&self, ssrc: u32) -> bool {
        if ssrc == self.media.rtx_ssrc {
            self.are_repairs_known
        } else {
            self.is_known
        }
    }
}

/// What the packets of an encoding have in their headers.
pub(super) fn publishers_extensions(publication: &Publication, id: EncodingId) -> Option<&ExtensionMap> {
    Some(&publication.media().get(usize::from(id.section))?.extensions)
}
