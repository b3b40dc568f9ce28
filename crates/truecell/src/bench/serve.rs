use super::{
    Lacks,
    estate::{Estate, GATEWAY, SERVICE, UnitFiles},
    network::Link,
    process::{GatewayProcess, Process, ends_with_us, said},
};
use anyhow::{Context, ensure};
use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// Starts this binary's `truecell serve` and waits until units can attach.
///
/// # Errors
/// It does not come up; with what it said.
pub(crate) fn serve(estate: &Estate) -> anyhow::Result<GatewayProcess> {
    serve_by(ends_with_us(env::current_exe()?), estate)
}

/// The same at the gateway's end of a link.
///
/// # Errors
/// As [`serve`].
pub(crate) fn serve_on(link: &Link, estate: &Estate) -> anyhow::Result<Process> {
    Ok(serve_by(link.gateway.command(env::current_exe()?), estate)?.process)
}

/// Attaches a `truecell lab unit` as the unit of a link, and waits until its device stands.
///
/// # Errors
/// It does not attach; why is on standard error.
pub(crate) fn attach(unit: &UnitFiles, link: &Link) -> anyhow::Result<Process> {
    let mut command = link.unit.command(env::current_exe()?);
    command.args(["lab", "unit", "--gateway", GATEWAY, "--to", &Link::GATEWAY.to_string()]);
    command.args(["--route", &format!("{SERVICE}/32")]).arg(unit.key.with_extension(""));
    let mut process = Process(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let said = process.0.stdout.take().context("a pipe was asked for")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    ensure!(line.starts_with("attached"), "the unit is not attached");
    Ok(process)
}

fn serve_by(command: Command, estate: &Estate) -> anyhow::Result<GatewayProcess> {
    let mut known = estate.known.clone();
    let (process, addresses) = serve_where(command, &estate.config, ready)?;
    (known.ike, known.natt) = addresses;
    Ok(GatewayProcess { process, known, network: None })
}

/// Starts `truecell serve` with a configuration that has `[enrol]`, and says where its public listener is.
///
/// # Errors
/// As [`serve`].
pub(crate) fn serve_enrolment(config: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let address = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line.get("enrol")?.as_str()?.parse().ok()
    };
    serve_where(ends_with_us(env::current_exe()?), config, address)
}

/// `ready`: what the line of the log says that says that it serves.
fn serve_where<T>(
    mut command: Command,
    config: &Path,
    ready: impl Fn(&str) -> Option<T>,
) -> anyhow::Result<(Process, T)> {
    command.arg("--config").arg(config).arg("serve").stdin(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process(command.spawn().context(Lacks::Tool("setpriv"))?);
    let log = process.0.stderr.take().context("a pipe was asked for")?;
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let ready = lines.by_ref().inspect(|line| said.push(line.clone())).find_map(|line| ready(&line));
    let ready = ready.with_context(|| format!("truecell serve ended:\n{}", said.join("\n")))?;
    thread::spawn(move || lines.for_each(drop));
    Ok((process, ready))
}

/// Both addresses of the line that says that units can attach.
fn ready(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let address = |key| line.get(key)?.as_str()?.parse().ok();
    Some((address("ike")?, address("natt")?))
}

/// Runs a command of this binary.
///
/// # Errors
/// It refuses; with what it said.
pub(crate) fn truecell(config: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    said(Command::new(env::current_exe()?).arg("--config").arg(config).args(arguments)).map(drop)
}
