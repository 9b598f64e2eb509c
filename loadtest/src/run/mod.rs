//! Runs a scenario: publishers on the air, viewers through the phases, a search if there is one, and the result.

mod audit;
mod canaries;
mod hosts;
mod machine;
mod meter;
mod pace;
mod probing;
mod restock;
mod shelf;
mod tokens;
mod view;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::browser::Browsers;
use crate::crowd::{Buy, Command, Crowd, Group};
use crate::engine::Fleet;
use crate::measure::{GroupId, MAX_SECONDS, Recorder, Sample};
use crate::report::{End, GroupResult, Mark, Run, VERSION};
use crate::scenario::{Scenario, Source};
use crate::{Error, crowd};
pub use canaries::Canaries;
use hosts::Hosts;
use meter::Meter;
pub use pace::{Due, Pace, Places};
use restock::Restockers;
use tokens::Access;
pub use view::{Status, View};

/// Commands are given this often: at 200 joins a second, ten at a time.
const STEP: Duration = Duration::from_millis(50);
/// Measures, the server's cost and the view.
const SECOND: Duration = Duration::from_secs(1);
/// How late a crowd's measures may be (see [`Crowd::take`]), and some more for a busy machine.
const MEASURES_ARE_LATE: Duration = Duration::from_millis(1_500);
/// Names of those in results who are there to check the others.
const CANARIES: &str = "canaries";
const BROWSERS: &str = "browsers";

/// What a run needs beyond its scenario.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The target may be another machine than this one.
    pub i_own_this_server: bool,
    /// Threads of the crowd.
    pub threads: usize,
    /// The whole crowd is of the canaries' kind.
    pub canaries_only: bool,
}

/// Resolves when somebody wants the run to end early.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes the crowd of a run: its groups, and the run's start.
type MakeCrowd<'a> = Box<dyn FnOnce(Vec<Group>, Instant) -> Result<Box<dyn Crowd>, Error> + Send + 'a>;

/// Runs a scenario to its end, or until `stop` resolves; either way everybody leaves properly and the result has what
/// was measured.
///
/// # Errors
/// What kept it from beginning: a target that is not this machine, a server that lets nobody in, a file that is not
/// there. What happens later is part of the result.
pub async fn run(
    scenario: Scenario,
    options: &RunOptions,
    view: &mut dyn View,
    stop: Stop,
) -> Result<Run, Error> {
    let threads = options.threads;
    let canaries_only = options.canaries_only;
    let make: MakeCrowd<'_> = Box::new(move |groups, begin| new_crowd(groups, begin, threads, canaries_only));
    run_with(scenario, options.i_own_this_server, make, view, stop).await
}

async fn run_with(
    mut scenario: Scenario,
    i_own_this_server: bool,
    make: MakeCrowd<'_>,
    view: &mut dyn View,
    stop: Stop,
) -> Result<Run, Error> {
    let access = Access::gain(&scenario, i_own_this_server).await?;
    let mut remarks = Vec::new();
    if scenario.shop.is_some() && !access.has_shop().await? {
        remarks
            .push("the server has no shop: buyers, chat and changes of the stock were left out".to_owned());
        scenario = scenario.without_shop();
    }
    if let Some(shop) = &scenario.shop {
        shelf::stock(shop, &access).await?;
    }
    let mut hosts = Hosts::new(&scenario, &access)?;
    hosts.begin().await?;
    let begin = Instant::now();
    let restockers = Restockers::new(&scenario, &access)?;
    let crowd = make(groups(&scenario, &access, &restockers), begin)?;
    let witnesses = witnesses(&scenario, &access, begin, &mut remarks).await?;
    let meter = Meter::new(&scenario.server, &access)?;
    let director = Director {
        places: Places::new(shares(&scenario)),
        wants: Wants::of(&scenario),
        scenario,
        crowd,
        witnesses,
        hosts,
        restockers,
        meter,
        begin,
        recorder: Recorder::new(),
        server: Vec::new(),
        marks: Vec::new(),
        remarks,
        next_second: SECOND,
        view,
        stop,
        is_interrupted: false,
    };
    director.direct().await
}

fn new_crowd(
    groups: Vec<Group>,
    begin: Instant,
    threads: usize,
    canaries_only: bool,
) -> Result<Box<dyn Crowd>, Error> {
    if canaries_only {
        return Ok(Box::new(Canaries::start(groups, begin)?));
    }
    Ok(Box::new(Fleet::start(groups, threads, begin.into_std())?))
}

/// What the shop side of the scenario asks of viewers.
struct Wants {
    buy: Arc<Buy>,
}

impl Wants {
    fn of(scenario: &Scenario) -> Self {
        let shop = scenario.shop.clone().unwrap_or_default();
        Self {
            buy: Arc::new(Buy {
                variant: shop.variant,
                quantity: shop.quantity,
                price_version: shop.price_version,
                repeats: shop.repeats,
                hang_up: shop.hang_up,
            }),
        }
    }
}

