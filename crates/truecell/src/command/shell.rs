use crate::{cli::Cli, failure::Failure, output::Output};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;
use std::{fs, io, path::PathBuf};

/// Prints what the shell reads; nothing to translate into JSON.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "truecell", &mut script);
        output.bytes(&script)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Folder for truecell.1 and one page for each command; made when missing
    dir: PathBuf,
}

#[derive(Serialize)]
struct Pages {
    dir: PathBuf,
    pages: Vec<String>,
}

impl Man {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Failure> {
        let pages = self.write().map_err(|error| {
            Failure::system(format!("the manual pages cannot be written to {}", self.dir.display()), &error)
        })?;
        let pages = Pages { dir: self.dir.clone(), pages };
        output.answer(&pages, |all| format!("{} pages in {}", all.pages.len(), all.dir.display()))
    }

    fn write(&self) -> io::Result<Vec<String>> {
        fs::create_dir_all(&self.dir)?;
        clap_mangen::generate_to(Cli::command(), &self.dir)?;
        let mut pages: Vec<_> = fs::read_dir(&self.dir)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        pages.sort();
        Ok(pages)
    }
}
