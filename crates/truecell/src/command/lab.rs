use crate::{
    failure::{Failure, Problem},
    output::Output,
};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Lab {
    /// End by itself after the demonstration instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,
}

impl Lab {
    pub(crate) fn run(&self, _output: &Output) -> Result<(), Failure> {
        let problem = Problem::new("not-built", "this build has no lab");
        Err(Failure::Ours(problem.because(format!("asked with once = {}", self.once))))
    }
}
