//! `truecell bench tunnel` in its short form: that it measures all it says it does, never how fast this machine is.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use interop::namespace::run;
use interop::scene::Scene;
use interop::truecell::built;
use serde_json::Value;

const SHORT: &str = "bench tunnel --runs 1 --seconds 1 --tunnels 100 --datagrams 1000";

/// Case and peer of each row.
const EXPECTED: [(&str, &str); 14] = [
    ("TCP uplink, truecell at both ends", "bare pipe"),
    ("TCP downlink, truecell at both ends", "bare pipe"),
    ("round trip at one load, median, truecell at both ends", "bare pipe"),
    ("round trip at one load, 99 of 100, truecell at both ends", "bare pipe"),
    ("TCP uplink, truecell at both ends", "charon at both ends"),
    ("TCP downlink, truecell at both ends", "charon at both ends"),
    ("round trip at one load, median, truecell at both ends", "charon at both ends"),
    ("round trip at one load, 99 of 100, truecell at both ends", "charon at both ends"),
    ("TCP uplink, truecell and charon", "charon at both ends"),
    ("TCP downlink, truecell and charon", "charon at both ends"),
    ("round trip at one load, median, truecell and charon", "charon at both ends"),
    ("round trip at one load, 99 of 100, truecell and charon", "charon at both ends"),
    ("CPU of our gateway for a packet, tunnels: 1", ""),
    ("CPU of our gateway for a packet, tunnels: 100", "1 tunnel"),
];

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn the_tunnel_bench_measures_ours_beside_a_bare_pipe_and_charon_and_leaves_nothing_behind() {
    Scene::play("bench", |scene| {
        let folder = scene.dir("bench")?;
        let mut bench = Command::new(built("truecell")?);
        bench.args(["--json", "--data"]).arg(&folder).args(SHORT.split(' '));
        let rows: Vec<Value> = serde_json::from_str(&run(&mut bench)?)?;
        let seen: Vec<_> = rows.iter().map(case_and_peer).collect::<Result<_>>()?;
        let seen: Vec<_> = seen.iter().map(|(case, peer)| (case.as_str(), peer.as_str())).collect();
        ensure!(seen == EXPECTED, "{seen:#?}");
        for row in rows.iter().filter(|row| !row["peer"].is_null()) {
            let (ours, its) =
                (row["value"].as_f64().context("ours")?, row["peer_value"].as_f64().context("its")?);
            ensure!(ours > 0.0 && its > 0.0 && row["ratio"].as_f64() == Some(ours / its), "{row}");
        }
        ensure!(fs::read_dir(&folder)?.next().is_none(), "what it made is left behind");
        Ok(())
    });
}

/// The peer's version left out.
fn case_and_peer(row: &Value) -> Result<(String, String)> {
    let peer = row["peer"].as_str().unwrap_or_default();
    let peer = if peer.starts_with("strongSwan ") { "charon at both ends" } else { peer };
    Ok((row["case"].as_str().context("no case")?.to_owned(), peer.to_owned()))
}
