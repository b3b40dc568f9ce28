//! A data directory of a test's own, the binary on it, and answers made comparable.

use crate::document::own_address;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A folder with a configuration and, once initialised, a data directory.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    daemon: Option<Daemon>,
    /// Commands run with umask 0: a mode is what the code asked for.
    pub(crate) has_no_umask: bool,
}

/// A running `truecell serve`.
struct Daemon {
    child: Child,
    http: String,
    /// What it has logged since it was ready.
    log: Arc<Mutex<Vec<String>>>,
}

const CONFIG: &str = r#"
node = "segw-1"
data = "state"
[gateway]
identity = "segw.operator.example"
listen = ["ADDRESS"]
port = 0
port_natt = 0
[gateway.pools]
v4 = "10.64.0.0/12"
[ca]
organization = "Operator"
realm = "femto.operator.example"
[http]
listen = "127.0.0.1:0"
[control]
approvers = ["dave"]
[log]
format = "json"
"#;

impl Bench {
    /// Configured, not initialised.
    pub(crate) fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("truecell.toml"), CONFIG.replace("ADDRESS", &own_address())).unwrap();
        Self { folder, daemon: None, has_no_umask: false }
    }

    /// Initialised.
    pub(crate) fn new() -> Self {
        let bench = Self::bare();
        bench.good(&["init"]);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A copy of the binary that every user can run.
    pub(crate) fn binary_for_everyone(&self) -> PathBuf {
        let copy = self.path("truecell");
        if !copy.exists() {
            fs::copy(env!("CARGO_BIN_EXE_truecell"), &copy).unwrap();
        }
        copy
    }

    /// The binary with these arguments, not yet run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_truecell");
        let mut command = Command::new(if self.has_no_umask { "sh" } else { binary });
        if self.has_no_umask {
            command.args(["-c", "umask 0; exec \"$0\" \"$@\"", binary]);
        }
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that ends with code 0.
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// The JSON answer of a command that ends with code 0.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.good(&[&["--json"], arguments].concat())).unwrap()
    }

    /// Code, and standard error, of a command that does not do it.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
        (output.status.code().unwrap(), text(&output.stderr))
    }

    /// Follows the journal from its first record: the command, and each record as JSON.
    pub(crate) fn follow(&self) -> (Child, impl Iterator<Item = String> + use<>) {
        let mut follow = self.command(&["--json", "event", "tail", "--follow", "--from", "1"]);
        let mut follower = follow.stdout(Stdio::piped()).spawn().unwrap();
        let records = BufReader::new(follower.stdout.take().unwrap()).lines().map_while(Result::ok);
        (follower, records)
    }

    /// Starts `truecell serve`, and waits until it is ready.
    pub(crate) fn serve(&mut self) {
        self.serve_until("ready");
    }

    /// Starts `truecell serve`, and waits for a log line with `message`.
    pub(crate) fn serve_until(&mut self, message: &str) -> Vec<String> {
        self.start(self.command(&["serve"]), message)
    }

    /// Starts `truecell serve` with these limits of the shell's `ulimit`, and waits until it is ready; the lines of its log.
    pub(crate) fn serve_within(&mut self, limits: &str) -> Vec<String> {
        let mut shell = Command::new("sh");
        let script = format!("ulimit {limits}; exec {} serve", env!("CARGO_BIN_EXE_truecell"));
        shell.args(["-c", &script]).current_dir(&self.folder).stdin(Stdio::null());
        self.start(shell, "ready")
    }

    /// The lines with this in them that the daemon has logged since it was ready.
    pub(crate) fn logged(&self, what: &str) -> Vec<String> {
        let log = self.daemon.as_ref().unwrap().log.lock().unwrap();
        log.iter().filter(|line| line.contains(what)).cloned().collect()
    }

    /// Waits for such a line, and returns the first.
    pub(crate) fn wait_logged(&self, what: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(line) = self.logged(what).into_iter().next() {
                return line;
            }
            assert!(Instant::now() < until, "no `{what}` in {:#?}", self.logged(""));
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Starts a daemon by this command, and waits for a log line with `message`; the lines up to it.
    pub(crate) fn start(&mut self, mut command: Command, message: &str) -> Vec<String> {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        let found = lines.by_ref().inspect(|line| seen.push(line.clone())).any(|line| line.contains(message));
        assert!(found, "serve ended:\n{}", seen.join("\n"));
        let ready: serde_json::Value = serde_json::from_str(seen.last().unwrap()).unwrap();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let kept = log.clone();
        std::thread::spawn(move || lines.for_each(|line| kept.lock().unwrap().push(line)));
        let http = ready["http"].as_str().unwrap_or_default().to_owned();
        self.daemon = Some(Daemon { child, http, log });
        seen
    }

    /// Process and address of pages of the running daemon.
    pub(crate) fn daemon(&self) -> (u32, &str) {
        let daemon = self.daemon.as_ref().unwrap();
        (daemon.child.id(), &daemon.http)
    }

    /// What the kernel says about the daemon: the values of /proc/PID/status by name.
    pub(crate) fn status(&self) -> BTreeMap<String, String> {
        let (pid, _) = self.daemon();
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let values = text.lines().filter_map(|line| line.split_once(":\t"));
        values.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Status and body of one of the daemon's pages.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&self.daemon.as_ref().unwrap().http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Ends the daemon at once, as a power failure would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.child.kill().unwrap();
            daemon.child.wait().unwrap();
        }
    }

    /// Waits until the daemon has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.daemon.take().unwrap().child.wait().unwrap()
    }

    /// Ends the daemon by SIGTERM; its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        let mut daemon = self.daemon.take().unwrap();
        let pid = rustix::process::Pid::from_child(&daemon.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        daemon.child.wait().unwrap().code().unwrap()
    }

    /// Times, hashes, serials, keys, certificates in rows and this folder, replaced by what they are.
    pub(crate) fn normalized(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let me = api::Caller::here().name;
        let text = text.replace(&folder, "FOLDER");
        let text = text.replace(&format!("by={me} "), "by=<me> ");
        let text = text.replace(&format!("\"by\":\"{me}\""), "\"by\":\"<me>\"");
        let text = text.replace(&format!("\"by\": \"{me}\""), "\"by\": \"<me>\"");
        let text = text.replace(&format!("word of {me}\n"), "word of <me>\n");
        let text = text.replace(&format!("word of {me} and "), "word of <me> and ");
        text.lines().map(|line| words(&without_der(line)) + "\n").collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.child.kill();
            let _ = daemon.child.wait();
        }
    }
}

