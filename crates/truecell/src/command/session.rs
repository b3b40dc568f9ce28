use crate::{
    cli::Cli,
    control::Control,
    failure::Failure,
    output::{Output, facts},
    table::Table,
};
use api::session::{CutSession, Session as View, Sessions};
use clap::{Args, Subcommand};
use ids::SessionId;

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List the tunnels that are up on this node
    List,
    /// Show one tunnel
    Show(Show),
    /// End one tunnel; the unit may come back unless it is suspended as well
    Cut(Cut),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which session
    id: SessionId,
}

#[derive(Debug, Args)]
pub(crate) struct Cut {
    /// Which session
    id: SessionId,
    /// The reason, for the record
    #[arg(long)]
    why: String,
}

impl Session {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, "session").await?;
        match self {
            Self::List => output.answer(&control.client().get::<Sessions>("/v1/sessions").await?, list),
            Self::Show(one) => {
                let session: View = control.client().get(&format!("/v1/sessions/{}", one.id)).await?;
                output.answer(&session, show)
            }
            Self::Cut(cut) => {
                let (path, request) = (format!("/v1/sessions/{}/cut", cut.id), CutSession { why: cut.why.clone() });
                let session: View = control.client().post(&path, &request).await?;
                output.answer(&session, |session| format!("{} of {} cut", session.id, session.device))
            }
        }
    }
}

fn list(all: &Sessions) -> String {
    let mut table = Table::new(&["SESSION", "DEVICE", "STATE", "OUTER", "INNER", "SINCE", "IN", "OUT"]);
    for session in &all.sessions {
        table.row([
            session.id.to_string(),
            session.device.to_string(),
            session.state.clone(),
            session.outer.to_string(),
            inner(session),
            session.since.to_string(),
            session.bytes_in.to_string(),
            session.bytes_out.to_string(),
        ]);
    }
    table.to_string()
}

fn inner(session: &View) -> String {
    let v4 = session.inner_v4.map(|address| address.to_string());
    let v6 = session.inner_v6.map(|address| address.to_string());
    v4.into_iter().chain(v6).collect::<Vec<_>>().join(" ")
}

fn show(session: &View) -> String {
    facts(&[
        ("session", session.id.to_string()),
        ("device", session.device.to_string()),
        ("state", session.state.clone()),
        ("certificate", session.cert_sha256.to_string()),
        ("outer", session.outer.to_string()),
        ("inner", inner(session)),
        ("since", session.since.to_string()),
        ("ends", session.ends.to_string()),
        ("bytes in", session.bytes_in.to_string()),
        ("bytes out", session.bytes_out.to_string()),
    ])
}
