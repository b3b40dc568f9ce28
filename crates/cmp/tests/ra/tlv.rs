//! DER for tests, written apart from the code under test.

pub(crate) const SEQUENCE: u8 = 0x30;

/// One value.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
    let header = match length {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, content.to_vec()].concat()
}

/// A SEQUENCE of values.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// `[number] EXPLICIT`.
pub(crate) fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

/// `[number] EXPLICIT OCTET STRING`, where there is one.
pub(crate) fn octets(number: u8, content: Option<&[u8]>) -> Vec<u8> {
    content.map_or_else(Vec::new, |content| explicit(number, &tlv(0x04, content)))
}

/// A BIT STRING without unused bits.
pub(crate) fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// One value as it reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// The values that stand behind each other.
pub(crate) fn values(mut octets: &[u8]) -> Vec<Value<'_>> {
    let mut values = Vec::new();
    while let [tag, first, ..] = octets {
        let count = usize::from(first.saturating_sub(0x80));
        let length = match count {
            0 => usize::from(*first),
            _ => octets[2..2 + count].iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
        };
        let (whole, rest) = octets.split_at(2 + count + length);
        values.push(Value { tag: *tag, content: &whole[2 + count..], whole });
        octets = rest;
    }
    values
}

/// The value behind tags: each must be in what the one before holds.
pub(crate) fn inside<'a>(octets: &'a [u8], tags: &[u8]) -> Option<Value<'a>> {
    let (tag, rest) = tags.split_first()?;
    let value = values(octets).into_iter().find(|value| value.tag == *tag)?;
    if rest.is_empty() { Some(value) } else { inside(value.content, rest) }
}
