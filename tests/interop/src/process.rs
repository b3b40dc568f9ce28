//! A program that runs while its scenario lasts, its output in a log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::deadline::until;

/// How long a program may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running program. `Drop` ends it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both outputs appended to `log`.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be started.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits for a log line that contains `text` and returns it.
    ///
    /// # Errors
    /// When it does not come in time, or the program ends first.
    pub fn wait_for_line(&mut self, text: &str, within: Duration) -> Result<String> {
        let log = self.log.clone();
        let what = format!("{text:?} in {}", log.display());
        until(&what, within, || {
            if let Some(line) = line_with(&log, text) {
                return Ok(Some(line));
            }
            self.ensure_running().map(|()| None)
        })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// # Errors
    /// When the program has ended; the error holds the end of its log.
    pub fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended with {status}:\n{}", self.log.display(), tail(&self.log(), 30));
        }
        Ok(())
    }

    /// Stops it where it stands (SIGSTOP): the peer sees silence.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends it at once, without a chance to say goodbye (SIGKILL).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits for that; kills it when it takes too long.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        self.thaw()?;
        self.signal(Signal::TERM)?;
        let ended = until("a program to end", GRACE, || Ok(self.child.try_wait()?));
        if ended.is_err() { self.kill() } else { Ok(()) }
    }

    /// CPU time that all its threads, living and ended, have used.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu_time(self.child.id())
    }

    /// Resident memory, in octets.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(kib.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).context("process id 0")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// CPU time of a process from `/proc/<pid>/stat`: user and system time, in ticks of 10 ms.
fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses and may hold spaces; utime and stime are fields 14 and 15.
    let after_name = stat.rsplit_once(')').context("no name in stat")?.1;
    let ticks: Vec<u64> =
        after_name.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

/// The last line of a file that contains `text`.
fn line_with(file: &Path, text: &str) -> Option<String> {
    let bytes = fs::read(file).ok()?;
    String::from_utf8_lossy(&bytes).lines().rfind(|line| line.contains(text)).map(str::to_owned)
}

/// The last `lines` lines of a text.
#[must_use]
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_awaited_and_a_program_that_ends_first_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut process = Process::spawn(Command::new("sh").args(["-c", "echo up; exec cat"]), &log).unwrap();
        assert_eq!(process.wait_for_line("up", Duration::from_secs(5)).unwrap(), "up");
        let err = process.wait_for_line("never", Duration::from_secs(5)).unwrap_err();
        assert!(err.to_string().contains("ended with"), "{err}");
    }

    #[test]
    fn a_frozen_program_still_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut process =
            Process::spawn(Command::new("tail").args(["-f", "/dev/null"]), &dir.path().join("log")).unwrap();
        process.freeze().unwrap();
        process.stop().unwrap();
        assert!(process.ensure_running().is_err());
    }

    #[test]
    fn the_tail_is_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
