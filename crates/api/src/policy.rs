//! Which reasons to refuse are enforced, whom the others would hit, and breakers.

use crate::{
    Caller, Problem, Reason, Services,
    ledger_check::Finding,
    page::{Asked, continued},
};
use admission::Reason as Refusal;
use axum::{
    Extension, Json,
    extract::{Query, State},
    http::StatusCode,
};
use ids::DeviceId;
use ledger::{Breaker, Device, LedgerError, Mode, Observed, PolicyRule, Scope, allows};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Each reason to refuse, in the order in which they are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// The reasons.
    pub reasons: Vec<ReasonView>,
    /// Rows of rules and breakers that were tampered with; what they say is not known.
    #[serde(default)]
    pub tampered: Vec<Finding>,
}

/// How one reason is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonView {
    /// Stable word.
    pub reason: String,
    /// What it means.
    pub means: String,
    /// Where no rule says otherwise.
    pub usual: Mode,
    /// It is always enforced.
    pub always: bool,
    /// A breaker watches it.
    pub soft: bool,
    /// The rules about it.
    pub rules: Vec<PolicyRule>,
    /// Its breaker, if that ever tripped; while it is not set back, the reason refuses no good unit at its home.
    pub breaker: Option<Breaker>,
}

/// Asks to apply a reason otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetMode {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Which reason to refuse; its stable word.
    pub reason: String,
    /// To which units.
    #[serde(default)]
    pub scope: Scope,
    /// How.
    pub mode: Mode,
    /// Why, for the record.
    pub why: Reason,
}

/// A rule as it was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSet {
    /// The rule.
    #[serde(flatten)]
    pub rule: PolicyRule,
    /// Rules about the same reason that say something else and come before it, for units of their narrower scopes.
    pub overridden_by: Vec<PolicyRule>,
    /// Units of its scope that are in the ledger.
    pub units: u64,
}

/// Asks to set a breaker back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Of which reason to refuse; its stable word.
    pub reason: String,
    /// Why, for the record.
    pub why: Reason,
}

/// Who would be refused, by class and region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyReadiness {
    /// The groups, by class, then region.
    pub groups: Vec<Group>,
    /// Rows that were tampered with, of units and of what was observed: they are not counted.
    #[serde(default)]
    pub tampered: Vec<Finding>,
}

/// The units of one class and region that may attach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Class.
    pub class: String,
    /// Region.
    pub region: String,
    /// How many there are.
    pub units: u64,
    /// How many of them have a tunnel here now.
    pub attached: u64,
    /// How many attached last with a reason against them that is not enforced, or was not then.
    pub would_be_refused: u64,
    /// How many for which reason; a unit counts for each.
    pub reasons: BTreeMap<String, u64>,
}

/// Some units that would be refused, by identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservationPage {
    /// The units.
    pub units: Vec<ObservedUnit>,
    /// Rows that were tampered with, of these units and of what was observed.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<DeviceId>,
}

/// One unit that would be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedUnit {
    /// Which.
    pub device: DeviceId,
    /// Its class.
    pub class: String,
    /// Its region.
    pub region: String,
    /// Why, and since when.
    pub reasons: Vec<Observed>,
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<PolicyView>, Problem> {
    services.blocking(move |services| Ok(services.policy(&caller)?)).await.map(Json)
}

fn view(rules: &[PolicyRule], breakers: &[Breaker]) -> Vec<ReasonView> {
    let view = |reason: Refusal| ReasonView {
        reason: reason.code().to_owned(),
        means: reason.to_string(),
        usual: reason.usual_mode(),
        always: !reason.may_be_observed(),
        soft: reason.is_soft(),
        rules: rules.iter().filter(|rule| rule.reason == reason.code()).cloned().collect(),
        breaker: breakers.iter().find(|breaker| breaker.reason == reason.code()).cloned(),
    };
    Refusal::ALL.into_iter().map(view).collect()
}

