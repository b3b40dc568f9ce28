use crate::Problem;
use admission::Policy;
use ids::Realm;
use ledger::Approval;
use pki::CaKeys;
use serde::{Deserialize, Serialize};

/// What the carrier has configured and the routes must know: also where no gateway runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Who may attach, and so for how long certificates may be valid.
    pub admission: Policy,
    /// Who may be named as the second person of what needs two, as the system names users.
    pub approvers: Vec<String>,
    /// Names of the `[[gateway.class]]` sections.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Realms of the `[[vendor]]` sections.
    #[serde(default)]
    pub vendors: Vec<Realm>,
    /// `url` of `[enrol]`: where certificates say that their status is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_url: Option<String>,
    /// `[ca.keys]`: how the keys of the embedded CA are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ca_keys: CaKeys,
}

fn is_default(keys: &CaKeys) -> bool {
    *keys == CaKeys::default()
}

impl Rules {
    /// Whether units of this class were meant to have a section of their own and have none: they reach what all
    /// others do. Not where no class has one.
    pub(crate) fn is_unknown(&self, class: &str) -> bool {
        !class.is_empty() && !self.classes.is_empty() && !self.classes.iter().any(|known| known == class)
    }

    /// The second person whom `by` names, as configured.
    ///
    /// # Errors
    /// `needs-approver` when it is `by` again, `unknown-approver` when nobody configured it (both 409).
    pub(crate) fn approval(&self, named: &str, by: &str) -> Result<Approval, Problem> {
        let named = named.trim();
        let is_known = self.approvers.iter().any(|known| known == named);
        match Approval::of(Some(named), by, String::new) {
            Ok(approval) if is_known => Ok(approval),
            Err(_) if !named.is_empty() => {
                Err(Problem::conflict("needs-approver", "nobody approves what they ask for themselves")
                    .next("name someone else with --approver"))
            }
            Ok(_) | Err(_) => Err(Problem::conflict(
                "unknown-approver",
                format!("`{named}` is not among those who may agree"),
            )
            .next("name one of `approvers` in [control] of the configuration")),
        }
    }
}
