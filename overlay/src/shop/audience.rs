//! Who is in a show: its welcomed clients, by number and by person.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::{ClientId, Identity, Role};

/// The welcomed clients of one show.
#[derive(Debug, Default)]
pub(super) struct Audience {
    members: HashMap<ClientId, Member>,
    /// A person may watch in several tabs.
    by_person: HashMap<String, Vec<ClientId>>,
    /// Those who run the show.
    staff: BTreeSet<ClientId>,
    /// Those who want every event in a message of its own.
    plain: HashSet<ClientId>,
}

#[derive(Debug)]
struct Member {
    person: String,
    role: Role,
}

impl Audience {
    /// Lets a client in, or takes over who it is by now. `is_plain`: it does not understand batches.
    pub(super) fn join(&mut self, client: ClientId, identity: &Identity, is_plain: bool) {
        self.leave(client);
        let person = identity.subject.clone();
        self.by_person.entry(person.clone()).or_default().push(client);
        if identity.role != Role::Viewer {
            self.staff.insert(client);
        }
        if is_plain {
            self.plain.insert(client);
        }
        let role = identity.role;
        self.members.insert(client, Member { person, role });
    }

    pub(super) fn leave(&mut self, client: ClientId) {
        let Some(gone) = self.members.remove(&client) else {
            return;
        };
        self.staff.remove(&client);
        self.plain.remove(&client);
        if let Some(clients) = self.by_person.get_mut(&gone.person) {
            clients.retain(|known| *known != client);
            if clients.is_empty() {
                self.by_person.remove(&gone.person);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Everybody who watches; a host's own page is not a viewer.
    pub(super) fn viewers(&self) -> u64 {
        (self.members.len() - self.hosts().count()) as u64
    }

    /// A person's clients.
    pub(super) fn of_person(&self, person: &str) -> &[ClientId] {
        self.by_person.get(person).map_or(&[], Vec::as_slice)
    }

    /// Clients of hosts.
    pub(super) fn hosts(&self) -> impl Iterator<Item = ClientId> {
        let is_host = |client: &&ClientId| {
            let member = self.members.get(client);
            member.is_some_and(|member| member.role == Role::Host)
        };
        self.staff.iter().filter(is_host).copied()
    }

    /// Clients of hosts and moderators.
    pub(super) fn staff(&self) -> impl Iterator<Item = ClientId> {
        self.staff.iter().copied()
    }

    pub(super) fn is_plain(&self, client: ClientId) -> bool {
        self.plain.contains(&client)
    }

    /// Clients that want no batches.
    pub(super) fn plain(&self) -> impl Iterator<Item = ClientId> {
        self.plain.iter().copied()
    }
}
