//! ICE-lite (RFC 8445 §2.5): we answer checks and never send any; the peer decides which pair is used.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use smallvec::SmallVec;

use super::outbox::{Outbox, Remote};
use super::stun::{BindingRequest, Stun, parse_stun};
use crate::negotiation::IceCredentials;

/// Addresses of one peer that passed a check; a browser has a few interfaces with two families each. With one more
/// the oldest that is not in use is forgotten.
const MAX_VERIFIED: usize = 16;

/// One side's credentials and the other's.
#[derive(Debug)]
struct Credentials {
    local: IceCredentials,
    remote: IceCredentials,
}

impl Credentials {
    fn accept(&self, request: &BindingRequest<'_>) -> bool {
        request.ufrags() == Some((&self.local.ufrag, &self.remote.ufrag))
            && request.is_authentic(&self.local.pwd)
    }
}

/// What a STUN message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// A valid check, answered: the source belongs to the peer and consents (RFC 7675 §5).
    Valid,
    /// Malformed, not authentic, or refused with an error.
    Rejected,
    /// Nothing to do: an indication, a response.
    Ignored,
}

/// Answers checks and knows where the peer is.
#[derive(Debug)]
pub(super) struct IceAgent {
    credentials: Credentials,
    /// After a restart, until the peer uses them.
    next: Option<Credentials>,
    verified: SmallVec<[Remote; 2]>,
    path: Option<Remote>,
    nominated: bool,
    heard: Instant,
}

impl IceAgent {
    pub(super) fn new(local: IceCredentials, remote: IceCredentials, now: Instant) -> IceAgent {
        IceAgent {
            credentials: Credentials { local, remote },
            next: None,
            verified: SmallVec::new(),
            path: None,
            nominated: false,
            heard: now,
        }
    }

    pub(super) fn restart(&mut self, local: IceCredentials, remote: IceCredentials) {
        self.next = Some(Credentials { local, remote });
    }

    pub(super) fn path(&self) -> Option<Remote> {
        self.path
    }

    pub(super) fn is_verified(&self, remote: Remote) -> bool {
        self.verified.contains(&remote)
    }

    /// When the peer was last heard of, or the agent was made.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    /// Something authentic and new came that is no check. From where media goes it tells as much as one: not everybody who
    /// publishes or plays goes on checking (RFC 7675 asks it of full agents for their own sake).
    pub(super) fn hear(&mut self, now: Instant, from: Remote) {
        if self.path == Some(from) {
            self.heard = now;
        }
    }

    /// Takes a datagram that looks like STUN and answers it. What is not authentic gets no answer at all, where
    /// RFC 8489 §9.1.3 would have 400 or 401: an unsigned error helps no browser and reflects for anybody.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        from: Remote,
        datagram: &[u8],
        outbox: &mut Outbox,
    ) -> Check {
        let request = match parse_stun(datagram) {
            Some(Stun::Request(request)) => request,
            Some(Stun::Other) => return Check::Ignored,
            None => return Check::Rejected,
        };
        let restarted = self.next.as_ref().is_some_and(|next| next.accept(&request));
        if !restarted && !self.credentials.accept(&request) {
            return Check::Rejected;
        }
        let credentials = match &self.next {
            Some(next) if restarted => next,
            _ => &self.credentials,
        };
        let password = &credentials.local.pwd;
        if let Some(error) = request.error() {
            outbox.push(from, |out| {
                request.refuse(error, password, out);
                true
            });
            return Check::Rejected;
        }
        outbox.push(from, |out| {
            request.accept(mapped(from), password, out);
            true
        });
        if restarted && let Some(next) = self.next.take() {
            self.credentials = next;
            self.path = None;
            self.nominated = false;
        }
        self.heard = now;
        self.verify(from);
        if request.use_candidate() {
            self.nominated = true;
            self.path = Some(from);
        } else if self.path.is_none() {
            self.path = Some(from);
        }
        Check::Valid
    }

    fn verify(&mut self, from: Remote) {
        if self.is_verified(from) {
            return;
        }
        if self.verified.len() >= MAX_VERIFIED
            && let Some(oldest) = self.verified.iter().position(|&remote| Some(remote) != self.path)
        {
            self.verified.remove(oldest);
        }
        self.verified.push(from);
    }
}

