use super::{
    admit::Admit,
    check::BadScenario,
    draws::Draws,
    event::{DAY, Event, HOUR, What},
    feeds::{Feed, OnTheWay, Underway, feed_of},
    file::Scenario,
    names::CellNo,
    truth::Truth,
    word::FeedKind,
    world::World,
    written::{Known, Writer},
};
use aws_lc_rs::digest::{Context, SHA256};
use detect::{Bounds, Input, Setup};
use ids::{Sha256, UnixTime};
use serde::Serialize;

/// A scenario as it is played: an iterator of what arrives, in the order of arrival.
///
/// The world is drawn a day ahead, and memory is bounded by that day. The same scenario and seed give the same on every machine.
pub struct Player {
    scenario: Scenario,
    world: World,
    feeds: Vec<Feed>,
    writer: Writer,
    /// Room for the events of an hour.
    events: Vec<Event>,
    /// Arrives until the end of the hour that was sent last, the next one at the end.
    ready: Vec<Underway>,
    /// Arrives later.
    later: Vec<Underway>,
    /// The hour that is sent next.
    hour: u64,
    counts: Counts,
    digest: Context,
    /// Octets that wait to be digested.
    octets: Vec<u8>,
}

/// Something arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub arrives: UnixTime,
    /// What.
    pub input: Input,
}

/// What was played so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows that arrived, of all kinds.
    pub rows: u64,
    /// Access records of femtocells, and of any cell that is no macro cell.
    pub femtocell: u64,
    /// Access records of macro cells.
    pub macro_cell: u64,
    /// Registrations with IMS.
    pub ims: u64,
    /// Codes.
    pub codes: u64,
    /// Payments.
    pub payments: u64,
    /// Changes of units and tunnels.
    pub ledger: u64,
    /// What became of rows on their way.
    pub on_the_way: OnTheWay,
}

