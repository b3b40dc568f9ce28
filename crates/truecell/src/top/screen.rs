use super::{
    history::History,
    look::{Away, Look},
    picture::{Picture, Tunnel},
};
use clap::ValueEnum;
use gateway::SessionView;
use ids::{SessionId, UnixTime};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::{cmp::Ordering, time::Duration};

/// What the person has chosen, and what it makes of the last picture. No terminal, no clock, no socket.
pub(crate) struct Screen {
    pub(crate) sort: Sort,
    pub(crate) reversed: bool,
    pub(crate) filter: String,
    pub(crate) mode: Mode,
    pub(crate) link: Link,
    pub(crate) picture: Option<Picture>,
    pub(crate) traffic: Traffic,
    pub(crate) details: Details,
    /// Tunnels that the filter lets through, in the order chosen: indices into the picture's.
    rows: Vec<usize>,
    /// Follows its tunnel through the order; `None` stays at the top.
    selected: Option<SessionId>,
    /// First row shown.
    pub(crate) top: usize,
    /// Rows that there was room for.
    page: usize,
    before: Option<Look>,
}

/// The order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Fastest first, both directions together
    Rate,
    /// Most drops per second first
    Drops,
    /// Youngest first
    Age,
    /// By name
    Device,
}

/// What the keys mean now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Table,
    /// Typing the filter.
    Filter,
    /// Choosing the order.
    Sort,
    Details,
    Help,
}

/// Whether the node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Up,
    Away { since: UnixTime, why: String },
}

/// Bits per second over the last minutes.
pub(crate) struct Traffic {
    pub(crate) up: History,
    pub(crate) down: History,
}

/// What is known of the tunnel that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Details {
    NotYet,
    Known { session: Box<SessionView>, over: bool },
    Unknown,
}

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Stay,
    Quit,
}

impl Screen {
    pub(crate) fn new(sort: Sort, filter: String, interval: Duration) -> Self {
        let traffic = Traffic { up: History::new(interval), down: History::new(interval) };
        Self {
            sort,
            reversed: false,
            filter,
            mode: Mode::Table,
            link: Link::Up,
            picture: None,
            traffic,
            details: Details::NotYet,
            rows: Vec::new(),
            selected: None,
            top: 0,
            page: 1,
            before: None,
        }
    }

    /// Takes a look in.
    pub(crate) fn see(&mut self, look: Look) {
        let picture = Picture::new(self.before.as_ref(), look.clone());
        self.before = Some(look);
        let bits =
            |flow: fn(&super::picture::Rates) -> f64| picture.rates.as_ref().map(|rates| flow(rates) as u64);
        self.traffic.up.push(bits(|rates| rates.up.bits_s));
        self.traffic.down.push(bits(|rates| rates.down.bits_s));
        self.picture = Some(picture);
        self.link = Link::Up;
        self.arrange();
    }

    /// The node did not answer, at `now`. What was seen last stays.
    pub(crate) fn miss(&mut self, away: &Away, now: UnixTime) {
        self.traffic.up.push(None);
        self.traffic.down.push(None);
        let since = if let Link::Away { since, .. } = self.link { since } else { now };
        self.link = Link::Away { since, why: away.words() };
    }

    /// What the node says of tunnel `id`; `None` when it is over.
    pub(crate) fn learn(&mut self, id: SessionId, session: Option<SessionView>) {
        if self.looked_at() != Some(id) {
            return;
        }
        let known = std::mem::replace(&mut self.details, Details::Unknown);
        self.details = match (session, known) {
            (Some(session), _) => Details::Known { session: Box::new(session), over: false },
            (None, Details::Known { session, .. }) if session.id == id => {
                Details::Known { session, over: true }
            }
            (None, _) => Details::Unknown,
        };
    }

    /// The tunnel that the details are about, while they are shown.
    pub(crate) fn looked_at(&self) -> Option<SessionId> {
        if self.mode == Mode::Details { self.selected } else { None }
    }

    /// The tunnels that the filter lets through, in the order chosen.
    pub(crate) fn tunnels(&self) -> impl Iterator<Item = &Tunnel> {
        let tunnels = self.picture.as_ref().map(|picture| picture.tunnels.as_slice()).unwrap_or_default();
        self.rows.iter().filter_map(|index| tunnels.get(*index))
    }

    /// How many tunnels the filter lets through.
    pub(crate) fn matching(&self) -> usize {
        self.rows.len()
    }

    /// Row of the selected tunnel.
    pub(crate) fn cursor(&self) -> usize {
        let at = self.selected.and_then(|id| self.tunnels().position(|tunnel| tunnel.brief.id == id));
        at.unwrap_or(0)
    }

    /// The tunnel of that name, as last seen.
    pub(crate) fn tunnel(&self, id: SessionId) -> Option<&Tunnel> {
        self.picture.as_ref()?.tunnels.iter().find(|tunnel| tunnel.brief.id == id)
    }

    /// There is room for `page` rows: moves the first row so that the selected one is among them.
    pub(crate) fn fit(&mut self, page: usize) {
        self.page = page.max(1);
        let cursor = self.cursor();
        let last_top = self.rows.len().saturating_sub(self.page);
        self.top = self.top.clamp((cursor + 1).saturating_sub(self.page), cursor).min(last_top);
    }