/// What XOR-MAPPED-ADDRESS says. The caller does not tell where a TCP connection comes from; a peer takes whatever
/// is said for a peer-reflexive candidate of its own, so it hears the address active TCP candidates have
/// (RFC 6544 §4.5: port 9).
fn mapped(from: Remote) -> SocketAddr {
    match from {
        Remote::Udp { peer, .. } => SocketAddr::new(peer.ip().to_canonical(), peer.port()),
        Remote::Tcp(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::stun::check;
    use super::*;

    fn remote(port: u16) -> Remote {
        Remote::Udp {
            peer: SocketAddr::from(([127, 0, 0, 1], port)),
            local: None,
        }
    }

    /// One side's credentials, of that generation.
    fn credentials(side: &str, generation: u32) -> IceCredentials {
        IceCredentials {
            ufrag: format!("{side}{generation}"),
            pwd: format!("{side}'s {generation}"),
        }
    }

    struct Story {
        agent: IceAgent,
        now: Instant,
        outbox: Outbox,
    }

    impl Story {
        fn new() -> Story {
            let now = crate::media::begin();
            Story {
                agent: IceAgent::new(credentials("ours", 1), credentials("theirs", 1), now),
                now,
                outbox: Outbox::new(),
            }
        }

        /// A check of that generation comes, and is answered if it is a valid one.
        fn check(&mut self, generation: u32, port: u16, use_candidate: bool) -> Check {
            let [ours, theirs] = ["ours", "theirs"].map(|side| credentials(side, generation));
            self.take(
                &format!("{}:{}", ours.ufrag, theirs.ufrag),
                &ours.pwd,
                port,
                use_candidate,
            )
        }

        fn take(&mut self, username: &str, password: &str, port: u16, use_candidate: bool) -> Check {
            self.now += Duration::from_secs(1);
            let message = check(username, password, use_candidate);
            let taken = self
                .agent
                .receive(self.now, remote(port), &message, &mut self.outbox);
            let answers: Vec<Remote> = self.outbox.runs().map(|run| run.to).collect();
            let expected = (taken == Check::Valid).then(|| remote(port));
            assert_eq!(answers, Vec::from_iter(expected));
            self.outbox.clear();
            taken
        }

        fn path(&self) -> Option<u16> {
            self.agent.path().map(|path| match path {
                Remote::Udp { peer, .. } => peer.port(),
                Remote::Tcp(_) => panic!("no such line"),
            })
        }
    }

    #[test]
    fn a_check_counts_with_both_names_and_the_password() {
        let mut story = Story::new();
        for (username, password) in [
            ("ours1:theirs1", "theirs's 1"),
            ("ours1:theirs2", "ours's 1"),
            ("ours2:theirs1", "ours's 1"),
            ("theirs1:ours1", "ours's 1"),
        ] {
            assert_eq!(story.take(username, password, 1, true), Check::Rejected);
            assert!(!story.agent.is_verified(remote(1)) && story.agent.path().is_none());
            assert!(story.agent.heard() < story.now);
        }
        assert_eq!(story.take("ours1:theirs1", "ours's 1", 1, false), Check::Valid);
        assert!(story.agent.is_verified(remote(1)) && !story.agent.is_verified(remote(2)));
        assert_eq!(story.agent.heard(), story.now);
    }

    #[test]
    fn media_goes_where_the_first_check_came_from_until_the_peer_decides() {
        let mut story = Story::new();
        for (port, use_candidate, path) in [
            (1, false, 1),
            (2, false, 1),
            (2, true, 2),
            (3, false, 2),
            (1, true, 1),
        ] {
            assert_eq!(story.check(1, port, use_candidate), Check::Valid);
            assert_eq!(story.path(), Some(path));
        }
    }

    #[test]
    fn a_restart_is_done_when_the_new_credentials_are_used_and_not_before() {
        let mut story = Story::new();
        story.check(1, 1, true);
        story
            .agent
            .restart(credentials("ours", 2), credentials("theirs", 2));
        assert_eq!(story.check(1, 1, false), Check::Valid);
        assert_eq!(story.check(3, 2, true), Check::Rejected);
        assert_eq!(story.path(), Some(1));
        assert_eq!(story.check(2, 2, false), Check::Valid);
        assert_eq!(story.path(), Some(2), "nothing is nominated any more");
        assert_eq!(story.check(1, 1, true), Check::Rejected);
        assert_eq!(story.path(), Some(2));
    }

    #[test]
    fn of_too_many_addresses_the_oldest_that_is_not_in_use_is_forgotten() {
        let mut story = Story::new();
        for port in 1..=MAX_VERIFIED as u16 {
            story.check(1, port, false);
            // Again, and it takes no second place.
            story.check(1, port, false);
        }
        assert!((1..=16).all(|port| story.agent.is_verified(remote(port))));
        story.check(1, 17, false);
        assert!(!story.agent.is_verified(remote(2)));
        assert!((1..=17).all(|port| port == 2 || story.agent.is_verified(remote(port))));
        assert_eq!(story.path(), Some(1));
    }

    #[test]
    fn only_what_comes_from_where_media_goes_tells_that_the_peer_wants_it() {
        let Story {
            mut agent,
            now: begin,
            ..
        } = Story::new();
        let later = begin + Duration::from_secs(1);
        agent.hear(later, remote(1));
        assert_eq!(agent.heard(), begin);
        agent.path = Some(remote(1));
        agent.hear(later, remote(2));
        assert_eq!(agent.heard(), begin);
        agent.hear(later, remote(1));
        assert_eq!(agent.heard(), later);
    }
}
