//! The ledger, the same stories on both databases: nothing is sold twice, whoever asks twice hears the same, the books
//! are right whatever happens.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod backup;
mod bounds;
mod buying;
mod edges;
mod migration;
mod model;
mod offers;
mod orders;
mod outages;
#[path = "../server/mod.rs"]
mod server;
mod several;
mod stock;
mod till;
mod tls;
mod waitlist;

use till::Till;

/// Tells each story on SQLite, and all of them on one PostgreSQL.
macro_rules! stories {
    ($($module:ident: $($name:ident)*;)*) => {
        mod on_sqlite {
            $($(
                #[test]
                fn $name() {
                    crate::$module::$name(&mut crate::Till::sqlite());
                }
            )*)*
        }

        #[test]
        fn every_story_on_postgresql() {
            let server = server::Postgres::start();
            $($(
                let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    $module::$name(&mut Till::postgres(&server.database()));
                }));
                assert!(told.is_ok(), "{} on PostgreSQL", stringify!($name));
            )*)*
        }
    };
}

stories! {
    buying:
        thousands_want_a_hundred_and_a_hundred_are_sold
        an_id_belongs_to_one_buy_of_one_buyer
        limits_prices_and_the_state_of_the_show_are_judged
        lines_are_judged_together_or_not_at_all
        an_order_is_exchanged_for_another_in_one_step
        what_was_answered_survives_a_restart;
    orders:
        a_hold_runs_out_and_its_units_come_back
        orders_go_where_they_may
        a_late_payment_takes_what_is_free_or_is_to_be_refunded
        what_is_paid_first_is_taken_with_the_payment
        a_provider_that_must_confirm_keeps_the_units_until_it_has
        the_world_is_told_each_step_once_it_is_noted_no_more
        what_became_of_orders_is_forgotten_after_its_time;
    stock:
        stock_is_counted_in_with_compare_and_set
        a_change_under_a_key_is_made_once
        products_are_changed_by_who_knows_their_version
        only_former_prices_can_be_struck_through
        an_audit_finds_what_was_tampered_with
        a_command_that_fails_spoils_no_other;
    offers:
        an_allotment_is_all_there_is
        a_flash_sale_begins_and_ends_by_the_clock
        a_flash_sale_ends_with_its_units_and_goes_on_when_they_come_back
        promo_codes_take_off_what_they_say_to_whom_they_may;
    waitlist:
        the_first_to_wait_is_the_first_to_be_served
        nobody_overtakes_those_who_wait
        who_waits_pays_the_price_of_the_turn
        a_full_restock_serves_the_whole_list;
    backup:
        a_backup_is_one_moment_and_a_restore_is_told
        a_backup_of_version_2_is_read
        what_is_no_whole_backup_changes_nothing;
    bounds:
        a_show_has_as_many_products_and_variants_as_fit_one
        the_oldest_pins_make_room
        a_show_has_at_most_a_thousand_codes
        a_waitlist_has_its_length_and_stock_its_height
        a_total_that_is_no_number_is_refused
        a_list_has_the_newest_five_hundred_orders
        a_tick_ends_a_thousand_holds
        a_tick_looks_at_a_hundred_lists
        lists_that_stay_do_not_hide_others_from_the_tick
        five_thousand_events_are_forgotten_at_once;
    edges:
        what_is_paid_counts_for_a_customers_limit
        a_flash_sale_has_a_limit_of_its_own
        a_hold_lasts_to_its_last_millisecond
        a_late_payment_does_not_overtake_those_who_wait
        what_is_sold_and_what_is_exchanged_counts_for_an_allotment
        units_of_another_price_are_none_of_a_flash_sales
        with_a_flash_sale_ends_what_kept_others_waiting
        a_code_is_valid_from_its_first_to_its_last_millisecond_for_as_many_as_it_says
        a_code_that_is_put_again_has_been_used_as_often
        a_code_that_is_gone_at_the_turn_is_not_used
        a_refund_of_what_was_never_taken_leaves_the_stock_alone
        what_differs_is_bought_apart_and_kept_for_the_shorter_time
        a_product_that_is_put_again_is_what_it_says
        another_allotment_is_another_count
        a_key_is_known_for_a_day;
    model:
        a_few_hundred_random_commands_are_as_the_model_says;
}
