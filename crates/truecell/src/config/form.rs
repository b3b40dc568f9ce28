//! Reading the values of a file: each that has not its form is named and taken out, and the rest is
//! read on, so that all of them are named at once.

use super::{Config, ConfigError, located::Located};
use serde::Deserialize;
use std::ops::Range;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

/// What is said of the file as a whole. A key may begin there, too, but none is empty.
const WHOLE: Range<usize> = 0..0;

/// A configuration from the values that have their form, if these are enough for one, and what is wrong
/// with the others.
pub(super) fn read(at: &Located<'_>) -> (Option<Config>, Vec<ConfigError>) {
    let (mut root, mut errors, mut taken) = (at.root().clone(), Vec::new(), Vec::<Vec<String>>::new());
    loop {
        let error = match Config::deserialize(Deserializer::from(Spanned::new(WHOLE, root.clone()))) {
            Ok(config) => return (Some(config), errors),
            Err(error) => error,
        };
        let within = error.span().filter(|span| *span != WHOLE);
        let path = within.and_then(|span| path_at(&root, span.start)).unwrap_or_default();
        let missing = missing_field(&error).map(|field| [&path[..], &[field]].concat());
        if missing.is_none_or(|missing| !taken.contains(&missing)) {
            errors.push(at.not_its_form(&path, &error));
        }
        if path.is_empty() {
            return (None, errors);
        }
        take(&mut root, &path);
        taken.push(path);
    }
}

fn missing_field(error: &toml::de::Error) -> Option<String> {
    let field = error.message().strip_prefix("missing field `")?.split('`').next()?;
    Some(field.to_owned())
}

/// The keys that lead to what stands at an offset; an array of tables is one step, its tables are none.
fn path_at(table: &DeTable<'_>, offset: usize) -> Option<Vec<String>> {
    table.iter().find_map(|(key, value)| {
        let inside = tables(value.get_ref()).find_map(|inner| path_at(inner, offset));
        let here = || [key.span(), value.span()].iter().any(|span| span.contains(&offset)).then(Vec::new);
        let mut path = inside.or_else(here)?;
        path.insert(0, key.get_ref().to_string());
        Some(path)
    })
}

fn tables<'a, 'i>(value: &'a DeValue<'i>) -> impl Iterator<Item = &'a DeTable<'i>> {
    let items = value.as_array().into_iter().flat_map(|items| items.iter().map(Spanned::get_ref));
    items.chain([value]).filter_map(DeValue::as_table)
}

/// Takes out what a path leads to; of an array of tables, in each.
fn take(table: &mut DeTable<'_>, path: &[String]) {
    match path {
        [] => (),
        [last] => drop(table.remove(last.as_str())),
        [first, rest @ ..] => match table.get_mut(first.as_str()).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => take(inner, rest),
            Some(DeValue::Array(items)) => {
                for item in items.iter_mut() {
                    if let DeValue::Table(inner) = item.get_mut() {
                        take(inner, rest);
                    }
                }
            }
            Some(
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_),
            )
            | None => (),
        },
    }
}
