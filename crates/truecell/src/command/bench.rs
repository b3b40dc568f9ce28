use crate::{
    failure::{Failure, Problem},
    output::Output,
};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Responder CPU for each tunnel that comes up
    Handshake,
}

impl Bench {
    pub(crate) fn run(&self, _output: &Output) -> Result<(), Failure> {
        match self {
            Self::Handshake => {
                Err(Failure::Ours(Problem::new("not-built", "this build has no handshake bench")))
            }
        }
    }
}