/// Each group of the scenario in each room: the room varies fastest.
fn groups(scenario: &Scenario, access: &Access, restockers: &Restockers) -> Vec<Group> {
    let in_rooms = |group: &crate::scenario::Group| {
        let group = group.clone();
        access.rooms().iter().enumerate().map(move |(n, room)| Group {
            name: group.name.clone(),
            whep: room.whep.clone(),
            token: room.watch_token.clone(),
            inspect: group.inspect,
            network: group.network,
            shop: scenario.shop.as_ref().map(|shop| crowd::Shop {
                api: access.base.clone(),
                room: room.name.clone(),
                operator_token: Some(scenario.server.operator_token.clone())
                    .filter(|token| !token.is_empty()),
                by: shop.by,
                restocks: restockers.of_room(n),
            }),
        })
    };
    scenario.groups.iter().flat_map(in_rooms).collect()
}

fn shares(scenario: &Scenario) -> impl Iterator<Item = f64> {
    let rooms = scenario.server.rooms as usize;
    scenario
        .groups
        .iter()
        .flat_map(move |group| std::iter::repeat_n(group.share, rooms))
}

/// Viewers of other implementations, there to check the others against.
struct Witnesses {
    name: &'static str,
    crowd: Box<dyn Crowd>,
    recorder: Recorder,
}

/// Those the scenario asks for; all in the first room, on the line as it is. A machine without a browser has none in it.
async fn witnesses(
    scenario: &Scenario,
    access: &Access,
    begin: Instant,
    remarks: &mut Vec<String>,
) -> Result<Vec<Witnesses>, Error> {
    let room = access.room(0);
    let group = |name: &str| Group {
        name: name.to_owned(),
        whep: room.whep.clone(),
        token: room.watch_token.clone(),
        inspect: 1.0,
        network: crowd::Network::default(),
        shop: None,
    };
    let mut all: Vec<(&'static str, u32, Box<dyn Crowd>)> = Vec::new();
    if scenario.canaries > 0 {
        let canaries = Canaries::start(vec![group(CANARIES)], begin)?;
        all.push((CANARIES, scenario.canaries, Box::new(canaries)));
    }
    if scenario.browsers > 0 {
        match Browsers::start(group(BROWSERS), begin).await {
            Ok(browsers) => all.push((BROWSERS, scenario.browsers, Box::new(browsers))),
            Err(error) => remarks.push(format!("nobody watches in a browser: {error}")),
        }
    }
    let join = |(name, count, mut crowd): (_, _, Box<dyn Crowd>)| {
        crowd.command(Command::Join {
            group: GroupId(0),
            count,
        });
        Witnesses {
            name,
            crowd,
            recorder: Recorder::new(),
        }
    };
    Ok(all.into_iter().map(join).collect())
}

/// Leads a run.
struct Director<'a> {
    scenario: Scenario,
    places: Places,
    wants: Wants,
    crowd: Box<dyn Crowd>,
    witnesses: Vec<Witnesses>,
    hosts: Hosts,
    restockers: Restockers,
    meter: Meter,
    begin: Instant,
    recorder: Recorder,
    server: Vec<Sample>,
    marks: Vec<Mark>,
    remarks: Vec<String>,
    /// When the next look at the measures is due.
    next_second: Duration,
    view: &'a mut dyn View,
    stop: Stop,
    is_interrupted: bool,
}

