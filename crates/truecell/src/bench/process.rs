use super::network::Network;
use anyhow::{Context, bail};
use lab::{KnownGateway, Load};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A program that runs. Dropped, it is killed.
pub(crate) struct Process(pub(crate) Child);

/// A gateway in a process of its own.
pub(crate) struct GatewayProcess {
    pub(crate) process: Process,
    /// How units know it.
    pub(crate) known: KnownGateway,
    /// Where its sockets are, unless that is where ours are.
    pub(crate) network: Option<Network>,
}

/// `program`, to be killed by the kernel when the thread that starts it has ended, even if by a SIGKILL.
pub(crate) fn ends_with_us(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// Standard output of a command that ends with code 0.
///
/// # Errors
/// It does not; with what it said.
pub(crate) fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).trim_end().to_owned();
    if !output.status.success() {
        bail!("{command:?}: {} {}", text(&output.stdout), text(&output.stderr));
    }
    Ok(text(&output.stdout))
}

impl GatewayProcess {
    /// Units to attach to it, `places` at a time.
    pub(crate) fn load(&self, places: usize) -> anyhow::Result<Load> {
        let bind = || Load::new(self.known.clone(), places);
        self.network.as_ref().map_or_else(bind, |network| network.within(bind))
    }
}

impl Process {
    /// CPU time of each of its threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let task = task?;
            // A thread may end meanwhile.
            let read = |file: &str| fs::read_to_string(task.path().join(file));
            let (Ok(name), Ok(schedstat)) = (read("comm"), read("schedstat")) else { continue };
            let nanoseconds = schedstat.split(' ').next().unwrap_or_default().parse()?;
            let id = task.file_name().to_string_lossy().into_owned();
            threads.insert(id, (name.trim_end().to_owned(), Duration::from_nanos(nanoseconds)));
        }
        Ok(Cpu(threads))
    }

    /// Its resident memory in KiB.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(rss.trim().trim_end_matches(" kB").parse()?)
    }

    /// Has it end in good order, and waits for that.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::TERM)?;
        let status = self.0.wait()?;
        if status.success() { Ok(()) } else { bail!("it ended with {status}") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Thread id, name and CPU time of the threads of a process.
pub(crate) struct Cpu(BTreeMap<String, (String, Duration)>);

impl Cpu {
    /// CPU time since an earlier look, summed up by thread name. A thread that ended in between is left out.
    pub(crate) fn since(&self, earlier: &Self) -> BTreeMap<String, Duration> {
        let mut by_name: BTreeMap<String, Duration> = BTreeMap::new();
        for (id, (name, spent)) in &self.0 {
            let before = earlier.0.get(id).map_or(Duration::ZERO, |(_, spent)| *spent);
            *by_name.entry(name.clone()).or_default() += spent.saturating_sub(before);
        }
        by_name
    }
}