pub(crate) async fn set(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<SetMode>,
) -> Result<Json<RuleSet>, Problem> {
    let reason = refusal(&request.reason)?;
    if !reason.may_be_observed() {
        let text = format!("{} is always enforced", reason.code());
        return Err(Problem::invalid(text).next(observable()));
    }
    if let Some(long) =
        [&request.scope.class, &request.scope.region].into_iter().flatten().find(|n| n.len() > NAME)
    {
        let text = format!("a class or region of {} octets", long.len());
        return Err(Problem::invalid(text).next(format!("name one of {NAME} octets at most")));
    }
    let names = [&request.scope.class, &request.scope.region];
    let names_nobody = names.iter().all(|name| name.as_deref().is_none_or(str::is_empty));
    if (reason, request.mode) == (Refusal::MisIssued, Mode::Observe) && names_nobody {
        let text = "mis-issued can't be observed for every unit: any certificate with a good chain would do";
        return Err(Problem::invalid(text).next("name a class, a region, or both"));
    }
    let asked = request.clone();
    let work = changed(services.clone(), move |services| {
        let SetMode { scope, mode, why, .. } = asked;
        let rule =
            services.ledger.set_mode(reason.code(), &scope, mode, &caller.name, &why, services.now())?;
        let overrides = |other: &PolicyRule| {
            other.reason == rule.reason
                && ![Mode::Inherit, rule.mode].contains(&other.mode)
                && other.scope.overrides(&rule.scope)
        };
        let overridden_by = services.ledger.policy()?.0.rows.into_iter().filter(overrides).collect();
        let units = services.units_of(&rule.scope)?;
        Ok(RuleSet { rule, overridden_by, units })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn resume(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Resume>,
) -> Result<Json<Breaker>, Problem> {
    let reason = refusal(&request.reason)?;
    if !reason.is_soft() {
        let text = format!("{} has no breaker: it is applied whomever it hits", reason.code());
        return Err(Problem::invalid(text).next(one_of(Refusal::is_soft)));
    }
    let why = request.why.clone();
    let work = changed(services.clone(), move |services| {
        services.ledger.set_back(reason.code(), &caller.name, &why, services.now())
    });
    let work = async move { work.await.map_err(|problem| not_tripped(reason, problem)) };
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

fn not_tripped(reason: Refusal, problem: Problem) -> Problem {
    if problem.status != StatusCode::NOT_FOUND.as_u16() {
        return problem;
    }
    Problem::not_found(format!("the breaker of {} has not tripped", reason.code()))
        .next("`truecell policy show` has those that have")
}

fn changed<T: Send + 'static>(
    services: Arc<Services>,
    work: impl FnOnce(&Services) -> Result<T, LedgerError> + Send + 'static,
) -> impl Future<Output = Result<T, Problem>> + Send {
    services.blocking(move |services| {
        let done = work(services);
        // Also after an error: what is recorded may still be to be written.
        services.gateway.iter().for_each(|gateway| gateway.policy_changed());
        Ok(done?)
    })
}

fn refusal(code: &str) -> Result<Refusal, Problem> {
    Refusal::from_code(code)
        .ok_or_else(|| Problem::invalid(format!("`{code}` is no reason to refuse")).next(observable()))
}

/// Octets of a class or region in a rule.
const NAME: usize = 256;

/// What can be set, in words.
fn observable() -> String {
    one_of(Refusal::may_be_observed)
}

fn one_of(is_meant: impl Fn(Refusal) -> bool) -> String {
    let codes = Refusal::ALL.into_iter().filter(|reason| is_meant(*reason));
    format!("one of {}", codes.map(Refusal::code).collect::<Vec<_>>().join(", "))
}

/// Rows read at once.
const PAGE: usize = 1_000;

pub(crate) async fn readiness(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<PolicyReadiness>, Problem> {
    let work = services.blocking(move |services| Ok(services.readiness(&caller)?));
    work.await.map(Json)
}

pub(crate) async fn observations(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked<DeviceId>>,
) -> Result<Json<ObservationPage>, Problem> {
    let work = services.blocking(move |services| {
        let after = asked.after.map(|id| id.to_string()).unwrap_or_default();
        let page = services.ledger.observations(&after, asked.limit.get())?;
        let next = page.next.and_then(|key| continued(&key, page.rows.last().map(|last| last.device)));
        let mut tampered = page.tampered;
        if after.is_empty() {
            // Nothing is known of these units, so each may be one of those that are asked for.
            tampered.extend(services.each_device(|_| ())?);
        }
        let mut units = Vec::new();
        for observation in page.rows {
            let device = match services.ledger.device(observation.device) {
                Err(LedgerError::Tampered { .. }) => None,
                device => device?,
            };
            let (class, region) = device.map(|device| (device.class, device.region)).unwrap_or_default();
            let (device, reasons) = (observation.device, observation.reasons);
            units.push(ObservedUnit { device, class, region, reasons });
        }
        Ok(ObservationPage { units, tampered: services.told(tampered, &caller), next })
    });
    work.await.map(Json)
}

type ObservedByUnit = HashMap<DeviceId, Vec<Observed>>;

impl Services {
    /// How each reason is applied.
    fn policy(&self, caller: &Caller) -> Result<PolicyView, LedgerError> {
        let (rules, breakers) = self.ledger.policy()?;
        let reasons = view(&rules.rows, &breakers.rows);
        let tampered = [rules.tampered, breakers.tampered].concat();
        Ok(PolicyView { reasons, tampered: self.told(tampered, caller) })
    }

    fn readiness(&self, caller: &Caller) -> Result<PolicyReadiness, LedgerError> {
        let (observed, mut tampered) = self.all_observed()?;
        let mut groups = BTreeMap::<(String, String), Group>::new();
        let of_devices =
            self.each_device(|device| self.count(device, observed.get(&device.id), &mut groups))?;
        tampered.extend(of_devices);
        let tampered = self.told(tampered, caller);
        Ok(PolicyReadiness { groups: groups.into_values().collect(), tampered })
    }

    /// Every unit whose row holds; the other rows.
    fn each_device(&self, mut each: impl FnMut(&Device)) -> Result<Vec<ledger::Finding>, LedgerError> {
        let (mut tampered, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.ledger.devices(&after, None, PAGE)?;
            page.rows.iter().for_each(&mut each);
            tampered.extend(page.tampered);
            let Some(next) = page.next else { return Ok(tampered) };
            after = next;
        }
    }

    fn units_of(&self, scope: &Scope) -> Result<u64, LedgerError> {
        let mut units = 0;
        self.each_device(|device| units += u64::from(Scope::narrowest_first(device).contains(scope)))?;
        Ok(units)
    }

    fn all_observed(&self) -> Result<(ObservedByUnit, Vec<ledger::Finding>), LedgerError> {
        let (mut all, mut tampered, mut after) = (HashMap::new(), Vec::new(), String::new());
        loop {
            let page = self.ledger.observations(&after, PAGE)?;
            all.extend(page.rows.into_iter().map(|observation| (observation.device, observation.reasons)));
            tampered.extend(page.tampered);
            let Some(next) = page.next else { return Ok((all, tampered)) };
            after = next;
        }
    }

    fn count(
        &self,
        device: &Device,
        observed: Option<&Vec<Observed>>,
        groups: &mut BTreeMap<(String, String), Group>,
    ) {
        let not_installed = |of: &Observed| of.reason == Refusal::NotInstalled.code();
        let comes = observed.is_some_and(|observed| observed.iter().any(not_installed));
        if !comes && !allows(device.state, device.enrolment).attach {
            return;
        }
        let (class, region) = (device.class.clone(), device.region.clone());
        let group = groups.entry((class.clone(), region.clone())).or_default();
        (group.class, group.region) = (class, region);
        group.units += 1;
        let attached = self.gateway.as_ref().is_some_and(|gateway| gateway.is_attached(device.id));
        group.attached += u64::from(attached);
        group.would_be_refused += u64::from(observed.is_some());
        for observed in observed.into_iter().flatten() {
            *group.reasons.entry(observed.reason.clone()).or_default() += 1;
        }
    }
}
