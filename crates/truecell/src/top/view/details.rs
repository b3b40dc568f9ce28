use super::{Theme, cut_top};
use crate::{
    command::session::{about, children, drops},
    output::facts,
    top::{
        picture::{Flow, Tunnel},
        screen::{Details, Screen},
        units::short,
    },
};
use gateway::SessionView;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Paragraph, Widget},
};

/// Columns between the two tables at the bottom.
const GAP: u16 = 4;

/// All about the tunnel that is looked at, as `truecell session show` says it, and what it does now.
pub(super) fn draw(screen: &Screen, theme: Theme, area: Rect, buffer: &mut Buffer) {
    match &screen.details {
        Details::NotYet => Paragraph::new("\nasking the node").render(area, buffer),
        Details::Unknown => Paragraph::new("\nthis tunnel is over").style(theme.bad()).render(area, buffer),
        Details::Known { session, over } => {
            let (head, rest) = cut_top(area, 1);
            if *over {
                let over = "this tunnel is over; it was last seen like this";
                Paragraph::new(over).style(theme.bad()).render(head, buffer);
            }
            let tunnel = if *over { None } else { screen.tunnel(session.id) };
            known(session, tunnel, rest, buffer);
        }
    }
}

fn known(session: &SessionView, tunnel: Option<&Tunnel>, area: Rect, buffer: &mut Buffer) {
    let mut about = about(session);
    about.extend(now(tunnel));
    let rest = paragraph(&facts(&about), area, buffer);
    let (_, rest) = cut_top(rest, 1);
    let children = children(session);
    let width = children.lines().map(str::len).max().unwrap_or(0);
    paragraph(&children, rest, buffer);
    let beside = u16::try_from(width).unwrap_or(u16::MAX).saturating_add(GAP).min(rest.width);
    let rest = Rect { x: rest.x + beside, width: rest.width - beside, ..rest };
    paragraph(&drops(session), rest, buffer);
}

fn now(tunnel: Option<&Tunnel>) -> [(&'static str, String); 3] {
    let flow = |flow: Flow| format!("{} bit/s, {} packets/s", short(flow.bits_s), short(flow.packets_s));
    let rates = tunnel.and_then(|tunnel| tunnel.rates);
    let said = |of: Option<String>| of.unwrap_or_else(|| "-".to_owned());
    [
        ("in now", said(rates.map(|rates| flow(rates.up)))),
        ("out now", said(rates.map(|rates| flow(rates.down)))),
        ("drops now", said(rates.map(|rates| format!("{} packets/s", short(rates.drops_s))))),
    ]
}

/// Draws the text, and says what is left below.
fn paragraph(text: &str, area: Rect, buffer: &mut Buffer) -> Rect {
    let height = u16::try_from(text.lines().count()).unwrap_or(u16::MAX);
    let (place, rest) = cut_top(area, height);
    Paragraph::new(text).render(place, buffer);
    rest
}
