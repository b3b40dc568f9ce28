//! Values that have parts: a column or more for each.

use super::Field;
use crate::columns::{Columns, Texts, Unfit, Why};
use arrow_array::ArrayRef;
use arrow_schema::DataType;
use ids::{IkeSpi, Position, Spi, UnixTime};
use ipnet::IpNet;
use records::{
    facts::{Radio, Tunnel},
    line::Place,
};

/// A value by its parts: how it is taken apart and put together.
macro_rules! parts {
    (
        $type:ty, $name:ident, $value:ident;
        $($part:ident: $part_type:ty = $called:expr, $take:expr;)*
        => $whole:expr
    ) => {
        impl Field for $type {
            type Store = ($(<$part_type as Field>::Store,)*);
            type View = ($(<$part_type as Field>::View,)*);

            fn columns($name: &str) -> Vec<(String, DataType)> {
                [$(<$part_type>::columns(&$called),)*].concat()
            }

            fn has_optional_parts() -> bool {
                true
            }

            fn push(value: Option<&Self>, ($($part,)*): &mut Self::Store) {
                $(<$part_type>::push(value.and_then(|$value| $take).as_ref(), $part);)*
            }

            fn arrays(($($part,)*): &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
                $(<$part_type>::arrays($part, order, to);)*
            }

            fn view(columns: Columns<'_>, $name: &str) -> Result<Self::View, Unfit> {
                Ok(($(<$part_type>::view(columns, &$called)?,)*))
            }

            fn get(($($part,)*): &Self::View, row: usize) -> Result<Option<Self>, Why> {
                let whole: fn($(Option<$part_type>,)*) -> Result<Self, Why> = $whole;
                $(let $part = <$part_type>::get($part, row)?;)*
                let is_there = false $(|| $part.is_some())*;
                is_there.then(|| whole($($part,)*)).transpose()
            }
        }
    };
}

parts! {
    Tunnel, name, tunnel;
    ike: IkeSpi = format!("{name}_ike_spi"), tunnel.ike_spi;
    esp: Spi = format!("{name}_esp_spi"), tunnel.esp_spi;
    created: UnixTime = format!("{name}_created_at"), tunnel.created_at;
    => |ike_spi, esp_spi, created_at| Ok(Tunnel { ike_spi, esp_spi, created_at })
}

parts! {
    Radio, name, radio;
    on: bool = format!("{name}_on"), Some(radio.on);
    call: bool = format!("{name}_emergency_call"), Some(radio.emergency_call);
    => |on, call| {
        let radio = on.zip(call).map(|(on, emergency_call)| Radio { on, emergency_call });
        radio.ok_or_else(|| "a radio is on or not, and has an emergency call or not".into())
    }
}

parts! {
    Place, _name, place;
    address: Box<str> = "address", Some(text(place.net));
    first: u16 = "port_first", ports(place).map(|ports| ports.0);
    last: u16 = "port_last", ports(place).map(|ports| ports.1);
    => |address, first, last| {
        if first.is_some() != last.is_some() {
            return Err("a first port needs a last one".into());
        }
        let address = address.ok_or("ports need an `address`")?;
        Place::new(&address, first.zip(last)).map_err(|bad| bad.to_string().into())
    }
}

/// An address, or a prefix.
fn text(net: IpNet) -> Box<str> {
    let is_single = net.prefix_len() == net.max_prefix_len();
    if is_single { net.addr().to_string().into() } else { net.to_string().into() }
}

/// None where all ports are meant.
fn ports(place: &Place) -> Option<(u16, u16)> {
    Some(place.ports).filter(|ports| *ports != (0, u16::MAX))
}

/// Latitude and longitude in 1e-7 degrees. Sources may have its text instead.
impl Field for Position {
    type Store = (<i32 as Field>::Store, <i32 as Field>::Store);
    type View = (<i32 as Field>::View, <i32 as Field>::View, Texts);

    fn columns(name: &str) -> Vec<(String, DataType)> {
        vec![(format!("{name}_lat"), DataType::Int32), (format!("{name}_lon"), DataType::Int32)]
    }

    fn instead(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    fn push(value: Option<&Self>, (lat, lon): &mut Self::Store) {
        i32::push(value.map(|position| position.lat()).as_ref(), lat);
        i32::push(value.map(|position| position.lon()).as_ref(), lon);
    }

    fn arrays((lat, lon): &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
        i32::arrays(lat, order, to);
        i32::arrays(lon, order, to);
    }

    fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit> {
        let of = |part: &str| i32::view(columns, &format!("{name}_{part}"));
        Ok((of("lat")?, of("lon")?, Texts::of(columns, name)?))
    }

    fn get((lat, lon, texts): &Self::View, row: usize) -> Result<Option<Self>, Why> {
        match (i32::get(lat, row)?, i32::get(lon, row)?, texts.get(row)) {
            (None, None, None) => Ok(None),
            (None, None, Some(_)) => texts.parsed(row),
            (Some(lat), Some(lon), None) => {
                Self::new(lat, lon).map(Some).ok_or_else(|| "beyond a pole or the 180th meridian".into())
            }
            (lat, lon, _) if lat.is_some() && lon.is_some() => Err("said twice".into()),
            (..) => Err("a latitude needs a longitude".into()),
        }
    }
}
