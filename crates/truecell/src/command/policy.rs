use crate::{
    cli::Cli,
    command::tampered,
    control::Control,
    failure::Failure,
    output::{Output, seconds},
    table::{Table, printable},
};
use api::{
    Reason,
    policy::{ObservationPage, PolicyReadiness, PolicyView, Resume as ResumeRequest, RuleSet, SetMode},
};
use clap::{
    Args, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser},
};
use ids::DeviceId;
use ledger::{Breaker, Mode, Scope};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Show how each reason to refuse is applied, and to whom
    Show,
    /// Enforce a reason to refuse, or only observe it, for a class, a region, or every unit
    Set(Set),
    /// Show who would be refused, why, and since when
    Readiness(ReadinessArgs),
    /// Apply a reason again that hit too many good units at once
    Resume(Resume),
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Which reason to refuse; all others are always enforced
    #[arg(value_parser = reasons(admission::Reason::may_be_observed))]
    reason: String,
    /// How it is applied from now on
    mode: How,
    /// For units of this class only
    #[arg(long)]
    class: Option<String>,
    /// For units of this region only
    #[arg(long)]
    region: Option<String>,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    /// Let them in, and write down that they would be refused
    Observe,
    /// Refuse them
    Enforce,
    /// As the next wider scope says
    Inherit,
}

/// The words of all reasons; the help shows those that it can be done to.
fn reasons(shown: fn(admission::Reason) -> bool) -> PossibleValuesParser {
    let value = |reason: admission::Reason| PossibleValue::new(reason.code()).hide(!shown(reason));
    PossibleValuesParser::new(admission::Reason::ALL.map(value))
}

#[derive(Debug, Args)]
pub(crate) struct ReadinessArgs {
    /// List the units instead of counting them
    #[arg(long)]
    units: bool,
    /// With --units: at most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows(), requires = "units")]
    limit: u32,
    /// With --units: only those behind this one
    #[arg(long, value_name = "DEVICE", requires = "units", value_parser = DeviceId::typed)]
    after: Option<DeviceId>,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Which reason to refuse: one that has a breaker
    #[arg(value_parser = reasons(admission::Reason::is_soft))]
    reason: String,
    /// What was mended, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

impl Policy {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, self.word()).await?;
        match self {
            Self::Show => {
                let view: PolicyView = control.client().get("/v1/policy").await?;
                output.answer(&view, show)?;
                tampered::conclude(&view.tampered, output)
            }
            Self::Set(set) => set.run(&mut control, output).await,
            Self::Readiness(args) if args.units => args.units(&mut control, output).await,
            Self::Readiness(_) => {
                let readiness: PolicyReadiness = control.client().get("/v1/policy/readiness").await?;
                output.answer(&readiness, groups)?;
                tampered::conclude(&readiness.tampered, output)
            }
            Self::Resume(resume) => resume.run(&mut control, output).await,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Show => "policy show",
            Self::Set(_) => "policy set",
            Self::Readiness(_) => "policy readiness",
            Self::Resume(_) => "policy resume",
        }
    }
}

impl Set {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mode = match self.mode {
            How::Observe => Mode::Observe,
            How::Enforce => Mode::Enforce,
            How::Inherit => Mode::Inherit,
        };
        let request = SetMode {
            request_id: self.request_id.clone(),
            reason: self.reason.clone(),
            scope: Scope { class: self.class.clone(), region: self.region.clone() },
            mode,
            why: self.why.clone(),
        };
        let set: RuleSet = control.client().post("/v1/policy", &request).await?;
        output.answer(&set, rule_set)?;
        if let (Some(note), false) = (whom(&set), output.is_json()) {
            output.note(&note);
        }
        Ok(())
    }
}

impl ReadinessArgs {
    async fn units(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/policy/observations?limit={}", self.limit);
        if let Some(after) = self.after {
            path += &format!("&after={after}");
        }
        let page: ObservationPage = control.client().get(&path).await?;
        output.answer(&page, units)?;
        if let (Some(next), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        tampered::conclude(&page.tampered, output)
    }
}

impl Resume {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let request = ResumeRequest {
            request_id: self.request_id.clone(),
            reason: self.reason.clone(),
            why: self.why.clone(),
        };
        let breaker: Breaker = control.client().post("/v1/policy/resume", &request).await?;
        output.answer(&breaker, |breaker| format!("{} is applied again", breaker.reason))
    }
}

/// Rules that are named.
const NAMED: usize = 10;

