use super::{Theme, cut_top};
use crate::{
    command::session::inner,
    top::{
        picture::Tunnel,
        screen::{Link, Screen},
        units::{age, short},
    },
};
use ids::UnixTime;
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Rect},
    style::Style,
    text::{Line, Text},
    widgets::{Row, Table, Widget},
};
use unicode_width::UnicodeWidthStr;

const HEAD: [&str; 8] = ["DEVICE", "STATE", "OUTER", "INNER", "UP b/s", "DN b/s", "DROP/s", "AGE"];
/// Numbers stand to the right from here on.
const NUMBERS: usize = 4;
/// The columns that may be cut short.
const OUTER: usize = 2;
const INNER: usize = 3;

pub(super) fn draw(screen: &mut Screen, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let (_, rows) = cut_top(area, 1);
    screen.fit(rows.height.into());
    let Some(at) = screen.picture.as_ref().map(|picture| picture.at) else { return };
    let shown = screen.tunnels().skip(screen.top).take(rows.height.into());
    let cells: Vec<_> = shown.map(|tunnel| cells(tunnel, at)).collect();
    let widths = widths(&cells, area.width.into());
    let cursor = screen.cursor().checked_sub(screen.top);
    let rows = cells.iter().enumerate().map(|(index, cells)| {
        let style = if cursor == Some(index) { theme.selected() } else { Style::new() };
        row(cells, &widths).style(style)
    });
    let head = row(&HEAD.map(str::to_owned), &widths).style(theme.head());
    let columns = widths.map(|width| Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX)));
    let style = if screen.link == Link::Up { Style::new() } else { theme.old() };
    let table = Table::new(rows, columns).header(head).column_spacing(1).style(style);
    Widget::render(table, area, buffer);
}

fn cells(tunnel: &Tunnel, now: UnixTime) -> [String; 8] {
    let brief = &tunnel.brief;
    let rates = tunnel.rates;
    let rate = |of: Option<f64>| of.map_or("-".to_owned(), short);
    [
        brief.device.to_string(),
        brief.state.word().to_owned(),
        brief.outer.to_string(),
        inner(&brief.inner),
        rate(rates.map(|rates| rates.up.bits_s)),
        rate(rates.map(|rates| rates.down.bits_s)),
        rate(rates.map(|rates| rates.drops_s)),
        age(now.since(brief.since)),
    ]
}

/// What each column needs; when that is more than there is, the addresses give way.
fn widths(rows: &[[String; 8]], room: usize) -> [usize; 8] {
    let mut widths = HEAD.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let gaps = HEAD.len() - 1;
    let mut surplus = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
    while surplus > 0 && widths[OUTER].max(widths[INNER]) > HEAD[OUTER].len() {
        let longer = if widths[INNER] > widths[OUTER] { INNER } else { OUTER };
        widths[longer] -= 1;
        surplus -= 1;
    }
    widths
}

fn row(cells: &[String; 8], widths: &[usize; 8]) -> Row<'static> {
    let cells = cells.iter().zip(widths).enumerate();
    Row::new(cells.map(|(column, (cell, width))| {
        let line = Line::raw(cut(cell, *width));
        Text::from(if column >= NUMBERS { line.right_aligned() } else { line })
    }))
}

/// The text in at most `width` columns, with a mark where it was cut. It is ASCII here.
fn cut(text: &str, width: usize) -> String {
    if text.len() <= width {
        return text.to_owned();
    }
    format!("{}…", text.get(..width.saturating_sub(1)).unwrap_or_default())
}