    fn arrange(&mut self) {
        let Some(picture) = &self.picture else { return };
        let tunnels = &picture.tunnels;
        let wanted = self.filter.to_lowercase();
        let passes =
            |index: &usize| wanted.is_empty() || tunnels.get(*index).is_some_and(|one| has(one, &wanted));
        let mut rows: Vec<usize> = (0..tunnels.len()).filter(passes).collect();
        let (sort, reversed) = (self.sort, self.reversed);
        rows.sort_by(|left, right| {
            let (Some(left), Some(right)) = (tunnels.get(*left), tunnels.get(*right)) else {
                return Ordering::Equal;
            };
            let order = sort.order(left, right);
            if reversed { order.reverse() } else { order }
        });
        self.rows = rows;
    }

    /// Does what a key means.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Next {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Next::Quit } else { Next::Stay };
        }
        match self.mode {
            Mode::Table => return self.press_in_table(key.code),
            Mode::Details => return self.press_in_details(key.code),
            Mode::Filter => self.press_in_filter(key.code),
            Mode::Sort => self.press_in_sort(key.code),
            Mode::Help => self.mode = Mode::Table,
        }
        Next::Stay
    }

    fn press_in_table(&mut self, key: KeyCode) -> Next {
        match key {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('s') => self.mode = Mode::Sort,
            KeyCode::Char('r') => {
                self.reversed = !self.reversed;
                self.arrange();
            }
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Esc => self.narrow(String::new()),
            KeyCode::Enter => self.open(),
            key => {
                self.travel(key);
            }
        }
        Next::Stay
    }

    fn press_in_details(&mut self, key: KeyCode) -> Next {
        match key {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Esc | KeyCode::Enter => self.mode = Mode::Table,
            key if self.travel(key) => self.open(),
            _ => (),
        }
        Next::Stay
    }

    fn press_in_filter(&mut self, key: KeyCode) {
        let mut filter = self.filter.clone();
        match key {
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.mode = Mode::Table;
                self.narrow(String::new());
            }
            KeyCode::Backspace => {
                filter.pop();
                self.narrow(filter);
            }
            KeyCode::Char(letter) => {
                filter.push(letter);
                self.narrow(filter);
            }
            _ => (),
        }
    }

    fn press_in_sort(&mut self, key: KeyCode) {
        let chosen = Sort::ALL.into_iter().find(|sort| key == KeyCode::Char(sort.key()));
        if let Some(sort) = chosen {
            (self.sort, self.reversed) = (sort, false);
            self.arrange();
        }
        self.mode = Mode::Table;
    }

    fn narrow(&mut self, filter: String) {
        self.filter = filter;
        self.arrange();
    }

    /// Shows the details of the selected tunnel.
    fn open(&mut self) {
        let cursor = self.cursor();
        let Some(id) = self.tunnels().nth(cursor).map(|tunnel| tunnel.brief.id) else { return };
        if !matches!(&self.details, Details::Known { session, .. } if session.id == id) {
            self.details = Details::NotYet;
        }
        (self.selected, self.mode) = (Some(id), Mode::Details);
    }

    /// Moves the selection, if that is what the key means.
    fn travel(&mut self, key: KeyCode) -> bool {
        let (cursor, last) = (self.cursor(), self.rows.len().saturating_sub(1));
        let to = match key {
            KeyCode::Up | KeyCode::Char('k') => cursor.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => cursor + 1,
            KeyCode::PageUp => cursor.saturating_sub(self.page),
            KeyCode::PageDown => cursor + self.page,
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return false,
        };
        let to = to.min(last);
        let id = self.tunnels().nth(to).map(|tunnel| tunnel.brief.id);
        // At the top the selection stays there, whoever comes first next.
        self.selected = id.filter(|_| to > 0);
        true
    }
}

impl Sort {
    pub(crate) const ALL: [Self; 4] = [Self::Rate, Self::Drops, Self::Age, Self::Device];

    /// What chooses it.
    pub(crate) fn key(self) -> char {
        match self {
            Self::Rate => 'r',
            Self::Drops => 'd',
            Self::Age => 'a',
            Self::Device => 'n',
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Drops => "drops",
            Self::Age => "age",
            Self::Device => "device name",
        }
    }

    /// Equals stand in the order of admission.
    fn order(self, left: &Tunnel, right: &Tunnel) -> Ordering {
        let order = match self {
            Self::Rate => right.bits_s().total_cmp(&left.bits_s()).then(right.octets().cmp(&left.octets())),
            Self::Drops => {
                right.drops_s().total_cmp(&left.drops_s()).then(right.brief.drops.cmp(&left.brief.drops))
            }
            Self::Age => right.brief.since.cmp(&left.brief.since),
            Self::Device => left.brief.device.cmp(&right.brief.device),
        };
        order.then(left.brief.id.cmp(&right.brief.id))
    }
}

impl Tunnel {
    fn bits_s(&self) -> f64 {
        self.rates.map_or(0.0, |rates| rates.bits_s())
    }

    fn drops_s(&self) -> f64 {
        self.rates.map_or(0.0, |rates| rates.drops_s)
    }

    fn octets(&self) -> u64 {
        self.brief.uplink.octets.saturating_add(self.brief.downlink.octets)
    }
}

/// Whether some column of the table has the text; `wanted` is in small letters.
fn has(tunnel: &Tunnel, wanted: &str) -> bool {
    let brief = &tunnel.brief;
    brief.device.to_string().contains(wanted)
        || brief.state.word().contains(wanted)
        || brief.outer.to_string().contains(wanted)
        || brief.inner.iter().any(|inner| inner.to_string().contains(wanted))
}

#[cfg(test)]
mod tests;
