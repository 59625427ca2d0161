//! What the demo was asked to show. A plan that exists can be played.

use keymoot_types::{Scheme, Threshold, UnknownScheme};

use crate::cli::DemoArgs;
use crate::failure::Failure;

/// How many parties, which keys, which text.
pub struct Plan {
    pub threshold: Threshold,
    pub schemes: Vec<Scheme>,
    pub message: String,
}

impl Plan {
    /// The plan behind a command line.
    pub fn read(args: &DemoArgs) -> Result<Self, Failure> {
        let needed = number("--threshold", &args.threshold)?;
        let total = number("--parties", &args.parties)?;
        let schemes = match args.scheme.as_str() {
            "all" => Scheme::ALL.to_vec(),
            name => vec![name.parse().map_err(|UnknownScheme(name)| {
                Failure::Scheme(UnknownScheme(name.escape_debug().to_string()))
            })?],
        };
        Ok(Self { threshold: Threshold::new(needed, total)?, schemes, message: args.message.clone() })
    }
}

fn number(option: &'static str, given: &str) -> Result<u16, Failure> {
    given.parse().map_err(|_| Failure::Number { option, given: given.escape_debug().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_cannot_break_the_line_it_is_quoted_in() {
        let args = |parties: &str, scheme: &str| DemoArgs {
            parties: parties.into(),
            threshold: "2".into(),
            scheme: scheme.into(),
            message: String::new(),
            json: false,
        };
        for (parties, scheme) in [("3\n", "all"), ("3", "a\nb\u{1b}[31m")] {
            let failure = Plan::read(&args(parties, scheme)).err().unwrap().to_string();
            assert!(!failure.chars().any(char::is_control), "{failure:?}");
        }
        assert_eq!(Plan::read(&args("3", "all")).unwrap().schemes, Scheme::ALL);
    }
}
