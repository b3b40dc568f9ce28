//! The binary: command line, configuration, wiring. It decides nothing about devices or tunnels.

mod backup;
mod bench;
mod cli;
mod command;
mod config;
mod control;
mod csv_rows;
mod daemon;
mod data_dir;
mod enrol;
mod failure;
mod folder;
mod gateway;
mod groups;
mod identity;
mod issued_files;
#[cfg(feature = "key-log")]
mod key_log;
mod logging;
mod measures;
mod node;
mod notify;
mod output;
mod presence;
mod privilege;
mod progress;
mod reload;
mod table;
mod top;
mod tun;
mod usage;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    let output = output::Output::new(cli.json);
    match command::run(&cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    }
}

/// Help and version are answers; the rest is a usage error, as JSON where JSON was asked for.
fn not_parsed(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().skip(1).any(|argument| argument == "--json");
    if !error.use_stderr() || !wants_json {
        // A closed standard output or error changes nothing about the exit code.
        let _ = error.print();
        return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let failure = usage::failure(error);
    output::Output::new(true).failure(&failure);
    failure.exit()
}
