use super::{Malformed, PayloadType, ProtocolId};
use crate::reader::Reader;

/// Notify Message Type (RFC 7296 §3.10.1). Below 16384 an error, from there on a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotifyType(pub u16);

macro_rules! notify_types {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        impl NotifyType {
            $(#[doc = $doc] pub const $name: Self = Self($value);)*

            /// Its registered name, for people.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

notify_types! {
    UNSUPPORTED_CRITICAL_PAYLOAD = 1, "RFC 7296 §2.5; data: the payload type.";
    INVALID_IKE_SPI = 4, "RFC 7296 §2.21.4.";
    INVALID_MAJOR_VERSION = 5, "RFC 7296 §2.5; data: the version spoken.";
    INVALID_SYNTAX = 7, "RFC 7296 §2.21; only to an authenticated peer.";
    INVALID_MESSAGE_ID = 9, "RFC 7296 §2.3.";
    INVALID_SPI = 11, "RFC 7296 §1.5.";
    NO_PROPOSAL_CHOSEN = 14, "RFC 7296 §2.7.";
    INVALID_KE_PAYLOAD = 17, "RFC 7296 §1.2; data: the method wanted, 2 octets.";
    AUTHENTICATION_FAILED = 24, "RFC 7296 §2.21.2.";
    SINGLE_PAIR_REQUIRED = 34, "RFC 7296 §2.9.";
    NO_ADDITIONAL_SAS = 35, "RFC 7296 §1.3.";
    INTERNAL_ADDRESS_FAILURE = 36, "RFC 7296 §3.15.4.";
    FAILED_CP_REQUIRED = 37, "RFC 7296 §3.15.4.";
    TS_UNACCEPTABLE = 38, "RFC 7296 §2.9.";
    INVALID_SELECTORS = 39, "RFC 7296 §3.10.1.";
    UNACCEPTABLE_ADDRESSES = 40, "RFC 4555 §3.3.";
    UNEXPECTED_NAT_DETECTED = 41, "RFC 4555 §3.5.";
    TEMPORARY_FAILURE = 43, "RFC 7296 §2.25.";
    CHILD_SA_NOT_FOUND = 44, "RFC 7296 §2.25.";
    INVALID_GROUP_ID = 45, "RFC 9838.";
    AUTHORIZATION_FAILED = 46, "RFC 9838.";
    STATE_NOT_FOUND = 47, "RFC 9370 §2.2.4.";
    INITIAL_CONTACT = 16384, "RFC 7296 §2.4: a claim, never a verdict.";
    SET_WINDOW_SIZE = 16385, "RFC 7296 §2.3.";
    ADDITIONAL_TS_POSSIBLE = 16386, "RFC 7296 §2.9.";
    IPCOMP_SUPPORTED = 16387, "RFC 7296 §2.22: never agreed to here.";
    NAT_DETECTION_SOURCE_IP = 16388, "RFC 7296 §2.23; data: SHA-1, 20 octets.";
    NAT_DETECTION_DESTINATION_IP = 16389, "RFC 7296 §2.23; data: SHA-1, 20 octets.";
    COOKIE = 16390, "RFC 7296 §2.6; data: 1 to 64 octets.";
    USE_TRANSPORT_MODE = 16391, "RFC 7296 §1.3.1: never agreed to here.";
    HTTP_CERT_LOOKUP_SUPPORTED = 16392, "RFC 7296 §3.6: never said here, nothing is fetched.";
    REKEY_SA = 16393, "RFC 7296 §1.3.3; SPI: that of the SA to be replaced.";
    ESP_TFC_PADDING_NOT_SUPPORTED = 16394, "RFC 7296 §1.3.1.";
    NON_FIRST_FRAGMENTS_ALSO = 16395, "RFC 7296 §1.3.1.";
    MOBIKE_SUPPORTED = 16396, "RFC 4555 §3.1: never offered here.";
    ADDITIONAL_IP4_ADDRESS = 16397, "RFC 4555 §3.2.";
    ADDITIONAL_IP6_ADDRESS = 16398, "RFC 4555 §3.2.";
    NO_ADDITIONAL_ADDRESSES = 16399, "RFC 4555 §3.2.";
    UPDATE_SA_ADDRESSES = 16400, "RFC 4555 §3.3.";
    COOKIE2 = 16401, "RFC 4555 §3.4.";
    NO_NATS_ALLOWED = 16402, "RFC 4555 §3.5.";
    AUTH_LIFETIME = 16403, "RFC 4478 §3; data: seconds, 4 octets.";
    MULTIPLE_AUTH_SUPPORTED = 16404, "RFC 4739 §2.2.";
    ANOTHER_AUTH_FOLLOWS = 16405, "RFC 4739 §2.2.";
    REDIRECT_SUPPORTED = 16406, "RFC 5685 §3.";
    REDIRECT = 16407, "RFC 5685 §3.";
    REDIRECTED_FROM = 16408, "RFC 5685 §3.";
    TICKET_REQUEST = 16411, "RFC 5723 §7.3.";
    EAP_ONLY_AUTHENTICATION = 16417, "RFC 5998 §3: refused here.";
    CHILDLESS_IKEV2_SUPPORTED = 16418, "RFC 6023 §3.";
    QUICK_CRASH_DETECTION = 16419, "RFC 6290 §4.";
    IKEV2_FRAGMENTATION_SUPPORTED = 16430, "RFC 7383 §2.3.";
    SIGNATURE_HASH_ALGORITHMS = 16431, "RFC 7427 §4; data: 2 octets for each hash.";
    CLONE_IKE_SA_SUPPORTED = 16432, "RFC 7791 §5.1.";
    CLONE_IKE_SA = 16433, "RFC 7791 §5.2.";
    USE_PPK = 16435, "RFC 8784 §3.";
    PPK_IDENTITY = 16436, "RFC 8784 §3.";
    NO_PPK_AUTH = 16437, "RFC 8784 §3.";
    INTERMEDIATE_EXCHANGE_SUPPORTED = 16438, "RFC 9242 §3.1.";
    ADDITIONAL_KEY_EXCHANGE = 16441, "RFC 9370 §2.2.4.";
    SUPPORTED_AUTH_METHODS = 16443, "RFC 9593 §3.";
}

impl NotifyType {
    /// An error rather than a status (RFC 7296 §3.10.1).
    pub fn is_error(self) -> bool {
        self.0 < 16384
    }
}

/// Notify payload (RFC 7296 §3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// What the SPI belongs to; [`ProtocolId::NONE`] when there is none.
    pub protocol: ProtocolId,
    /// 0, 4 or 8 octets.
    pub spi: Vec<u8>,
    /// What is said.
    pub kind: NotifyType,
    /// Its data.
    pub data: Vec<u8>,
}

impl Notify {
    /// A notification without SPI.
    pub fn new(kind: NotifyType, data: &[u8]) -> Self {
        Self { protocol: ProtocolId::NONE, spi: Vec::new(), kind, data: data.to_vec() }
    }

    /// A notification about an ESP SA.
    pub fn about_esp(kind: NotifyType, spi: ids::Spi) -> Self {
        Self { protocol: ProtocolId::ESP, spi: spi.0.to_be_bytes().to_vec(), kind, data: Vec::new() }
    }

    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (protocol, spi_len) = (ProtocolId(reader.u8()?), reader.u8()?);
        let kind = NotifyType(reader.u16()?);
        if ![0, 4, 8].contains(&spi_len) {
            return Err(Malformed::Payload(PayloadType::NOTIFY));
        }
        let spi = reader.bytes(usize::from(spi_len))?.to_vec();
        Ok(Self { protocol, spi, kind, data: reader.rest().to_vec() })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.protocol.0, u8::try_from(self.spi.len()).unwrap_or(0)]);
        out.extend_from_slice(&self.kind.0.to_be_bytes());
        out.extend_from_slice(&self.spi);
        out.extend_from_slice(&self.data);
    }
}
