//! A full ICE agent (RFC 8445) with one host candidate, controlling, as every WHEP client is: the offer is ours.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use rtc::srtp::crypto::RTCCrypto;
use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, ATTR_XORMAPPED_ADDRESS,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Message, Setter, TransactionId,
};
use rtc::stun::textattrs::TextAttribute;
use rtc::stun::xoraddr::XorMappedAddress;

/// A user fragment or password: letters that need no quoting anywhere.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Server candidates that are tried; more are ignored.
const MAX_PAIRS: usize = 8;
/// Between the first checks of two pairs (RFC 8445 §14.2).
const PACE: Duration = Duration::from_millis(20);
/// First retransmission of a check; doubles up to [`MAX_RTO`].
const FIRST_RTO: Duration = Duration::from_millis(100);
const MAX_RTO: Duration = Duration::from_millis(1600);
/// Milliseconds from one question for consent to the next: Chromium's two and a half seconds, spread as RFC 7675 §5.1 has it.
/// Its five are as long as pion and the `webrtc` crate wait before they call a viewer disconnected.
const CONSENT: std::ops::Range<u64> = 2_000..3_000;
/// Consent that is not answered is asked for again sooner.
const CONSENT_REPEAT: Duration = Duration::from_millis(500);
/// Without an answer for this long the path is dead (RFC 7675 §5.1).
const CONSENT_EXPIRES: Duration = Duration::from_secs(30);
/// A peer-reflexive host: type 110, one component (RFC 8445 §5.1.2.1).
const PRIORITY: u32 = 110 << 24 | 0xffff << 8 | 255;

/// What names one side of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) fragment: String,
    pub(super) password: String,
}

impl Credentials {
    pub(super) fn generate(random: &mut impl Rng) -> Credentials {
        let mut letters = |count: usize| -> String {
            let letter = |_| LETTERS.get(random.random_range(0..LETTERS.len())).copied();
            (0..count).filter_map(letter).map(char::from).collect()
        };
        Credentials {
            fragment: letters(8),
            password: letters(24),
        }
    }
}

struct Pair {
    remote: SocketAddr,
    /// The last check that is unanswered.
    transaction: TransactionId,
    sent: Option<Instant>,
    next: Instant,
    rto: Duration,
}

/// What a STUN message brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// Nothing new.
    Nothing,
    /// The first path that works.
    Connected(SocketAddr),
}

/// The agent of one viewer.
pub(super) struct Ice {
    ours: Credentials,
    theirs: Option<Credentials>,
    tie_breaker: [u8; 8],
    pairs: Vec<Pair>,
    /// The path in use.
    selected: Option<SocketAddr>,
    is_nominated: bool,
    /// When the path last answered.
    answered: Instant,
    round_trip: Option<Duration>,
    /// When the next check is due.
    next: Option<Instant>,
}

impl Ice {
    pub(super) fn new(ours: Credentials, random: &mut impl Rng, now: Instant) -> Ice {
        Ice {
            ours,
            theirs: None,
            tie_breaker: random.random(),
            pairs: Vec::new(),
            selected: None,
            is_nominated: false,
            answered: now,
            round_trip: None,
            next: None,
        }
    }

    /// Begins with what the answer says, the best candidate first. Pairs are of one IP version (RFC 8445 §6.1.2.2): that of
    /// `ours`, the address we send from.
    pub(super) fn start(
        &mut self,
        theirs: Credentials,
        ours: SocketAddr,
        candidates: &[SocketAddr],
        now: Instant,
    ) {
        self.theirs = Some(theirs);
        let pairs = candidates
            .iter()
            .filter(|remote| remote.is_ipv4() == ours.is_ipv4());
        for (place, remote) in pairs.take(MAX_PAIRS).enumerate() {
            self.pairs.push(pair(*remote, now + PACE * place as u32));
        }
        self.plan();
    }

    pub(super) fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether the path has been silent for so long that the peer must stop.
    pub(super) fn is_dead(&self, now: Instant) -> bool {
        self.selected.is_some() && now.saturating_duration_since(self.answered) >= CONSENT_EXPIRES
    }

