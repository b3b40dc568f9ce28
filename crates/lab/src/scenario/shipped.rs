use super::{check::BadScenario, file::Scenario};

/// A scenario that comes with Truecell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// What it is called.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal,)*) => {
        /// Each: attacks first, then what is honest and looks like one.
        pub const SHIPPED: &[Shipped] = &[
            $(Shipped { name: $name, text: include_str!(concat!("../../scenarios/", $name, ".toml")) },)*
        ];
    };
}

shipped! {
    "unknown-cell",
    "lost-unit-returns",
    "war-driving",
    "protection-off",
    "one-box-many-cells",
    "live-cell-carried",
    "live-cell-copied",
    "other-town",
    "next-street",
    "bus-stop",
    "stadium",
    "hotel",
    "courier",
    "renumbered",
    "ims-omits",
    "ordinary",
    "wrong-registers",
}

impl Shipped {
    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        SHIPPED.iter().copied().find(|shipped| shipped.name == name)
    }

    /// It, read.
    ///
    /// # Errors
    /// None of any that is shipped.
    pub fn scenario(&self) -> Result<Scenario, BadScenario> {
        Scenario::parse(self.text)
    }
}
