//! DER by tag, length and value: what CMP needs to read octets where they stand, and to write its few answers.

use der::asn1::AnyRef;
use der::{Decode, Encode, Length, Reader, SliceReader, Tag, TagNumber, Tagged};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const SEQUENCE: u8 = 0x30;

/// A constructed tag of the context: EXPLICIT, or IMPLICIT over a SEQUENCE.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Writes one value: its tag, the length, the parts of its content.
pub(crate) fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let octets: usize = content.iter().map(|part| part.len()).sum();
    let mut value = vec![tag];
    // Lengths beyond what `der` writes (256 MiB) do not come up: what we write is bounded by what we read.
    let length = Length::try_from(octets).and_then(|length| length.to_der());
    value.extend(length.unwrap_or_default());
    content.iter().for_each(|part| value.extend_from_slice(part));
    value
}

/// The same value under the tag of a SEQUENCE, which an IMPLICIT tag had hidden (X.680 §31.2.7).
pub(crate) fn as_sequence(content: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[content])
}

/// What stands in the next value, which must be a SEQUENCE.
pub(crate) fn sequence<'a>(reader: &mut SliceReader<'a>) -> der::Result<SliceReader<'a>> {
    SliceReader::new(tagged(reader, Tag::Sequence)?)
}

/// The next value with its tag and length, which must be a SEQUENCE.
pub(crate) fn sequence_bytes<'a>(reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    reader.peek_tag()?.assert_eq(Tag::Sequence)?;
    reader.tlv_bytes()
}

/// Content of the next value, which must bear `tag`.
pub(crate) fn tagged<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> der::Result<&'a [u8]> {
    let value = AnyRef::decode(reader)?;
    value.tag().assert_eq(tag)?;
    Ok(value.value())
}

/// Whether the next value bears `tag`; no when there is none.
pub(crate) fn next_is(reader: &SliceReader<'_>, tag: Tag) -> bool {
    !reader.is_finished() && reader.peek_tag().is_ok_and(|next| next == tag)
}

/// Content of an EXPLICIT `[number]`, where it comes next.
pub(crate) fn optional<'a>(
    reader: &mut SliceReader<'a>,
    number: TagNumber,
) -> der::Result<Option<SliceReader<'a>>> {
    let tag = Tag::ContextSpecific { constructed: true, number };
    match next_is(reader, tag) {
        true => SliceReader::new(tagged(reader, tag)?).map(Some),
        false => Ok(None),
    }
}

/// The octets of an EXPLICIT `[number] OCTET STRING`, where it comes next.
pub(crate) fn optional_octets<'a>(
    reader: &mut SliceReader<'a>,
    number: TagNumber,
) -> der::Result<Option<&'a [u8]>> {
    let Some(mut content) = optional(reader, number)? else { return Ok(None) };
    let octets = tagged(&mut content, Tag::OctetString)?;
    content.finish(Some(octets))
}

/// The octets of a BIT STRING that has no unused bits, as signatures do.
pub(crate) fn whole_bit_string<'a>(reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    match tagged(reader, Tag::BitString)?.split_first() {
        Some((0, octets)) => Ok(octets),
        Some(_) | None => Err(Tag::BitString.value_error()),
    }
}

/// The one value that `octets` are, as a SEQUENCE.
pub(crate) fn whole_sequence(octets: &[u8]) -> der::Result<SliceReader<'_>> {
    let mut whole = SliceReader::new(octets)?;
    let content = sequence(&mut whole)?;
    whole.finish(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_x_690_says() {
        for (octets, header) in [
            (0, &[0x30, 0x00][..]),
            (127, &[0x30, 0x7f]),
            (128, &[0x30, 0x81, 0x80]),
            (255, &[0x30, 0x81, 0xff]),
            (256, &[0x30, 0x82, 0x01, 0x00]),
            (65_536, &[0x30, 0x83, 0x01, 0x00, 0x00]),
        ] {
            let content = vec![7; octets];
            assert_eq!(tlv(SEQUENCE, &[&content]), [header, &content].concat(), "{octets}");
        }
    }
}