    /// Takes a STUN message. `send` is handed an answer.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        crypto: &dyn RTCCrypto,
        mut send: impl FnMut(&[u8]),
    ) -> Brought {
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err() {
            return Brought::Nothing;
        }
        let mut brought = Brought::Nothing;
        if message.typ.class != CLASS_REQUEST {
            brought = self.settle(now, &mut message, crypto);
        } else if let Some(answer) = self.answer(&mut message, from, crypto) {
            send(&answer);
            self.learn(from, now);
        }
        self.plan();
        brought
    }

    /// The answer to a check of the server's, when it is authentic: a full agent checks, too (RFC 8445 §7.3).
    fn answer(&self, request: &mut Message, from: SocketAddr, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
        let username = TextAttribute::get_from_as(request, ATTR_USERNAME).ok()?;
        let (asked, _) = username.text.split_once(':')?;
        if asked != self.ours.fragment {
            return None;
        }
        MessageIntegrity::check(request, self.ours.password.as_bytes(), crypto).ok()?;
        let mut answer = Message::new();
        let mapped = XorMappedAddress {
            ip: from.ip(),
            port: from.port(),
        };
        answer
            .build(&[Box::new(request.transaction_id), Box::new(BINDING_SUCCESS)])
            .ok()?;
        mapped.add_to_as(&mut answer, ATTR_XORMAPPED_ADDRESS).ok()?;
        sign(answer, &self.ours.password, crypto)
    }

    /// A path the server has checked is worth a check of ours (RFC 8445 §7.3.1.4).
    fn learn(&mut self, from: SocketAddr, now: Instant) {
        let is_known = self.pairs.iter().any(|pair| pair.remote == from);
        if !is_known && self.theirs.is_some() && self.pairs.len() < MAX_PAIRS {
            self.pairs.push(pair(from, now));
        }
    }

    fn settle(&mut self, now: Instant, message: &mut Message, crypto: &dyn RTCCrypto) -> Brought {
        let (Some(theirs), id) = (&self.theirs, message.transaction_id) else {
            return Brought::Nothing;
        };
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.transaction == id) else {
            return Brought::Nothing;
        };
        let is_authentic = MessageIntegrity::check(message, theirs.password.as_bytes(), crypto).is_ok();
        // After an error the check is simply repeated: the roles are fixed, the rest is for the server to mend.
        if message.typ.class != CLASS_SUCCESS_RESPONSE || !is_authentic {
            return Brought::Nothing;
        }
        let remote = pair.remote;
        if let Some(sent) = pair.sent.take() {
            self.round_trip = Some(now.saturating_duration_since(sent));
        }
        pair.transaction = TransactionId::default();
        pair.rto = FIRST_RTO;
        self.answered = now;
        match self.selected {
            None => {
                self.selected = Some(remote);
                // The check that names this path as the one: at once (RFC 8445 §8.1.1).
                pair.next = now;
                Brought::Connected(remote)
            }
            Some(selected) if selected == remote => {
                self.is_nominated = true;
                let consent = Duration::from_millis(rand::rng().random_range(CONSENT));
                pair.next = now + consent;
                Brought::Nothing
            }
            Some(_) => Brought::Nothing,
        }
    }

    /// Sends the checks that are due.
    pub(super) fn timeout(
        &mut self,
        now: Instant,
        crypto: &dyn RTCCrypto,
        mut send: impl FnMut(SocketAddr, &[u8]),
    ) {
        if self.next().is_none_or(|next| next > now) {
            return;
        }
        let Some(theirs) = &self.theirs else {
            return;
        };
        let username = format!("{}:{}", theirs.fragment, self.ours.fragment);
        for pair in &mut self.pairs {
            let is_in_use = self.selected.is_none_or(|selected| selected == pair.remote);
            if !is_in_use || pair.next > now {
                continue;
            }
            let nominates = self.selected.is_some();
            let check = check(&username, theirs, &self.tie_breaker, nominates, crypto);
            let Some((transaction, check)) = check else {
                continue;
            };
            send(pair.remote, &check);
            pair.transaction = transaction;
            pair.sent = Some(now);
            pair.next = now
                + if self.is_nominated {
                    CONSENT_REPEAT
                } else {
                    pair.rto
                };
            pair.rto = (pair.rto * 2).min(MAX_RTO);
        }
        self.plan();
    }

    /// When the next check is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    fn plan(&mut self) {
        let in_use = |pair: &&Pair| self.selected.is_none_or(|selected| selected == pair.remote);
        let next = self.pairs.iter().filter(in_use).map(|pair| pair.next).min();
        self.next = next.filter(|_| self.theirs.is_some());
    }
}

