//! Numbers and switches of a scenario file, each declared once: its type, what it is without it, its range, and what it means.

use std::fmt;

/// A key of a scenario file, as docs/scenarios.md has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// The table that it is in.
    pub table: &'static str,
    /// Its name, with its unit.
    pub name: &'static str,
    /// Kinds of actors, or what is done, that it belongs to; none: to all.
    pub of: &'static [&'static str],
    /// What it may be.
    pub range: &'static str,
    /// What it is without it.
    pub default: &'static str,
    /// What it means.
    pub what: &'static str,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

/// What a key can have: a number, or yes and no.
pub(super) trait Value: Copy + fmt::Display {
    /// To compare with a range.
    fn number(self) -> f64;
}

impl Value for u32 {
    fn number(self) -> f64 {
        self.into()
    }
}

impl Value for f64 {
    fn number(self) -> f64 {
        self
    }
}

impl Value for bool {
    fn number(self) -> f64 {
        f64::from(u8::from(self))
    }
}

/// A table of a scenario file: `words` are typed by themselves, `values` have a default and a range. For each value there is a method
/// that has it, or its default.
macro_rules! table {
    (
        $(#[$doc:meta])* struct $name:ident in $table:literal;
        words { $($word_name:literal $(#[$word_attr:meta])* $word:ident: $word_type:ty, $word_range:literal, $word_default:literal, $word_what:literal, of [$($word_of:literal)*];)* }
        values { $($field:ident: $type:ty = $default:literal, $least:literal to $most:literal, $what:literal, of [$($of:literal)*];)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(#[doc = $word_what] #[serde(rename = $word_name)] $(#[$word_attr])* pub $word: $word_type,)*
            $(#[doc = $what] #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        impl $name {
            /// Each key of it.
            pub const KEYS: &[$crate::scenario::Key] = &[
                $($crate::scenario::Key { table: $table, name: $word_name, of: &[$($word_of),*], range: $word_range, default: $word_default, what: $word_what },)*
                $($crate::scenario::Key {
                    table: $table,
                    name: stringify!($field),
                    of: &[$($of),*],
                    range: concat!(stringify!($least), " to ", stringify!($most)),
                    default: stringify!($default),
                    what: $what,
                },)*
            ];

            $(
                #[doc = $what]
                #[doc = concat!("\n\nAs given, else ", stringify!($default), ".")]
                pub fn $field(&self) -> $type {
                    self.$field.unwrap_or($default)
                }
            )*

            /// What is wrong with the values that are given to something of that kind.
            pub(in crate::scenario) fn wrong_values(&self, kind: &str) -> Option<$crate::scenario::keys::Wrong> {
                let found: [Option<$crate::scenario::keys::Wrong>; Self::KEYS.len()] = [
                    $(self.$word.is_given().then(|| $crate::scenario::keys::belongs($word_name, kind, &[$($word_of),*])).flatten(),)*
                    $(self.$field.and_then(|value| {
                        let of: &[&str] = &[$($of),*];
                        $crate::scenario::keys::belongs(stringify!($field), kind, of).or_else(|| {
                            $crate::scenario::keys::within(stringify!($field), value, $least.into(), $most.into())
                        })
                    }),)*
                ];
                found.into_iter().flatten().next()
            }
        }
    };
}
pub(super) use table;

/// A word that may be absent.
pub(super) trait Given {
    /// Whether it is there.
    fn is_given(&self) -> bool;
}

impl<T> Given for Option<T> {
    fn is_given(&self) -> bool {
        self.is_some()
    }
}

impl<T> Given for Vec<T> {
    fn is_given(&self) -> bool {
        !self.is_empty()
    }
}

pub(super) fn belongs(name: &str, kind: &str, of: &[&str]) -> Option<Wrong> {
    let is_one = of.is_empty() || of.contains(&kind);
    (!is_one).then(|| Wrong(format!("`{name}` is nothing of `{kind}`, only of {}: leave it out", list(of))))
}

pub(super) fn within<V: Value>(name: &str, value: V, least: Edge, most: Edge) -> Option<Wrong> {
    let is_within = (least.0..=most.0).contains(&value.number());
    (!is_within).then(|| Wrong(format!("`{name}` is {value}, and may be {} to {}", least.0, most.0)))
}

/// An end of a range.
pub(super) struct Edge(f64);

impl From<i32> for Edge {
    fn from(number: i32) -> Self {
        Self(number.into())
    }
}

impl From<f64> for Edge {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl From<bool> for Edge {
    fn from(number: bool) -> Self {
        Self(number.number())
    }
}

/// Words for people: `a`, `b`.
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
