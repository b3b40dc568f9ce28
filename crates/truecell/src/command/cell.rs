use crate::{
    cli::Cli,
    command::{restore::ago, tampered},
    control::Control,
    failure::Failure,
    output::{Output, facts, seconds},
    table::Table,
};
use api::cell::{CellDetail, CellPage, CellTrustChange, Reading, TrustEvidence, TrustReason, TrustState};
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use ids::{CellKey, UnixTime};

#[derive(Debug, Subcommand)]
pub(crate) enum Cell {
    /// List the cells of which something is known
    List(List),
    /// Show how far one cell can be trusted, why, and what changed
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those that are written down as in this state: where the data are too old, it reads as unsure
    #[arg(long, value_parser = states())]
    state: Option<TrustState>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows())]
    limit: u32,
    /// Only those behind this one in the order of their keys
    #[arg(long, value_name = "CELL")]
    after: Option<CellKey>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which cell, as lte:450-08:1a2b3c4
    cell: CellKey,
    /// As it was then, as in 2026-01-31T23:59:59Z, by all that is known now
    #[arg(long, value_name = "TIME")]
    at: Option<UnixTime>,
}

fn states() -> impl TypedValueParser<Value = TrustState> {
    PossibleValuesParser::new(TrustState::ALL.iter().map(|state| state.as_str()))
        .try_map(|state| state.parse())
}

impl Cell {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, self.word()).await?;
        match self {
            Self::List(asked) => asked.run(&mut control, output).await,
            Self::Show(asked) => asked.run(&mut control, output).await,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::List(_) => "cell list",
            Self::Show(_) => "cell show",
        }
    }
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/cells?limit={}", self.limit);
        path += &self.state.map(|state| format!("&state={state}")).unwrap_or_default();
        path += &self.after.map(|after| format!("&after={after}")).unwrap_or_default();
        let page: CellPage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if let (Some(next), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        tampered::conclude(&page.tampered, output)
    }
}

impl Show {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let at = self.at.map(|at| format!("?at={at}")).unwrap_or_default();
        let detail: CellDetail = control.client().get(&format!("/v1/cells/{}{at}", self.cell)).await?;
        output.answer(&detail, show)?;
        tampered::conclude(&detail.tampered, output)
    }
}

fn list(page: &CellPage) -> String {
    let mut table = Table::new(&["CELL", "STATE", "SINCE", "DATA", "WHY"]);
    for cell in &page.cells {
        let why = cell.reasons.iter().map(|reason| reason.what.as_str()).collect::<Vec<_>>().join(" ");
        table.row([cell.cell.to_string(), cell.state.to_string(), since(cell), data(cell), why]);
    }
    table.to_string() + &tampered::below(&page.tampered)
}

fn show(detail: &CellDetail) -> String {
    let CellDetail { trust, units, changes, tampered } = detail;
    let units = units.iter().map(|unit| format!("{} ({})", unit.id, unit.state)).collect::<Vec<_>>();
    let facts = facts(&[
        ("cell", trust.cell.to_string()),
        ("at", seconds(trust.at)),
        ("trust", trust.state.to_string()),
        ("since", since(trust)),
        ("data", data(trust)),
        ("rules", trust.rules.to_string()),
        ("units", units.join(", ")),
    ]);
    let mut reasons = Table::new(&["WHY", "SINCE", "UNIT", "BY", "EVIDENCE", "DETAIL"]);
    trust.reasons.iter().for_each(|one| reasons.row(reason(one)));
    let mut text = format!("{facts}\n{reasons}");
    if !changes.is_empty() {
        let mut table = Table::new(&["CHANGE", "FROM", "TO", "WHY", "UNIT", "BY", "EVIDENCE", "KNOWN"]);
        in_order(changes).into_iter().for_each(|one| table.row(change(one)));
        text += &format!("\n{table}");
    }
    text + &tampered::below(tampered)
}

fn since(trust: &Reading) -> String {
    trust.since.map(seconds).unwrap_or_default()
}

/// Up to when something is known, and how old that is.
fn data(trust: &Reading) -> String {
    let text = |data_at| format!("{}, {} old", seconds(data_at), ago(trust.at.since(data_at).as_secs()));
    trust.data_at.map(text).unwrap_or_default()
}

fn reason(reason: &TrustReason) -> [String; 6] {
    let TrustReason { what, at, device, source, evidence, detail } = reason.clone();
    [
        what,
        at.map(seconds).unwrap_or_default(),
        device.map(|device| device.to_string()).unwrap_or_default(),
        source,
        evidence.as_ref().map(place).unwrap_or_default(),
        detail,
    ]
}

fn change(change: &CellTrustChange) -> [String; 8] {
    let CellTrustChange { at, from, to, signal, known_at, .. } = change;
    [
        seconds(*at),
        from.to_string(),
        to.to_string(),
        signal.kind.as_str().to_owned(),
        signal.device.map(|device| device.to_string()).unwrap_or_default(),
        signal.source.clone(),
        place(&signal.evidence),
        seconds(*known_at),
    ]
}

/// By when each was.
fn in_order(changes: &[CellTrustChange]) -> Vec<&CellTrustChange> {
    let mut sorted: Vec<_> = changes.iter().collect();
    sorted.sort_by_key(|change| (change.at, change.number));
    sorted
}

fn place(evidence: &TrustEvidence) -> String {
    match evidence {
        TrustEvidence::Event(event) => format!("record {event}"),
        TrustEvidence::Incident(number) => format!("incident {number}"),
    }
}
