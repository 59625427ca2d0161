//! What cannot be typed: the parser's complaint, with a code like every other.

use clap::Error;
use clap::error::ErrorKind;

use crate::explain::USAGE;
use crate::failure::{Failure, Trouble};

/// Whether a person is better served with the page of help that comes in its place.
pub fn is_help(answer: &Error) -> bool {
    answer.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// The failure, unless it is no complaint: help and the version arrive the same way.
pub fn refusal(answer: &Error) -> Option<Failure> {
    if !answer.use_stderr() {
        return None;
    }
    let trouble = |what: &str| Trouble::new(USAGE, what).undone("nothing was started or sent");
    if is_help(answer) {
        let help = "`keymoot help` lists the commands, `keymoot help COMMAND` what belongs to one";
        return Some(trouble("no command was given, or a part of it is missing").help(help).into());
    }
    let text = answer.to_string();
    let mut parts = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    let what = parts.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut trouble = trouble(what.strip_prefix("error: ").unwrap_or(&what));
    let (mut tips, mut usage) = (Vec::new(), None);
    for part in parts {
        tips.extend(part.lines().filter_map(|line| line.trim().strip_prefix("tip: ")));
        usage = part.strip_prefix("Usage: ").or(usage);
    }
    if let Some(usage) = usage {
        trouble = trouble.branch(format!("usage: {usage}"));
    }
    let help =
        if tips.is_empty() { "the same with --help says what there is".to_owned() } else { tips.join("; ") };
    Some(trouble.help(help).into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Value;

    use super::refusal;
    use crate::cli::Cli;

    fn told(arguments: &[&str]) -> Value {
        let Err(answer) = Cli::try_parse_from([&["keymoot"], arguments].concat()) else {
            panic!("{arguments:?} can be typed")
        };
        refusal(&answer).expect("a complaint").document().expect("a document")
    }

    #[test]
    fn what_cannot_be_typed_has_a_code_and_keeps_the_suggestion() {
        for (arguments, what, help) in [
            (&["sgin"][..], "unrecognized subcommand 'sgin'", "'sign'"),
            (
                &["sign", "--key", "hot", "--mesage", "x"],
                "unexpected argument '--mesage' found",
                "'--message'",
            ),
            (&["key", "xpub", "hot", "--network", "mars"], "[possible values: mainnet", "--help"),
            (&["sign", "--key", "hot"], "required arguments were not provided: <--message", "--help"),
            (&["key"], "a part of it is missing", "keymoot help"),
            (&[], "no command was given", "keymoot help"),
        ] {
            let told = told(arguments);
            assert_eq!((&told["code"], &told["exit"]), (&"E2001".into(), &2.into()), "{told}");
            assert!(told["what"].as_str().unwrap().contains(what), "{told}");
            assert!(told["help"].as_str().unwrap().contains(help), "{told}");
        }
    }

    #[test]
    fn help_and_version_are_no_complaints() {
        for arguments in [&["--help"][..], &["--version"], &["sign", "--help"], &["help", "key"]] {
            let answer = Cli::try_parse_from([&["keymoot"], arguments].concat()).err().unwrap();
            assert!(refusal(&answer).is_none(), "{arguments:?}");
        }
    }
}
