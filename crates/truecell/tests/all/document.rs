//! Reads the commands of a document and runs them as a reader would, top to bottom in one folder.
//!
//! Fenced blocks marked `console` or `sh` are run. In a `console` block, lines that begin with `$ ` are
//! commands (a trailing `\` continues them) and the lines below are what they print; without any `$ `
//! every line is a command and nothing is compared. A `sh` block is one script. In expected output a
//! line `...` stands for any lines, and `…` for any text within its line.
//!
//! A comment right before a block changes that:
//!
//! - `<!-- test: skip WHY -->`: not run, for the reason given.
//! - `<!-- test: run COMMAND -->`: this is run instead, as where the original never ends.
//! - `<!-- test: background -->`: runs until the end of the document; the next block waits until it
//!   printed a line with `ready`, and SIGTERM must end it with code 0.
//! - `<!-- test: exit N -->`: the last command of the block ends with code N instead of 0.
//! - `<!-- test: root -->`: the block, one script, needs root. It is run in network, mount and process name spaces that
//!   end with it, and left out, aloud, where these cannot be had.
//! - `<!-- test: write FILE -->`: the block, of any language, is written to FILE.
//!
//! `cargo run --release -- ` stands for `truecell `, which is this build. 127.0.0.1 is replaced by a
//! loopback address of this run's own, so that documents can name ports and still run side by side.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// One thing to do, and where the document says so.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    line: usize,
    what: What,
}

#[derive(Debug, PartialEq)]
pub(crate) enum What {
    Run { command: String, exit: i32, prints: Option<Vec<String>> },
    Background(String),
    Root(String),
    Write { file: String, text: String },
}

#[derive(Default)]
enum Directive {
    #[default]
    None,
    Skip,
    Run(String),
    Background,
    Root,
    Exit(i32),
    Write(String),
}

/// The steps of one document in their order.
///
/// # Panics
/// A directive is not one of those above, or a block has no end.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut directive = Directive::default();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line_number = number + 1;
        if let Some(comment) = line.trim().strip_prefix("<!-- test:") {
            directive = read_directive(comment.trim_end_matches("-->").trim(), line_number);
        } else if let Some(language) = line.trim_start().strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let block: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line.get(indent..).unwrap_or_else(|| line.trim_start()))
                .take_while(|line| !line.starts_with("```"))
                .collect();
            steps.extend(block_steps(language.trim(), &block, std::mem::take(&mut directive), line_number));
        } else if !line.trim().is_empty() {
            directive = Directive::None;
        }
    }
    steps
}

fn read_directive(text: &str, line: usize) -> Directive {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match (word, rest) {
        ("skip", why) if !why.is_empty() => Directive::Skip,
        ("run", command) if !command.is_empty() => Directive::Run(command.into()),
        ("background", "") => Directive::Background,
        ("root", "") => Directive::Root,
        ("exit", code) => {
            Directive::Exit(code.parse().unwrap_or_else(|_| panic!("line {line}: exit {code}?")))
        }
        ("write", file) if !file.is_empty() => Directive::Write(file.into()),
        _ => panic!("line {line}: no such directive: {text}"),
    }
}

fn block_steps(language: &str, block: &[&str], directive: Directive, line: usize) -> Vec<Step> {
    let step = |what| vec![Step { line, what }];
    let run = |command: String, exit| What::Run { command, exit, prints: None };
    match directive {
        Directive::Skip => Vec::new(),
        Directive::Write(file) => step(What::Write { file, text: block.join("\n") + "\n" }),
        Directive::Run(command) => step(run(command, 0)),
        Directive::Root => step(What::Root(block.join("\n"))),
        Directive::Background => step(What::Background(block.join("\n").trim_start_matches("$ ").into())),
        Directive::None | Directive::Exit(_) => {
            let exit = if let Directive::Exit(code) = directive { code } else { 0 };
            match language {
                "sh" => step(run(block.join("\n"), exit)),
                "console" => console(block, exit, line),
                _ => Vec::new(),
            }
        }
    }
}

