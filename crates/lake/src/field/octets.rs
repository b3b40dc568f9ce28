use super::{Field, Gathered};
use crate::columns::{Columns, Octets, Unfit, Why};
use arrow_array::{ArrayRef, BinaryArray, FixedSizeBinaryArray, builder::BinaryBuilder};
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use ids::SubscriberKey;
use std::{net::IpAddr, sync::Arc};

/// Octets of a subscriber's key.
const KEY: i32 = 16;

impl Field for SubscriberKey {
    type Store = Gathered<[u8; 16]>;
    type View = Octets;

    fn columns(name: &str) -> Vec<(String, DataType)> {
        vec![(name.to_owned(), DataType::FixedSizeBinary(KEY))]
    }

    fn push(value: Option<&Self>, to: &mut Self::Store) {
        to.push(value.map(|key| key.octets()));
    }

    fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
        let octets: Vec<[u8; 16]> = store.in_order(order).collect();
        let octets = Buffer::from_vec(octets.into_flattened());
        to.push(Arc::new(FixedSizeBinaryArray::new(KEY, octets, store.nulls(order))));
    }

    fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit> {
        Octets::of(columns, name)
    }

    fn get(view: &Self::View, row: usize) -> Result<Option<Self>, Why> {
        view.get(row, |octets| octets.try_into().ok().map(Self::new))
    }
}

/// 4 octets or 16.
impl Field for IpAddr {
    type Store = Gathered<Address>;
    type View = Octets;

    fn columns(name: &str) -> Vec<(String, DataType)> {
        vec![(name.to_owned(), DataType::Binary)]
    }

    fn push(value: Option<&Self>, to: &mut Self::Store) {
        to.push(value.copied().map(Address));
    }

    fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
        let mut array = BinaryBuilder::with_capacity(order.len(), 4 * order.len());
        for row in order {
            match store.get(*row) {
                Some(Address(Self::V4(address))) => array.append_value(address.octets()),
                Some(Address(Self::V6(address))) => array.append_value(address.octets()),
                None => array.append_null(),
            }
        }
        let array: BinaryArray = array.finish();
        to.push(Arc::new(array));
    }

    fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit> {
        Octets::of(columns, name)
    }

    fn get(view: &Self::View, row: usize) -> Result<Option<Self>, Why> {
        view.get(row, |octets| match octets.len() {
            4 => <[u8; 4]>::try_from(octets).ok().map(Self::from),
            _ => <[u8; 16]>::try_from(octets).ok().map(Self::from),
        })
    }
}

/// An address; none is the unspecified one, and not there.
#[derive(Clone, Copy)]
pub(crate) struct Address(IpAddr);

impl Default for Address {
    fn default() -> Self {
        Self(IpAddr::from([0; 4]))
    }
}
