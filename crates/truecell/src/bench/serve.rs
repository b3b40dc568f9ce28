use super::{
    estate::Estate,
    process::{GatewayProcess, ends_with_us},
};
use anyhow::{Context, anyhow};
use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
};

/// Starts this binary's `truecell serve` and waits until units can attach.
///
/// # Errors
/// It does not come up; with what it said.
pub(crate) fn serve(estate: &Estate) -> anyhow::Result<GatewayProcess> {
    let mut command = ends_with_us(env::current_exe()?);
    command.arg("--config").arg(&estate.config).arg("serve").stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("setpriv")?;
    let log = child.stderr.take().context("a pipe was asked for")?;
    let mut process = GatewayProcess { child, known: estate.known.clone(), network: None };
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let ready = lines.by_ref().inspect(|line| said.push(line.clone())).find_map(|line| ready(&line));
    (process.known.ike, process.known.natt) =
        ready.with_context(|| format!("truecell serve ended:\n{}", said.join("\n")))?;
    thread::spawn(move || lines.for_each(drop));
    Ok(process)
}

/// Both addresses of the line that says that units can attach.
fn ready(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let address = |key| line.get(key)?.as_str()?.parse().ok();
    Some((address("ike")?, address("natt")?))
}

/// Makes the data directory.
pub(crate) fn init(config: &std::path::Path) -> anyhow::Result<()> {
    let output = Command::new(env::current_exe()?)
        .arg("--config")
        .arg(config)
        .arg("init")
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(anyhow!("truecell init: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
