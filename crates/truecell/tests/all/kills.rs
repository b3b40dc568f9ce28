//! `kill -9` of a node at instants that nobody chose: while it starts, while its ledger is made anew, while units come
//! and go, copies of units try the same, and people give orders; and of a command that works without a daemon.
//!
//! `TRUECELL_CRASH_SEED` draws an earlier run again, `TRUECELL_CRASH_KILLS` says how many kills there are: 12 unless
//! given, 1,000 for the long form.

mod draw;
mod operator;
mod truth;

use crate::{
    crash::{Estate, device, seed},
    wreck::Wreck,
};
use draw::Draw;
use ids::{DeviceId, Epoch};
use lab::{KnownGateway, Load, Tried, UnitIdentity};
use operator::Operator;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};
pub(crate) use truth::Truth;

const KILLS: u64 = 12;
/// A node is killed so often; then there is another one, whose journal is short again.
const EACH: u64 = 40;
const UNITS: u64 = 36;
/// Units whose keys somebody else has as well.
const COPIED: usize = 6;
const IN_FLIGHT: usize = 12;
/// Kills of a node that serves come within so long after it is ready.
const SERVES: Duration = Duration::from_millis(900);
/// Commands are killed within so long after their begin: some are done by then.
const COMMAND: Duration = Duration::from_millis(120);

