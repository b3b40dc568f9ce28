use super::{Theme, cut_top};
use crate::{
    table::printable,
    top::{
        history::History,
        picture::{Flow, Picture, Rates},
        screen::{Link, Screen},
        units::{age, count, short},
    },
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Paragraph, Sparkline, Widget},
};
use std::{collections::BTreeMap, time::Duration};

/// Lines of the header below the title, without alarms.
pub(super) const HEIGHT: u16 = 5;
/// Where the values begin.
const LABEL: usize = 11;
/// Where the sparklines begin.
const SPARKLINE: u16 = 46;

/// Who it is, and whether units get in.
pub(super) fn title(screen: &Screen, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(picture) = &screen.picture else { return };
    let up = age(Duration::from_secs(picture.uptime_s));
    let who = format!("{}   truecell {}   up {up}", picture.node, picture.version);
    Line::styled(who, theme.head()).render(area, buffer);
    let (state, style) = match (&screen.link, picture.ready) {
        (Link::Away { .. }, _) => ("NO ANSWER", theme.bad()),
        (Link::Up, false) => ("ADMITS NOBODY", theme.bad()),
        (Link::Up, true) => ("ready", theme.good()),
    };
    Line::styled(state, style).right_aligned().render(area, buffer);
}

/// Draws the totals and the alarms, and says what is left.
pub(super) fn draw(screen: &Screen, theme: Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    let Some(picture) = &screen.picture else { return area };
    let (totals, rest) = cut_top(area, HEIGHT);
    Paragraph::new(self::totals(picture, theme)).render(totals, buffer);
    for (row, history) in [(1, &screen.traffic.up), (2, &screen.traffic.down)] {
        sparkline(history, theme, totals, row, buffer);
    }
    let alarms = alarm_lines(screen, picture, theme);
    let (place, rest) = cut_top(rest, u16::try_from(alarms.len()).unwrap_or(u16::MAX));
    Paragraph::new(alarms).render(place, buffer);
    rest
}

/// How many lines the alarms take.
pub(super) fn alarms(screen: &Screen) -> u16 {
    let lines =
        screen.picture.as_ref().map(|picture| alarm_lines(screen, picture, Theme { coloured: false }));
    u16::try_from(lines.unwrap_or_default().len()).unwrap_or(u16::MAX)
}

fn totals(picture: &Picture, theme: Theme) -> Vec<Line<'static>> {
    let rates = picture.rates.as_ref();
    let rate = |of: fn(&Rates) -> f64| rates.map_or("-".to_owned(), |rates| short(of(rates)));
    let now = format!(
        "{}   half-open {}   contests {}   quarantined {}   admitted {}/s",
        count(picture.sessions),
        count(picture.half_open),
        count(picture.contests),
        count(picture.quarantined),
        rate(|rates| rates.admissions_s),
    );
    vec![
        labelled("tunnels", now, theme),
        labelled("up", flow(rates.map(|rates| rates.up)), theme),
        labelled("down", flow(rates.map(|rates| rates.down)), theme),
        labelled("refused/s", rates.map_or("-".to_owned(), refusals), theme),
        labelled("dropped/s", rates.map_or("-".to_owned(), drops), theme),
    ]
}

fn labelled(label: &str, text: String, theme: Theme) -> Line<'static> {
    Line::from(vec![Span::styled(format!("{label:LABEL$}"), theme.label()), Span::raw(text)])
}

fn flow(flow: Option<Flow>) -> String {
    let (bits, packets) =
        flow.map_or(("-".to_owned(), "-".to_owned()), |flow| (short(flow.bits_s), short(flow.packets_s)));
    format!("{bits:>5} bit/s   {packets:>5} packets/s")
}

fn refusals(rates: &Rates) -> String {
    format!("{}{}", short(rates.refusals_s.values().sum()), by_rate(&rates.refusals_s))
}

fn drops(rates: &Rates) -> String {
    let total: f64 = rates.drops_s.values().flat_map(BTreeMap::values).sum();
    let side = |(direction, word): (&str, &str)| {
        let causes = rates.drops_s.get(direction)?;
        Some(format!("   {word}:{}", by_rate(causes).replacen("  ", "", 1)))
    };
    let sides: String = [("uplink", "up"), ("downlink", "down")].into_iter().filter_map(side).collect();
    format!("{}{sides}", short(total))
}

/// Each word with its rate, the fastest first.
fn by_rate(rates: &BTreeMap<String, f64>) -> String {
    let mut rates: Vec<_> = rates.iter().collect();
    rates.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    rates.into_iter().map(|(word, rate)| format!("   {} {}", printable(word), short(*rate))).collect()
}

fn sparkline(history: &History, theme: Theme, totals: Rect, row: u16, buffer: &mut Buffer) {
    let place = Rect {
        x: totals.x.saturating_add(SPARKLINE),
        y: totals.y.saturating_add(row),
        width: totals.width.saturating_sub(SPARKLINE),
        height: 1,
    };
    let place = place.intersection(totals);
    let columns = history.columns(place.width.into());
    Sparkline::default().data(columns).absent_value_symbol(" ").style(theme.label()).render(place, buffer);
}

fn alarm_lines(screen: &Screen, picture: &Picture, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Link::Away { since, why } = &screen.link {
        let since = since.to_string();
        let time = since.get(11..19).unwrap_or_default();
        lines.push(Line::styled(format!("NO ANSWER  since {time} UTC, trying again"), theme.bad()));
        lines.push(Line::raw(format!("  why: {}", printable(why))));
    }
    for alarm in &picture.alarms {
        let what = format!("ALARM      {}: {}", printable(&alarm.alarm), printable(&alarm.why));
        lines.push(Line::styled(what, theme.bad()));
        lines.push(Line::raw(format!("  next: {}", printable(&alarm.next))));
    }
    lines
}
