//! The rows of the ledger's tables, the same in every database: whole numbers and text, nothing else.

use std::sync::Arc;

use super::{LedgerError, Part};
use crate::message::{Mode, OrderState, ShowState};

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
}

/// Which of the two a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
}

/// How rows of a table are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// Rows change. The last column, `rev`, counts the changes: a row is only written over the one it was made from, so
    /// that no path can forget that somebody else may have been faster.
    Changed,
    /// Rows are put in once under a key of their own and never change.
    Once,
    /// Rows are put in or over those of their key, whatever was there: the last one counts.
    Latest,
    /// Rows are only ever added; the database numbers them (`n`).
    Appended,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// The first so many columns are the key.
    pub(super) key: usize,
    pub(super) writing: Writing,
}

/// A row of a table.
pub(super) trait Row: Sized {
    const TABLE: Table;
    fn values(&self) -> Vec<Value>;
    fn read(values: Vec<Value>) -> Result<Self, LedgerError>;
}

/// A row that changes.
pub(super) trait Counted {
    /// Its number of changes.
    fn rev(&mut self) -> &mut i64;
}

/// What a column can be in Rust.
trait Cell: Sized {
    const KIND: Kind;
    fn put(&self) -> Value;
    fn take(value: Value) -> Option<Self>;
}

impl Cell for i64 {
    const KIND: Kind = Kind::Int;
    fn put(&self) -> Value {
        Value::Int(*self)
    }
    fn take(value: Value) -> Option<i64> {
        match value {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }
}

impl Cell for bool {
    const KIND: Kind = Kind::Int;
    fn put(&self) -> Value {
        Value::Int((*self).into())
    }
    fn take(value: Value) -> Option<bool> {
        i64::take(value).map(|number| number != 0)
    }
}

impl Cell for String {
    const KIND: Kind = Kind::Text;
    fn put(&self) -> Value {
        Value::Text(self.clone())
    }
    fn take(value: Value) -> Option<String> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<C: Cell> Cell for Option<C> {
    const KIND: Kind = C::KIND;
    fn put(&self) -> Value {
        self.as_ref().map_or(Value::Null, Cell::put)
    }
    fn take(value: Value) -> Option<Option<C>> {
        match value {
            Value::Null => Some(None),
            value => C::take(value).map(Some),
        }
    }
}

/// Cells that are written as text.
macro_rules! named {
    ($($type:ty: $name:expr, $from:expr;)*) => {$(
        impl Cell for $type {
            const KIND: Kind = Kind::Text;
            fn put(&self) -> Value {
                let name: fn(&$type) -> &str = $name;
                Value::Text(name(self).to_owned())
            }
            fn take(value: Value) -> Option<$type> {
                let from: fn(&str) -> Option<$type> = $from;
                from(&String::take(value)?)
            }
        }
    )*};
}

named! {
    Arc<str>: |text| text, |text| Some(text.into());
    ShowState: |state| state.name(), ShowState::from_name;
    OrderState: |state| state.name(), OrderState::from_name;
    Mode: |mode| mode.name(), Mode::from_name;
    FlashState: |state| state.name(), FlashState::from_name;
    Part: |part| part.name(), Part::from_name;
}

/// Where a flash sale is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlashState {
    Scheduled,
    Running,
    Ended,
}

impl FlashState {
    fn name(self) -> &'static str {
        match self {
            FlashState::Scheduled => "scheduled",
            FlashState::Running => "running",
            FlashState::Ended => "ended",
        }
    }

