//! The binary: command line, configuration, wiring. It decides nothing about devices or tunnels.

mod cli;
mod command;
mod config;
mod control;
mod data_dir;
mod failure;
mod file;
mod groups;
mod identity;
mod logging;
mod node;
mod notify;
mod output;
mod progress;
mod table;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = output::Output::new(cli.json);
    match command::run(&cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    }
}
