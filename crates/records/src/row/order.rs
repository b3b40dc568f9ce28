use ids::{AccessLine, DeviceId, OrderId, Position, UnixTime};
use serde::{Deserialize, Serialize};

row! {
    /// Somebody is to install, move or fetch a unit: while an order runs, the unit may be on its way.
    Order;
    needs {
        /// The order's name.
        order: OrderId,
        /// Which unit.
        device: DeviceId,
        /// For what.
        purpose: Purpose,
        /// Since when it may be on its way.
        from: UnixTime,
        /// Until when.
        to: UnixTime,
    }
    may {
        /// The access line behind which it is to be.
        line: AccessLine,
        /// Where it is to be.
        position: Position,
    }
}

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// It comes to its first site.
    Install,
    /// It goes to another site.
    Move,
    /// It comes back.
    Fetch,
}

impl Order {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        super::turned(self.from, Some(self.to))
    }
}
