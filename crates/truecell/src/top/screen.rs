use super::{
    history::History,
    look::{Away, Look},
    picture::{Picture, Rates, Tunnel},
};
use gateway::SessionView;
use ids::{SessionId, UnixTime};
use std::{cmp::Ordering, time::Duration};

mod keys;
mod sort;

pub(crate) use sort::Sort;

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
        let bits = |flow: fn(&Rates) -> f64| picture.rates.as_ref().map(|rates| flow(rates) as u64);
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
            |index: &usize| wanted.is_empty() || tunnels.get(*index).is_some_and(|one| one.has(&wanted));
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
}

#[cfg(test)]
mod tests;
