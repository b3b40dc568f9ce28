use crate::{
    cli::Cli,
    command::tampered,
    control::Control,
    failure::Failure,
    output::{Output, seconds},
    table::Table,
};
use api::{
    Reason,
    pair::{ChangePair, PairPage},
};
use clap::{Args, Subcommand};
use ids::DeviceId;
use ledger::Pair as View;

#[derive(Debug, Subcommand)]
pub(crate) enum Pair {
    /// Let two units send packets to each other
    Add(Change),
    /// List the pairs
    List(List),
    /// Let them no more, at once
    Remove(Change),
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// One unit
    #[arg(value_parser = DeviceId::typed)]
    a: DeviceId,
    /// The other
    #[arg(value_parser = DeviceId::typed)]
    b: DeviceId,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows())]
    limit: u32,
    /// Only those behind this one, named by its two units
    #[arg(long, num_args = 2, value_names = ["A", "B"], value_parser = DeviceId::typed)]
    after: Option<Vec<DeviceId>>,
}

impl Pair {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, self.word()).await?;
        match self {
            Self::Add(change) => change.run("/v1/pairs", "are a pair", &mut control, output).await,
            Self::List(list) => list.run(&mut control, output).await,
            Self::Remove(change) => {
                change.run("/v1/pairs/remove", "are no pair any more", &mut control, output).await
            }
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Add(_) => "pair add",
            Self::List(_) => "pair list",
            Self::Remove(_) => "pair remove",
        }
    }
}

impl Change {
    async fn run(
        &self,
        path: &str,
        what: &str,
        control: &mut Control,
        output: &Output,
    ) -> Result<(), Failure> {
        let request = ChangePair {
            request_id: self.request_id.clone(),
            devices: [self.a, self.b],
            why: self.why.clone(),
        };
        let pair: View = control.client().post(path, &request).await?;
        output.answer(&pair, |pair| format!("{} and {} {what}", pair.devices[0], pair.devices[1]))
    }
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/pairs?limit={}", self.limit);
        if let Some([a, b]) = self.after.as_deref() {
            path += &format!("&after={a}-{b}");
        }
        let page: PairPage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if let (Some([a, b]), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {a} {b}"));
        }
        tampered::conclude(&page.tampered, output)
    }
}

fn list(page: &PairPage) -> String {
    let mut table = Table::new(&["DEVICE", "DEVICE", "SINCE", "WHY"]);
    for pair in &page.pairs {
        let [a, b] = pair.devices.map(|device| device.to_string());
        table.row([a, b, seconds(pair.since), pair.why.clone()]);
    }
    table.to_string() + &tampered::below(&page.tampered)
}
