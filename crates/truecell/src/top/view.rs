//! Draws the screen. Nothing is told by a colour alone.

mod details;
mod footer;
mod header;
mod help;
mod table;

use super::screen::{Mode, Screen};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};

/// How things that matter stand out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    pub(crate) coloured: bool,
}

impl Theme {
    fn colour(self, colour: Color) -> Style {
        if self.coloured { Style::new().fg(colour) } else { Style::new() }
    }

    fn label(self) -> Style {
        self.colour(Color::Cyan)
    }

    fn good(self) -> Style {
        self.colour(Color::Green).add_modifier(Modifier::BOLD)
    }

    fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn head(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn old(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

/// Draws everything, and tells the screen how many rows it had room for.
pub(crate) fn draw(screen: &mut Screen, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let (rest, bottom) = cut_bottom(area, 1);
    let (title, rest) = cut_top(rest, 1);
    header::title(screen, theme, title, buffer);
    match screen.mode {
        Mode::Table | Mode::Filter | Mode::Sort => {
            let rest = header::draw(screen, theme, rest, buffer);
            table::draw(screen, theme, rest, buffer);
        }
        Mode::Details => details::draw(screen, theme, rest, buffer),
        Mode::Help => help::draw(rest, buffer),
    }
    footer::draw(screen, theme, bottom, buffer);
}

/// The same as plain text, with the first `rows` tunnels and without keys.
pub(crate) fn text(screen: &mut Screen, width: u16, rows: u16) -> String {
    let theme = Theme { coloured: false };
    let rows = rows.min(u16::try_from(screen.matching()).unwrap_or(u16::MAX));
    let title_and_head = 2;
    let height = [header::HEIGHT, header::alarms(screen), rows, title_and_head];
    let height = height.into_iter().fold(0, u16::saturating_add);
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let (title, rest) = cut_top(area, 1);
    header::title(screen, theme, title, &mut buffer);
    let rest = header::draw(screen, theme, rest, &mut buffer);
    table::draw(screen, theme, rest, &mut buffer);
    lines(&buffer).join("\n").trim_end().to_owned()
}

/// What stands in a buffer, line by line.
fn lines(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let line = |y| {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide letter covers the cell behind it.
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol)).unwrap_or(1).max(1);
        }
        line.trim_end().to_owned()
    };
    (area.top()..area.bottom()).map(line).collect()
}

/// The first `height` lines of an area, and the rest.
fn cut_top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let rest = Rect { y: area.y + height, height: area.height - height, ..area };
    (Rect { height, ..area }, rest)
}

/// All but the last `height` lines of an area, and those.
fn cut_bottom(area: Rect, height: u16) -> (Rect, Rect) {
    cut_top(area, area.height.saturating_sub(height))
}

#[cfg(test)]
mod tests;
