use super::csv;
use crate::{command::tampered, control::Control, failure::Failure, output::Output, table::printable};
use api::device::DevicePage;
use clap::Args;
use ledger::LifeCycle;
use std::io::IsTerminal;

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Only those in this state
    #[arg(long, value_parser = super::states())]
    state: Option<LifeCycle>,
}

/// Units of one answer.
const PAGE: usize = 1_000;

/// Every unit, page by page; `each` hears of one at a time.
pub(super) async fn each_page(
    control: &mut Control,
    state: Option<LifeCycle>,
    mut each: impl FnMut(DevicePage) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
        let path = format!("/v1/devices?limit={PAGE}{state}{after}");
        let page: DevicePage = control.client().get(&path).await?;
        let next = page.next;
        each(page)?;
        match next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(()),
        }
    }
}

impl Export {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut bad = Vec::new();
        if !output.is_json() {
            output.bytes(&written([csv::head()])?)?;
        }
        each_page(control, self.state, |page| {
            bad.extend(page.tampered);
            match output.is_json() {
                true => page.devices.iter().try_for_each(|device| output.line(device)),
                false => output.bytes(&written(page.devices.iter().map(csv::line))?),
            }
        })
        .await?;
        tampered::conclude(&bad, output)
    }
}

/// As CSV; on a terminal without what could steer it.
fn written(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Failure> {
    let is_terminal = std::io::stdout().is_terminal();
    let cell = |text: String| if is_terminal && !text.is_empty() { printable(&text) } else { text };
    let mut csv = ::csv::Writer::from_writer(Vec::new());
    let rows = rows.into_iter().try_for_each(|row| csv.write_record(row.into_iter().map(cell)));
    rows.map_err(|error| Failure::system("no CSV", &error))?;
    csv.into_inner().map_err(|error| Failure::system("no CSV", &error))
}
