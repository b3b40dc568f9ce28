//! `truecell-agent`, the small program on the unit. See docs/agent.md.

use agent::{
    Backoff, Disk, Done, Failure, Folder, Http, LastFailure, MachineClock, Settings, Status, Store,
    StrongSwan, Unit,
};
use ids::CertSha256;
use lexopt::prelude::*;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
truecell-agent: gets this unit its certificate of the operator, renews it, and hands it to strongSwan

Usage: truecell-agent [-c FILE] COMMAND

Commands:
  run       goes on until it is ended; it may be ended at any time
  once      does what is due and ends
  status    says where the unit stands

Options:
  -c, --config FILE   configuration (default: /etc/truecell-agent.toml)
      --json          status for programs
  -h, --help
  -V, --version

Exit codes: 0 done, or nothing was due; 64 command line or configuration; 69 failed, may go well next time;
77 refused, somebody has to do something; 75 another agent runs.
";

const EX_USAGE: u8 = 64;
const EX_UNAVAILABLE: u8 = 69;
const EX_TEMPFAIL: u8 = 75;
const EX_NOPERM: u8 = 77;

/// At most this long between two looks at the clock, which somebody may set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

enum Command {
    Run,
    Once,
    Status { json: bool },
    Say(&'static str),
}

fn main() -> ExitCode {
    let (config, command) = match arguments() {
        Ok(read) => read,
        Err(error) => return ended(EX_USAGE, &format!("{error}; --help lists commands and options")),
    };
    if let Command::Say(text) = command {
        return said(text);
    }
    match act(&config, &command) {
        Ok(code) => code,
        Err(error) => ended(EX_USAGE, &error.to_string()),
    }
}

fn arguments() -> Result<(PathBuf, Command), lexopt::Error> {
    let mut config = PathBuf::from("/etc/truecell-agent.toml");
    let (mut name, mut json) = (None, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => config = parser.value()?.into(),
            Short('h') | Long("help") => return Ok((config, Command::Say(HELP))),
            Short('V') | Long("version") => {
                return Ok((
                    config,
                    Command::Say(concat!("truecell-agent ", env!("CARGO_PKG_VERSION"), "\n")),
                ));
            }
            Long("json") => json = true,
            Value(value) if name.is_none() => name = Some(value.string()?),
            Short(_) | Long(_) | Value(_) => return Err(argument.unexpected()),
        }
    }
    let command = match (name.as_deref(), json) {
        (Some("run"), false) => Command::Run,
        (Some("once"), false) => Command::Once,
        (Some("status"), json) => Command::Status { json },
        (Some("run" | "once"), true) => return Err("--json goes with status".into()),
        (Some(other), _) => return Err(format!("no command {other}").into()),
        (None, _) => return Err("a command is missing".into()),
    };
    Ok((config, command))
}

fn act(config: &std::path::Path, command: &Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let settings = Settings::read(config)?;
    let state = Folder::new(&settings.state)?;
    let store = Store::new(&state);
    if let Command::Status { json } = command {
        let status = Status::of(&store)?;
        return Ok(said(&if *json { serde_json::to_string(&status)? + "\n" } else { status.to_string() }));
    }
    let Ok(_lock) = state.lock() else { return Ok(ended(EX_TEMPFAIL, "another agent runs here")) };
    let (operator, root) = settings.operator()?;
    let vendor = settings.vendor()?;
    let wire = Http::new(settings.servers.clone(), settings.timeout());
    let clock = MachineClock::default();
    let unit = Unit::new(&operator, &vendor, store, &wire, &clock).called(settings.device);
    let section = settings.strongswan.as_ref();
    let swanctl = section.and_then(|section| section.swanctl.as_deref()).map(Folder::new).transpose()?;
    let swanctl = swanctl.as_ref().map(|folder| folder as &dyn Disk);
    let mut agent = Agent {
        unit: &unit,
        strongswan: section.map(|section| StrongSwan::new(section, swanctl, &root)),
        handed: None,
    };
    match command {
        Command::Run => agent.run(),
        Command::Once | Command::Status { .. } | Command::Say(_) => Ok(agent.once()),
    }
}

struct Agent<'a> {
    unit: &'a Unit<'a>,
    strongswan: Option<StrongSwan<'a>>,
    /// What this process gave to strongSwan.
    handed: Option<CertSha256>,
}

impl Agent<'_> {
    /// What is due, then strongSwan, which may have been started anew. A certificate in use is handed over whatever
    /// became of its renewal.
    fn attempt(&mut self) -> Result<Done, Failure> {
        let done = self.unit.attempt();
        let handed = self.hand_over();
        let result = done.and_then(|done| handed.map(|()| done));
        let failure = result.as_ref().err();
        let failure = failure.map(|failure| LastFailure::new(failure, self.unit.time().now()));
        self.unit.store().set_last_failure(failure.as_ref())?;
        result
    }

    fn hand_over(&mut self) -> Result<(), Failure> {
        let (Some(strongswan), Some(current)) = (&self.strongswan, self.unit.store().current()?) else {
            return Ok(());
        };
        let certificate = current.certificate().sha256();
        if self.handed != Some(certificate) {
            strongswan.take(&current, self.unit.store())?;
            self.handed = Some(certificate);
        }
        Ok(())
    }

    fn once(&mut self) -> ExitCode {
        match self.attempt() {
            Ok(done) => said(&format!("{}\n", sentence(done))),
            Err(failure) => {
                let code = if failure.is_refusal() { EX_NOPERM } else { EX_UNAVAILABLE };
                ended(code, &format!("{failure}\nnext: {}", failure.next()))
            }
        }
    }

    fn run(&mut self) -> Result<ExitCode, Box<dyn std::error::Error>> {
        let mut backoff = Backoff::default();
        let mut before = None;
        loop {
            let wait = match self.attempt() {
                Ok(done) => {
                    backoff.succeeded();
                    if before.replace(done) != Some(done) {
                        log(&sentence(done));
                    }
                    match done {
                        Done::NotDue(due) => due.since(self.unit.time().now()),
                        Done::Enrolled | Done::Renewed | Done::Finished => Duration::ZERO,
                    }
                }
                Err(failure) => {
                    before = None;
                    let wait = backoff.failed(&failure, random());
                    log(&format!("{}: {failure}; next: {}", failure.code(), failure.next()));
                    wait
                }
            };
            // Never without a pause.
            std::thread::sleep(wait.clamp(Duration::from_secs(1), LONGEST_SLEEP));
        }
    }
}

fn sentence(done: Done) -> String {
    match done {
        Done::Enrolled => "enrolled".to_owned(),
        Done::Renewed => "renewed".to_owned(),
        Done::Finished => "confirmed what an earlier run had left".to_owned(),
        Done::NotDue(due) => format!("nothing is due before {due}"),
    }
}

/// Spreads waits only; a system without randomness makes no key either.
fn random() -> u32 {
    let mut octets = [0; 4];
    let _ = aws_lc_rs::rand::fill(&mut octets);
    u32::from_be_bytes(octets)
}

/// A line for the system's log. Nobody is told when that fails.
fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn said(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn ended(code: u8, why: &str) -> ExitCode {
    log(&format!("truecell-agent: {why}"));
    ExitCode::from(code)
}
