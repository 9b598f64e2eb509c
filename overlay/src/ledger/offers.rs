//! Offers: their terms, and flash sales with the server's times.

use super::books::of;
use super::decide::Work;
use super::rows::{FlashRow, FlashState};
use super::{Decided, Refusal, products, promos};
use crate::message::{OfferCommand, Terms};

impl FlashRow {
    /// Whether it is to begin or to end.
    pub(super) fn is_due(&self, now: i64) -> bool {
        match self.state {
            FlashState::Scheduled => now >= self.starts_at,
            FlashState::Running => now >= self.ends_at,
            FlashState::Ended => false,
        }
    }
}

pub(super) fn change(work: &mut Work<'_>, command: &OfferCommand) -> Decided {
    match command {
        OfferCommand::SetTerms { variant, terms } => set_terms(work, variant, terms),
        OfferCommand::StartFlash { .. } => start(work, command),
        OfferCommand::EndFlash { variant } => {
            let Some(flash) = work.books.flash(&work.show, variant) else {
                return Err(Refusal::NotFound(format!("flash sale of {variant}")));
            };
            let was_running = flash.state == FlashState::Running;
            end(work, variant, was_running);
            products::product_of_variant(work, variant)
        }
        OfferCommand::PutPromo(promo) => promos::put(work, promo),
        OfferCommand::RemovePromo { code } => promos::remove(work, code),
    }
}

fn set_terms(work: &mut Work<'_>, variant: &str, terms: &Terms) -> Decided {
    if work.books.on_sale(&work.show, variant).is_none() {
        return Err(Refusal::NotFound(format!("variant {variant}")));
    }
    if let Some(row) = work.books.variants.change(&of(&work.show, variant)) {
        row.per_customer = terms.per_customer;
        row.allotment = terms.allotment;
        row.mode = terms.mode;
        row.hold_seconds = terms.hold_seconds;
    }
    work.recount(variant);
    products::touch_product_of(work, variant);
    super::waitlist::serve(work, variant);
    products::product_of_variant(work, variant)
}

fn start(work: &mut Work<'_>, command: &OfferCommand) -> Decided {
    let OfferCommand::StartFlash {
        variant,
        minor,
        starts_at,
        lasts_ms,
        quantity,
        per_customer,
    } = command
    else {
        return Err(Refusal::NotPossible("this is no flash sale".to_owned()));
    };
    if work.books.on_sale(&work.show, variant).is_none() {
        return Err(Refusal::NotFound(format!("variant {variant}")));
    }
    if work.books.flash(&work.show, variant).is_some() {
        return Err(Refusal::NotPossible(format!(
            "{variant} has a flash sale already: end it first"
        )));
    }
    let starts_at = starts_at.unwrap_or(work.now).max(work.now);
    let Some(row) = work.books.variants.change(&of(&work.show, variant)) else {
        return Err(Refusal::NotFound(format!("variant {variant}")));
    };
    row.next_flash += 1;
    let flash = FlashRow {
        show: work.show.clone(),
        id: format!("{variant}.{}", row.next_flash),
        variant: variant.clone(),
        state: FlashState::Scheduled,
        minor: *minor,
        starts_at,
        ends_at: starts_at.saturating_add(*lasts_ms),
        quantity: *quantity,
        per_customer: *per_customer,
        taken: 0,
        rev: 0,
    };
    work.books.add_flash(flash.clone());
    if flash.is_due(work.now) {
        begin(work, &flash);
    }
    products::touch_product_of(work, variant);
    products::product_of_variant(work, variant)
}

/// Begins and ends flash sales, of every show that was loaded, by the time.
pub(super) fn turn_flash_sales(work: &mut Work<'_>) {
    for flash in work.books.live_flashes() {
        if !flash.is_due(work.now) {
            continue;
        }
        work.show = flash.show.clone();
        if work.now >= flash.ends_at {
            end(work, &flash.variant, flash.state == FlashState::Running);
        } else {
            begin(work, &flash);
            products::touch_product_of(work, &flash.variant);
        }
        if let Some(told) = products::current_product(work, &flash.variant) {
            work.products.push(told);
        }
    }
}

fn begin(work: &mut Work<'_>, flash: &FlashRow) {
    if let Some(row) = work.books.change_flash(&flash.show, &flash.id) {
        row.state = FlashState::Running;
    }
    products::reprice(work, &flash.variant);
    let show = work.show.clone();
    work.books
        .note_price(work.now, &show, &flash.variant, flash.minor);
}

fn end(work: &mut Work<'_>, variant: &str, was_running: bool) {
    let show = work.show.clone();
    work.books.end_flash(&show, variant);
    if was_running {
        products::reprice(work, variant);
    }
    products::touch_product_of(work, variant);
    // What the sale kept from those who wait may be theirs now.
    super::waitlist::serve(work, variant);
}
