use super::columns_of;
use crate::entry::{DeviceFacts, Entry};
use ids::{CellKey, DeviceId, UnixTime};
use records::facts::{Radio, Tunnel};

columns_of! {
    DeviceFacts, row in Entry::DeviceFacts(row), by [];
    needs {
        device: DeviceId,
        seen_at: UnixTime,
    }
    may {
        serial: Box<str>,
        software: Box<str>,
        tunnel: Tunnel,
        neighbours: Box<[CellKey]>,
        radio: Radio,
    }
}
