use crate::{cli::Cli, command::tampered, control::Control, failure::Failure, output::Output, table::Table};
use api::line::{AddLine, ChangedLine, LinePage, SetLine};
use clap::{ArgGroup, Args, Subcommand};
use ids::{AccessLine, Position};
use ipnet::IpNet;
use ledger::AccessLineRecord as View;

#[derive(Debug, Subcommand)]
pub(crate) enum Line {
    /// Put an access line into the register, with the prefixes from which its subscribers come
    Add(Add),
    /// Change what is known about an access line; what is not given stays
    Set(Set),
    /// List access lines
    List,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Its name in the line register
    line: AccessLine,
    /// Outer addresses seen behind it, as in 192.0.2.0/29; none where a feed says whose line an address is
    prefixes: Vec<IpNet>,
    /// Region
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// Where it ends
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    position: Option<Position>,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["prefixes", "region", "position"]).required(true).multiple(true)))]
pub(crate) struct Set {
    /// Its name in the line register
    line: AccessLine,
    /// Outer addresses seen behind it, all of them, as in 192.0.2.0/29
    prefixes: Vec<IpNet>,
    /// Region
    #[arg(long)]
    region: Option<String>,
    /// Where it ends
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    position: Option<Position>,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

impl Line {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Add(add) => {
                let mut control = Control::open(&cli.data_dir()?, "line add").await?;
                add.run(&mut control, output).await
            }
            Self::Set(set) => {
                let mut control = Control::open(&cli.data_dir()?, "line set").await?;
                set.run(&mut control, output).await
            }
            Self::List => {
                let mut control = Control::open(&cli.data_dir()?, "line list").await?;
                let lines: LinePage = control.client().get("/v1/lines").await?;
                output.answer(&lines, list)?;
                tampered::conclude(&lines.tampered, output)
            }
        }
    }
}

impl Add {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let request = AddLine {
            request_id: self.request_id.clone(),
            line: self.line.clone(),
            prefixes: self.prefixes.clone(),
            region: self.region.clone(),
            position: self.position,
        };
        let line: View = control.client().post("/v1/lines", &request).await?;
        output.answer(&line, added)
    }
}

impl Set {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let request = SetLine {
            request_id: self.request_id.clone(),
            line: self.line.clone(),
            prefixes: Some(self.prefixes.clone()).filter(|prefixes| !prefixes.is_empty()),
            region: self.region.clone(),
            position: self.position,
        };
        let changed: ChangedLine = control.client().post("/v1/lines/set", &request).await?;
        output.answer(&changed, changes)
    }
}

fn added(line: &View) -> String {
    match &*line.prefixes {
        [] => format!("{}: no prefixes; only the feed of [records.line] says who is behind it", line.line),
        _ => format!("{}: {}", line.line, prefixes(line)),
    }
}

fn changes(changed: &ChangedLine) -> String {
    let mut table = Table::new(&["", "REGION", "POSITION", "PREFIXES"]);
    for (when, line) in [("was", &changed.was), ("is", &changed.is)] {
        table.row([when.to_owned(), line.region.clone(), position(line), prefixes(line)]);
    }
    format!("{}\n{table}", changed.is.line)
}

fn list(lines: &LinePage) -> String {
    let mut table = Table::new(&["LINE", "REGION", "POSITION", "PREFIXES"]);
    for line in &lines.lines {
        table.row([line.line.to_string(), line.region.clone(), position(line), prefixes(line)]);
    }
    table.to_string() + &tampered::below(&lines.tampered)
}

fn position(line: &View) -> String {
    line.position.map_or_else(String::new, |position| position.to_string())
}

fn prefixes(line: &View) -> String {
    line.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
