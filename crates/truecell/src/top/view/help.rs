use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Paragraph, Widget},
};

const HELP: &str = "
Up Down PgUp PgDn Home End   move; the selection follows its tunnel (k j g G)
Enter                        all about the selected tunnel
/                            only tunnels with a text in device, state, outer or
                             inner address; Esc shows all again
s                            sort: by rate, drops, age or device name
r                            turn the order round
q, Ctrl-C                    quit

up, down      traffic within the tunnels, from and to units; the curves are
              peaks over five minutes, each on a scale of its own
half-open     IKE SAs that are not established yet
contests      second claims on a live identity that are being settled
quarantined   tunnels without a lease, after a claim that nothing decided
refused/s     attempts not let in, by reason; `untold`: too fast to tell
dropped/s     packets that did not pass, by direction and cause
AGE           since the tunnel was admitted
";

pub(super) fn draw(area: Rect, buffer: &mut Buffer) {
    Paragraph::new(HELP).render(area, buffer);
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_fits_the_smallest_usual_terminal() {
        assert!(super::HELP.lines().all(|line| line.len() <= 80));
        assert!(super::HELP.lines().count() <= 22);
    }
}
