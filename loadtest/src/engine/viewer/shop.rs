//! A viewer's part in the shop, on its own data channels.

use std::sync::Arc;
use std::time::Instant;

use super::{Phase, Tools, Viewer, unix_us};
use crate::crowd::Buy;
use crate::engine::channels::{Brought, Label};
use crate::engine::customer::Customer;
use crate::engine::secure::Happened;
use crate::measure::Counter;

impl Viewer {
    /// What the data channels brought, and what is to be said on them.
    pub(super) fn shop(&mut self, now: Instant, brought: &mut Vec<Brought>, tools: &mut Tools<'_>) {
        let (Some(channels), Some(customer), Phase::Up) =
            (&mut self.channels, &mut self.role.customer, &self.phase)
        else {
            return;
        };
        let now_us = unix_us();
        for brought in brought.drain(..) {
            match brought {
                Brought::Open => {
                    self.channels_open = true;
                    let hello = customer.hello();
                    channels.send(Label::Shop, &hello);
                }
                Brought::Text(text) => {
                    let at = now.saturating_duration_since(tools.begin);
                    customer.receive(&text, now, now_us, &mut |told| tools.tally.told(&told, at));
                }
                Brought::Lost => self.channels_open = false,
            }
        }
        if self.channels_open
            && let Some(buy) = customer.due(now)
        {
            channels.send(Label::Shop, &buy);
        }
        self.transmit(now, tools);
    }

    /// Buys, as soon as it is known to the shop.
    pub(in crate::engine) fn buy(&mut self, buy: &Arc<Buy>, now: Instant, tools: &mut Tools<'_>) {
        if let Some(customer) = &mut self.role.customer {
            customer.buy(buy, now);
            tools.tally.add(Counter::BuysSent, 1);
            self.shop(now, &mut Vec::new(), tools);
        }
    }

    /// Says a chat line; false when it cannot.
    pub(in crate::engine) fn say(&mut self, now: Instant, tools: &mut Tools<'_>) -> bool {
        let is_welcome = self.role.customer.as_ref().is_some_and(Customer::is_welcome);
        let Some(channels) = self.channels.as_deref_mut().filter(|_| is_welcome) else {
            return false;
        };
        let is_sent = channels.send(Label::Chat, &Customer::line(unix_us()));
        tools.tally.add(Counter::ChatSent, u64::from(is_sent));
        self.transmit(now, tools);
        is_sent
    }

    /// Hands SCTP's packets to DTLS and DTLS's to the outbox.
    fn transmit(&mut self, now: Instant, tools: &mut Tools<'_>) {
        let (Some(channels), Some(dtls), Some(agreed)) = (&mut self.channels, &mut self.dtls, &self.agreed)
        else {
            return;
        };
        let Some(server) = self.ice.selected() else {
            return;
        };
        let (id, outbox) = (self.id, &mut *tools.outbox);
        let mut why = None;
        let (identity, scratch) = (tools.identity, &mut *tools.scratch);
        channels.transmit(now, |packet| {
            if dtls.send(packet).is_err() {
                why = Some("DTLS failed");
                return;
            }
            // Each at once: its queue holds few.
            self.dtls_next = dtls.poll(identity, &agreed.fingerprint, scratch, |happened| {
                if let Happened::Send(datagram) = happened {
                    outbox.push(id, server, datagram);
                }
            });
        });
        if let Some(why) = why {
            self.fail(why, now, tools);
        }
    }

    pub(super) fn channel_timeout(&mut self, now: Instant, tools: &mut Tools<'_>) {
        let mut brought = Vec::new();
        if let Some(channels) = &mut self.channels
            && channels.next().is_none_or(|next| next <= now)
        {
            channels.timeout(now, &mut brought);
        }
        self.shop(now, &mut brought, tools);
    }
}