fn rule_set(set: &RuleSet) -> String {
    let RuleSet { rule, overridden_by, units: _ } = set;
    let mut text = format!("{}: {}: {}", rule.reason, scope_in_words(&rule.scope), mode_in_words(rule.mode));
    for other in overridden_by.iter().take(NAMED) {
        text += &format!("\n  but {}: {}, by a rule of its own", scope_in_words(&other.scope), other.mode);
    }
    if let Some(more @ 1..) = overridden_by.len().checked_sub(NAMED) {
        text += &format!("\n  and {more} more: `truecell policy show`");
    }
    text
}

/// How many units a rule is about, where it is not about every one: a name may be mistyped.
fn whom(set: &RuleSet) -> Option<String> {
    let scope = Some(&set.rule.scope).filter(|scope| **scope != Scope::default())?;
    let words = scope_in_words(scope);
    Some(match set.units {
        0 => format!(
            "note: no unit has {words} yet: the rule is about nobody\n  `truecell device list` has the names in use"
        ),
        1 => format!("note: 1 unit has {words}"),
        units => format!("note: {units} units have {words}"),
    })
}

/// `class home, region seoul`
pub(crate) fn scope_in_words(scope: &Scope) -> String {
    let named =
        |what: &str, name: &Option<String>| name.as_ref().map(|name| format!("{what} {}", printable(name)));
    let names = [named("class", &scope.class), named("region", &scope.region)];
    let names: Vec<_> = names.into_iter().flatten().collect();
    if names.is_empty() { "every unit".into() } else { names.join(", ") }
}

fn mode_in_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observed from now on",
        Mode::Enforce => "enforced from now on",
        Mode::Inherit => "as the next wider rule says from now on",
    }
}

fn show(view: &PolicyView) -> String {
    let mut table = Table::new(&["REASON", "UNITS", "MODE", "BREAKER", "SINCE", "WHY"]);
    for reason in &view.reasons {
        let usual = if reason.always { "enforce, always".to_owned() } else { reason.usual.to_string() };
        let tripped = reason.breaker.as_ref().filter(|breaker| breaker.set_back.is_none());
        let breaker = match (reason.soft, tripped) {
            (false, _) => "",
            (true, None) => "not tripped",
            (true, Some(_)) => "TRIPPED",
        };
        let first = [&reason.reason, "every unit", &usual, breaker, "", ""];
        table.row(first.map(str::to_owned));
        for rule in reason.rules.iter().filter(|rule| rule.mode != Mode::Inherit) {
            let (scope, since) = (scope_in_words(&rule.scope), seconds(rule.since));
            let (mode, breaker) = (rule.mode.to_string(), String::new());
            table.row([reason.reason.clone(), scope, mode, breaker, since, rule.why.clone()]);
        }
        if let Some(breaker) = tripped {
            let why = format!("it hit {} of {} good units", breaker.hits, breaker.good);
            let (whom, mode) = ("good units at home".into(), "probation".into());
            let since = seconds(breaker.tripped_at);
            table.row([reason.reason.clone(), whom, mode, String::new(), since, why]);
        }
    }
    table.to_string() + &tampered::below(&view.tampered)
}

fn groups(readiness: &PolicyReadiness) -> String {
    let mut table = Table::new(&["CLASS", "REGION", "UNITS", "ATTACHED", "WOULD BE REFUSED", "WHY"]);
    for group in &readiness.groups {
        let why: Vec<_> = group.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        // Nobody of them is here, or was seen with a reason: nothing is known of what would be.
        let was_seen = group.attached > 0 || group.would_be_refused > 0;
        let refused = if was_seen { group.would_be_refused.to_string() } else { String::new() };
        let counts = [group.units.to_string(), group.attached.to_string(), refused];
        let names = [group.class.clone(), group.region.clone()];
        table.row(names.into_iter().chain(counts).chain([why.join(", ")]));
    }
    table.to_string() + &tampered::below(&readiness.tampered)
}

fn units(page: &ObservationPage) -> String {
    let mut table = Table::new(&["DEVICE", "CLASS", "REGION", "WHY", "SINCE"]);
    for unit in &page.units {
        for observed in &unit.reasons {
            table.row([
                unit.device.to_string(),
                unit.class.clone(),
                unit.region.clone(),
                observed.reason.clone(),
                seconds(observed.since),
            ]);
        }
    }
    table.to_string() + &tampered::below(&page.tampered)
}
