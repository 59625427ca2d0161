//! Parties in words, short enough for a line.

use keymoot_types::Party;

/// Up to three by name, more as ranges: `party 1, party 3` or `parties 1-16, 18`.
pub fn names(parties: &[Party]) -> String {
    if parties.len() <= 3 {
        return parties.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for index in parties.iter().map(|party| party.index()) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    let range = |(first, last): &(u16, u16)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}-{last}"),
    };
    format!("parties {}", ranges.iter().map(range).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::names;
    use keymoot_types::Party;

    #[test]
    fn few_are_named_and_many_are_ranges() {
        let named =
            |indices: &[u16]| names(&indices.iter().map(|i| Party::new(*i).unwrap()).collect::<Vec<_>>());
        assert_eq!(named(&[]), "");
        assert_eq!(named(&[1, 3]), "party 1, party 3");
        assert_eq!(named(&[1, 2, 3, 5]), "parties 1-3, 5");
        assert_eq!(named(&[1, 2, 4, 32]), "parties 1, 2, 4, 32");
    }
}