fn pair(remote: SocketAddr, next: Instant) -> Pair {
    Pair {
        remote,
        transaction: TransactionId::default(),
        sent: None,
        next,
        rto: FIRST_RTO,
    }
}

/// A check of one pair (RFC 8445 §7.2.2).
fn check(
    username: &str,
    theirs: &Credentials,
    tie_breaker: &[u8; 8],
    nominates: bool,
    crypto: &dyn RTCCrypto,
) -> Option<(TransactionId, Vec<u8>)> {
    let transaction = TransactionId(rand::random());
    let mut message = Message::new();
    let setters: [Box<dyn Setter>; 3] = [
        Box::new(transaction),
        Box::new(BINDING_REQUEST),
        Box::new(TextAttribute::new(ATTR_USERNAME, username.to_owned())),
    ];
    message.build(&setters).ok()?;
    message.add(ATTR_ICE_CONTROLLING, tie_breaker);
    message.add(ATTR_PRIORITY, &PRIORITY.to_be_bytes());
    if nominates {
        message.add(ATTR_USE_CANDIDATE, &[]);
    }
    Some((transaction, sign(message, &theirs.password, crypto)?))
}

/// Adds MESSAGE-INTEGRITY and FINGERPRINT.
fn sign(mut message: Message, password: &str, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), crypto);
    integrity.add_to(&mut message).ok()?;
    FINGERPRINT.add_to(&mut message).ok()?;
    Some(message.raw)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn only_addresses_of_our_ip_version_are_tried() {
        let provider = rtc::srtp::crypto::default_provider().unwrap();
        let candidates: Vec<SocketAddr> = ["[::1]:9", "127.0.0.1:9", "[::1]:10", "127.0.0.1:10"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        for ours in ["127.0.0.2:7", "[::1]:7"] {
            let ours: SocketAddr = ours.parse().unwrap();
            let mut random = StdRng::seed_from_u64(1);
            let now = Instant::now();
            let mut ice = Ice::new(Credentials::generate(&mut random), &mut random, now);
            ice.start(Credentials::generate(&mut random), ours, &candidates, now);
            let mut tried = Vec::new();
            ice.timeout(now + PACE * 2, provider.crypto(), |to, _| tried.push(to));
            assert_eq!(tried.len(), 2, "{tried:?}");
            assert!(tried.iter().all(|to| to.is_ipv4() == ours.is_ipv4()), "{tried:?}");
        }
    }

    /// Two minutes of consent, after two seconds to connect: when the server heard a question. Every second one is lost, if
    /// `loses`.
    fn questions(loses: bool) -> Vec<Instant> {
        let provider = rtc::srtp::crypto::default_provider().unwrap();
        let mut random = StdRng::seed_from_u64(2);
        let (begin, way) = (Instant::now(), Duration::from_millis(20));
        let (ours, theirs): (SocketAddr, SocketAddr) =
            ("127.0.0.2:7".parse().unwrap(), "127.0.0.1:9".parse().unwrap());
        let named = Credentials::generate(&mut random);
        let mut server = Ice::new(named.clone(), &mut random, begin);
        let mut viewer = Ice::new(Credentials::generate(&mut random), &mut random, begin);
        viewer.start(named, ours, &[theirs], begin);
        let mut heard = Vec::new();
        for asked in 0_u32.. {
            let now = viewer.next().unwrap();
            if now > begin + Duration::from_secs(120) {
                break;
            }
            let (mut question, mut answer) = (Vec::new(), Vec::new());
            viewer.timeout(now, provider.crypto(), |_, bytes| question = bytes.to_vec());
            if loses && asked % 2 == 1 {
                continue;
            }
            let reply = |bytes: &[u8]| answer = bytes.to_vec();
            server.receive(now + way, ours, &question, provider.crypto(), reply);
            viewer.receive(now + way * 2, theirs, &answer, provider.crypto(), |_| {});
            heard.push(now + way);
        }
        heard.retain(|at| *at > begin + Duration::from_secs(2));
        heard
    }

    /// Who has heard nothing for five seconds calls it a disconnection.
    #[test]
    fn consent_is_asked_for_before_anybody_calls_a_silence_a_disconnection() {
        for loses in [false, true] {
            let heard = questions(loses);
            let longest = heard.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            assert!(longest < Duration::from_secs(4), "{longest:?}");
            assert!((36..=60).contains(&heard.len()), "{} in two minutes", heard.len());
        }
    }
}
