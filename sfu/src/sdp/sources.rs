//! SSRCs: those a publisher announces (RFC 5576), and those a viewer is sent.

use super::text::{Attribute, excerpt, values};
use super::{OfferError, malformed};

/// Three legacy simulcast layers with their retransmissions are six.
const MAX_SOURCES: usize = 16;
/// Of a group of layers, as of rids.
const MAX_LAYERS: usize = 3;

/// Media SSRCs with the SSRC that retransmits each, in the order they are first named. Without rids these are the layers of
/// `a=ssrc-group:SIM` (before RFC 8853: munged offers of browsers, old applications), or the first alone.
pub(super) fn announced(
    attributes: &[Attribute<'_>],
    has_rids: bool,
) -> Result<Vec<(u32, Option<u32>)>, OfferError> {
    let mut sources: Vec<u32> = Vec::new();
    for value in values(attributes, "ssrc") {
        let ssrc = number(value.split_whitespace().next().unwrap_or_default())?;
        if !sources.contains(&ssrc) {
            sources.push(ssrc);
        }
        if sources.len() > MAX_SOURCES {
            return malformed(format!("more than {MAX_SOURCES} SSRCs in one m-section"));
        }
    }
    let mut retransmissions = Vec::new();
    let mut others = Vec::new();
    let mut layers = Vec::new();
    for value in values(attributes, "ssrc-group") {
        let mut words = value.split_whitespace();
        let (semantics, Some(media), Some(second)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        match semantics {
            Some("FID") => retransmissions.push((number(media)?, number(second)?)),
            // Forward error correction is never agreed on.
            Some("FEC-FR" | "FEC") => others.push(number(second)?),
            Some("SIM") if layers.is_empty() => {
                let group = value.split_whitespace().skip(1).take(MAX_LAYERS);
                layers = group.map(number).collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        if retransmissions.len() + others.len() > MAX_SOURCES {
            return malformed(format!("more than {MAX_SOURCES} SSRC groups in one m-section"));
        }
    }
    let is_media = |ssrc: &u32| !others.contains(ssrc) && !retransmissions.iter().any(|(_, rtx)| rtx == ssrc);
    let rtx_of = |ssrc| {
        retransmissions
            .iter()
            .find(|&&(media, _)| media == ssrc)
            .map(|&(_, rtx)| rtx)
    };
    let announced = |ssrc: u32| (ssrc, rtx_of(ssrc));
    let media = sources.iter().copied().filter(is_media);
    if has_rids {
        return Ok(media.map(announced).collect());
    }
    layers.retain(|ssrc| sources.contains(ssrc) && is_media(ssrc));
    let one = media.take(1).map(announced).collect();
    Ok(match layers.len() {
        0 | 1 => one,
        _ => layers.into_iter().map(announced).collect(),
    })
}

fn number(text: &str) -> Result<u32, OfferError> {
    text.parse()
        .or_else(|_| malformed(format!("\"{}\" is not an SSRC", excerpt(text))))
}

/// SSRCs for what the server sends: all different, none zero.
pub(super) struct Ssrcs {
    state: u64,
    given: Vec<u32>,
}

impl Ssrcs {
    pub(super) fn new(seed: u64) -> Ssrcs {
        Ssrcs {
            state: seed,
            given: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> u32 {
        loop {
            // SplitMix64 (Steele, Lea, Flood 2014).
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let ssrc = (mixed >> 32) as u32;
            if ssrc != 0 && !self.given.contains(&ssrc) {
                self.given.push(ssrc);
                return ssrc;
            }
        }
    }
}
