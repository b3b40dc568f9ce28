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
        let file = self.file.display().to_string();
        ConfigError { file, line: self.line(path), what: what.into(), next: next.into() }
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
