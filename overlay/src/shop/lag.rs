//! Clients whose lines do not keep up: they get nothing for everybody for a while, then the whole show anew, and are let
//! go when that does not help. Nobody waits for them.

use super::Shop;
use crate::{ClientId, Output, UnixMillis};

/// A client that has not taken what waits for it after so long is let go. Milliseconds.
const PATIENCE: i64 = 15_000;

impl Shop {
    /// More waits for a client than is kept for it: what waited is lost.
    pub fn handle_behind(&mut self, now: UnixMillis, client: ClientId) {
        let Some(known) = self.clients.get_mut(&client) else {
            return;
        };
        if self.behind.contains_key(&client) {
            return;
        }
        if known.falls.take(now).is_err() {
            return self.let_go(client);
        }
        self.behind.insert(client, now.0);
        self.outputs.push_back(Output::Listen {
            client,
            listens: false,
        });
    }

    /// A client that was behind has taken everything.
    pub fn handle_caught_up(&mut self, now: UnixMillis, client: ClientId) {
        if self.behind.remove(&client).is_some() {
            self.tell_anew(now, client);
        }
    }

    /// Lets those go whose lines stay clogged.
    pub(super) fn give_up_on_the_slow(&mut self, now: UnixMillis) {
        let given_up = self
            .behind
            .iter()
            .filter(|(_, since)| now.0 - **since >= PATIENCE);
        for client in given_up.map(|(client, _)| *client).collect::<Vec<_>>() {
            self.let_go(client);
        }
    }

    fn let_go(&mut self, client: ClientId) {
        self.outputs.push_back(Output::Disconnect { client });
        self.disconnect(client);
    }
}
