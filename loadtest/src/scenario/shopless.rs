//! What of a scenario is left at a server that has no shop.

use super::Scenario;
use crate::measure::Figure;

impl Scenario {
    /// The scenario without buyers, chat and changes of the stock, and without the figures that only they bring.
    #[must_use]
    pub fn without_shop(mut self) -> Scenario {
        self.shop = None;
        for phase in &mut self.phases {
            phase.buyers = 0;
            phase.chat_per_second = 0.0;
            phase.stock_changes_per_second = 0.0;
        }
        let search = self.search.iter_mut().map(|plan| &mut plan.limits);
        for bounds in search.chain([&mut self.thresholds]) {
            bounds
                .0
                .retain(|name, _| !Figure::named(name).is_some_and(Figure::is_of_shop));
        }
        self
    }
}
