use crate::{
    control::Control,
    csv_rows::{Columns, CsvRow, CsvRows, imported, interrupted},
    failure::Failure,
    output::Output,
    progress::Progress,
};
use api::order::{ImportOrders, ImportedOrders, NewOrder, OrderRow};
use clap::Args;
use ids::DeviceId;
use ledger::Imported;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// CSV with a head line; `order device line until` are required, `from site vendor_key` are not. `-` reads standard
    /// input
    file: PathBuf,
}

/// Rows sent at once: each batch is durable before the next one is sent.
const BATCH: usize = 500;

const COLUMNS: Columns =
    Columns { required: &["order", "device", "line", "until"], others: &["from", "site", "vendor_key"] };

impl Import {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let CsvRows { rows, refused } = CsvRows::read(&self.file, &COLUMNS, order)?;
        let mut sum =
            ImportedOrders { rows: Imported { refused, ..Imported::default() }, ..ImportedOrders::default() };
        let progress = Progress::new(rows.len());
        for (index, batch) in rows.chunks(BATCH).enumerate() {
            progress.at(index * BATCH);
            let batch = batch.iter().map(|(line, order)| OrderRow { line: *line, order: order.clone() });
            let request = ImportOrders { request_id: None, rows: batch.collect() };
            let sent = control.client().post::<ImportedOrders>("/v1/orders/import", &request).await;
            let answer = sent.map_err(|error| interrupted(error.into(), &sum.rows, "order"))?;
            sum.rows.add(answer.rows);
            sum.unknown_lines.extend(answer.unknown_lines);
        }
        progress.at(rows.len());
        drop(progress);
        sum.rows.refused.sort_by_key(|row| row.line);
        output.answer(&sum, |sum| imported(&sum.rows, "ORDER"))?;
        sum.unknown_lines.iter().for_each(|line| super::note_unknown(line, output));
        if sum.rows.refused.is_empty() { Ok(()) } else { Err(Failure::answered()) }
    }
}

fn order(row: &CsvRow<'_>) -> Result<NewOrder, String> {
    Ok(NewOrder {
        id: row.needed("order")?,
        device: DeviceId::typed(&row.text("device")).map_err(|error| error.to_string())?,
        line: row.needed("line")?,
        site: row.text("site"),
        vendor_key: row.parsed("vendor_key")?,
        from: row.parsed("from")?,
        until: row.needed("until")?,
    })
}
