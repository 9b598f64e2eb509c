//! A scenario of the shop's at a server that has none: what is left of it runs, and the rest is said to be missing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod other;

use loadtest::measure::Counter;
use loadtest::run::{RunOptions, run};
use loadtest::scenario::{Scenario, shipped};
use loadtest::terminal::Terminal;
use other::whep::{Faults, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_watch_where_nothing_is_sold() {
    let stage = Stage::start(Faults::default()).await;
    for name in ["flash-sale", "chat-flood", "stock"] {
        let server = stage.whep.join("/").unwrap();
        let mut sets = vec![
            format!("server.url={server}"),
            "server.whep=/whep".to_owned(),
            "server.watch_token=secret".to_owned(),
            "publisher.source=none".to_owned(),
            "phases.join.viewers=2".to_owned(),
        ];
        let text = shipped(name).unwrap();
        let phases = Scenario::parse(text, &[]).unwrap().phases;
        sets.extend(
            phases
                .iter()
                .map(|phase| format!("phases.{}.seconds=2", phase.name)),
        );
        let scenario = Scenario::parse(text, &sets).unwrap();
        let options = RunOptions {
            i_own_this_server: false,
            threads: 1,
            canaries_only: false,
        };
        let never = Box::pin(std::future::pending());
        let run = run(scenario, &options, &mut Terminal::new(), never)
            .await
            .unwrap();
        let said = run.remarks.iter().any(|remark| remark.contains("has no shop"));
        assert!(said, "{name}: {:?}", run.remarks);
        let window = run.window();
        let count = |what| window.counter(what);
        assert_eq!(count(Counter::Watching), 2, "{name}");
        let shop = [Counter::BuysSent, Counter::ChatSent, Counter::ShopMessages].map(count);
        assert_eq!(shop, [0, 0, 0], "{name}");
        assert!(run.scenario.shop.is_none(), "{name}");
        let judged: Vec<_> = run.verdicts().into_iter().map(|verdict| verdict.figure).collect();
        assert!(judged.contains(&"loss_percent".to_owned()), "{name}: {judged:?}");
        assert!(
            run.verdicts().iter().all(|verdict| verdict.value.is_some()),
            "{name}: {judged:?}"
        );
    }
}
