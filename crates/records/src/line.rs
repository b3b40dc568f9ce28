//! Access lines: which fixed line has which address now, as the carrier's access network says it.
//!
//! A session of a line is a time in which it has an address, a prefix, or, behind a CGNAT, a block of ports of one (RFC 6888
//! REQ-14, RFC 7422). Sessions come as JSON lines ([`Record`]), late, twice and out of order, as accounting does; the
//! [`LineTable`] comes to the same whatever the order. docs/formats.md has the schema.

mod record;
mod table;

pub use record::{BadLine, Change, ChangeKind, LONGEST, Place, Record, Session, V};
pub use table::{Found, LineTable, PER_LINE, PER_PREFIX, SESSIONS, Taken};
