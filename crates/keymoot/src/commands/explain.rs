//! `keymoot explain CODE`: the page of a code.

use clap::Args;
use keymoot_wire::problem::Code;
use serde_json::json;

use crate::cli::Given;
use crate::explain::{PAGES, USAGE, own};
use crate::failure::{Failure, Trouble};
use crate::printer::{Printer, wrap};

/// Explain a code, as in E2104: what it means, what did not happen, what to do.
#[derive(Args)]
pub struct ExplainArgs {
    /// The code; without it, all codes are listed.
    code: Option<String>,
}

/// A page, wherever it stands.
struct Found {
    code: &'static str,
    title: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

fn find(code: &str) -> Option<Found> {
    let ours = own(code).map(|page| Found {
        code: page.code,
        title: page.title,
        meaning: page.meaning,
        remedy: page.remedy,
    });
    ours.or_else(|| {
        let code: Code = code.parse().ok()?;
        let (title, meaning, remedy) = (code.title(), code.explanation(), code.remedy());
        Some(Found { code: code.as_str(), title, meaning, remedy })
    })
}

/// The code, also where only its digits were typed.
fn with_letter(code: &str) -> String {
    let code = code.to_ascii_uppercase();
    if code.starts_with(|c: char| c.is_ascii_digit()) { format!("E{code}") } else { code }
}

fn all() -> Vec<Found> {
    let ours = PAGES.iter().map(|page| page.code);
    let mut codes: Vec<&'static str> = ours.chain(Code::ALL.iter().map(|code| code.as_str())).collect();
    codes.sort_unstable();
    codes.into_iter().filter_map(find).collect()
}

pub fn run(given: &Given, args: &ExplainArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let Some(code) = &args.code else {
        let pages = all();
        let rows: Vec<_> =
            pages.iter().map(|page| json!({ "code": page.code, "title": page.title })).collect();
        let lines: Vec<_> =
            pages.iter().map(|page| format!("{}  {}", printer.ink.strong(page.code), page.title)).collect();
        return printer.either(&json!({ "schema": "keymoot/codes/v1", "codes": rows }), &lines);
    };
    let Some(page) = find(&with_letter(code)) else {
        let what = format!("there is no code `{}`", code.escape_debug());
        return Err(Trouble::new(USAGE, what)
            .undone("there is nothing to explain")
            .help("`keymoot explain` lists all codes")
            .into());
    };
    let object = json!({
        "schema": "keymoot/explanation/v1",
        "code": page.code, "title": page.title, "meaning": page.meaning, "remedy": page.remedy,
    });
    let mut lines = vec![format!("{}: {}", printer.ink.strong(page.code), page.title), String::new()];
    lines.extend(wrap(page.meaning, 78));
    lines.push(String::new());
    lines.extend(wrap(page.remedy, 78));
    printer.either(&object, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_cluster_and_of_this_program_has_one_page() {
        for code in Code::ALL {
            assert!(own(code.as_str()).is_none(), "{code} is explained in two places");
            assert!(find(code.as_str()).is_some_and(|page| page.meaning.len() > 40), "{code}");
        }
        assert_eq!(all().len(), PAGES.len() + Code::ALL.len());
        assert!(
            find("E9999").is_none()
                && find(&with_letter("2104")).is_some()
                && find(&with_letter("e2104")).is_some()
        );
    }

    #[test]
    fn pages_fit_80_columns() {
        for page in all() {
            assert!(wrap(page.meaning, 78).iter().all(|line| line.chars().count() <= 80), "{}", page.code);
        }
    }
}
