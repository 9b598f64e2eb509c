//! One transport for all m-sections: BUNDLE (RFC 8843), its ICE credentials, fingerprints and DTLS role.

use super::text::{Section, Session, excerpt, has, inherited, values};
use super::{OfferError, malformed, unacceptable};
use crate::negotiation::{DtlsRole, Fingerprint, IceCredentials, Label};

/// A certificate change announces two at most; more serve nobody.
const MAX_FINGERPRINTS: usize = 4;
/// RFC 8445 §5.3: both are at most 256 characters.
const MAX_CREDENTIAL: usize = 256;

/// The transport an offer asks for.
pub(super) struct Transport {
    pub(super) ice: IceCredentials,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) role: DtlsRole,
}

/// The `a=mid` of each section in order, all different. A lone section may leave it out.
pub(super) fn mids(session: &Session<'_>) -> Result<Vec<Label>, OfferError> {
    let sections = &session.sections;
    let mut mids = Vec::with_capacity(sections.len());
    for section in sections {
        let Some(text) = values(&section.attributes, "mid").next() else {
            if sections.len() > 1 {
                return malformed("an m-section has no a=mid");
            }
            mids.extend(Label::new(b"0"));
            continue;
        };
        let Some(mid) = Label::new(text.as_bytes()) else {
            return malformed(format!(
                "a=mid must be 1 to {} printable characters, not \"{}\"",
                Label::MAX_LEN,
                excerpt(text)
            ));
        };
        if mids.contains(&mid) {
            return malformed(format!("two m-sections have a=mid:{mid}"));
        }
        mids.push(mid);
    }
    Ok(mids)
}

/// The index of the section whose transport attributes count, and whether there is a BUNDLE group, which must hold
/// every section (RFC 9725 §4.4.1).
pub(super) fn tagged_section(session: &Session<'_>, mids: &[Label]) -> Result<(usize, bool), OfferError> {
    let group = values(&session.attributes, "group").find_map(|value| value.strip_prefix("BUNDLE"));
    let Some(group) = group else {
        if mids.len() > 1 {
            return unacceptable("several m-sections without a=group:BUNDLE; all must share one transport");
        }
        return Ok((0, false));
    };
    let names = || group.split_whitespace();
    let place = |name: &str| mids.iter().position(|mid| mid.as_str() == name);
    if let Some(unknown) = names().find(|name| place(name).is_none()) {
        return malformed(format!(
            "a=group:BUNDLE names the unknown mid \"{}\"",
            excerpt(unknown)
        ));
    }
    if let Some(outside) = mids.iter().find(|mid| !names().any(|name| name == mid.as_str())) {
        return unacceptable(format!(
            "m-section {outside} is not in a=group:BUNDLE; all must be"
        ));
    }
    match names().next().and_then(place) {
        Some(tagged) => Ok((tagged, true)),
        None => malformed("a=group:BUNDLE is empty"),
    }
}

/// The transport attributes of the tagged section, each at session level where the section has none.
pub(super) fn transport(session: &Session<'_>, tagged: &Section<'_>) -> Result<Transport, OfferError> {
    if has(&session.attributes, "ice-lite") {
        return unacceptable("both sides would be ICE lite, and neither would send checks");
    }
    let ufrag = inherited(session, tagged, "ice-ufrag");
    let pwd = inherited(session, tagged, "ice-pwd");
    let (Some(ufrag), Some(pwd)) = (ufrag, pwd) else {
        return malformed("a=ice-ufrag or a=ice-pwd is missing");
    };
    Ok(Transport {
        ice: credentials(ufrag, pwd)?,
        fingerprints: fingerprints(session, tagged)?,
        role: role(inherited(session, tagged, "setup"))?,
    })
}

/// Checked credentials (RFC 8839 §5.4); other characters than ice-char are let through where they cannot confuse
/// a STUN USERNAME.
pub(super) fn credentials(ufrag: &str, pwd: &str) -> Result<IceCredentials, OfferError> {
    let fits = |text: &str, min| {
        (min..=MAX_CREDENTIAL).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !fits(ufrag, 4) || ufrag.contains(':') {
        return malformed("a=ice-ufrag must have 4 to 256 ice-chars");
    }
    if !fits(pwd, 22) {
        return malformed("a=ice-pwd must have 22 to 256 ice-chars");
    }
    Ok(IceCredentials {
        ufrag: ufrag.to_owned(),
        pwd: pwd.to_owned(),
    })
}

/// The sha-256 ones of the section, or else of the session (RFC 8122 §5).
fn fingerprints(session: &Session<'_>, tagged: &Section<'_>) -> Result<Vec<Fingerprint>, OfferError> {
    let level = [&tagged.attributes, &session.attributes]
        .into_iter()
        .find(|attributes| has(attributes, "fingerprint"));
    let Some(attributes) = level else {
        return malformed("a=fingerprint is missing; media is DTLS-SRTP only");
    };
    let mut found = Vec::new();
    for value in values(attributes, "fingerprint") {
        let Some((hash, digest)) = value.split_once(' ') else {
            return malformed(format!("a=fingerprint:{} has no value", excerpt(value)));
        };
        if !hash.eq_ignore_ascii_case("sha-256") {
            continue;
        }
        let Some(fingerprint) = sha256(digest.trim()) else {
            return malformed("a=fingerprint:sha-256 needs 32 bytes in hexadecimal, separated by colons");
        };
        if !found.contains(&fingerprint) {
            found.push(fingerprint);
        }
    }
    if found.is_empty() {
        return unacceptable("no a=fingerprint with sha-256, the only hash accepted");
    }
    found.truncate(MAX_FINGERPRINTS);
    Ok(found)
}

fn sha256(text: &str) -> Option<Fingerprint> {
    let mut digest = [0; 32];
    let mut parts = text.split(':');
    for byte in &mut digest {
        let part = parts
            .next()
            .filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(Fingerprint(digest))
}

/// RFC 5763 §5, and `active` where the attribute is missing (RFC 4145 §4).
fn role(setup: Option<&str>) -> Result<DtlsRole, OfferError> {
    match setup {
        None | Some("actpass" | "active") => Ok(DtlsRole::Server),
        Some("passive") => Ok(DtlsRole::Client),
        Some("holdconn") => unacceptable("a=setup:holdconn; actpass, active and passive are accepted"),
        Some(other) => malformed(format!("a=setup:{}", excerpt(other))),
    }
}
