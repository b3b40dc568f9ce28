use ids::{AccessLine, CellKey, DeviceId, SourceClass, UnixTime};
use std::net::IpAddr;

/// A box asks for a tunnel under a unit's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: UnixTime,
    /// Which box.
    pub actor: String,
    /// As which unit.
    pub device: DeviceId,
    /// From which outer address.
    pub outer: IpAddr,
    /// Whose line that is, where that is known.
    pub line: Option<AccessLine>,
    /// In which kind of network.
    pub class: SourceClass,
    /// The cells that it would have.
    pub cells: Vec<CellKey>,
    /// The unit itself has a tunnel at that time.
    pub is_there: bool,
}

/// Whether a box gets the tunnel that it asks for. Without any judge it does, as in the case. It is asked when the day is drawn: what it
/// learns from what it is played counts from the next day on.
pub type Admit = Box<dyn FnMut(&Attempt) -> bool + Send>;
