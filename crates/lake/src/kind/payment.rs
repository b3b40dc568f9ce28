use super::columns_of;
use crate::entry::Entry;
use ids::SubscriberKey;
use records::row::{Channel, Currency, Payment, Row, Text};

columns_of! {
    Payment, row in Entry::Row(Row::Payment(row)), by [];
    needs {
        payer: SubscriberKey,
        amount_minor: i64,
        currency: Currency,
        merchant_class: Text<32>,
        channel: Channel,
        request: Text<64>,
    }
    may {}
}
