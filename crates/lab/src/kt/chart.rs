//! Charts as SVG within the page: drawn here, readable without colour, each with a title and a description.

use ids::UnixTime;
use std::fmt::Write as _;

/// Text within HTML and SVG.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

/// A chart over time, of so many rows.
pub(super) struct Chart {
    svg: String,
    about: String,
    from: UnixTime,
    to: UnixTime,
    height: u32,
}

/// A mark on a chart.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// A circle.
    Dot,
    /// A square on its corner.
    Diamond,
    /// A short stroke.
    Tick,
}

const WIDTH: u32 = 960;
const LEFT: u32 = 170;
const RIGHT: u32 = 150;
const TOP: u32 = 26;
/// Height of a row.
pub(super) const ROW: u32 = 22;

impl Chart {
    /// `id`: of its title and description.
    pub(super) fn new(id: &str, title: &str, about: &str, from: UnixTime, to: UnixTime, height: u32) -> Self {
        let mut svg = String::new();
        let whole = TOP + height + 24;
        let [title, about] = [title, about].map(escaped);
        // Writing to a String does not fail, here and below.
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {whole}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{about}</desc>"
        );
        let mut chart = Self { svg, about, from, to, height };
        chart.months();
        chart
    }

    fn x(&self, at: UnixTime) -> u32 {
        let whole = self.to.since(self.from).as_secs().max(1);
        let at = at.since(self.from).as_secs().min(whole);
        LEFT + (u64::from(WIDTH - LEFT - RIGHT) * at / whole) as u32
    }

    /// The middle of a row.
    pub(super) fn row(number: usize) -> u32 {
        TOP + ROW * number as u32 + ROW / 2
    }

    /// A line down at the first of a month, or at some days where the time is short.
    fn months(&mut self) {
        let days = self.to.since(self.from).as_secs() / 86_400;
        let bottom = TOP + self.height;
        let mut last = None;
        for day in 0..=days {
            let at = self.from.after(std::time::Duration::from_secs(day * 86_400));
            let text = at.to_string();
            let (Some(month), Some(of_month)) = (text.get(..7), text.get(8..10)) else { continue };
            let is_due = if days > 62 { of_month == "01" } else { day.is_multiple_of(5) };
            let x = self.x(at);
            if !is_due || last.is_some_and(|last| x < last + 56) {
                continue;
            }
            last = Some(x);
            let label = if days > 62 { month } else { text.get(5..10).unwrap_or(month) };
            let _ = write!(
                self.svg,
                "<line class=\"grid\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\"/>\
                 <text class=\"axis\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                bottom + 16
            );
        }
    }

    /// The name of a row.
    pub(super) fn name(&mut self, row: usize, name: &str) {
        let (x, y) = (LEFT - 10, Self::row(row) + 4);
        let _ = write!(self.svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{}</text>", escaped(name));
    }

    /// A line along a row.
    pub(super) fn span(&mut self, row: usize, from: UnixTime, to: UnixTime, class: &str) {
        let (y, from, to) = (Self::row(row), self.x(from), self.x(to));
        let _ = write!(self.svg, "<line class=\"{class}\" x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\"/>");
    }

    /// A mark on a row.
    pub(super) fn mark(&mut self, row: usize, at: UnixTime, mark: Mark, class: &str) {
        let (x, y) = (self.x(at), Self::row(row));
        let _ = match mark {
            Mark::Dot => write!(self.svg, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>"),
            Mark::Diamond => write!(
                self.svg,
                "<path class=\"{class}\" d=\"M{x} {}L{} {y}L{x} {}L{} {y}Z\"/>",
                y - 6,
                x + 6,
                y + 6,
                x - 6
            ),
            Mark::Tick => write!(
                self.svg,
                "<line class=\"{class}\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/>",
                y - 7,
                y + 7
            ),
        };
    }

    /// Words at the right end of a row.
    pub(super) fn beside(&mut self, row: usize, text: &str) {
        let (x, y) = (WIDTH - RIGHT + 10, Self::row(row) + 4);
        let _ = write!(self.svg, "<text class=\"axis\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text));
    }

    /// Numbers that grow, as steps; `most` is at the top. The name stands at its end.
    pub(super) fn steps(&mut self, points: &[(UnixTime, u64)], most: u64, class: &str, name: &str) {
        let y = |number: u64| TOP + self.height - (u64::from(self.height) * number / most.max(1)) as u32;
        let (mut path, mut last) = (String::new(), y(0));
        for (at, number) in points {
            let (x, next) = (self.x(*at), y(*number));
            let _ = if path.is_empty() { write!(path, "M{x} {next}") } else { write!(path, "H{x}V{next}") };
            last = next;
        }
        let end = WIDTH - RIGHT;
        let _ = write!(
            self.svg,
            "<path class=\"{class}\" d=\"{path}H{end}\"/><text x=\"{}\" y=\"{}\">{}</text>",
            end + 8,
            last + 4,
            escaped(name)
        );
    }

    /// A level across, with its words at the left.
    pub(super) fn level(&mut self, number: u64, most: u64, text: &str) {
        let y = TOP + self.height - (u64::from(self.height) * number / most.max(1)) as u32;
        let (from, to, x) = (LEFT, WIDTH - RIGHT, LEFT - 10);
        let _ = write!(
            self.svg,
            "<line class=\"grid\" x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\"/>\
             <text class=\"axis\" x=\"{x}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            y + 4,
            escaped(text)
        );
    }

    /// A time of note, down all rows.
    pub(super) fn moment(&mut self, at: UnixTime, text: &str) {
        let (x, bottom) = (self.x(at), TOP + self.height);
        let _ = write!(
            self.svg,
            "<line class=\"moment\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\"/>\
             <text class=\"axis\" x=\"{x}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            TOP - 8,
            escaped(text)
        );
    }

    /// With its description below, for who sees it.
    pub(super) fn done(self) -> String {
        let Self { svg, about, .. } = self;
        ["<figure>", &svg, "</svg>\n<figcaption>", &about, "</figcaption></figure>\n"].concat()
    }
}
