use crate::{
    command,
    config::{Config, ConfigError},
    data_dir::DataDir,
    failure::{Failure, Problem},
};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// A security gateway for femtocells that admits only the genuine unit.
///
/// Commands that read or change the data directory ask the running `truecell serve` over its
/// control socket; when none runs they do the same work themselves.
///
/// Exit codes: 0 done; 1 the answer is no; 2 the command line is wrong, or a file, folder or data directory that it
/// names cannot be used; 64 the configuration is missing or wrong; 70 this machine or Truecell failed, or something
/// needed is out of reach. docs/cli.md has them in full.
#[derive(Debug, Parser)]
#[command(name = "truecell", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// The configuration; else ./truecell.toml, else /etc/truecell/truecell.toml
    #[arg(short, long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub(crate) config: Option<PathBuf>,

    /// The data directory, instead of the one that the configuration names
    #[arg(long, global = true, value_name = "DIR", help_heading = EVERYWHERE)]
    pub(crate) data: Option<PathBuf>,

    /// Answer with one JSON document, or with JSON lines where the answer is a stream
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Above the options that every command has.
const EVERYWHERE: &str = "Options of every command";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the data directory of a new node
    Init(command::init::Init),
    /// Run the gateway and its services
    Serve(command::serve::Serve),
    /// Femtocells and their life cycle
    #[command(subcommand)]
    Device(command::device::Device),
    /// Cells, and how far each can be trusted
    #[command(subcommand)]
    Cell(command::cell::Cell),
    /// Access lines, and where their subscribers come from
    #[command(subcommand)]
    Line(command::line::Line),
    /// Install orders: which units may enrol, from where, and until when
    #[command(subcommand)]
    Order(command::order::Order),
    /// An estate that shares one old credential, to a certificate for each unit, in waves
    #[command(subcommand)]
    Migrate(command::migrate::Migrate),
    /// Units that may send packets to each other; no others may
    #[command(subcommand)]
    Pair(command::pair::Pair),
    /// Which reasons to refuse are enforced, and whom the others would hit
    #[command(subcommand)]
    Policy(command::policy::Policy),
    /// The journal of everything that changed a decision
    #[command(subcommand)]
    Event(command::event::Event),
    /// Certificates of units
    #[command(subcommand)]
    Cert(command::cert::Cert),
    /// The embedded CA, and which vendors' CAs are trusted
    #[command(subcommand)]
    Ca(command::ca::Ca),
    /// Tunnels of this node
    #[command(subcommand)]
    Session(command::session::Session),
    /// Tunnels, rates, drops, admissions and refusals of this node, live
    Top(command::top::Top),
    Ingest(command::ingest::Ingest),
    Detect(command::detect::Detect),
    /// What people must look at
    #[command(subcommand)]
    Incident(command::incident::Incident),
    /// What management systems are to have units do, and what became of it
    #[command(subcommand)]
    Management(command::management::Management),
    /// The ledger as a whole
    #[command(subcommand)]
    Ledger(command::ledger::Ledger),
    Backup(command::backup::Backup),
    Restore(command::restore::Restore),
    /// Look at the configuration, and have it hold
    #[command(subcommand)]
    Config(command::config::Config),
    /// A carrier in one process on loopback: genuine units attach, every kind of false one is refused
    Lab(command::lab::Lab),
    /// Measure on this machine
    #[command(subcommand)]
    Bench(command::bench::Bench),
    /// Print the completions of a shell
    Completions(command::shell::Completions),
    /// Write the manual pages
    Man(command::shell::Man),
}

/// Where the configuration is when nobody says.
const USUAL: [&str; 2] = ["truecell.toml", "/etc/truecell/truecell.toml"];

impl Cli {
    /// The file given, or the first of the usual ones that is there.
    pub(crate) fn config_file(&self) -> Result<PathBuf, Failure> {
        let usual = || USUAL.iter().map(PathBuf::from).find(|file| file.exists());
        self.config.clone().or_else(usual).ok_or_else(|| {
            let what = format!("no configuration, here or at {}", USUAL[1]);
            let next = "name the file with -c FILE, or start from truecell.example.toml";
            Failure::Config(vec![ConfigError::of_file(Path::new(USUAL[0]), what, next)])
        })
    }

    pub(crate) fn read_config(&self) -> Result<Config, Failure> {
        let mut config = Config::read(&self.config_file()?).map_err(Failure::Config)?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// The data directory given, or the one of the configuration.
    pub(crate) fn data_dir(&self) -> Result<DataDir, Failure> {
        match &self.data {
            Some(data) => Ok(DataDir::new(data.clone())),
            None if self.config.is_none() && !USUAL.iter().any(|file| Path::new(file).exists()) => {
                Err(Failure::Usage(
                    Problem::new("no-data", "which data directory?")
                        .because("neither --data nor a configuration was given or found")
                        .next("add --data DIR, or -c truecell.toml"),
                ))
            }
            None => Ok(DataDir::new(self.read_config()?.data)),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::Cli::command().debug_assert();
    }
}
