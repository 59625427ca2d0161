//! Text that others have written, shown so that it cannot pass for ours.

/// On one line, with everything that is invisible or turns the line around written out.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            // A letter that shows as itself escapes to itself.
            c if c.escape_debug().eq([c]) => shown.push(c),
            c => shown.extend(c.escape_default()),
        }
    }
    shown
}

/// Lines of it, behind a bar at which every line of it begins.
pub fn block(text: &str) -> Vec<String> {
    text.split('\n').map(|line| format!("    │ {}", visible(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::{block, visible};

    #[test]
    fn what_is_invisible_is_written_out_and_the_rest_shows_as_it_is() {
        assert_eq!(visible("it's \"ok\" \\ äöü 你好"), "it's \"ok\" \\ äöü 你好");
        assert_eq!(
            visible("a\u{1b}[2Kb\u{202e}c\u{200b}\t\u{7f}"),
            "a\\u{1b}[2Kb\\u{202e}c\\u{200b}\\t\\u{7f}"
        );
        assert_eq!(block("pay\n  fee 0\r"), ["    │ pay", "    │   fee 0\\r"]);
    }
}