impl Director<'_> {
    async fn direct(mut self) -> Result<Run, Error> {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.sample().await;
        self.phases().await;
        let search = match self.scenario.search.clone() {
            Some(plan) if !self.is_interrupted => Some(self.search(&plan).await),
            _ => None,
        };
        self.sample().await;
        let seconds = self.now().as_secs_f64();
        let missed = self.restockers.missed();
        if missed > 0 {
            self.remark(format!(
                "{missed} changes of the stock were not made: shop.variant must be in the show, and shop.stock puts it there"
            ));
        }
        self.view.leaving();
        self.recorder.merge(self.crowd.stop().await);
        let mut seen = Vec::new();
        for mut witnesses in self.witnesses {
            witnesses.recorder.merge(witnesses.crowd.stop().await);
            seen.push((witnesses.name, witnesses.recorder));
        }
        let publishers = self.hosts.end().await;
        let audit = audit::run(&self.scenario.audit).await;
        let mut run = Run {
            version: VERSION,
            tool: concat!("vitrine-loadtest ", env!("CARGO_PKG_VERSION")).to_owned(),
            started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
            seconds,
            end: if self.is_interrupted {
                End::Interrupted
            } else {
                End::Finished
            },
            machines: vec![machine::this()],
            groups: Vec::new(),
            publishers,
            server: self.server,
            marks: self.marks,
            search,
            audit,
            remarks: self.remarks,
            scenario: self.scenario.without_secrets(),
        };
        run.groups = by_name(&run.scenario, self.recorder, seen);
        let limit = run.client_limit();
        run.remarks.extend(limit);
        if run.scenario.browsers > 0 && run.scenario.publisher.source == Source::Synthetic {
            run.remarks.push(
                "a synthetic picture is none that a browser shows: `publisher.source = \"demo\"` is".into(),
            );
        }
        if run.scenario.publisher.source == Source::Demo || run.scenario.publisher.source == Source::Files {
            run.remarks
                .push("latency is measured with a synthetic publisher only".into());
        }
        Ok(run)
    }

    async fn phases(&mut self) {
        let mut pace = Pace::new(self.scenario.phases.clone(), self.now());
        while let Some((phase, passed)) = pace.phase(self.now())
            && !self.is_interrupted
        {
            let now = self.now();
            for due in pace.take(now, &mut self.places) {
                self.obey(due, now).await;
            }
            let name = self
                .scenario
                .phases
                .get(phase)
                .map_or("", |phase| &phase.name)
                .to_owned();
            self.step(&name, Some(passed)).await;
        }
        self.close_mark();
    }

    /// One step of time: waits, and looks at the measures when a second is over.
    async fn step(&mut self, doing: &str, passed: Option<f64>) {
        let wake = self.begin + self.now() + STEP;
        tokio::select! {
            () = tokio::time::sleep_until(wake) => {}
            () = &mut self.stop => self.is_interrupted = true,
        }
        if self.now() < self.next_second {
            return;
        }
        if self.now().as_secs() >= MAX_SECONDS as u64 {
            self.remark("it took as long as a run may take".into());
            self.is_interrupted = true;
        }
        // A standstill is one look, not many.
        self.next_second = Duration::from_secs(self.now().as_secs()) + SECOND;
        self.sample().await;
        self.collect();
        if let Some(error) = self.hosts.tick(self.now()).await {
            self.remark(format!("a publisher ended: {error}"));
        }
        let status = Status {
            at: self.now(),
            of: self.length(),
            doing: doing.to_owned(),
            passed,
            wanted: self.places.viewers(),
            ..Status::of(self.recorder.groups(), &self.server, self.now())
        };
        self.view.show(&status);
    }

    async fn sample(&mut self) {
        let at = self.now();
        self.server.extend(self.meter.read(at).await);
    }

    fn collect(&mut self) {
        self.recorder.merge(self.crowd.take());
        for witnesses in &mut self.witnesses {
            witnesses.recorder.merge(witnesses.crowd.take());
        }
    }

    async fn obey(&mut self, due: Due, now: Duration) {
        let command = match due {
            Due::Phase(n) => {
                let name = self.scenario.phases.get(n).map(|phase| phase.name.clone());
                return self.mark(name.unwrap_or_default(), now);
            }
            Due::Hosts(act) => return self.hosts.act(act).await,
            Due::Restock(times) => return self.restockers.change(times),
            Due::Join(group, count) => Command::Join { group, count },
            Due::Leave(group, count) => Command::Leave { group, count },
            Due::Vanish(group, count) => Command::Vanish { group, count },
            Due::Chat(group, count) => Command::Chat { group, count },
            Due::Buy(group, count) => Command::Buy {
                group,
                count,
                buy: self.wants.buy.clone(),
            },
        };
        self.crowd.command(command);
    }

    fn mark(&mut self, name: String, now: Duration) {
        self.close_mark();
        let at = now.as_secs_f64();
        self.marks.push(Mark {
            name,
            from_s: at,
            to_s: at,
        });
    }

    /// The newest mark ends now.
    fn close_mark(&mut self) {
        let now = self.now().as_secs_f64();
        if let Some(last) = self.marks.last_mut() {
            last.to_s = now;
        }
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < MAX_REMARKS && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// How long the phases take; none where a search decides.
    fn length(&self) -> Option<Duration> {
        let has_search = self.scenario.search.is_some();
        (!has_search).then(|| Duration::from_secs_f64(self.scenario.phase_seconds()))
    }
}

/// Enough to see that something is wrong again and again.
const MAX_REMARKS: usize = 20;

/// Rooms of a group are one in the result.
fn by_name(
    scenario: &Scenario,
    crowd: Recorder,
    witnesses: Vec<(&'static str, Recorder)>,
) -> Vec<GroupResult> {
    let rooms = scenario.server.rooms as usize;
    let mut results: Vec<_> = scenario
        .groups
        .iter()
        .map(|group| GroupResult {
            name: group.name.clone(),
            ..GroupResult::default()
        })
        .collect();
    for (n, measures) in crowd.into_groups().into_iter().enumerate() {
        if let Some(result) = results.get_mut(n / rooms) {
            result.measures.merge(measures);
        }
    }
    for (name, recorder) in witnesses {
        results.extend(recorder.into_groups().into_iter().map(|measures| GroupResult {
            name: name.to_owned(),
            is_canary: true,
            measures,
        }));
    }
    results
}

#[cfg(test)]
mod tests;
