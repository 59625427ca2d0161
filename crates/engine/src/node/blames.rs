//! Whose faults have evidence on disk: once is enough to convince others, and no liar is to fill our disk with it.

use std::collections::BTreeMap;

use keymoot_types::Party;

use crate::record::EVIDENCE_MAX;

/// Evidence against one member, of all its faults together, in bytes: the longest there is, twice.
const AGAINST_ONE_MAX: usize = 2 * EVIDENCE_MAX;

/// What evidence is on disk: its length, by whom it is against and what it is of.
#[derive(Default)]
pub(super) struct Blames(BTreeMap<(Party, String), usize>);

impl Blames {
    /// Notes what a record has.
    pub(super) fn note(&mut self, party: Party, fault: &str, length: usize) {
        if length > 0 {
            self.0.insert((party, fault.to_owned()), length);
        }
    }

    /// Whether evidence of this length is to be kept.
    pub(super) fn keeps(&self, party: Party, fault: &str, length: usize) -> bool {
        let against = self.0.iter().filter(|((one, _), _)| *one == party);
        let kept = against.map(|(_, length)| *length).fold(0, usize::saturating_add);
        let is_known = self.0.contains_key(&(party, fault.to_owned()));
        !is_known && length <= EVIDENCE_MAX && kept.saturating_add(length) <= AGAINST_ONE_MAX
    }
}

#[cfg(test)]
mod tests {
    use keymoot_types::Party;

    use super::{AGAINST_ONE_MAX, Blames};
    use crate::record::EVIDENCE_MAX;

    #[test]
    fn no_liar_fills_the_disk_with_evidence() {
        let [one, two] = [1, 2].map(|index| Party::new(index).expect("an index"));
        let mut blames = Blames::default();
        assert!(!blames.keeps(one, "lied", EVIDENCE_MAX + 1));
        let mut kept = 0;
        for number in 0..100 {
            let fault = format!("lied for the {number}th time");
            if blames.keeps(one, &fault, EVIDENCE_MAX) {
                blames.note(one, &fault, EVIDENCE_MAX);
                kept += EVIDENCE_MAX;
                assert!(!blames.keeps(one, &fault, 1), "once is enough");
            }
        }
        assert_eq!(kept, AGAINST_ONE_MAX);
        assert!(!blames.keeps(one, "lied again", 1));
        assert!(blames.keeps(two, "lied again", 1), "of others there is as much room as before");
    }
}
