//! Network name spaces: they go away with this process and what it started in them, however it ends.

use super::{
    Lacks,
    process::{ends_with_us, said},
};
use anyhow::{Context, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    os::fd::{AsFd, AsRawFd},
    process::{self, Command, Stdio},
    thread,
};

/// A network name space, its loopback up.
pub(crate) struct Network(File);

impl Network {
    /// A new one.
    ///
    /// # Errors
    /// No root, or no name spaces here.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut first = ends_with_us("unshare");
        first.args(["-n", "sh", "-c", "echo && exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut first = first.spawn().context(Lacks::Tool("setpriv"))?;
        let said = first.stdout.take().context("a pipe was asked for")?;
        BufReader::new(said).read_line(&mut String::new())?;
        let network = File::open(format!("/proc/{}/ns/net", first.id())).map(Self);
        drop(first.stdin.take());
        let status = first.wait()?;
        if !status.success() {
            bail!("unshare -n ended with {status}");
        }
        let network = network?;
        network.ip("link set lo up")?;
        Ok(network)
    }

    /// As programs of this machine find it.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// `program` in it, to be killed when this process has ended; the child is the program itself.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = ends_with_us("nsenter");
        command.arg(format!("--net={}", self.path())).arg(program);
        command
    }

    /// Runs `ip` in it, with `line` split at spaces.
    ///
    /// # Errors
    /// What it says when it refuses.
    pub(crate) fn ip(&self, line: &str) -> anyhow::Result<()> {
        said(self.command("ip").args(line.split(' '))).map(drop)
    }

    /// Does `work` on a thread in it: sockets and devices stay in the name space of the thread that made them.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn within<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let enter_and_work = || {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        };
        thread::scope(|scope| scope.spawn(enter_and_work).join().unwrap_or_else(|_| bail!("it panicked")))
    }
}

/// A gateway's network and a unit's, joined by one link of 1,500 octets.
pub(crate) struct Link {
    pub(crate) gateway: Network,
    pub(crate) unit: Network,
}

impl Link {
    /// The gateway's address.
    pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    /// The unit's.
    pub(crate) const UNIT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

    /// # Errors
    /// As [`Network::new`].
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (gateway, unit) = (Network::new()?, Network::new()?);
        gateway.ip(&format!("link add eth0 type veth peer name eth0 netns {}", unit.path()))?;
        for (network, address) in [(&gateway, Self::GATEWAY), (&unit, Self::UNIT)] {
            network.ip(&format!("addr add {address}/24 dev eth0"))?;
            network.ip("link set eth0 up")?;
        }
        Ok(Self { gateway, unit })
    }
}
