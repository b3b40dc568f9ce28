use admission::Policy;
use serde::{Deserialize, Serialize};

/// What the carrier has configured and the routes must know: also where no gateway runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Who may attach, and so for how long certificates may be valid.
    pub admission: Policy,
}
