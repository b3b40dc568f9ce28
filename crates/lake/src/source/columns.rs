//! Which columns a source may have.

use super::Options;
use crate::{entry::Kind, kind::columns};
use std::collections::BTreeSet;

/// Columns that rows of a kind may have, as the lake or as text.
pub(super) fn of_kind(kind: Kind) -> BTreeSet<String> {
    let own = columns(kind).into_iter().map(|column| column.name);
    own.chain(kind.instead()).chain(["seq", "v", "kind"].map(Into::into)).collect()
}

/// Which of the columns are read; or why none of them can be.
pub(super) fn used(names: &[String], options: &Options) -> Result<Vec<usize>, String> {
    let kinds = options.kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
    let known: BTreeSet<String> = kinds.into_iter().flat_map(of_kind).collect();
    let (mut used, mut seen) = (Vec::new(), BTreeSet::new());
    for (at, name) in names.iter().enumerate() {
        if !known.contains(name) {
            if options.ignores_unknown {
                continue;
            }
            let of = options.kind.map_or("rows", Kind::as_str);
            return Err(format!(
                "column `{name}` is none of {of}: leave it out, or have unknown columns ignored"
            ));
        }
        if !seen.insert(name.as_str()) {
            return Err(format!("column `{name}` is there twice"));
        }
        used.push(at);
    }
    let has = |name: &str| seen.contains(name);
    needed(&has, options)?;
    Ok(used)
}

/// What every row needs is there once.
fn needed(has: &impl Fn(&str) -> bool, options: &Options) -> Result<(), String> {
    let said = [
        ("kind", has("kind"), options.kind.is_some()),
        ("feed", has("feed"), options.feed.is_some()),
        ("seq", has("seq") || has("feed_seq"), options.is_numbered),
    ];
    for (name, has_column, is_said) in said {
        match (has_column, is_said) {
            (true, true) => {
                return Err(format!("column `{name}` is there, and was given for the whole source, too"));
            }
            (false, false) => {
                return Err(format!("column `{name}` is missing, and was not given for the whole source"));
            }
            (true, false) | (false, true) => {}
        }
    }
    if has("seq") && has("feed_seq") {
        return Err("columns `seq` and `feed_seq` are the same".into());
    }
    if !has("at") {
        return Err("column `at` is missing".into());
    }
    let Some(kind) = options.kind else { return Ok(()) };
    for column in columns(kind).into_iter().filter(|column| !column.is_nullable) {
        let is_other = has(column.field) || ["rat", "feed", "feed_seq"].contains(&column.name.as_str());
        if !has(&column.name) && !is_other {
            return Err(format!("column `{}` is missing, which rows of {} need", column.name, kind.as_str()));
        }
    }
    Ok(())
}
