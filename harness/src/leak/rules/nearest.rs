//! Finds the known word that a misspelt one was probably meant to be.

/// The candidate closest to `word`, if one is close enough to be what was meant.
pub(crate) fn nearest(word: &str, candidates: &[&'static str]) -> Option<&'static str> {
    let word = word.to_lowercase();
    let close_enough = (word.chars().count() / 3).max(1);
    candidates
        .iter()
        .map(|&candidate| {
            let known = candidate.to_lowercase();
            let shorter = word.len().min(known.len());
            let cut = shorter >= 3 && (word.starts_with(&known) || known.starts_with(&word));
            (if cut { 1 } else { distance(&word, &known) }, candidate)
        })
        .filter(|&(distance, _)| distance <= close_enough)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbour to turn
/// one word into the other; each place is edited once.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut now = vec![row + 1];
        for (column, &wanted) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != wanted);
            let mut best = replaced.min(last[column + 1] + 1).min(now[column] + 1);
            if column > 0 && previous == Some(wanted) && to[column - 1] == letter {
                best = best.min(before_last[column - 1] + 1);
            }
            now.push(best);
        }
        previous = Some(letter);
        before_last = core::mem::replace(&mut last, now);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_each_kind_of_edit_once() {
        let cases =
            [("", "", 0), ("", "abc", 3), ("top", "tpo", 1), ("abc", "abd", 1), ("abcd", "bd", 2)];
        for (from, to, expected) in cases {
            assert_eq!(distance(from, to), expected, "{from} to {to}");
            assert_eq!(distance(to, from), expected, "{to} to {from}");
        }
    }

    #[test]
    fn nearest_offers_only_what_may_have_been_meant() {
        let known = &["top", "chan", "waitgroup", "created-by"];
        assert_eq!(nearest("tpo", known), Some("top"));
        assert_eq!(nearest("Channel", known), Some("chan"));
        assert_eq!(nearest("wait_group", known), Some("waitgroup"));
        assert_eq!(nearest("created_by", known), Some("created-by"));
        assert_eq!(nearest("elephant", known), None);
        assert_eq!(nearest("", known), None);
    }
}
