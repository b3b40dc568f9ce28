//! The words of the trade as types: parsed once, printed one way, compared exactly.
//!
//! A value that exists is well formed. Nothing here does I/O, keeps a clock or decides anything.

mod cell;
mod crl_reason;
mod device;
mod digest;
mod label;
mod life_cycle;
mod network;
mod node;
mod position;
mod radio;
mod realm;
mod register;
mod source;
mod spi;
mod subscriber;
mod time;

pub mod number_as_text;
pub mod spi_as_text;

pub use cell::{CellKey, ParseCellError, ParsePlmnError, Plmn, Rat};
pub use crl_reason::{CrlReason, ParseCrlReasonError};
pub use device::{DeviceId, DeviceName, ParseDeviceError};
pub use digest::{CertSha256, Hex, ParseSha256Error, Sha256};
pub use label::{Label, ParseLabelError};
pub use life_cycle::{LifeCycle, ParseStateError};
pub use network::{Network, ParseNetworkError};
pub use node::{Epoch, EventRef, NodeId, ParseNodeError, ParseSessionError, SessionId};
pub use position::{ParsePositionError, Position};
pub use radio::{AccessMode, CsgId, ParseAccessModeError, ParseCsgError, ParseTacError, Tac};
pub use realm::{ParseRealmError, Realm};
pub use register::{AccessLine, OrderId, ParseAccessLineError, ParseOrderError};
pub use source::SourceClass;
pub use spi::{IkeSpi, Spi};
pub use subscriber::{ParseSubscriberError, SubscriberKey};
pub use time::{ParseTimeError, UnixTime};

/// Serializes through `Display` and parses through `FromStr`: one written form everywhere.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