impl Player {
    /// A scenario before anything has happened; boxes get every tunnel that they ask for.
    ///
    /// # Errors
    /// [`BadScenario`] if its parts do not go together.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Self, BadScenario> {
        scenario.check()?;
        let writer = Writer::new(seed, scenario.begins());
        let writer = writer.unwrap_or_else(|| unreachable!("its words are constants"));
        let mut digest = Context::new(&SHA256);
        digest.update(&seed.to_le_bytes());
        Ok(Self {
            world: World::new(scenario, seed),
            feeds: Feed::all(scenario),
            writer,
            events: Vec::new(),
            ready: Vec::new(),
            later: Vec::new(),
            hour: 0,
            counts: Counts::default(),
            digest,
            octets: Vec::new(),
            scenario: scenario.clone(),
        })
    }

    /// The same, and `admit` says which tunnels boxes get.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn judged(scenario: &Scenario, seed: u64, admit: Admit) -> Result<Self, BadScenario> {
        let mut player = Self::new(scenario, seed)?;
        player.world.admit = Some(admit);
        Ok(player)
    }

    /// What an engine is set up for that judges it.
    pub fn setup(&self) -> Setup {
        let units = self.world.estate.units.len();
        let given = &self.scenario.estate;
        let people = 16 * units + (self.world.country.masts() * given.strangers_per_mast()) as usize;
        let cells = units + self.world.country.masts() as usize + 65_536;
        let bounds = Bounds { handsets: people.clamp(4096, 12_000_000), cells, ..Bounds::default() };
        Setup { start: self.scenario.begins(), feeds: Feed::terms(&self.scenario), bounds }
    }

    /// When the scenario is over.
    pub fn ends(&self) -> UnixTime {
        self.writer.time(u64::from(self.scenario.span_d()) * DAY)
    }

    /// What is really so, as far as it is drawn: up to an hour further than what has arrived.
    pub fn truth(&self) -> &Truth {
        &self.world.truth
    }

    /// What was played so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// SHA-256 over seed and all that has arrived: time, feed, number, and what it says, as numbers of the world.
    pub fn digest(&self) -> Sha256 {
        let mut digest = self.digest.clone();
        digest.update(&self.octets);
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Sha256(hash)
    }

    /// Sends the events of the next hour; `false` once all is over.
    fn send_hour(&mut self) -> bool {
        let last = u64::from(self.scenario.span_d()) * 24;
        if self.hour >= last {
            self.ready = std::mem::take(&mut self.later);
            self.ready.sort_unstable_by(|a, b| b.cmp(a));
            return !self.ready.is_empty();
        }
        if self.hour.is_multiple_of(24) {
            self.draw_day((self.hour / 24) as u32);
        }
        let mut events = std::mem::take(&mut self.events);
        self.world.hours.next(&mut events);
        let mut draws: Vec<_> =
            self.feeds.iter().map(|feed| feed.draws(self.world.seed, self.hour)).collect();
        events.iter().for_each(|event| self.send(event, &mut draws));
        self.events = events;
        self.hour += 1;
        let end = self.hour * HOUR;
        self.ready.extend(self.later.extract_if(.., |underway| underway.arrives < end));
        self.ready.sort_unstable_by(|a, b| b.cmp(a));
        true
    }

    fn draw_day(&mut self, day: u32) {
        self.world.prepare(&self.scenario, day);
        self.world.live(day);
        self.world.act(&self.scenario, day);
        self.feeds.iter().for_each(|feed| feed.beat(day, &mut self.world.hours));
    }

    fn send(&mut self, event: &Event, draws: &mut [Draws]) {
        if event.of != 0 {
            let at = self.writer.time(self.hour * HOUR + u64::from(event.at));
            let network = self.world.estate.network;
            self.world.truth.see(event, at, network, self.world.seed);
        }
        let kind = feed_of(event) as usize;
        if let (Some(feed), Some(draws)) = (self.feeds.get_mut(kind), draws.get_mut(kind)) {
            feed.send(event, self.hour, draws, &mut self.counts.on_the_way, &mut self.later);
        }
    }

    fn count(&mut self, underway: &Underway) {
        let counts = &mut self.counts;
        counts.rows += 1;
        let is_macro = underway.event.cell.is_macro();
        match underway.feed {
            FeedKind::Core if underway.event.cell == CellNo::NONE => {}
            FeedKind::Core if is_macro => counts.macro_cell += 1,
            FeedKind::Core => counts.femtocell += 1,
            FeedKind::Ims => counts.ims += u64::from(underway.event.what == What::Register),
            FeedKind::Codes => counts.codes += u64::from(underway.event.what != What::Heartbeat),
            FeedKind::Payments => counts.payments += u64::from(underway.event.what != What::Heartbeat),
            FeedKind::Ledger => counts.ledger += u64::from(underway.event.what != What::Heartbeat),
            FeedKind::Plan => {}
        }
    }

    fn remember(&mut self, Underway { arrives, feed, seq, hour, event }: &Underway) {
        // Rows of the ledger have their units and places; what is kept beside is told apart by its number.
        let Event { at, what, guard, of, who, cell, other, by } = *event;
        self.octets.extend_from_slice(&arrives.to_le_bytes());
        self.octets.extend_from_slice(&seq.to_le_bytes());
        self.octets.extend_from_slice(&(hour * HOUR + u64::from(at)).to_le_bytes());
        [who, cell.0, other, by]
            .iter()
            .for_each(|number| self.octets.extend_from_slice(&number.to_le_bytes()));
        self.octets.extend_from_slice(&[*feed as u8, what as u8, guard.0, u8::from(of != 0)]);
        if self.octets.len() > 1 << 16 {
            self.digest.update(&self.octets);
            self.octets.clear();
        }
    }
}

impl Iterator for Player {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let Some(underway) = self.ready.pop() else {
                if self.send_hour() {
                    continue;
                }
                return None;
            };
            self.count(&underway);
            self.remember(&underway);
            let feed = &self.feeds.get(underway.feed as usize)?.name;
            let known =
                Known { country: &self.world.country, estate: &self.world.estate, rare: &self.world.rare };
            let arrives = self.writer.time(underway.arrives);
            if let Some(input) = self.writer.input(&underway, feed, &known) {
                return Some(Arrival { arrives, input });
            }
        }
    }
}
