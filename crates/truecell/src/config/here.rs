//! What a configuration needs of the machine that it is used on, and of the data directory.

use super::{Config, ConfigError, located::Located};
use crate::{data_dir::DataDir, groups};
use ids::UnixTime;
use std::{fs, path::Path};

impl Config {
    /// What is wrong with it on this machine, now: files, group, and what differs from the data directory.
    pub(crate) fn wrong_here(&self, file: &Path, now: UnixTime) -> Vec<ConfigError> {
        let located = |at: &Located<'_>| {
            let mut errors = self.wrong_files(at, now);
            errors.extend(self.no_group(at));
            errors.extend(self.differs_at(at));
            errors.sort_by_key(|error| error.line);
            errors
        };
        with_lines(file, located)
    }

    /// What `truecell init` fixed and this configuration has otherwise.
    pub(crate) fn differs(&self, file: &Path) -> Vec<ConfigError> {
        with_lines(file, |at| self.differs_at(at))
    }

    fn no_group(&self, at: &Located<'_>) -> Option<ConfigError> {
        let group = self.control.group.as_ref()?;
        let error = groups::number(group).err()?;
        let next = "make it with `groupadd --system`, or name another";
        Some(at.error(&["control", "group"], error.to_string(), next))
    }

    fn differs_at(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let data = DataDir::new(self.data.clone());
        let Ok(node) = data.node() else { return Vec::new() };
        let next = "it is fixed by `truecell init`: write it as it was, or begin a new data directory";
        let mut errors = Vec::new();
        if node != self.node {
            let what = format!("{} belongs to node {node}", self.data.display());
            errors.push(at.error(&["node"], what, next));
        }
        let Some(ca) = &self.ca else { return errors };
        match pki::CaSpec::read(&data.ca()) {
            Ok(made) if made.realm != ca.realm => {
                let what = format!("the CA in {} was made for {}", self.data.display(), made.realm);
                errors.push(at.error(&["ca", "realm"], what, next));
            }
            Err(pki::PkiError::NoCa(_)) => {
                let what = format!("{} has no CA", self.data.display());
                errors.push(at.error(&["ca"], what, "remove the section, or begin a new data directory"));
            }
            Ok(_) | Err(_) => (),
        }
        errors
    }

    /// What may be meant, and has no effect any more.
    pub(crate) fn ended(&self, now: UnixTime) -> Vec<String> {
        let over = self.gateway.legacy.iter().filter(|legacy| legacy.until <= now);
        over.map(|legacy| format!("[[gateway.legacy]] \"{}\" ended at {}", legacy.name, legacy.until))
            .collect()
    }
}

fn with_lines(file: &Path, wrong: impl FnOnce(&Located<'_>) -> Vec<ConfigError>) -> Vec<ConfigError> {
    match fs::read_to_string(file) {
        Ok(text) => Located::parse(&text, file).map_or_else(|error| vec![error], |at| wrong(&at)),
        Err(error) => vec![ConfigError::unreadable(file, &error)],
    }
}
