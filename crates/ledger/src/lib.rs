//! The ledger: which units there are, what they may, which certificates were issued to them, who holds
//! the lease of each, which may talk to which, and what went wrong.
//!
//! Every row carries a revision, the event that explains it, and an HMAC under a key that the database
//! never holds. The events of a transaction are in the journal before its rows are in the database, whole or
//! not at all; a crash between the two is finished at the next start.
//!
//! One process writes: it holds the lock on the data directory. What it read or wrote once, it never
//! takes back at a lower revision.

mod access_line;
mod approval;
mod book;
mod certificate;
mod credential;
mod device;
mod distrust;
mod ending;
mod enrolment;
mod error;
mod extension;
mod import;
mod import_credentials;
mod in_service;
mod incident;
mod index;
mod lease;
mod legacy;
mod life_cycle;
mod lineage;
mod mark;
mod migration;
mod order;
mod page;
mod pair;
mod pool;
mod presence;
mod profile;
mod redo;
mod row;
mod seen;
mod shadow;
mod sighting;
mod tables;
mod transaction;
mod verify;

pub mod detection;
pub mod management;
pub mod store;
pub mod trust;

pub use access_line::AccessLineRecord;
pub use approval::Approval;
pub use book::Ledger;
pub use certificate::{
    CertificateRecord, KeyHolder, Leave, Octets, RevokedCertificate, Standing, Transaction,
};
pub use credential::{Credential, Doubt, DoubtKind, Origin, Revoked, Superseded};
pub use device::{Device, DeviceChange, NewDevice, ParseParticularError, Particular};
pub use distrust::{Distrust, TrustedAgain};
pub use ending::{Counting, Ending, EndingPlace, ParsePlaceError};
pub use enrolment::{Ask, CONFIRM_WAIT, Denied, GRACE, NoCertificate, Stage};
pub use error::LedgerError;
pub use extension::{Extension, ExtensionEnded, LONGEST_EXTENSION};
pub use ids::{LifeCycle, ParseStateError};
pub use import::{Change, ChangedRow, Differing, ImportUnit, Imported, RefusedRow};
pub use import_credentials::ImportedCredentials;
pub use incident::{Closed as ClosedIncident, Genuine, Incident, IncidentState, NewIncident, Sides};
pub use lease::Lease;
pub use legacy::{ByLegacy, LegacyDenial, LegacyGroup, LegacyUse, NewLegacyGroup};
pub use life_cycle::{Allowed, Enrolment, Move, People, allows};
pub use lineage::{Kin, Lineage};
pub use management::{ManagementOrder, ManagementState, NewManagementOrder};
pub use mark::{Grade, Item, Mark};
pub use migration::{
    Chosen, Counts, HaltRule, LeftOut, Migration, MigrationReport, MigrationState, NewMigration, Planned,
    Step, UnitReport, UnitState, Wave, WaveReport, WaveState,
};
pub use order::{Closed, InstallOrder, NewOrder, OrderState};
pub use page::Page;
pub use pair::{Pair, Removed};
pub use pool::{Outside, Pools};
pub use presence::Presence;
pub use profile::{Appearance, Judged, Look, Profile};
pub use row::{Row, RowKey};
pub use shadow::{Breaker, Mode, Observation, Observed, PolicyRule, Scope, SetBack};
pub use sighting::{KeyUse, Sighting};
pub use transaction::Tx;
pub use verify::{Finding, Verified, verify_copy};
