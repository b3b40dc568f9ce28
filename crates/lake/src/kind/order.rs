use super::columns_of;
use crate::entry::Entry;
use ids::{AccessLine, DeviceId, OrderId, Position, UnixTime};
use records::row::{Order, Purpose, Row};

columns_of! {
    Order, row in Entry::Row(Row::Order(row)), by [];
    needs {
        order: OrderId,
        device: DeviceId,
        purpose: Purpose,
        from: UnixTime,
        to: UnixTime,
    }
    may {
        line: AccessLine,
        position: Position,
    }
}
