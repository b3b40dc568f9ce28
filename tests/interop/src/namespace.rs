//! A network namespace that goes away with its owner.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What the name of each namespace made here begins with: `tci-<pid>-<number>-<role>`.
const PREFIX: &str = "tci-";

/// One network namespace, its loopback up. `Drop` ends what still runs in it and removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace; `role` is the readable end of its name.
    ///
    /// # Errors
    /// When `ip netns` refuses: no root, or no namespaces here.
    pub fn new(role: &str) -> Result<Self> {
        static SWEEP: Once = Once::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        SWEEP.call_once(remove_orphans);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{role}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name that `ip netns` knows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside; the child's process id is that of `program` itself.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `line`, split at spaces, inside and returns its standard output.
    ///
    /// # Errors
    /// When it cannot be started or ends with a code other than 0; the error holds its standard error.
    pub fn run(&self, line: &str) -> Result<String> {
        let mut words = line.split_whitespace();
        let program = words.next().context("empty command")?;
        run(self.command(program).args(words))
    }

    /// Runs `ip` on this namespace, with `line` split at spaces.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn ip(&self, line: &str) -> Result<String> {
        run(Command::new("ip").args(["-n", &self.name]).args(line.split_whitespace()))
    }

    /// Runs `body` on a thread inside. A socket that it makes stays inside, whoever uses it later.
    ///
    /// # Errors
    /// What `body` says, or when the thread cannot go inside.
    pub fn inside<T: Send>(&self, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = File::open(format!("/run/netns/{}", self.name))?;
        let enter = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            body()
        };
        std::thread::scope(|scope| scope.spawn(enter).join()).map_err(|_| anyhow!("it panicked"))?
    }

    /// Sets a kernel parameter inside, e.g. `net.ipv4.ip_forward=1`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn sysctl(&self, setting: &str) -> Result<()> {
        self.run(&format!("sysctl -q -w {setting}")).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started or ends with a code other than 0; the error holds its standard error.
pub fn run(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}\n{}", String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Ends what runs in a namespace and removes it. Errors are of no use here: there is nobody left to act on them.
fn remove(name: &str) {
    if let Ok(pids) = run(Command::new("ip").args(["netns", "pids", name])) {
        for pid in pids.split_whitespace() {
            let _ = run(Command::new("kill").args(["-KILL", pid]));
        }
    }
    let _ = run(Command::new("ip").args(["netns", "del", name]));
}

/// Removes namespaces of earlier runs whose process no longer exists.
fn remove_orphans() {
    let Ok(list) = run(Command::new("ip").args(["netns", "list"])) else { return };
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        if owner(name).is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()) {
            remove(name);
        }
    }
}

/// The process id in the name of a namespace made by this harness.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_made_here_have_an_owner() {
        assert_eq!(owner("tci-4711-0-gateway"), Some(4711));
        assert_eq!(owner("tci-probe-1"), None);
        assert_eq!(owner("somebody-elses"), None);
    }

    #[test]
    fn a_failing_command_reports_what_it_said() {
        let err = run(Command::new("sh").args(["-c", "echo no luck >&2; exit 3"])).unwrap_err();
        assert!(err.to_string().contains("no luck"), "{err}");
    }
}
