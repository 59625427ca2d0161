//! What the lab was asked to show. A plan that exists can be played.

use keymoot_types::{Scheme, Threshold, UnknownScheme};

use crate::commands::lab::LabArgs;
use crate::failure::Failure;

/// So many signers make `all` leave DKLs23 out: every two of them need a pair setup, and so the time grows with the square.
const DKLS_SIGNERS_MAX: u16 = 8;

/// How many parties, which keys, which text.
pub struct Plan {
    pub threshold: Threshold,
    pub schemes: Vec<Scheme>,
    /// What `all` does not show at this size.
    pub left_out: Vec<Scheme>,
    pub message: String,
}

impl Plan {
    /// The plan behind a command line.
    pub fn read(args: &LabArgs) -> Result<Self, Failure> {
        let needed = number("--threshold", &args.threshold)?;
        let total = number("--parties", &args.parties)?;
        let is_quick = |scheme: &Scheme| *scheme != Scheme::Dkls23 || needed <= DKLS_SIGNERS_MAX;
        let (schemes, left_out) = match args.scheme.as_str() {
            "all" => Scheme::USUAL.into_iter().partition(is_quick),
            name => {
                let scheme = name.parse().map_err(|UnknownScheme(name)| {
                    Failure::Scheme(UnknownScheme(name.escape_debug().to_string()))
                })?;
                if !Scheme::USUAL.contains(&scheme) {
                    return Err(not_shown(scheme));
                }
                (vec![scheme], Vec::new())
            }
        };
        let threshold = Threshold::new(needed, total)?;
        Ok(Self { threshold, schemes, left_out, message: args.message.clone() })
    }
}

/// The lab has no time to make moduli.
pub fn not_shown(scheme: Scheme) -> Failure {
    let takes = "a scheme that needs no moduli: frost-taproot, frost-ed25519, dkls23 or all";
    Failure::Option { option: "--scheme", takes, given: scheme.to_string() }
}

fn number(option: &'static str, given: &str) -> Result<u16, Failure> {
    given.parse().map_err(|_| Failure::Number { option, given: given.escape_debug().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_cannot_break_the_line_it_is_quoted_in() {
        let args = |parties: &str, scheme: &str| LabArgs {
            parties: parties.into(),
            threshold: "2".into(),
            scheme: scheme.into(),
            message: String::new(),
        };
        for (parties, scheme) in [("3\n", "all"), ("3", "a\nb\u{1b}[31m")] {
            let failure = Plan::read(&args(parties, scheme)).err().unwrap().to_string();
            assert!(!failure.chars().any(char::is_control), "{failure:?}");
        }
        assert_eq!(Plan::read(&args("3", "all")).unwrap().schemes, Scheme::USUAL);
    }

    #[test]
    fn a_scheme_that_the_lab_cannot_show_is_refused_by_name() {
        let args = LabArgs {
            parties: "3".into(),
            threshold: "2".into(),
            scheme: "gg20".into(),
            message: String::new(),
        };
        let failure = Plan::read(&args).err().unwrap();
        assert!(failure.to_string().ends_with("or all, not `gg20`"), "{failure}");
        assert_eq!(failure.code(), "E2001");
    }

    #[test]
    fn what_would_be_slow_is_left_out_of_all_and_shown_by_name() {
        let read = |threshold: &str, scheme: &str| {
            let args = LabArgs {
                parties: "32".into(),
                threshold: threshold.into(),
                scheme: scheme.into(),
                message: String::new(),
            };
            Plan::read(&args).unwrap()
        };
        assert!(read("8", "all").left_out.is_empty());
        let plan = read("9", "all");
        assert_eq!((plan.schemes.len(), plan.left_out), (Scheme::USUAL.len() - 1, vec![Scheme::Dkls23]));
        let plan = read("32", "dkls23");
        assert_eq!((plan.schemes, plan.left_out), (vec![Scheme::Dkls23], Vec::new()));
    }
}
