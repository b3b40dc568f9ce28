use crate::{
    cli::Cli,
    control::Control,
    failure::{Failure, Problem},
    output::{Output, count, facts, seconds},
    table::Table,
};
use api::{
    Reason,
    device::DeviceDetail,
    session::{CutSession, SessionPage},
};
use clap::{Args, Subcommand};
use gateway::{HeldWhy, SessionView as View};
use ids::{DeviceId, SessionId};
use serde::Serialize;
use std::net::IpAddr;

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List the tunnels that are up on this node, oldest first
    List(List),
    /// Show one tunnel, or those of a unit
    Show(Show),
    /// End one tunnel; the unit may come back unless it is suspended as well
    Cut(Cut),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those behind this one
    #[arg(long, value_name = "ID")]
    after: Option<SessionId>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows())]
    limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which session, or all of which unit
    #[arg(value_name = "SESSION|DEVICE", value_parser = which)]
    which: Which,
}

#[derive(Clone, Debug)]
enum Which {
    One(SessionId),
    OfDevice(DeviceId),
}

fn which(text: &str) -> Result<Which, &'static str> {
    let session = text.parse().map(Which::One);
    session.or_else(|_| DeviceId::typed(text).map(Which::OfDevice)).map_err(
        |_| "a session is named as `session list` has it, such as 3-17, a device by 12 or 16 hex digits",
    )
}

#[derive(Debug, Args)]
pub(crate) struct Cut {
    /// Which session
    id: SessionId,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

impl Session {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, "session").await?;
        match self {
            Self::List(list) => list.run(&mut control, output).await,
            Self::Show(Show { which: Which::One(id) }) => {
                let session: View = control.client().get(&format!("/v1/sessions/{id}")).await?;
                output.answer(&session, show)
            }
            Self::Show(Show { which: Which::OfDevice(id) }) => show_all(*id, &mut control, output).await,
            Self::Cut(cut) => {
                let request = CutSession { request_id: cut.request_id.clone(), why: cut.why.clone() };
                let path = format!("/v1/sessions/{}/cut", cut.id);
                let session: View = control.client().post(&path, &request).await?;
                output.answer(&session, |session| format!("{} of {} is cut", session.id, session.device))
            }
        }
    }
}

/// The tunnels of one unit.
#[derive(Serialize)]
struct OfDevice {
    sessions: Vec<View>,
}

async fn show_all(id: DeviceId, control: &mut Control, output: &Output) -> Result<(), Failure> {
    let detail: DeviceDetail = control.client().get(&format!("/v1/devices/{id}")).await?;
    let all = OfDevice { sessions: detail.sessions };
    if all.sessions.is_empty() {
        return Err(Failure::No(
            Problem::new("no-session", format!("{id} has no tunnel on this node"))
                .next(format!("see what became of it with `truecell event tail --device {id}`")),
        ));
    }
    output.answer(&all, |all| all.sessions.iter().map(show).collect::<Vec<_>>().join("\n"))
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/sessions?limit={}", self.limit);
        if let Some(after) = self.after {
            path += &format!("&after={after}");
        }
        let page: SessionPage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if let (Some(next), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        Ok(())
    }
}

fn list(page: &SessionPage) -> String {
    table(&page.sessions).to_string()
}

pub(super) fn table(sessions: &[View]) -> Table {
    let mut table =
        Table::new(&["SESSION", "DEVICE", "STATE", "OUTER", "INNER", "SINCE", "OCTETS IN", "OCTETS OUT"]);
    for session in sessions {
        table.row([
            session.id.to_string(),
            session.device.to_string(),
            state(session),
            session.outer.to_string(),
            inner(&session.inner),
            seconds(session.since),
            session.uplink.octets.to_string(),
            session.downlink.octets.to_string(),
        ]);
    }
    table
}

/// How far a session is; of one that is held also why and until when.
fn state(session: &View) -> String {
    let word = session.state.word();
    let Some(held) = session.held else { return word.to_owned() };
    let why = match held.why {
        HeldWhy::OffLine => "off its line",
        HeldWhy::NotJudged => "at an address not judged yet",
    };
    let until = held.until.map(|until| format!(" until {}", seconds(until))).unwrap_or_default();
    format!("{word}, {why}{until}")
}

/// What a session may reach, and what says so.
fn reach(session: &View) -> String {
    let none = "nothing".to_owned();
    let list = if session.reach.is_empty() { none } else { session.reach.join(", ") };
    if session.quarantine.is_some() {
        return format!("{list} (gateway.quarantine)");
    }
    match (session.class_listed, session.class.as_str()) {
        (true, _) => format!("{list} (its [[gateway.class]] and the services)"),
        (false, "") => format!("{list} (gateway.tun.reachable and the services)"),
        (false, _) => {
            format!("{list} (gateway.tun.reachable and the services, as no [[gateway.class]] is named so)")
        }
    }
}

