use crate::{
    cli::Cli,
    failure::Failure,
    output::{Output, count},
};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "truecell", &mut script);
        let script = String::from_utf8(script).map_err(|error| Failure::system("no completions", &error))?;
        output.answer(&Script { shell: self.shell.to_string(), script }, |all| all.script.clone())
    }
}

#[derive(Serialize)]
struct Script {
    shell: String,
    script: String,
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
            Failure::folder(format!("the manual pages cannot be written to {}", self.dir.display()), &error)
        })?;
        let pages = Pages { dir: self.dir.clone(), pages };
        output.answer(&pages, |all| {
            format!("{} in {}", count(all.pages.len() as u64, "page"), all.dir.display())
        })
    }

    fn write(&self) -> io::Result<Vec<String>> {
        fs::create_dir_all(&self.dir)?;
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        page_of_each(&command, &self.dir)?;
        let mut pages: Vec<_> = fs::read_dir(&self.dir)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        pages.sort();
        Ok(pages)
    }
}

fn page_of_each(command: &Command, dir: &Path) -> io::Result<()> {
    let page = page(command)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    fs::write(dir.join(format!("{name}.1")), page)?;
    command.get_subcommands().try_for_each(|command| page_of_each(command, dir))
}

/// One page; its synopsis is the usage line, which has the values too.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = clap_mangen::Man::new(command.clone())
        .source(concat!("truecell ", env!("CARGO_PKG_VERSION")))
        .manual("Truecell");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace('-', "\\-");
    page.extend_from_slice(format!(".SH SYNOPSIS\n{usage}\n").as_bytes());
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    Ok(page)
}