pub(crate) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// A line of JSON with what stands for certificates in its rows, which are in Base64.
fn without_der(line: &str) -> String {
    const DER: &str = "\"der\":\"";
    let mut parts = line.split(DER);
    let first = parts.next().unwrap_or_default().to_owned();
    let cut = |part: &str| format!("{DER}<certificate>{}", part.find('"').map_or("", |end| &part[end..]));
    first + &parts.map(cut).collect::<String>()
}

/// One line with its changing words replaced. A word is a run of letters, digits, `:`, `.` and `-`.
fn words(line: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || ":.-".contains(c);
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !inner(c)).unwrap_or(from.len());
        let (word, _) = from.split_at(end);
        let word = word.trim_end_matches([':', '.']);
        let after = &from[word.len()..];
        out += before;
        out += &placeholder(word);
        rest = after;
    }
    out + rest
}

fn placeholder(word: &str) -> String {
    let hex = word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_time = word.starts_with("20") && word.ends_with('Z');
    let is_day = || word.split('-').map(str::len).eq([4, 2, 2]) && word.starts_with("20");
    match word.len() {
        _ if word.starts_with("127.") => "<address>".into(),
        10 if is_day() => "<day>".into(),
        20 if is_time => "<time------------->Z".into(),
        27 if is_time => "<time-------------------->Z".into(),
        128 if hex => "<signature>".into(),
        64 if hex => "<sha256>".into(),
        31..=32 if hex => "<serial>".into(),
        _ => word.into(),
    }
}

/// Compares with the golden file of that name; with `UPDATE_GOLDEN=1` writes it instead.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let differ = text.lines().zip(known.lines()).find(|(now, before)| now != before);
    let (path, again) = (path.display(), "UPDATE_GOLDEN=1 writes it anew, then read the difference");
    assert!(text == known, "{path} differs, first at {differ:?}; {again}");
}