#[test]
fn kill_9_at_any_instant_loses_nothing_that_was_answered_and_lets_nobody_in_who_may_not() {
    let kills = std::env::var("TRUECELL_CRASH_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let (seed, mut done) = (seed(), BTreeMap::new());
    for first in (0..kills).step_by(EACH.try_into().unwrap()) {
        let mut node = Node::new(seed, first);
        for kill in first..kills.min(first + EACH) {
            let when = When::draw(&mut Draw::of((seed, kill, "when")), kill, node.start);
            println!("kill {kill}: {when:?}");
            node.kill(when, &mut Draw::of((seed, kill, "work")));
            *done.entry(when.name()).or_insert(0) += 1;
        }
        let (orders, tunnels) = node.end();
        *done.entry("orders answered").or_insert(0) += orders;
        *done.entry("tunnels stood").or_insert(0) += tunnels;
    }
    println!("{done:?}");
}

/// What is killed, and how long after its begin.
#[derive(Clone, Copy, Debug)]
enum When {
    /// The node, from its first instruction until shortly after it is ready.
    Starting(Duration),
    /// The same, with a ledger that is missing: all its migrations run, and it is made anew from the journal.
    Rebuilding(Duration),
    /// The node, while it serves.
    Serving(Duration),
    /// A command that works by itself, while no node serves.
    Command,
}

impl When {
    /// The first kills are one of each.
    fn draw(draw: &mut Draw, kill: u64, start: Duration) -> Self {
        let kind = if kill < 4 { [8, 0, 3, 4][kill as usize] } else { draw.below(10) };
        match kind {
            0..3 => Self::Starting(draw.within(start * 5 / 4)),
            3 => Self::Rebuilding(draw.within(start * 2)),
            4 => Self::Command,
            _ => Self::Serving(draw.within(SERVES)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Starting(_) => "starting",
            Self::Rebuilding(_) => "rebuilding",
            Self::Serving(_) => "serving",
            Self::Command => "command",
        }
    }
}

/// A node, those who work with it, and what it has told them.
struct Node {
    estate: Estate,
    operators: Vec<Operator>,
    truth: Truth,
    /// Tunnels that stood, by start.
    stood: Vec<(Epoch, DeviceId)>,
    /// What the next start finishes; `None` where its ledger is made anew.
    unfinished: Option<Vec<String>>,
    /// How long a start takes here.
    start: Duration,
}

impl Node {
    fn new(seed: u64, first: u64) -> Self {
        let mut estate = Estate::of(UNITS);
        let ids: Vec<_> = estate.units[COPIED..].iter().map(|unit| device(&unit.name).to_string()).collect();
        let halves = ids.split_at(ids.len() / 2);
        let operators = vec![Operator::new('a', halves.0.to_vec()), Operator::new('b', halves.1.to_vec())];
        let began = Instant::now();
        assert_eq!(estate.start(), [""; 0]);
        let start = began.elapsed();
        estate.bench.kill();
        println!("seed {seed}, node of kill {first}: a start takes {start:?}");
        let mut node = Self {
            estate,
            operators,
            truth: Truth::new(),
            stood: Vec::new(),
            unfinished: Some(Vec::new()),
            start,
        };
        node.look();
        node
    }

    fn kill(&mut self, when: When, draw: &mut Draw) {
        match when {
            When::Starting(after) => self.kill_start(after),
            When::Rebuilding(after) => {
                self.lose_ledger();
                self.unfinished = None;
                self.kill_start(after);
            }
            When::Serving(after) => self.kill_service(after, draw),
            When::Command => {
                let bench = &self.estate.bench;
                self.operators.iter_mut().for_each(|operator| operator.begin_alone(bench, draw, COMMAND));
            }
        }
        self.look();
    }

    fn kill_start(&mut self, after: Duration) {
        let (bench, log) = (&self.estate.bench, self.estate.bench.path("serve.log"));
        let mut serve = bench.command(&["serve"]);
        let mut serve = serve.stderr(File::create(&log).unwrap()).spawn().unwrap();
        thread::sleep(after);
        let ended = serve.try_wait().unwrap();
        assert_eq!(ended, None, "serve ended by itself: {}", fs::read_to_string(log).unwrap());
        serve.kill().unwrap();
        serve.wait().unwrap();
    }

    fn lose_ledger(&self) {
        for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
            let _ = fs::remove_file(self.estate.bench.path("state").join(file));
        }
    }

    fn kill_service(&mut self, after: Duration, draw: &mut Draw) {
        self.serve();
        let is_over = AtomicBool::new(false);
        // A command that finds the node killed may open the ledger once more.
        self.truth.read_on(&self.estate.bench);
        let epoch = self.truth.epoch();
        let units = draw.some(&self.estate.units[COPIED..], IN_FLIGHT * 2);
        let copied = self.estate.units[..COPIED].to_vec();
        let leaving = draw.below(3);
        let gateway = self.estate.gateway.clone();
        let draws = [draw.below(usize::MAX), draw.below(usize::MAX)];
        let (bench, operators) = (&mut self.estate.bench, &mut self.operators);
        let pid = rustix::process::Pid::from_raw(bench.daemon().0.cast_signed()).unwrap();
        let stood = thread::scope(|scope| {
            let (is_over, seen) = (&is_over, &*bench);
            for (operator, draw) in operators.iter_mut().zip(draws) {
                scope.spawn(move || operator.work(seen, &mut Draw::of(draw), is_over));
            }
            for copies in [copied.clone(), copied.clone()] {
                let gateway = gateway.clone();
                scope.spawn(move || come_and_go(&gateway, &copies, is_over, 0));
            }
            let load = scope.spawn(|| come_and_go(&gateway, &units, is_over, leaving));
            thread::sleep(after);
            is_over.store(true, SeqCst);
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            load.join().unwrap()
        });
        bench.kill();
        self.stood.extend(stood.iter().map(|tried| (epoch, device(&tried.name))));
    }

    /// Starts the node, which finishes what it must, and has all of it checked.
    fn serve(&mut self) {
        let finished = self.estate.start();
        if let Some(unfinished) = &self.unfinished {
            assert_eq!(&finished, unfinished);
        }
        let bench = &self.estate.bench;
        assert_eq!(bench.json(&["event", "verify"])["ok"], true);
        assert_eq!(bench.json(&["ledger", "verify"])["ok"], true);
        self.unfinished = Some(Vec::new());
    }

    /// Nobody has the files open: all that was told is in them.
    fn look(&mut self) {
        let bench = &self.estate.bench;
        self.truth.read_on(bench);
        self.operators.iter_mut().for_each(|operator| operator.compare(&self.truth));
        self.truth.assert_certificates_fit(bench);
        let lost: Vec<_> =
            self.stood.iter().filter(|(epoch, unit)| !self.truth.has_admitted(*epoch, *unit)).collect();
        assert!(lost.is_empty(), "tunnels that stood and are not in the journal: {lost:?}");
        if bench.path("state/ledger.sqlite").exists() && self.unfinished.is_some() {
            let wreck = Wreck::read(bench);
            self.truth.assert_leases_fit(&wreck);
            self.unfinished = Some(wreck.unfinished());
        }
    }

    /// Once more, and to the end: who may attach does, who may not does not, and a copy of the node is whole. How many
    /// orders were answered, and tunnels stood.
    fn end(mut self) -> (usize, usize) {
        self.serve();
        let is_over = AtomicBool::new(false);
        let tried = tries(&self.estate.gateway, &self.estate.units[COPIED..], &is_over, 0);
        let may = |tried: &Tried| self.truth.may_attach(&device(&tried.name).to_string());
        let differ: Vec<_> = tried.iter().filter(|tried| tried.stands != may(tried)).collect();
        assert!(tried.len() == self.estate.units.len() - COPIED && differ.is_empty(), "{differ:?}");
        let bench = &mut self.estate.bench;
        assert_eq!(bench.stop(), 0);
        // What any of the starts had witnessed is there, too.
        assert_eq!(bench.json(&["event", "verify", "--witness", "drop"])["ok"], true);
        if let Some(copy) = self.operators.iter().flat_map(|operator| &operator.copies).last() {
            bench.good(&["--data", "restored", "restore", copy, "--why", "a test"]);
            assert_eq!(bench.json(&["--data", "restored", "ledger", "verify"])["ok"], true);
        }
        let orders = self.operators.iter().map(Operator::answered).sum();
        (orders, self.stood.len() + tried.iter().filter(|tried| tried.stands).count())
    }
}

/// Units that attach until it is over; those whose tunnel stood.
fn come_and_go(
    gateway: &KnownGateway,
    units: &[UnitIdentity],
    is_over: &AtomicBool,
    leaving: usize,
) -> Vec<Tried> {
    let tried = tries(gateway, units, is_over, leaving);
    tried.into_iter().filter(|tried| tried.stands).collect()
}

/// The same with those that were refused. One in so many leaves at once.
fn tries(gateway: &KnownGateway, units: &[UnitIdentity], is_over: &AtomicBool, leaving: usize) -> Vec<Tried> {
    let mut all = Vec::new();
    let mut load = Load::new(gateway.clone(), IN_FLIGHT).unwrap();
    let leaves = |tried: Tried| {
        let leaves = tried.stands && leaving > 0 && all.len() % leaving == 0;
        all.push(tried);
        leaves
    };
    load.come_and_go(units, || !is_over.load(SeqCst), leaves).unwrap();
    all
}
