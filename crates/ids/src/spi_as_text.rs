//! The SPI of an IKE SA in hex digits, as captures and units' own logs have it: `#[serde(with = "spi_as_text")]`.

use crate::IkeSpi;
use serde::{Deserialize, Deserializer, Serializer, de::Error};
use std::borrow::Cow;

#[expect(missing_docs, clippy::missing_errors_doc, reason = "serde calls it")]
pub fn serialize<S: Serializer>(spi: &IkeSpi, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(spi)
}

#[expect(missing_docs, clippy::missing_errors_doc, reason = "serde calls it")]
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<IkeSpi, D::Error> {
    let text = Cow::<'de, str>::deserialize(from)?;
    u64::from_str_radix(&text, 16).map(IkeSpi).map_err(D::Error::custom)
}
