//! Which texts are computed together: those of like length, so that few batches are half empty, and never more
//! than fit. Must not know models.

/// Packs texts of these lengths (in tokens) into batches of at most `n_tokens_max` tokens and `n_texts_max` texts, longest
/// texts first; a longer text stands alone, one of no tokens nowhere. Answers the texts' places.
pub fn pack(lengths: &[usize], n_tokens_max: usize, n_texts_max: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).filter(|&text| lengths[text] > 0).collect();
    // Stable, so that equal lengths stay in order.
    order.sort_by_key(|&text| std::cmp::Reverse(lengths[text]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut n_tokens = usize::MAX;
    for text in order {
        let fits = n_tokens.saturating_add(lengths[text]) <= n_tokens_max;
        match batches.last_mut() {
            Some(batch) if fits && batch.len() < n_texts_max => {
                batch.push(text);
                n_tokens += lengths[text];
            }
            _ => {
                batches.push(vec![text]);
                n_tokens = lengths[text];
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_like_lengths_and_no_more_than_fits() {
        let lengths = [3, 9, 0, 3, 4, 20, 5];
        assert_eq!(pack(&lengths, 9, 8), [vec![5], vec![1], vec![6, 4], vec![0, 3]]);
        assert_eq!(pack(&lengths, 100, 2), [vec![5, 1], vec![6, 4], vec![0, 3]]);
        assert!(pack(&[0, 0], 9, 8).is_empty());
    }
}
