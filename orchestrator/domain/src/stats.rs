//! The few statistics that decide what is noise.

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation (divisor `n − 1`); `None` of fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let n = values.len();
    (n > 1)
        .then(|| (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt())
}

/// Standard error of the difference of two means with a pooled variance:
/// `sqrt(s²·(1/n + 1/m))` with `s² = ((n−1)·s_a² + (m−1)·s_b²) / (n+m−2)`.
/// `None` where either sample has fewer than two values.
pub fn pooled_standard_error(a: &[f64], b: &[f64]) -> Option<f64> {
    let (sa, sb) = (standard_deviation(a)?, standard_deviation(b)?);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let variance = ((n - 1.0) * sa * sa + (m - 1.0) * sb * sb) / (n + m - 2.0);
    Some((variance * (1.0 / n + 1.0 / m)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pooled_error_agrees_with_a_worked_example() {
        // s_a² = s_b² = 1, n = m = 3: sqrt(1 · 2/3).
        let error = pooled_standard_error(&[1.0, 2.0, 3.0], &[5.0, 6.0, 7.0]).unwrap();
        assert!((error - (2.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_value_has_no_spread() {
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(pooled_standard_error(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(mean(&[]), None);
    }
}