fn console(block: &[&str], exit: i32, line: usize) -> Vec<Step> {
    let bare = !block.iter().any(|line| line.starts_with("$ "));
    let mut steps: Vec<(usize, String, Vec<String>)> = Vec::new();
    for (offset, text) in block.iter().enumerate() {
        let continues = steps.last().is_some_and(|(_, command, prints)| {
            prints.is_empty() && command.lines().last().is_some_and(|last| last.ends_with('\\'))
        });
        if continues {
            if let Some((_, command, _)) = steps.last_mut() {
                *command += &format!("\n{text}");
            }
        } else if let Some(command) = text.strip_prefix("$ ").or(bare.then_some(*text)) {
            steps.push((line + offset + 1, command.into(), Vec::new()));
        } else if let Some((_, _, prints)) = steps.last_mut() {
            prints.push((*text).to_owned());
        }
    }
    let last = steps.len().saturating_sub(1);
    let exit_of = |index| if index == last { exit } else { 0 };
    let steps = steps.into_iter().filter(|(_, command, _)| !command.trim().is_empty()).enumerate();
    steps
        .map(|(index, (line, command, prints))| {
            let prints = (!prints.is_empty()).then_some(prints);
            Step { line, what: What::Run { command, exit: exit_of(index), prints } }
        })
        .collect()
}

/// A reader's desk: a fresh folder, `truecell` on the path, an address of its own.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
    bin: PathBuf,
    address: String,
    background: Vec<(String, Child)>,
}

