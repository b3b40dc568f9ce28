use crate::{
    cli::Cli,
    command::tampered,
    control::Control,
    failure::Failure,
    output::{Output, facts, seconds},
    table::Table,
};
use api::{
    Reason,
    management::{ManagementPage, ManagementView, OrderManagement, ReportOrder, WithdrawOrder},
};
use clap::{Args, Subcommand, builder::TypedValueParser};
use ids::DeviceId;
use ledger::management::{End, Ended, ManagementOrder, Report, Said, Task};

#[derive(Debug, Subcommand)]
pub(crate) enum Management {
    /// List the orders that management systems are to carry out now, oldest first
    List(List),
    /// Show one order
    Show(Show),
    /// Order something of a unit's management system
    Order(Order),
    /// Say what became of an order: for management systems
    Report(Reported),
    /// Take an order back
    Withdraw(Withdraw),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// All that there ever were, also those that wait for the end of an emergency call
    #[arg(long)]
    all: bool,
    /// Only those for this unit
    #[arg(long, value_parser = DeviceId::typed)]
    device: Option<DeviceId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows())]
    limit: u32,
    /// Only those with higher numbers
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    after: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which order
    number: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Order {
    /// The unit
    #[arg(value_parser = DeviceId::typed)]
    device: DeviceId,
    /// What is to be done: radio-off, radio-on or enrol-anew
    #[arg(value_parser = task())]
    task: Task,
    /// The incident that it comes from
    #[arg(long, value_name = "NUMBER")]
    incident: Option<u64>,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Reported {
    /// Which order
    number: u64,
    /// What became of it: taken, done or failed
    #[arg(value_parser = report())]
    report: Report,
    /// What the management system says of that, for the record
    #[arg(long)]
    text: Option<Reason>,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Withdraw {
    /// Which order
    number: u64,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

fn task() -> impl TypedValueParser<Value = Task> {
    super::one_of(&Task::ALL, Task::as_str)
}

fn report() -> impl TypedValueParser<Value = Report> {
    super::one_of(&Report::ALL, Report::as_str)
}

impl Management {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, "management").await?;
        match self {
            Self::List(list) => list.run(&mut control, output).await,
            Self::Show(Show { number }) => {
                let path = format!("/v1/management/orders/{number}");
                let view: ManagementView = control.client().get(&path).await?;
                output.answer(&view, show)
            }
            Self::Order(order) => {
                let Order { device, task, incident, why, request_id } = order;
                let (request_id, why) = (request_id.clone(), why.clone());
                let (device, task, incident) = (*device, *task, *incident);
                let request = OrderManagement { request_id, device, task, incident, why };
                let view: ManagementView = control.client().post("/v1/management/orders", &request).await?;
                output.answer(&view, said)
            }
            Self::Report(reported) => {
                let Reported { number, report, text, request_id } = reported;
                let (request_id, text) = (request_id.clone(), text.clone());
                let request = ReportOrder { request_id, report: *report, text };
                let path = format!("/v1/management/orders/{number}/report");
                let view: ManagementView = control.client().post(&path, &request).await?;
                output.answer(&view, said)
            }
            Self::Withdraw(Withdraw { number, why, request_id }) => {
                let request = WithdrawOrder { request_id: request_id.clone(), why: why.clone() };
                let path = format!("/v1/management/orders/{number}/withdraw");
                let view: ManagementView = control.client().post(&path, &request).await?;
                output.answer(&view, said)
            }
        }
    }
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let Self { all, device, limit, after } = self;
        let mut path = format!("/v1/management/orders?all={all}&after={after}&limit={limit}");
        device.iter().for_each(|device| path += &format!("&device={device}"));
        let page: ManagementPage = control.client().get(&path).await?;
        output.answer(&page, |page| table(&page.orders) + &tampered::below(&page.tampered))?;
        if let (Some(next), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        tampered::conclude(&page.tampered, output)
    }
}

/// One line for each.
pub(super) fn table(orders: &[ManagementView]) -> String {
    let mut table = Table::new(&["ORDER", "STATE", "TASK", "DEVICE", "ORDERED", "INCIDENT", "ONLY IF"]);
    for ManagementView { state, order } in orders {
        table.row([
            order.number.to_string(),
            state.to_string(),
            order.task.to_string(),
            order.device.to_string(),
            seconds(order.at),
            order.incident.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            only_if(order),
        ]);
    }
    table.to_string()
}

fn only_if(order: &ManagementOrder) -> String {
    order.only_if.map_or_else(|| "-".to_owned(), |only_if| only_if.to_string())
}

fn said(view: &ManagementView) -> String {
    let ManagementView { state, order } = view;
    format!("management order {}, {} for {}, is {state}\n", order.number, order.task, order.device)
}

fn show(view: &ManagementView) -> String {
    let ManagementView { state, order } = view;
    facts(&[
        ("management order", order.number.to_string()),
        ("state", state.to_string()),
        ("device", order.device.to_string()),
        ("task", order.task.to_string()),
        ("only if", only_if(order)),
        ("ordered", format!("{} by {}", seconds(order.at), order.by)),
        ("why", order.why.clone()),
        ("incident", order.incident.map_or_else(|| "none".to_owned(), |number| number.to_string())),
        ("waits until", order.waits_until.map_or_else(|| "-".to_owned(), seconds)),
        ("taken", order.taken.as_ref().map_or_else(|| "no".to_owned(), taken)),
        ("ended", order.ended.as_ref().map_or_else(|| "no".to_owned(), ended)),
    ])
}

fn taken(Said { at, by, text }: &Said) -> String {
    format!("{text} ({by}, {})", seconds(*at))
}

fn ended(ended: &Ended) -> String {
    let Ended { how, at, by, text } = ended;
    let how = match how {
        End::Done => "done",
        End::Failed => "failed",
        End::Withdrawn => "withdrawn",
    };
    format!("{how}: {text} ({by}, {})", seconds(*at))
}
