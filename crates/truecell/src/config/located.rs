use super::error::{ConfigError, line_of};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The file once more, with the place of each key, for errors that no single value causes.
pub(crate) struct Located<'a> {
    text: &'a str,
    file: &'a Path,
    root: DeTable<'a>,
}

impl<'a> Located<'a> {
    pub(super) fn parse(text: &'a str, file: &'a Path) -> Result<Self, ConfigError> {
        let root = DeTable::parse(text).map_err(|error| ConfigError::from_toml(&error, text, file))?;
        Ok(Self { text, file, root: root.into_inner() })
    }

    /// An error at the key that `path` leads to, as in `["gateway", "key"]` or `["realm", "1", "name"]`;
    /// at the last step that is there when the rest is missing.
    pub(super) fn error(&self, path: &[&str], what: impl Into<String>, next: &str) -> ConfigError {
        let names: Vec<_> = path.iter().copied().filter(|step| step.parse::<usize>().is_err()).collect();
        let key = (!names.is_empty()).then(|| names.join("."));
        ConfigError { line: self.line(path), key, ..ConfigError::of_file(self.file, what, next) }
    }

    /// What a type refused: at its line, with how it is written where the example has it.
    pub(super) fn not_its_form(&self, path: &[String], error: &toml::de::Error) -> ConfigError {
        let key = (!path.is_empty()).then(|| path.join("."));
        ConfigError { key, ..ConfigError::from_toml(error, self.text, self.file) }.with_example()
    }

    pub(super) fn root(&self) -> &DeTable<'a> {
        &self.root
    }

    /// Whether the file has this key, of whatever form.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        let [tables @ .., last] = path else { return false };
        let inner = tables.iter().try_fold(&self.root, |table, step| table.get(*step)?.get_ref().as_table());
        inner.is_some_and(|table| table.contains_key(*last))
    }

    fn line(&self, path: &[&str]) -> Option<usize> {
        let mut found = None;
        let mut table = &self.root;
        let mut steps = path.iter();
        while let Some(step) = steps.next() {
            let Some((key, value)) = table.get_key_value(*step) else { break };
            found = Some(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                DeValue::Array(items) => {
                    let Some(item) = steps.next().and_then(|index| items.get(index.parse::<usize>().ok()?))
                    else {
                        break;
                    };
                    found = Some(item.span().start);
                    let DeValue::Table(inner) = item.get_ref() else { break };
                    table = inner;
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => break,
            }
        }
        found.map(|offset| line_of(self.text, offset))
    }
}
