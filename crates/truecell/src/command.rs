//! One file for each noun of the command line: its arguments, and its answer as text.

pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod lab;
pub(crate) mod shell;

use crate::{
    cli::{Cli, Command},
    failure::Failure,
    output::Output,
};

pub(crate) fn run(cli: &Cli, output: &Output) -> Result<(), Failure> {
    match &cli.command {
        Command::Config(config) => config.run(cli, output),
        Command::Lab(lab) => lab.run(output),
        Command::Bench(bench) => bench.run(output),
        Command::Completions(completions) => completions.run(output),
        Command::Man(man) => man.run(output),
    }
}
