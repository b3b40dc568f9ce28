use super::columns_of;
use crate::entry::Entry;
use ids::SubscriberKey;
use records::row::{Complaint, Grievance, Row};

columns_of! {
    Complaint, row in Entry::Row(Row::Complaint(row)), by [];
    needs {
        subscriber: SubscriberKey,
        about: Grievance,
    }
    may {}
}