    fn from_name(name: &str) -> Option<FlashState> {
        [FlashState::Scheduled, FlashState::Running, FlashState::Ended]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// Declares a row with its table: the fields are the columns, in their order.
macro_rules! tables {
    ($($(#[$doc:meta])* $row:ident = $name:literal, key $key:literal, $writing:ident {
        $($field:ident: $type:ty,)*
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub(super) struct $row {
                $(pub(super) $field: $type,)*
            }

            impl Row for $row {
                const TABLE: Table = Table {
                    name: $name,
                    columns: &[$((stringify!($field), <$type as Cell>::KIND)),*],
                    key: $key,
                    writing: Writing::$writing,
                };

                fn values(&self) -> Vec<Value> {
                    vec![$(self.$field.put()),*]
                }

                fn read(values: Vec<Value>) -> Result<$row, LedgerError> {
                    let mut values = values.into_iter();
                    Ok($row {
                        $($field: {
                            let value = values.next().unwrap_or(Value::Null);
                            let wrong = format!("{}.{}: {value:?}", $name, stringify!($field));
                            Cell::take(value).ok_or(LedgerError::Content(wrong))?
                        },)*
                    })
                }
            }
        )*

        /// Every table, those that others refer to first.
        pub(super) const TABLES: &[Table] = &[$($row::TABLE),*];
    };
}

tables! {
    /// A show.
    ShowRow = "shows", key 1, Changed {
        id: Arc<str>,
        title: String,
        state: ShowState,
        starts_at: Option<i64>,
        price_version: i64,
        featured: Option<String>,
        pinned: String,
        rev: i64,
    }
    /// A product of a show.
    ProductRow = "products", key 2, Changed {
        show: Arc<str>,
        id: String,
        place: i64,
        title: String,
        description: Option<String>,
        images: String,
        removed: bool,
        version: i64,
        rev: i64,
    }
    /// A variant, with its stock and its standing offer.
    VariantRow = "variants", key 2, Changed {
        show: Arc<str>,
        id: String,
        product: String,
        place: i64,
        title: String,
        minor: i64,
        was_minor: Option<i64>,
        currency: String,
        exponent: i64,
        price_version: i64,
        per_customer: Option<i64>,
        on_hand: i64,
        available: i64,
        held: i64,
        sold: i64,
        version: i64,
        removed: bool,
        mode: Mode,
        hold_seconds: Option<i64>,
        allotment: Option<i64>,
        waiting: i64,
        waiters: i64,
        next_queue: i64,
        next_flash: i64,
        rev: i64,
    }
    /// A flash sale: another price for a time.
    FlashRow = "flash_sales", key 2, Changed {
        show: Arc<str>,
        id: String,
        variant: String,
        state: FlashState,
        minor: i64,
        starts_at: i64,
        ends_at: i64,
        quantity: Option<i64>,
        per_customer: Option<i64>,
        taken: i64,
        rev: i64,
    }
    /// A promo code.
    PromoRow = "promos", key 2, Changed {
        show: Arc<str>,
        code: String,
        basis_points: Option<i64>,
        minor: Option<i64>,
        currency: Option<String>,
        exponent: Option<i64>,
        uses: Option<i64>,
        per_customer: Option<i64>,
        starts_at: Option<i64>,
        ends_at: Option<i64>,
        used: i64,
        removed: bool,
        rev: i64,
    }
    /// What was answered to a buy, for ever.
    BuyRow = "buys", key 1, Once {
        id: String,
        show: Arc<str>,
        subject: String,
        body: String,
        outcome: String,
        receipt: String,
        at: i64,
    }
    /// An order.
    OrderRow = "orders", key 1, Changed {
        buy: String,
        show: Arc<str>,
        subject: String,
        name: String,
        state: OrderState,
        minor: i64,
        currency: String,
        exponent: i64,
        expires_at: i64,
        created_at: i64,
        promo: Option<String>,
        discount: i64,
        affiliate: Option<String>,
        provider: String,
        waits_for: Option<String>,
        queue: Option<i64>,
        turn_ms: i64,
        step: i64,
        rev: i64,
    }
    /// One variant of an order. `flash` is the flash sale whose price it has.
    LineRow = "order_lines", key 2, Changed {
        buy: String,
        variant: String,
        quantity: i64,
        minor: i64,
        flash: Option<String>,
        rev: i64,
    }
    /// What was done under an idempotency key.
    RequestRow = "requests", key 2, Once {
        show: Arc<str>,
        key: String,
        body: String,
        answer: String,
        at: i64,
    }
    /// A part of a show's talk. One with an empty body goes with the transaction that wrote it.
    TalkRow = "talk", key 3, Latest {
        show: Arc<str>,
        part: Part,
        about: String,
        at: i64,
        body: String,
    }
    /// A movement of stock.
    JournalRow = "journal", key 0, Appended {
        at: i64,
        show: Arc<str>,
        variant: String,
        cause: String,
        buy: Option<String>,
        available: i64,
        held: i64,
        sold: i64,
    }
    /// A price a variant had.
    PriceRow = "prices", key 0, Appended {
        at: i64,
        show: Arc<str>,
        variant: String,
        minor: i64,
    }
    /// What became of an order, for the world outside.
    OutboxRow = "outbox", key 0, Appended {
        at: i64,
        show: Arc<str>,
        buy: String,
        step: i64,
        state: OrderState,
        body: String,
    }
}

macro_rules! counted {
    ($($row:ident)*) => {$(
        impl Counted for $row {
            fn rev(&mut self) -> &mut i64 {
                &mut self.rev
            }
        }
    )*};
}

counted! { ShowRow ProductRow VariantRow FlashRow PromoRow OrderRow LineRow }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written_and_what_is_wrong_is_named() {
        let row = LineRow {
            buy: "b".to_owned(),
            variant: "v".to_owned(),
            quantity: 2,
            minor: 500,
            flash: None,
            rev: 1,
        };
        assert_eq!(LineRow::read(row.values()).unwrap(), row);
        let mut wrong = row.values();
        wrong[2] = Value::Text("two".to_owned());
        let error = LineRow::read(wrong).unwrap_err().to_string();
        assert!(error.contains("order_lines.quantity"), "{error}");
        assert_eq!(LineRow::TABLE.columns[4], ("flash", Kind::Text));
    }
}
