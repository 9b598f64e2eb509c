//! Who is in which group, and what the groups are told to do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rand::RngExt;

use super::{Lane, Order, Slot, Worker};
use crate::Error;
use crate::crowd::{Buy, Shop, ShopBy};
use crate::engine::customer::Customer;
use crate::engine::http::Session;
use crate::engine::line::Line;
use crate::engine::viewer::{Name, Role, Tools, Viewer};
use crate::engine::wire::MAX_VIEWERS;
use crate::engine::{answer, events};
use crate::measure::{Counter, GroupId};

/// A viewer's place and serial.
type Member = (u32, u64);

/// The viewers of a group on one thread. The lists may name some that are gone.
#[derive(Default)]
pub(super) struct Members {
    /// The oldest first.
    ages: VecDeque<Member>,
    /// Those who may buy and have not.
    buyers: VecDeque<Member>,
}

impl Worker {
    pub(super) fn obey(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Join { group, name } => self.prepare(group, name, now),
            Order::Admit { group, name, token } => self.join(group, name, self.customer(group, token), now),
            Order::Leave { group, says_goodbye } => self.leave(group, says_goodbye, now),
            Order::Chat { group } => self.chat(group, now),
            Order::Buy { group, buy } => self.buy(group, &buy, now),
            Order::Answered {
                group,
                viewer,
                serial,
                answer,
            } => self.answered(group, (viewer, serial), *answer, now),
            Order::Told { group, told } => {
                let begin = self.common.begin;
                if let Some(tally) = self.tallies.get_mut(usize::from(group.0)) {
                    tally.told(&told, now.saturating_duration_since(begin));
                }
            }
            Order::Failed { group, why } => self.failed(group, &why),
            Order::Stop => {}
        }
    }

    fn shop(&self, group: GroupId) -> Option<&Shop> {
        self.common.parties.get(usize::from(group.0))?.group.shop.as_ref()
    }

    fn customer(&self, group: GroupId, token: Option<String>) -> Customer {
        let restocks = self.shop(group).and_then(|shop| shop.restocks.clone());
        Customer::new(token, restocks)
    }

    /// Makes a buyer's token, where it takes one, before the viewer's own clock begins.
    fn prepare(&mut self, group: GroupId, name: Name, now: Instant) {
        if self.shop(group).is_none_or(|shop| shop.operator_token.is_none()) {
            return self.join(group, name, self.customer(group, None), now);
        }
        let (common, lane) = (self.common.clone(), self.lane.clone());
        self.common.spawn(async move {
            let token = match common.parties.get(usize::from(group.0)) {
                Some(party) => events::buyers_token(&common.http, party, name.number).await,
                None => return,
            };
            lane.send(match token {
                Ok(token) => Order::Admit {
                    group,
                    name,
                    token: Some(token),
                },
                Err(error) => Order::Failed {
                    group,
                    why: format!("a buyer's token: {error}"),
                },
            });
        });
    }

    fn failed(&mut self, group: GroupId, why: &str) {
        if let Some(tally) = self.tallies.get_mut(usize::from(group.0)) {
            tally.add(Counter::JoinsStarted, 1);
            tally.add(Counter::JoinsFailed, 1);
            tally.recorder().failure(group, why);
        }
    }

    fn join(&mut self, group: GroupId, name: Name, customer: Customer, now: Instant) {
        let common = self.common.clone();
        let Some(party) = common.parties.get(usize::from(group.0)) else {
            return;
        };
        let id = self.slots.vacant_key() as u32;
        let seat = if id < MAX_VIEWERS {
            self.wire.seat(id, party.server.address, self.poll.registry())
        } else {
            Err(std::io::Error::other("too many viewers for one thread"))
        };
        let (seat, address) = match seat {
            Ok(seat) => seat,
            Err(error) => return self.failed(group, &format!("no socket: {error}")),
        };
        let from = address.ip().is_loopback().then_some(address.ip());
        let by = party.group.shop.as_ref().map(|shop| shop.by);
        let (customer, events) = match by {
            None => (None, None),
            Some(ShopBy::Channel) => (Some(customer), None),
            Some(ShopBy::Http) => {
                let (wishes, wished) = tokio::sync::mpsc::unbounded_channel();
                let lane = self.lane.clone();
                common.spawn(events::run(common.clone(), group, customer, from, wished, lane));
                (None, Some(wishes))
            }
        };
        let Some(tally) = self.tallies.get_mut(usize::from(group.0)) else {
            return;
        };
        let role = Role {
            name,
            address,
            customer,
        };
        let mut tools = Tools {
            identity: &common.identity,
            outbox: &mut self.outbox,
            scratch: &mut self.scratch,
            report: &mut self.report,
            tally,
            begin: common.begin,
        };
        let viewer = Viewer::new(id, role, &mut self.random, now, &mut tools);
        let offer = viewer.offer(&common.identity);
        self.serial += 1;
        let serial = self.serial;
        self.slots.insert(Slot {
            viewer,
            serial,
            group,
            seat,
            line: Line::new(&party.group.network, u64::from(name.number), now).map(Box::new),
            session: None,
            events,
        });
        if let Some(members) = self.members.get_mut(usize::from(group.0)) {
            members.ages.push_back((id, serial));
            if by.is_some() {
                members.buyers.push_back((id, serial));
            }
        }
        let lane: Lane = self.lane.clone();
        self.common.spawn(async move {
            let Some(party) = common.parties.get(usize::from(group.0)) else {
                return;
            };
            let token = party.group.token.as_deref();
            let answer = common
                .http
                .offer(&party.server, &party.group.whep, token, from, offer)
                .await;
            lane.send(Order::Answered {
                group,
                viewer: id,
                serial,
                answer: Box::new(answer),
            });
        });
    }

    fn answered(
        &mut self,
        group: GroupId,
        (id, serial): Member,
        answer: Result<(Session, String), Error>,
        now: Instant,
    ) {
        let slot = self
            .slots
            .get_mut(id as usize)
            .filter(|slot| slot.serial == serial);
        let (slot, answer) = match (slot, answer) {
            (Some(slot), answer) => (slot, answer),
            // It left before the answer came.
            (None, Ok((session, _))) => return self.delete(group, Some(session)),
            (None, Err(_)) => return,
        };
        let answer = answer.and_then(|(session, text)| {
            slot.session = Some(session);
            answer::parse(&text)
        });
        self.with(id, |viewer, tools| match answer {
            Ok(answer) => viewer.answered(answer, now, tools),
            Err(error) => viewer.fail(&error.to_string(), now, tools),
        });
        self.tidy(id);
    }

    /// The oldest of a group who is still there.
    fn oldest(&mut self, group: GroupId) -> Option<u32> {
        let members = self.members.get_mut(usize::from(group.0))?;
        while let Some((id, serial)) = members.ages.pop_front() {
            if self
                .slots
                .get(id as usize)
                .is_some_and(|slot| slot.serial == serial)
            {
                return Some(id);
            }
        }
        None
    }

    fn leave(&mut self, group: GroupId, says_goodbye: bool, now: Instant) {
        let Some(id) = self.oldest(group) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(id as usize).filter(|_| !says_goodbye) {
            slot.session = None;
        }
        self.with(id, |viewer, tools| viewer.leave(says_goodbye, now, tools));
        self.tidy(id);
    }

    /// Somebody who can says a line.
    fn chat(&mut self, group: GroupId, now: Instant) {
        let count = self
            .members
            .get(usize::from(group.0))
            .map_or(0, |members| members.ages.len());
        for _ in 0..count {
            let place = self.random.random_range(0..count);
            let member = self
                .members
                .get(usize::from(group.0))
                .and_then(|members| members.ages.get(place));
            let Some(&(id, serial)) = member else {
                return;
            };
            let Some(slot) = self.slots.get(id as usize).filter(|slot| slot.serial == serial) else {
                continue;
            };
            let says = match &slot.events {
                Some(events) => {
                    let said = events.send(events::Wish::Say).is_ok();
                    self.with(id, |_, tools| tools.tally.add(Counter::ChatSent, u64::from(said)));
                    said
                }
                None => self.with(id, |viewer, tools| viewer.say(now, tools)) == Some(true),
            };
            if says {
                return;
            }
        }
    }

    /// The next of a group who has not bought yet buys.
    fn buy(&mut self, group: GroupId, buy: &Arc<Buy>, now: Instant) {
        let Some(members) = self.members.get_mut(usize::from(group.0)) else {
            return;
        };
        let is_here = |slots: &slab::Slab<Slot>, (id, serial): Member| {
            slots.get(id as usize).is_some_and(|slot| slot.serial == serial)
        };
        let id = loop {
            match members.buyers.pop_front() {
                Some(member) if is_here(&self.slots, member) => break member.0,
                Some(_) => {}
                None => return,
            }
        };
        let hangs_up = self.random.random_bool(buy.hang_up.clamp(0.0, 1.0));
        if let Some(events) = self.slots.get(id as usize).and_then(|slot| slot.events.as_ref()) {
            // When it has ended there is nobody to buy.
            let _ = events.send(events::Wish::Buy {
                buy: buy.clone(),
                hangs_up,
            });
            self.with(id, |_, tools| tools.tally.add(Counter::BuysSent, 1));
            return;
        }
        self.with(id, |viewer, tools| viewer.buy(buy, now, tools));
        if hangs_up {
            self.hang_up(id, group, now);
        }
    }

    /// Breaks off without a word and comes back as the same customer.
    fn hang_up(&mut self, id: u32, group: GroupId, now: Instant) {
        self.flush();
        let taken = self.with(id, |viewer, tools| {
            let taken = (viewer.name(), viewer.take_customer());
            viewer.leave(false, now, tools);
            taken
        });
        self.tidy(id);
        if let Some((name, Some(customer))) = taken {
            self.join(group, name, customer, now);
        }
    }
}
