use std::{collections::VecDeque, time::Duration};

/// A value at each look over the last minutes.
#[derive(Clone, Debug)]
pub(crate) struct History {
    kept: VecDeque<Option<u64>>,
    capacity: usize,
    /// How many were pushed since the start: groups of values keep their borders as time goes on.
    pushed: usize,
}

/// What a sparkline shows.
pub(crate) const SPAN: Duration = Duration::from_secs(300);

impl History {
    /// For a look at each `interval`.
    pub(crate) fn new(interval: Duration) -> Self {
        let looks = (SPAN.as_secs_f64() / interval.as_secs_f64()).ceil();
        Self { kept: VecDeque::new(), capacity: (looks as usize).max(1), pushed: 0 }
    }

    /// `None` where nothing could be seen.
    pub(crate) fn push(&mut self, value: Option<u64>) {
        if self.kept.len() == self.capacity {
            self.kept.pop_front();
        }
        self.kept.push_back(value);
        self.pushed += 1;
    }

    /// At most `width` columns, the newest last; each is the peak of the looks in it.
    pub(crate) fn columns(&self, width: usize) -> Vec<Option<u64>> {
        let looks_each = self.capacity.div_ceil(width.max(1));
        let first = self.pushed - self.kept.len();
        let mut columns: Vec<(usize, Option<u64>)> = Vec::new();
        for (offset, value) in self.kept.iter().enumerate() {
            let group = (first + offset) / looks_each;
            match columns.last_mut() {
                Some((last, peak)) if *last == group => *peak = (*peak).max(*value),
                Some(_) | None => columns.push((group, *value)),
            }
        }
        let surplus = columns.len().saturating_sub(width);
        columns.into_iter().skip(surplus).map(|(_, peak)| peak).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(values: &[Option<u64>]) -> History {
        let mut history = History::new(Duration::from_secs(30));
        values.iter().for_each(|value| history.push(*value));
        history
    }

    #[test]
    fn a_column_is_the_peak_of_its_looks_and_blank_where_none_was_possible() {
        let history = history(&[Some(1), Some(9), None, None, None, Some(4)]);
        assert_eq!(history.columns(10), [Some(1), Some(9), None, None, None, Some(4)]);
        assert_eq!(history.columns(5), [Some(9), None, Some(4)]);
    }

    #[test]
    fn what_is_older_than_the_span_is_forgotten() {
        let values: Vec<_> = (0..25).map(Some).collect();
        assert_eq!(history(&values).columns(10), (15..25).map(Some).collect::<Vec<_>>());
        assert!(history(&values).columns(3).len() <= 3);
    }

    #[test]
    fn a_peak_stays_in_the_same_company_as_time_goes_on() {
        let mut seen = history(&[Some(1), Some(9), Some(2), Some(3)]);
        assert_eq!(seen.columns(5), [Some(9), Some(3)]);
        seen.push(Some(5));
        assert_eq!(seen.columns(5), [Some(9), Some(3), Some(5)]);
    }
}
