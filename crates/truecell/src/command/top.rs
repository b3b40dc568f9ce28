use crate::{
    cli::Cli,
    failure::{Failure, Problem},
    output::Output,
    top::{
        look::{Away, Look, Watch},
        picture::{Picture, Tunnel},
        screen::{Screen, Sort},
        terminal, view,
    },
};
use clap::Args;
use ids::UnixTime;
use serde::Serialize;
use serde_json::json;
use std::{
    io::{IsTerminal, stdin, stdout},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};

/// Tunnels, rates, drops, admissions and refusals of this node, live
///
/// Needs a running `truecell serve`. When it goes away the screen says so, and goes on once it is back.
/// With --json each interval is one line; the first comes after one interval.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Time from one look to the next
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Print what one interval showed, and end
    #[arg(long)]
    once: bool,
    /// The order of the tunnels
    #[arg(long, value_enum, default_value_t = Sort::Rate)]
    sort: Sort,
    /// Only tunnels with this text in device, state, outer or inner address
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,
    /// Tunnels to print at most, with --once or --json
    #[arg(long, value_name = "N", default_value_t = 20)]
    rows: u16,
}

/// Columns of a text that no terminal is asked for.
const WIDTH: u16 = 80;

impl Top {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let prints = self.once || output.is_json();
        let on_terminal = stdin().is_terminal() && stdout().is_terminal();
        if !prints && !on_terminal {
            return Err(Failure::Usage(
                Problem::new("no-terminal", "this is no terminal").next("add --once or --json"),
            ));
        }
        let mut watch = Watch::new(cli.data_dir()?);
        let mut screen = Screen::new(self.sort, self.filter.clone(), self.interval);
        let first = watch.look().await.map_err(|Away(failure)| failure)?;
        screen.see(first);
        if prints {
            self.print(watch, screen, output).await
        } else {
            terminal::run(watch, screen, self.interval).await
        }
    }

    /// One answer each interval, until the reader has seen enough.
    async fn print(&self, mut watch: Watch, mut screen: Screen, output: &Output) -> Result<(), Failure> {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first comes at once.
        ticks.tick().await;
        while !output.is_closed() {
            ticks.tick().await;
            self.print_one(watch.look().await, &mut screen, output)?;
            if self.once {
                break;
            }
        }
        Ok(())
    }

    fn print_one(
        &self,
        look: Result<Look, Away>,
        screen: &mut Screen,
        output: &Output,
    ) -> Result<(), Failure> {
        match look {
            Ok(look) => screen.see(look),
            Err(Away(failure)) if self.once => return Err(failure),
            Err(away) => {
                return output.text(&json!({ "at": UnixTime::now(), "away": away.words() }).to_string());
            }
        }
        if output.is_json() { output.text(&self.line(screen)?) } else { output.text(&self.page(screen)) }
    }

    fn line(&self, screen: &Screen) -> Result<String, Failure> {
        let line = Line {
            picture: screen.picture.as_ref(),
            tunnels: screen.tunnels().take(self.rows.into()).collect(),
        };
        serde_json::to_string(&line).map_err(|error| Failure::system("no JSON", &error))
    }

    fn page(&self, screen: &mut Screen) -> String {
        let width = ratatui::crossterm::terminal::size().map_or(WIDTH, |(columns, _)| columns);
        let width = if stdout().is_terminal() { width } else { WIDTH };
        view::text(screen, width, self.rows)
    }
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    picture: Option<&'a Picture>,
    tunnels: Vec<&'a Tunnel>,
}

/// A time that a look fits in, and that a clock can count.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.1..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("between 0.1 and 3600 seconds".to_owned())
    }
}
