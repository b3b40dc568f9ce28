//! Rows that were tampered with, in the answers of commands that show rows.

use crate::{
    failure::Failure,
    output::{Output, count},
    table::Table,
};
use api::ledger_check::{Checked, Finding};

/// What stands in place of a state.
pub(crate) const TAMPERED: &str = "TAMPERED";
/// What a person does about it.
pub(crate) const NEXT: &str = "`truecell ledger verify` checks every row; find out who wrote to the database, then stop \
                               `serve`, move ledger.sqlite* away and start: the ledger is made anew from the journal";

/// What does not hold, in a few words: a row that is missing is none of those that there are.
pub(crate) fn how_many(checked: &Checked) -> String {
    let found = count(checked.findings.len() as u64, "finding");
    format!("{found} in {}", count(checked.rows, "row"))
}

pub(crate) fn table(findings: &[Finding]) -> String {
    let mut table = Table::new(&["TABLE", "KEY", "WHY"]);
    for finding in findings {
        table.row([finding.table.clone(), finding.key.clone(), finding.why.clone()]);
    }
    table.to_string()
}

/// Behind a table that has no place for them, nor says anything of them.
pub(crate) fn below(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    format!("\n{TAMPERED}, and left out\n{}", table(findings))
}

/// Ends a command whose answer is out: with code 1 where a row was tampered with.
pub(crate) fn conclude(findings: &[Finding], output: &Output) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    if !output.is_json() {
        let rows =
            if findings.len() == 1 { "1 row was".into() } else { format!("{} rows were", findings.len()) };
        output.note(&format!("warning: {rows} tampered with\n  next: {NEXT}"));
    }
    Err(Failure::answered())
}
