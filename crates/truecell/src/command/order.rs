mod import;

use crate::{
    cli::Cli,
    command::tampered,
    control::Control,
    failure::Failure,
    output::{Output, seconds},
    table::Table,
};
use api::{
    Reason,
    order::{CloseOrder, NewOrder, OpenOrder, OrderPage, OrderView},
};
use clap::{Args, Subcommand};
use ids::{AccessLine, DeviceId, Label, OrderId, Sha256, UnixTime};

#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Let one unit enrol, behind one line, within a time
    Create(Create),
    /// Take many orders from a CSV file
    Import(import::Import),
    /// List the orders
    List(List),
    /// Withdraw an order
    Close(Close),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name in the work-order system
    order: OrderId,
    /// The unit; it must be in the ledger
    #[arg(value_parser = DeviceId::typed)]
    device: DeviceId,
    /// The line behind which it is installed: it can enrol from nowhere else
    #[arg(long)]
    line: AccessLine,
    /// Until when, as in 2026-01-31T23:59:59Z
    #[arg(long)]
    until: UnixTime,
    /// From when; without it, from now on
    #[arg(long)]
    from: Option<UnixTime>,
    /// The site
    #[arg(long, default_value = "", hide_default_value = true)]
    site: String,
    /// SHA-256 over the public key (SubjectPublicKeyInfo) that the vendor certified for this unit
    #[arg(long, value_name = "SHA256")]
    vendor_key: Option<Sha256>,
    /// The legacy group by whose key the unit enrols, if it has no other (`truecell migrate`)
    #[arg(long, value_name = "GROUP", conflicts_with = "vendor_key")]
    legacy_group: Option<Label>,
    /// Who else agreed, only with --vendor-key: that key counts though it is known to be shared
    #[arg(long, value_name = "NAME", requires = "vendor_key")]
    approver: Option<String>,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this unit
    #[arg(long, value_parser = DeviceId::typed)]
    device: Option<DeviceId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows())]
    limit: u32,
    /// Only those behind this one
    #[arg(long, value_name = "ORDER")]
    after: Option<OrderId>,
}

#[derive(Debug, Args)]
pub(crate) struct Close {
    /// Its name
    order: OrderId,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

impl Order {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, self.word()).await?;
        match self {
            Self::Create(create) => create.run(&mut control, output).await,
            Self::Import(import) => import.run(&mut control, output).await,
            Self::List(list) => list.run(&mut control, output).await,
            Self::Close(close) => close.run(&mut control, output).await,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Create(_) => "order create",
            Self::Import(_) => "order import",
            Self::List(_) => "order list",
            Self::Close(_) => "order close",
        }
    }
}

impl Create {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let order = NewOrder {
            id: self.order.clone(),
            device: self.device,
            line: self.line.clone(),
            site: self.site.clone(),
            vendor_key: self.vendor_key,
            from: self.from,
            until: self.until,
        };
        let (request_id, why, approver) = (self.request_id.clone(), self.why.clone(), self.approver.clone());
        let legacy_group = self.legacy_group.clone();
        let request = OpenOrder { request_id, order, legacy_group, why, approver };
        let view: OrderView = control.client().post("/v1/orders", &request).await?;
        output.answer(&view, |view| {
            let order = &view.order;
            let (from, until) = (seconds(order.from), seconds(order.until));
            format!(
                "{}: {} may enrol behind line {} from {from} to {until}",
                order.id, order.device, order.line
            )
        })?;
        view.unknown_line.iter().for_each(|line| note_unknown(line, output));
        Ok(())
    }
}

/// The register of lines does not know from where the unit would come.
fn note_unknown(line: &AccessLine, output: &Output) {
    if !output.is_json() {
        output.note(&format!(
            "note: there is no access line {line}: nobody can enrol from it; `truecell line add {line} PREFIX...`"
        ));
    }
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/orders?limit={}", self.limit);
        self.device.iter().for_each(|device| path += &format!("&device={device}"));
        self.after.iter().for_each(|after| path += &format!("&after={}", escaped(after)));
        let page: OrderPage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if let (Some(next), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        tampered::conclude(&page.tampered, output)
    }
}

/// As a part of a URI (RFC 3986 §2.1): of what a name may hold, `/`, `:` and `#` mean something there.
fn escaped(order: &OrderId) -> String {
    order.to_string().replace('/', "%2F").replace(':', "%3A").replace('#', "%23")
}

impl Close {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let request = CloseOrder { request_id: self.request_id.clone(), why: self.why.clone() };
        let path = format!("/v1/orders/{}/close", escaped(&self.order));
        let view: OrderView = control.client().post(&path, &request).await?;
        output.answer(&view, |view| format!("order {} is closed", view.order.id))
    }
}

fn list(page: &OrderPage) -> String {
    let mut table = Table::new(&["ORDER", "STATE", "DEVICE", "LINE", "SITE", "FROM", "UNTIL"]);
    for OrderView { state, order, .. } in &page.orders {
        table.row([
            order.id.to_string(),
            state.to_string(),
            order.device.to_string(),
            order.line.to_string(),
            order.site.clone(),
            seconds(order.from),
            seconds(order.until),
        ]);
    }
    table.to_string() + &tampered::below(&page.tampered)
}
