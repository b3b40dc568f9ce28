/// Octets into lines, each of bounded length: one that is longer is passed over, and named once.
#[derive(Debug)]
pub struct Lines {
    longest: usize,
    unfinished: Vec<u8>,
    is_passed_over: bool,
    number: u64,
}

/// A line is longer than any of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is longer than {0} octets")]
pub struct TooLong(pub usize);

/// A line without its end, or why there is none.
type Line<'a> = Result<&'a [u8], TooLong>;

impl Lines {
    /// `longest`: octets of a line, without its end.
    pub fn new(longest: usize) -> Self {
        Self { longest, unfinished: Vec::new(), is_passed_over: false, number: 0 }
    }

    /// Takes what comes next; `each` gets the number of each line that ends in it, counted from 1, and the line.
    pub fn take(&mut self, octets: &[u8], mut each: impl FnMut(u64, Line<'_>)) {
        let mut parts = octets.split(|octet| *octet == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.add(part);
            self.end(&mut each);
        }
        self.add(last);
    }

    /// Nothing comes any more: what has no end is a line all the same.
    pub fn finish(&mut self, mut each: impl FnMut(u64, Line<'_>)) {
        if self.is_passed_over || !self.unfinished.is_empty() {
            self.end(&mut each);
        }
    }

    fn add(&mut self, part: &[u8]) {
        self.is_passed_over |= self.unfinished.len() + part.len() > self.longest;
        if self.is_passed_over {
            self.unfinished.clear();
        } else {
            self.unfinished.extend_from_slice(part);
        }
    }

    fn end(&mut self, each: &mut impl FnMut(u64, Line<'_>)) {
        self.number += 1;
        let is_too_long = std::mem::take(&mut self.is_passed_over);
        each(self.number, if is_too_long { Err(TooLong(self.longest)) } else { Ok(&self.unfinished) });
        self.unfinished.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<(u64, Option<Vec<u8>>)> {
        let (mut lines, mut found) = (Lines::new(4), Vec::new());
        let mut each = |number, line: Line<'_>| found.push((number, line.ok().map(<[u8]>::to_vec)));
        pieces.iter().for_each(|piece| lines.take(piece, &mut each));
        lines.finish(&mut each);
        found
    }

    #[test]
    fn a_line_that_is_too_long_is_named_once_and_hides_no_other() {
        let found = lines_of(&[b"ab\nabc", b"de", b"fgh\n\nabcd"]);
        let line = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(found, [(1, line("ab")), (2, None), (3, line("")), (4, line("abcd"))]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_text_is_cut(text in "[ab\n]{0,40}", cut in 0usize..40) {
            let cut = cut.min(text.len());
            let (first, rest) = text.as_bytes().split_at(cut);
            prop_assert_eq!(lines_of(&[first, rest]), lines_of(&[text.as_bytes()]));
        }
    }
}
