//! Exact bounds of a share (Clopper and Pearson 1934), by bisection of the binomial tail.

/// What a bound leaves out.
const LEFT_OUT: f64 = 0.05;

/// The least upper bound, one-sided, 95 %, of the share of which `hits` of `trials` were seen.
pub fn at_most(hits: u64, trials: u64) -> f64 {
    if hits >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (hits as f64 / trials as f64, 1.0);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if no_more_than(hits, trials, middle) > LEFT_OUT { low = middle } else { high = middle }
    }
    high
}

/// The greatest lower bound, one-sided, 95 %.
pub fn at_least(hits: u64, trials: u64) -> f64 {
    1.0 - at_most(trials - hits, trials)
}

/// How likely no more than `hits` of `trials` are, each with `share`.
fn no_more_than(hits: u64, trials: u64, share: f64) -> f64 {
    let odds = (share / (1.0 - share)).ln();
    let mut term = trials as f64 * (-share).ln_1p();
    let mut sum = term.exp();
    for hit in 0..hits {
        term += ((trials - hit) as f64 / (hit + 1) as f64).ln() + odds;
        sum += term.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where none or all were seen, the bound is a root.
    #[test]
    fn bounds_without_a_hit_and_with_all_are_roots() {
        for trials in [1, 59, 1000, 3_000_000] {
            let root = 1.0 - 0.05_f64.powf(1.0 / trials as f64);
            assert!((at_most(0, trials) - root).abs() < 1e-12, "{trials}");
            assert!((at_least(trials, trials) - (1.0 - root)).abs() < 1e-12, "{trials}");
        }
        assert_eq!((at_most(5, 5), at_least(0, 5)), (1.0, 0.0));
    }

    /// Two of ten: 1 - share to the tenth and so on, by hand, is 0.05 at 0.5069.
    #[test]
    fn the_bound_is_where_the_tail_is_one_in_twenty() {
        assert!((at_most(2, 10) - 0.506_90).abs() < 1e-5, "{}", at_most(2, 10));
        let p = at_most(2, 10);
        let tail = (1.0 - p).powi(10) + 10.0 * p * (1.0 - p).powi(9) + 45.0 * p * p * (1.0 - p).powi(8);
        assert!((tail - 0.05).abs() < 1e-9);
    }
}
