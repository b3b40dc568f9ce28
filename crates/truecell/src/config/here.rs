//! What a configuration needs of the machine that it is used on, and of the data directory.

use super::{Config, ConfigError, located::Located};
use crate::{data_dir::DataDir, groups};
use ids::UnixTime;
use ledger::{Outside, store::Sqlite};
use rustix::fs::{Access, access};
use std::{
    fs, io,
    net::UdpSocket,
    path::{Path, PathBuf},
};

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

    /// What `truecell init` or the ledger's units fixed and this configuration has otherwise.
    pub(crate) fn differs(&self, file: &Path) -> Vec<ConfigError> {
        with_lines(file, |at| self.differs_at(at))
    }

    /// The group that this machine does not have.
    pub(crate) fn without_group(&self, file: &Path) -> Vec<ConfigError> {
        with_lines(file, |at| self.no_group(at).into_iter().collect())
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
        errors.extend(self.outside_pools(&data, at));
        let Some(ca) = &self.ca else { return errors };
        match pki::CaSpec::read(&data.ca()) {
            Ok(made) if made.realm != ca.realm => {
                let what = format!("the CA in {} was made for {}", self.data.display(), made.realm);
                errors.push(at.error(&["ca", "realm"], what, next));
            }
            Err(pki::PkiError::NoCa(_)) => {
                let what = format!("{} has no CA", self.data.display());
                errors.push(at.error(
                    &["ca"],
                    what,
                    "make one with `truecell ca init`, or remove the section",
                ));
            }
            Ok(_) | Err(_) => (),
        }
        errors
    }

    /// Whoever may not read the ledger here learns it from `serve`.
    fn outside_pools(&self, data: &DataDir, at: &Located<'_>) -> Vec<ConfigError> {
        let looked =
            Sqlite::open_to_read(&data.ledger()).and_then(|mut store| self.gateway.pools.outside(&mut store));
        let error = |outside: &Outside| {
            at.error(&["gateway", "pools", outside.family], outside_pool(outside), KEEP_POOLS)
        };
        looked.unwrap_or_default().iter().map(error).collect()
    }

    /// What a start would not get on this machine, and somebody may still be about to set up: the folder of the
    /// data directory, and addresses.
    pub(crate) fn not_here(&self) -> Vec<String> {
        let is_missing = |address: &&std::net::IpAddr| {
            let bound = UdpSocket::bind((**address, 0));
            bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
        };
        let missing = self.gateway.listen.iter().filter(is_missing);
        let missing = missing
            .map(|address| format!("[gateway] listen: no interface of this machine has {address} now"));
        let enrol = self
            .enrol
            .iter()
            .flat_map(|enrol| enrol.listen.iter().chain(&enrol.tls_listen))
            .map(std::net::SocketAddr::ip);
        let enrol = enrol.filter(|address| is_missing(&address));
        let enrol =
            enrol.map(|address| format!("[enrol] listen: no interface of this machine has {address} now"));
        self.no_data().into_iter().chain(missing).chain(enrol).collect()
    }

    fn no_data(&self) -> Option<String> {
        let data = self.data.as_path();
        if data.exists() {
            return (!data.is_dir()).then(|| format!("data: {} is no folder", data.display()));
        }
        let above = data.ancestors().skip(1).map(or_here).find(|above| above.exists())?;
        let is_folder = above.is_dir() && access(&above, Access::WRITE_OK | Access::EXEC_OK).is_ok();
        (!is_folder).then(|| {
            format!(
                "data: {} cannot be made: {} is no folder that this user may write",
                data.display(),
                above.display()
            )
        })
    }

    /// What may be meant, and has no effect any more.
    pub(crate) fn ended(&self, now: UnixTime) -> Vec<String> {
        let over = self.gateway.legacy.iter().filter(|legacy| legacy.until <= now);
        over.map(|legacy| format!("[[gateway.legacy]] \"{}\" ended at {}", legacy.name, legacy.until))
            .collect()
    }
}

/// The folder above a bare name is this one.
fn or_here(above: &Path) -> PathBuf {
    if above.as_os_str().is_empty() { PathBuf::from(".") } else { above.into() }
}

/// What is wrong with a pool, and what to do.
pub(crate) fn outside_pool(outside: &Outside) -> String {
    let Outside { family, units, example } = outside;
    format!("units whose inner address is not in the {family} pool: {units}, such as {example}")
}

pub(crate) const KEEP_POOLS: &str =
    "a unit keeps its inner address for good: write the pool as it was, or a larger one around it";

fn with_lines(file: &Path, wrong: impl FnOnce(&Located<'_>) -> Vec<ConfigError>) -> Vec<ConfigError> {
    match fs::read_to_string(file) {
        Ok(text) => Located::parse(&text, file).map_or_else(|error| vec![error], |at| wrong(&at)),
        Err(error) => vec![ConfigError::unreadable(file, &error)],
    }
}
