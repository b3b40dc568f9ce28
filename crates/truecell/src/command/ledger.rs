use crate::{cli::Cli, control::Control, failure::Failure, output::Output, table::Table};
use api::ledger_check::Checked;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Name every row that the journal does not explain; check the journal first
    Verify,
}

impl Ledger {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Verify => verify(cli, output).await,
        }
    }
}

async fn verify(cli: &Cli, output: &Output) -> Result<(), Failure> {
    let mut control = Control::open(&cli.data_dir()?, "ledger verify").await?;
    let checked: Checked = control.client().post("/v1/ledger/verify", &serde_json::json!({})).await?;
    output.answer(&checked, report)?;
    if checked.ok { Ok(()) } else { Err(Failure::answered()) }
}

fn report(checked: &Checked) -> String {
    if checked.ok {
        return format!("good: {} rows, each explained by the journal", checked.rows);
    }
    let mut table = Table::new(&["TABLE", "KEY", "WHY"]);
    for finding in &checked.findings {
        table.row([finding.table.clone(), finding.key.clone(), finding.why.clone()]);
    }
    format!("{} of {} rows do not hold\n{table}", checked.findings.len(), checked.rows)
}
