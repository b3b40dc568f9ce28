use super::Theme;
use crate::{
    table::printable,
    top::{
        screen::{Mode, Screen, Sort},
        units::count,
    },
};
use ratatui::{buffer::Buffer, layout::Rect, text::Line, widgets::Widget};
use unicode_width::UnicodeWidthStr;

const KEYS: &str = "/ filter  s sort  Enter details  ? help  q quit";
const FEW_KEYS: &str = "? help  q quit";

/// Where one is, and what the keys mean now.
pub(super) fn draw(screen: &Screen, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let keys = match screen.mode {
        Mode::Table => return place(screen, theme, area, buffer),
        Mode::Filter => format!("filter: {}_   Enter keeps it, Esc ends it", printed(&screen.filter)),
        Mode::Sort => format!("sort by: {}", choices()),
        Mode::Details => "Esc back   Up, Down other tunnels   q quit".to_owned(),
        Mode::Help => "any key goes back".to_owned(),
    };
    Line::styled(keys, theme.head()).render(area, buffer);
}

fn place(screen: &Screen, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let matching = screen.matching();
    let order = if screen.reversed { ", reversed" } else { "" };
    let filter = match screen.filter.as_str() {
        "" => String::new(),
        filter => format!(", with `{}`", printed(filter)),
    };
    let first = (screen.cursor() + 1).min(matching);
    let place = format!("{} of {} by {}{order}{filter}", count(first), count(matching), screen.sort.word());
    let room = usize::from(area.width).saturating_sub(place.width() + 2);
    Line::styled(place, theme.head()).render(area, buffer);
    if let Some(keys) = [KEYS, FEW_KEYS].into_iter().find(|keys| keys.len() <= room) {
        Line::raw(keys).right_aligned().render(area, buffer);
    }
}

fn choices() -> String {
    Sort::ALL.map(|sort| format!("{} {}", sort.key(), sort.word())).join("   ")
}

fn printed(filter: &str) -> String {
    if filter.is_empty() { String::new() } else { printable(filter) }
}