/// The inner addresses of a session.
pub(crate) fn inner(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn show(session: &View) -> String {
    let parts = [facts(&about(session)), children(session), drops(session)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Facts of the session itself.
pub(crate) fn about(session: &View) -> Vec<(&'static str, String)> {
    let amount = |amount: gateway::Amount| {
        format!("{}, {}", count(amount.octets, "octet"), count(amount.packets, "packet"))
    };
    let quarantine = session.quarantine.iter().flat_map(|quarantine| {
        [("because", quarantine.reason.clone()), ("known as", inner(&quarantine.translated))]
    });
    let facts = [
        ("session", session.id.to_string()),
        ("device", session.device.to_string()),
        ("state", state(session)),
        ("certificate", session.cert_sha256.to_string()),
        ("outer", session.outer.to_string()),
        ("inner", inner(&session.inner)),
    ];
    let more = [
        ("since", seconds(session.since)),
        ("until", seconds(session.until)),
        ("class", session.class.clone()),
        ("may reach", reach(session)),
        ("in", amount(session.uplink)),
        ("out", amount(session.downlink)),
        ("ESP seen", if session.esp_seen { "yes" } else { "no" }.to_owned()),
    ];
    facts.into_iter().chain(quarantine).chain(more).collect()
}

/// A table of its CHILD SAs; empty without any.
pub(crate) fn children(session: &View) -> String {
    let mut table = Table::new(&["SPI IN", "SPI OUT", "CIPHER", "ESN"]);
    for child in &session.children {
        let esn = if child.esn { "yes" } else { "no" };
        let (spi_in, spi_out) = (child.spi_in.to_string(), child.spi_out.to_string());
        table.row([spi_in, spi_out, child.cipher.clone(), esn.to_owned()]);
    }
    if session.children.is_empty() { String::new() } else { table.to_string() }
}

/// A table of its drops by cause; empty without any.
pub(crate) fn drops(session: &View) -> String {
    let mut table = Table::new(&["DROPPED", "PACKETS"]);
    for (cause, packets) in &session.drops {
        table.row([cause.clone(), packets.to_string()]);
    }
    if session.drops.is_empty() { String::new() } else { table.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(held: &str, class: &str, is_listed: bool) -> View {
        let json = format!(
            r#"{{"id": "4-1", "device": "00aabbccddee", "cert_sha256": "{:064x}", "state": "held", "held": {held},
                "outer": "192.0.2.1:4500", "inner": ["10.64.0.1"], "since": "2026-01-31T10:00:00.000000Z",
                "until": "2026-02-01T10:00:00.000000Z", "class": "{class}", "class_listed": {is_listed},
                "reach": ["10.1.0.5 udp 2152", "10.96.0.1 icmp"], "uplink": {{"packets": 0, "octets": 0}},
                "downlink": {{"packets": 0, "octets": 0}}, "drops": {{}}, "esp_seen": true, "children": []}}"#,
            0
        );
        serde_json::from_str(&json).unwrap()
    }

    fn line(session: &View, name: &str) -> String {
        let said = show(session);
        let line = said.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
        line.split_once(": ").unwrap().1.trim().to_owned()
    }

    #[test]
    fn a_held_session_says_why_and_until_when() {
        let off_line = r#"{"why": "off_line", "until": "2026-01-31T10:00:30.500000Z"}"#;
        let expected = "held, off its line until 2026-01-31T10:00:30Z";
        let held = session(off_line, "", false);
        assert_eq!(line(&held, "state"), expected);
        assert!(table(&[held]).to_string().contains(expected), "and in the list");
        let not_judged = session(r#"{"why": "not_judged", "until": null}"#, "", false);
        assert_eq!(line(&not_judged, "state"), "held, at an address not judged yet");
        assert_eq!(line(&session("null", "", false), "state"), "held");
    }

    #[test]
    fn a_session_says_what_its_class_lets_it_reach_and_where_that_is_configured() {
        let reach = |class, is_listed| line(&session("null", class, is_listed), "may reach");
        let list = "10.1.0.5 udp 2152, 10.96.0.1 icmp";
        assert_eq!(reach("home", true), format!("{list} (its [[gateway.class]] and the services)"));
        assert_eq!(reach("", false), format!("{list} (gateway.tun.reachable and the services)"));
        let expected =
            format!("{list} (gateway.tun.reachable and the services, as no [[gateway.class]] is named so)");
        assert_eq!(reach("hoem", false), expected);
        assert_eq!(line(&session("null", "hoem", false), "class"), "hoem");
    }
}
