use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Paragraph, Widget},
};

const HELP: &str = "
Up Down PgUp PgDn Home End   move; the selection follows its tunnel (also k j g G)
Enter                        all about the selected tunnel
/                            show only tunnels with a text in device, state, outer or
                             inner address; Esc shows all again
s                            sort: by rate, drops, age or device name
r                            turn the order round
q, Ctrl-C                    quit

up, down      traffic within the tunnels, from and to units; the curves are the
              peaks of the last five minutes, each on a scale of its own
half-open     IKE SAs that are not established yet
contests      second claims on a live identity that are being settled
refused/s     attempts that were not let in, by reason; `untold`: too fast to tell
dropped/s     packets that did not pass, by direction and cause
AGE           since the tunnel was admitted
";

pub(super) fn draw(area: Rect, buffer: &mut Buffer) {
    Paragraph::new(HELP).render(area, buffer);
}