impl Desk {
    pub(crate) fn new(root: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join(".bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_truecell"), bin.join("truecell")).unwrap();
        fs::copy(root.join("truecell.example.toml"), folder.path().join("truecell.example.toml")).unwrap();
        Self { folder, bin, address: own_address(), background: Vec::new() }
    }

    /// Does one step.
    ///
    /// # Panics
    /// It ends otherwise, or prints something else, than the document says.
    pub(crate) fn follow(&mut self, document: &str, step: &Step) {
        let at = format!("{document}:{}", step.line);
        match &step.what {
            What::Write { file, text } => {
                let path = self.folder.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, self.here(text)).unwrap();
            }
            What::Background(command) => self.start(&at, command),
            What::Root(script) if !has_name_spaces() => {
                println!("{at}: left out, as it needs root and /dev/net/tun:\n{script}");
            }
            What::Root(script) => {
                let output =
                    apart(&self.here(script), self.folder.path()).env("PATH", self.path()).output().unwrap();
                let said = [output.stdout, output.stderr].concat();
                assert!(output.status.success(), "{at}: {script}\n{}", String::from_utf8_lossy(&said));
            }
            What::Run { command, exit, prints } => self.run(&at, command, *exit, prints.as_deref()),
        }
    }

    fn run(&self, at: &str, command: &str, exit: i32, prints: Option<&[String]>) {
        let output = self.shell(command).stdin(Stdio::null()).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(exit), "{at}: {command}\n{stdout}{stderr}");
        let Some(expected) = prints else { return };
        let printed = format!("{stdout}{stderr}").replace(&self.address, "127.0.0.1");
        let printed: Vec<&str> = printed.lines().collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        assert!(matches(&expected, &printed), "{at}: {command}\nprinted:\n{}", printed.join("\n"));
    }

    fn start(&mut self, at: &str, command: &str) {
        let mut shell = self.shell(&format!("exec {command} 2>&1"));
        let mut child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        let ready = lines.by_ref().inspect(|line| seen.push(line.clone())).any(|line| line.contains("ready"));
        assert!(ready, "{at}: {command} ended:\n{}", seen.join("\n"));
        std::thread::spawn(move || lines.for_each(drop));
        self.background.push((format!("{at}: {command}"), child));
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-euc", &self.here(command)]).current_dir(&self.folder).env("PATH", self.path());
        shell
    }

    fn path(&self) -> std::ffi::OsString {
        let others = std::env::var_os("PATH").unwrap();
        let own = std::iter::once(self.bin.clone());
        std::env::join_paths(own.chain(std::env::split_paths(&others))).unwrap()
    }

    fn here(&self, text: &str) -> String {
        text.replace("cargo run --release -- ", "truecell ").replace("127.0.0.1", &self.address)
    }

    /// Ends what runs in the background.
    ///
    /// # Panics
    /// One of them does not end with code 0 on SIGTERM.
    pub(crate) fn leave(mut self) {
        for (what, mut child) in self.background.drain(..) {
            terminate(&child);
            assert_eq!(child.wait().unwrap().code(), Some(0), "{what}");
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for (_, child) in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Name spaces of its own for one command: nothing of its networks, mounts and processes is left when it ends.
const APART: [&str; 6] = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// Whether this process may have them, and a TUN device in them.
pub(crate) fn has_name_spaces() -> bool {
    let mut tried = Command::new("unshare");
    tried.args(APART).args(["test", "-c", "/dev/net/tun"]).output().is_ok_and(|tried| tried.status.success())
}

/// A script that is run there, for two minutes at most.
pub(crate) fn apart(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("timeout");
    // `ip netns` keeps its names below /run, which is the machine's.
    let script = format!("mount -t tmpfs tmpfs /run; ip link set lo up\n{script}");
    command.args(["120", "unshare"]).args(APART).args(["sh", "-euc", &script]).current_dir(folder);
    command.stdin(Stdio::null());
    command
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

/// 127.a.b.c from this process's id and a counter: unlike those of other runs at the same time.
pub(crate) fn own_address() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    format!("127.{}.{}.{}", 1 + pid / 256 % 254, pid % 256, 1 + number % 254)
}

/// Whether `printed` is what `expected` says, with `...` for any lines and `…` for any text.
fn matches(expected: &[&str], printed: &[&str]) -> bool {
    match expected {
        [] => printed.is_empty(),
        ["...", rest @ ..] => (0..=printed.len()).any(|skip| matches(rest, &printed[skip..])),
        [first, rest @ ..] => printed.split_first().is_some_and(|(line, after)| {
            line_matches(first.trim_end(), line.trim_end()) && matches(rest, after)
        }),
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    match expected.split_once('…') {
        None => expected == line,
        Some((head, tail)) => line.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| line_matches(tail, &rest[at..]))
        }),
    }
}

#[test]
fn blocks_become_steps_and_their_output() {
    let text = "```console\n$ a \\\n  b\nout\n$ c\n```\n\n```console\nd\n```\n<!-- test: exit 1 -->\n\n```sh\ne\nf\n```\n```toml\nx = 1\n```\n<!-- test: write g.toml -->\n```toml\ny = 1\n```\n<!-- test: skip takes an hour -->\n```sh\nh\n```\n";
    let run = |line, command: &str, exit, prints: Option<&str>| Step {
        line,
        what: What::Run { command: command.into(), exit, prints: prints.map(|line| vec![line.into()]) },
    };
    let expected = [
        run(2, "a \\\n  b", 0, Some("out")),
        run(5, "c", 0, None),
        run(9, "d", 0, None),
        run(13, "e\nf", 1, None),
        Step { line: 21, what: What::Write { file: "g.toml".into(), text: "y = 1\n".into() } },
    ];
    assert_eq!(steps(text), expected);
}

#[test]
fn dots_stand_for_lines_and_an_ellipsis_for_text() {
    assert!(matches(&["a", "...", "z…9"], &["a", "b", "c", "z 1 9"]));
    assert!(matches(&["a", "..."], &["a"]));
    assert!(!matches(&["a", "z…9"], &["a", "b", "z9"]));
    assert!(!matches(&["a"], &["a", "b"]));
}
