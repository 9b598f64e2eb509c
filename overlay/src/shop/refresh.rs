//! Shows that something else has changed: another server on the same database, or a backup that was restored.

use std::collections::BTreeMap;

use super::Shop;
use super::moment::Moment;
use crate::UnixMillis;
use crate::ledger::ShowRecord;
use crate::message::{Product, Sale, StockItem};

impl Shop {
    /// Takes a show over as it is now, and tells what of it is another than before.
    pub(super) fn take_refreshed(&mut self, now: UnixMillis, record: &ShowRecord) {
        let at = Moment::from(now);
        let name = record.id.as_str().into();
        for product in &record.products {
            let known = self
                .shows
                .get(&name)
                .and_then(|show| show.products.get(&product.id));
            // A count alone is told with the next tick, to all at once.
            if known.is_none_or(|known| beside_counts(known) != beside_counts(product)) {
                self.show_product(at, &name, product, record.price_version);
            }
        }
        self.show_changed(at, &name, record);
        for variant in record.products.iter().flat_map(|product| &product.variants) {
            let item = StockItem {
                variant: variant.id.clone(),
                available: variant.available,
                version: variant.version,
            };
            self.stock_changed(at, &name, &item);
        }
        let Some(show) = self.shows.get(&name) else { return };
        let before: BTreeMap<String, Sale> = show
            .open_orders()
            .map(|sale| (sale.buy.clone(), sale.clone()))
            .collect();
        let after: BTreeMap<&str, &Sale> = record
            .open_orders
            .iter()
            .map(|sale| (sale.buy.as_str(), sale))
            .collect();
        for sale in record
            .open_orders
            .iter()
            .filter(|sale| before.get(&sale.buy) != Some(sale))
        {
            self.order_changed(now, &name, sale);
        }
        // What became of the others is in the ledger; to the show they are no longer open.
        let gone: Vec<&Sale> = before
            .values()
            .filter(|sale| !after.contains_key(sale.buy.as_str()))
            .collect();
        for sale in gone {
            let Some(show) = self.shows.get_mut(&name) else {
                return;
            };
            show.forget_order(sale);
            for client in show.audience.of_person(&sale.user).to_vec() {
                self.tell_anew(now, client);
            }
        }
    }
}

/// A product without its counts.
fn beside_counts(product: &Product) -> Product {
    let mut product = product.clone();
    for variant in &mut product.variants {
        (variant.available, variant.version, variant.sold_out) = (0, 0, false);
    }
    product
}
